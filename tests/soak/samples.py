"""A little of each program here that runs real servers, on servers and databases that are started once.

python tests/soak/samples.py
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import failover
import kill_loop
import nodes
import race
import two_nodes

ENGINES = {"sqlite": 20, "postgres": 10}
"""Cycles, and rounds, on each."""

PAIRS = 2


def main() -> int:
    found: dict[str, Any] = {}
    with nodes.nursery() as nursery:
        for name, count in ENGINES.items():
            with nodes.ENGINES[name]() as engine:
                figures = kill_loop.Figures()
                asked = argparse.Namespace(cycles=count, seed=1)
                asyncio.run(kill_loop.run(nursery, engine, asked, figures))
                found[f"kill {name}"] = vars(figures)
                found[f"race {name}"] = asyncio.run(race.run(nursery, engine, race.NODES[name], count))
                if name == "postgres":
                    found["two nodes"] = asyncio.run(two_nodes.run(nursery, engine, PAIRS))
        with tempfile.TemporaryDirectory(prefix="callgate-trio-", ignore_cleanup_errors=True) as folder:
            chances = random.Random(1)  # noqa: S311 - chances, not secrets
            trio = Path(folder, "one")
            found["failover"] = asyncio.run(failover.one_round(nursery, trio, chances, is_control=False))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
