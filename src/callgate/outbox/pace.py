"""How much of a server's time goes into deliveries while it decides calls: a share, never much at once, and always some."""

SHARE = 0.25
"""Of the time that goes by, what the server may use, calls included, and still send as often as it ever does beside calls."""

SHORTEST_GAP_S, LONGEST_GAP_S = 0.0016, 0.003
"""From the beginning of an attempt to that of the next: at most some six hundred a second, on a busy server three hundred."""


def pause_s(used_s: float, passed_s: float) -> float:
    """How long to wait before an attempt begins, where since the last one began so much processor time was used, by calls or
    by attempts, and so much time has passed.
    """
    gap_s = min(max(SHORTEST_GAP_S, used_s / SHARE), LONGEST_GAP_S)
    return max(0.0, gap_s - passed_s)
