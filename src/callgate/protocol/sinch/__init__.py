"""Sinch Voice, version 1: the wire, its signature, and its translation to neutral words."""
