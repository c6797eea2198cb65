"""Schemathesis over the whole API of a real server: every phase, many examples. Fails when it finds anything.

    python tests/soak/api_fuzz.py [--examples 100] [--seed 1]

It runs in `.venv-fuzz`, which `make soak` installs. The live feed is left out: it has no end to wait for.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".venv-fuzz/bin/schemathesis"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="callgate-fuzz-") as folder:
        settings = {"CALLGATE_PORT": str(port), "CALLGATE_API_REQUESTS_PER_S": "0"}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CALLGATE_")} | settings

        def command(*words: str) -> str:
            done = subprocess.run(  # noqa: S603 - our own program
                [sys.executable, "-m", "callgate", *words],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
            return done.stdout

        command("init")
        command("app", "add", "APP", "c2VjcmV0")
        token = json.loads(command("token", "create", "fuzz", "--role", "admin", "--json"))["token"]
        server = subprocess.Popen([sys.executable, "-m", "callgate", "serve"], cwd=folder, env=environment)
        try:
            began_at = time.monotonic()
            done = subprocess.run(  # noqa: S603 - a tool of ours
                [
                    PROGRAM, "--config-file", ROOT / "tests/schemathesis.toml", "run",
                    f"http://127.0.0.1:{port}/api/v1/openapi.json", "--header", f"Authorization: Bearer {token}",
                    "--exclude-path", "/api/v1/events", "--wait-for-schema", "30", "--request-timeout", "30",
                    "--max-examples", str(asked.examples), "--seed", str(asked.seed), "--no-color",
                ],
                check=False,
                cwd=folder,
            )  # fmt: skip
            command("ledger", "verify")
            sys.stdout.write(f"schemathesis: exit {done.returncode} after {time.monotonic() - began_at:.0f} s\n")
            return done.returncode
        finally:
            server.terminate()
            server.wait(10)


if __name__ == "__main__":
    sys.exit(main())
