"""Controlling the emulated platform by hand: a JSON API, and pages with a phone pad and the journal."""

from callgate.emulator.control.app import build_app

__all__ = ["build_app"]
