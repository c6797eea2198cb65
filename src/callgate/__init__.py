"""Callgate: the gate that every call asks before it connects.

`import callgate` loads nothing; `callgate.protocol` needs msgspec alone, the server the extra `server`.
"""

__version__ = "0.1.0"
