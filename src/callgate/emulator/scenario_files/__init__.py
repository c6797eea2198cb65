"""Scenario files: calls, what is done to them, and what is expected of it, in TOML."""
