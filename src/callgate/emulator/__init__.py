"""Plays the platform over HTTP: sees the wire and nothing behind it."""
