"""Load: calls by the thousand against any callback server, every answer looked at, every second of talk accounted for."""
