"""A hook for Callgate: how risky is a call, from 0 to 1. Rules see it as `hook_risk`, here by what the app says of its user.

Install it beside Callgate, and write rules such as:

    condition = 'hook_risk > 0.8 && rate_per_minute > 0.10'
"""

from collections.abc import Mapping
from typing import Any

RISKY = {"new": 0.9, "trial": 0.5}


def risk(call: Mapping[str, Any]) -> float:
    """Plain functions run in a thread, `async def` on the server's event loop; both have a quarter of a second."""
    return RISKY.get(call["headers"].get("plan", ""), 0.1)
