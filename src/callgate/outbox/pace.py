"""How much of a server's time goes into deliveries while it decides calls: a share, and never much at once."""

SHARE = 0.15
"""Of the time that goes by, what the server may use, calls included, and still begin an attempt without a pause before it."""

LONGEST_PAUSE_S = 0.003
"""However busy a server is, some three hundred attempts a second begin: a backlog moves."""


def pause_s(used_s: float, passed_s: float) -> float:
    """How long to wait before an attempt begins, where since the last one began so much processor time was used, by calls or
    by attempts, and so much time has passed.
    """
    return min(max(0.0, used_s / SHARE - passed_s), LONGEST_PAUSE_S)
