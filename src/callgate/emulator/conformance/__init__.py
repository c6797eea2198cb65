"""Conformance: is a callback server safe and correct? Whoever wrote it, in whatever language, by what it answers."""
