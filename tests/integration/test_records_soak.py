"""A small one of `tests/soak/records.py`: a failing receiver, an hour down, a worker that is killed."""

import asyncio
import runpy
from pathlib import Path

SOAK = runpy.run_path(str(Path(__file__).parents[1] / "soak" / "records.py"))


def test_every_record_arrives_in_order_whatever_happens(tmp_path: Path) -> None:
    """In the order of its account, a repeat under the id that it had."""
    seen = asyncio.run(SOAK["play"](records=120, accounts=20, kills=2, seed=7, folder=tmp_path))
    assert SOAK["judged"](seen, 120) == []
    assert seen.refused > 12
