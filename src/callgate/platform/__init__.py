"""Asking the platforms: their own interfaces over HTTP. What is asked, and what an answer means, is `protocol`'s."""
