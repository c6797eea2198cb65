"""The simulator at length: many seeds, as many at once as there are processors, and what they went through.

python tests/soak/simulator.py [--events 100000] [--seeds 100] [--first 1] [--at-once 2] [--json]
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[2] / "src"


def simulate(seed: int, events: int) -> dict[str, Any]:
    """One seed, in a process of its own."""
    words = ["simulate", "--seed", str(seed), "--events", str(events), "--json"]
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "callgate", *words],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        check=False,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    if report["broken"]:
        sys.stderr.write(f"seed {seed} breaks {report['broken']['rule']}: {report['broken']['explanation']}\n")
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=100_000, help="of each seed")
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    asked = parser.parse_args()
    started = time.perf_counter()
    with ThreadPoolExecutor(asked.at_once) as pool:
        seeds = range(asked.first, asked.first + asked.seeds)
        reports = list(pool.map(lambda seed: simulate(seed, asked.events), seeds))
    took_s = time.perf_counter() - started
    kinds: Counter[str] = Counter()
    for report in reports:
        kinds.update(report["kinds"])
    events = sum(report["events"] for report in reports)
    broken = {report["seed"]: report["broken"] for report in reports if report["broken"]}
    if asked.json:
        figures = {"events": events, "seeds": asked.seeds, "took_s": round(took_s), "kinds": kinds, "broken": broken}
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    else:
        sys.stdout.write(
            f"{events} events over {asked.seeds} seeds in {took_s:.0f} s ({events / took_s:.0f} a second)\n"
        )
        sys.stdout.write(", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) + "\n")
        sys.stdout.write(f"{len(broken)} seeds broke a promise\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
