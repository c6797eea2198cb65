"""What library mode costs: loading it in a fresh interpreter, and proving, reading and answering one callback.

The least of many rounds counts, in processor time: what else the machine does only ever adds. A callback is compared with
its hashes, which no Python could spare, so that the figure means the same on any machine.
"""

import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import md5, sha256

from callgate import Callgate
from callgate.protocol import WireRequest, sinch

KEY = "5f1c7a2e-93d0-4b57-8a6e-0c2b7d4e9f10"
SECRET = b64encode(b"thirty-two bytes, no more or less").decode()
PATH = "/callbacks/sinch"
BODY = (
    b'{"event":"ice","callid":"c1","timestamp":"2026-11-25T00:00:00Z","version":1,"applicationKey":"'
    + KEY.encode()
    + b'",'
    b'"user":"alice","callResourceUrl":"https://calling-euc1.api.sinch.com/calling/v1/calls/id/c1","userRate":'
    b'{"currencyId":"USD","amount":0.0095},"cli":"","to":{"type":"number","endpoint":"+46700000001"},"domain":"pstn",'
    b'"originationType":"MXP","duration":0,"rdnis":""}'
)
NOW = datetime(2026, 11, 25, tzinfo=UTC)

IMPORT_GOAL_MS = 60
CALLBACK_GOAL_US = 8

_TIMED_IMPORT = """
import sys, time
sys.modules.update(dict.fromkeys(("typing_extensions",)))  # as where msgspec alone is installed
began = time.process_time()
from callgate import Callgate
print(time.process_time() - began)
"""


def import_ms(rounds: int = 9) -> float:
    """Milliseconds to load `Callgate` into an interpreter that has loaded nothing yet."""
    command = [sys.executable, "-c", _TIMED_IMPORT]
    return 1_000 * min(float(subprocess.check_output(command)) for _ in range(rounds))  # noqa: S603 - our own code


def callback_us(rounds: int = 60) -> float:
    """Microseconds to prove, read and answer one callback."""
    request = WireRequest(method="POST", path=PATH, headers=sinch.sign("POST", PATH, BODY, KEY, SECRET, NOW), body=BODY)
    secrets = {KEY: [SECRET]}

    def answer() -> bytes:
        sinch.verify(request, secrets, NOW)
        event = sinch.read(request)
        assert isinstance(event, sinch.Ice), "the body says so"
        return sinch.Svaml(action=sinch.ConnectPstn(max_duration=600)).to_json()

    return _least_us(answer, rounds)


def gate_us(rounds: int = 60) -> float:
    """Microseconds that `Callgate.answer` takes for it, with a handler that decides at once."""
    request = WireRequest(method="POST", path=PATH, headers=sinch.sign("POST", PATH, BODY, KEY, SECRET, NOW), body=BODY)
    gate = Callgate(applications={KEY: SECRET})
    gate.ice(lambda _: sinch.ConnectPstn(max_duration=600))
    return _least_us(lambda: gate.answer(request, NOW), rounds)


def hashes_us(rounds: int = 60) -> float:
    """Microseconds of the hashes that a signature of that body is made of, from states that are kept ready."""
    inner, outer, text = sha256(bytes(64)), sha256(bytes(64)), bytes(150)

    def hashes() -> bytes:
        md5(BODY, usedforsecurity=False).digest()
        first, second = inner.copy(), outer.copy()
        first.update(text)
        second.update(first.digest())
        return second.digest()

    return _least_us(hashes, rounds)


def _least_us(work: Callable[[], object], rounds: int, repeats: int = 2_000) -> float:
    least_s = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(repeats):
            work()
        least_s = min(least_s, time.process_time() - began)
    return least_s / repeats * 1_000_000


if __name__ == "__main__":
    sys.stdout.write(
        f"import        {import_ms():6.1f} ms, goal under {IMPORT_GOAL_MS}\n"
        f"one callback  {callback_us():6.1f} us, goal under {CALLBACK_GOAL_US}; its hashes alone {hashes_us():.1f}\n"
        f"by the gate   {gate_us():6.1f} us, a handler that decides at once included\n"
    )
