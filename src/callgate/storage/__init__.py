"""Engines that keep the books: SQL and locks, none of the rules."""
