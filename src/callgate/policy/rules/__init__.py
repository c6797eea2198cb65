"""Operators' own rules: what their document says, which facts their conditions see, and what they come to for one call."""
