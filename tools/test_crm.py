"""A real CRM, Tryton, gets a contact and a call from an emulated call: the whole way, with nothing of ours in between played.

Run by `make test-crm` with the folder of an environment that has Tryton. Everything else lives in a folder that goes away.
"""

import base64
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
NUMBER = "+46701740605"
KEY, SECRET = "ca119a7e-0000-4000-8000-00000000c123", "YSBzZWNyZXQ="
DECK = (
    "prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from\n4670,Sweden,0.02,0,60,60,2020-01-01\n"
)
PATIENCE_S = 60.0


def main(tryton: Path) -> None:
    """Say what is done as it is done; leave with 1 at the first thing that is not as it should be."""
    with tempfile.TemporaryDirectory(prefix="callgate-crm-") as name:
        folder = Path(name)
        began_at = time.monotonic()
        with crm(tryton.resolve() / "bin", folder) as ask, gate(folder) as (callgate, hook):
            say("Tryton and Callgate answer", began_at)
            credentials = json.dumps({"user": "admin", "password": PASSWORD})
            (folder / "credentials").write_text(credentials)
            add = ("endpoint", "add", ask.url, "--kind", "tryton", "--token-file", "credentials", "--allow-private")
            endpoint = json.loads(callgate(*add, "--set", "on_missing=create", "--json"))["id"]
            say(callgate("endpoint", "test", endpoint).strip(), began_at)
            place(callgate, hook)
            notes = wait_for("a note on the call", lambda: ask("ir.note.search_read", [], 0, 10, None, FIELDS))
            (party,) = ask("party.party.search", [["contact_mechanisms.value_compact", "=", NUMBER]], 0, 10, None)
            check(notes[0]["resource"] == f"party.party,{party}", "the note is on the contact with the number")
            check("charged 0.04 USD" in notes[0]["message"], "the note has duration and charge")
            say("one contact, one call", began_at)
            callgate("deliveries", "resend", "--since", "1h", "--state", "delivered")
            wait_for("the resend", lambda: not json.loads(callgate("deliveries", "list", "--state", "next", "--json")))
            place(callgate, hook)
            notes = wait_for("a second note", lambda: two(ask("ir.note.search_read", [], 0, 10, None, FIELDS)))
            check(len(notes) == 2, "what is sent again makes no second entry")  # noqa: PLR2004 - two calls
            check(len({note["resource"] for note in notes}) == 1, "both calls are on the one contact")
            say("sent again without a second entry; another call on the same contact", began_at)


FIELDS = ["resource", "message"]
PASSWORD = "a-long-Password-77"  # noqa: S105 - of a database that goes away


def place(callgate: Callable[..., str], hook: str) -> None:
    callgate(
        "call",
        "--from",
        "user:alice",
        "--to",
        NUMBER,
        "--talk",
        "65s",
        "--target",
        hook,
        "--key",
        KEY,
        "--secret",
        SECRET,
    )


def two(found: list[Any]) -> list[Any]:
    return found if len(found) > 1 else []


def check(is_so: bool, what: str) -> None:  # noqa: FBT001 - a condition
    if not is_so:
        sys.exit(f"not so: {what}")


def say(what: str, began_at: float) -> None:
    sys.stdout.write(f"{time.monotonic() - began_at:5.1f} s  {what}\n")
    sys.stdout.flush()


def wait_for(what: str, look: Callable[[], Any]) -> Any:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            if found := look():
                return found
        except (OSError, ValueError):
            pass  # not yet
        time.sleep(0.2)
    sys.exit(f"waited in vain for {what}")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class Ask:
    """Asks Tryton as its own clients do."""

    def __init__(self, url: str) -> None:
        self.url = url
        word = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        self._headers = {"content-type": "application/json", "authorization": f"Basic {word}"}

    def __call__(self, method: str, *words: Any) -> Any:
        body = json.dumps({"id": 1, "method": f"model.{method}", "params": [*words, {}]}).encode()
        request = urllib.request.Request(f"{self.url}/crm/rpc/", data=body, headers=self._headers)  # noqa: S310 - ours
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - see above
            return json.load(answer)["result"]


@contextmanager
def started(words: list[str], folder: Path, log: str, env: dict[str, str]) -> Iterator[None]:
    with (folder / log).open("w") as file:
        process = subprocess.Popen(words, cwd=folder, env=env, stdout=file, stderr=file)  # noqa: S603 - ours
        try:
            yield
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def crm(bin_folder: Path, folder: Path) -> Iterator[Ask]:
    """Tryton on a fresh database with parties."""
    port = free_port()
    lines = ["[database]", "uri = sqlite://", f"path = {folder}", "[web]", f"listen = 127.0.0.1:{port}"]
    (folder / "trytond.conf").write_text("\n".join(lines))
    (folder / "password").write_text(PASSWORD)
    (folder / "crm.sqlite").touch()
    env = {**os.environ, "TRYTONPASSFILE": str(folder / "password")}
    admin = [str(bin_folder / "trytond-admin"), "-c", "trytond.conf", "-d", "crm"]
    for more in (["--all", "--email", "admin@example.com"], ["-u", "party", "--activate-dependencies"]):
        subprocess.run([*admin, *more], cwd=folder, env=env, check=True, capture_output=True)  # noqa: S603 - ours
    ask = Ask(f"http://127.0.0.1:{port}")
    with started([str(bin_folder / "trytond"), "-c", "trytond.conf", "-d", "crm"], folder, "trytond.log", env):
        wait_for("Tryton", lambda: ask("party.party.search", [], 0, 1, None) == [])
        yield ask


@contextmanager
def gate(folder: Path) -> Iterator[tuple[Callable[..., str], str]]:
    """A server with the connector installed, an application, an account and rates; gives a way to run commands."""
    site = folder / "site"
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([*pip, str(ROOT / "examples" / "tryton_connector")], check=True, capture_output=True)  # noqa: S603 - ours
    port = free_port()
    env = {**os.environ, "PYTHONPATH": str(site), "CALLGATE_PORT": str(port), "CALLGATE_DECISION_DEADLINE_MS": "10000"}

    def callgate(*words: str) -> str:
        done = subprocess.run(  # noqa: S603 - ours
            [PYTHON, "-m", "callgate", *words], cwd=folder, env=env, check=False, capture_output=True, text=True
        )
        said = re.sub(SECRET, "...", done.stdout + done.stderr)
        check(done.returncode == 0, f"callgate {words[0]} {words[1]} works: {said}")
        return done.stdout

    (folder / "deck.csv").write_text(DECK)
    callgate("init", "--json")
    callgate("app", "add", KEY, SECRET)
    callgate("app", "limits", KEY, "countries=SE")
    callgate("account", "create", "alice", "--currency", "USD")
    callgate("account", "topup", "alice", "10")
    callgate("rates", "import", "deck.csv", "--deck", "standard")
    with started([PYTHON, "-m", "callgate", "serve"], folder, "callgate.log", env):
        url = f"http://127.0.0.1:{port}"
        wait_for("Callgate", lambda: urllib.request.urlopen(f"{url}/readyz", timeout=5))  # noqa: S310 - ours
        yield callgate, f"{url}/callbacks/sinch"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
