"""The demonstration application and its world, known to everybody.

Key and secret are published with the source: they are for `callgate dev`, which serves the loopback interface only, and
are what `callgate call` signs with when it is told no others. Never add them to a server that others can reach.
"""

KEY = "ca119a7e-0000-4000-8000-00000000de00"
"""Application key of the demonstration."""

SECRET = "Y2FsbGdhdGUtZGVtbw=="  # noqa: S105 - public on purpose; it spells callgate-demo
"""Application secret of the demonstration, base64 as every application secret."""

TARGET = "http://127.0.0.1:8080/callbacks/sinch"
"""Callback URL of a `callgate dev` that was started without further words."""

USERS = ("alice", "bob", "carol", "dave", "erin", "frank")
"""In-app users who place the demonstration's calls."""

PRICED = ("+46701740605", "+46846500400", "+442079460123", "+12025550143", "+61491570156", "+491751234567")
"""Destinations that the demonstration's deck should price. All but the last come from ranges kept free for fiction."""

UNPRICED = ("+882161234567", "+6799123456")
"""Valid numbers that the demonstration's deck should leave out: a satellite phone and Fiji."""

INVALID = ("+46123", "+999123456789")
"""What an app may let its user dial although no phone answers to it: too short, and a country code of nobody."""
