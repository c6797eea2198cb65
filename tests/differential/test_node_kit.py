"""Our verdict on a thousand requests, and that of the platform's own kit for Node: the same, except where the kit is wrong.

Each place where it is wrong is a way of damaging a request below, with the reason, and both verdicts are expected there:
a kit that learns better fails this test as much as we do when we unlearn something.
"""

import random
import subprocess
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from callgate.protocol import WireRequest, sinch

HERE = Path(__file__).parent
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Sent(NamedTuple):
    """A request, and how the receiver is set up: its key and secret, and one that was replaced."""

    request: WireRequest
    key: str
    secret: str
    old_secret: str


Damage = Callable[[Sent, random.Random], WireRequest]


def with_(sent: Sent, **changed: Any) -> WireRequest:
    headers = dict(sent.request.headers) | changed.pop("headers", {})
    kept = {name: value for name, value in headers.items() if value is not None}
    return msgspec.structs.replace(sent.request, headers=kept, **changed)


def signed_again(sent: Sent, stamp: str, content_type: str, **changed: Any) -> WireRequest:
    """Sign with the right secret over a time stamp and a content type as they are given."""
    request = with_(sent, **changed)
    text = sinch.string_to_sign(request.method, request.path, request.body, stamp, content_type)
    authorization = f"application {sent.key}:{sinch.signature_of(sent.secret, text)}"
    return msgspec.structs.replace(request, headers=dict(request.headers) | {"authorization": authorization})


def stamp_of(sent: Sent) -> str:
    return sent.request.headers["x-timestamp"]


def flip(text: str, dice: random.Random) -> str:
    """Change one character to another one."""
    at = dice.randrange(len(text))
    return text[:at] + dice.choice("abcXYZ019".replace(text[at], "")) + text[at + 1 :]


def another_signature(sent: Sent, dice: random.Random) -> WireRequest:
    scheme_and_key, _, signature = sent.request.headers["authorization"].rpartition(":")
    damaged = dice.choice([flip(signature[:-2], dice) + signature[-2:], signature[:-1], signature[:10], "", "=" * 44])
    return with_(sent, headers={"authorization": f"{scheme_and_key}:{damaged}"})


def another_body(sent: Sent, dice: random.Random) -> WireRequest:
    body = sent.request.body
    return with_(sent, body=dice.choice([body + b"\n", body[:-1] or b"{}", b" " + body, body + body + b"{}"]))


def another_scheme(sent: Sent, dice: random.Random) -> WireRequest:
    word = dice.choice(["Instance", "service", "Bearer", "applications"])
    return with_(sent, headers={"authorization": word + " " + sent.request.headers["authorization"].partition(" ")[2]})


def spelled_otherwise(sent: Sent, dice: random.Random) -> WireRequest:
    spell = dice.choice([str.title, str.upper, str.lower])
    request = with_(sent, method=dice.choice([sent.request.method, sent.request.method.lower()]))
    scheme, _, rest = request.headers["authorization"].partition(" ")
    headers = dict(request.headers) | {"authorization": f"{spell(scheme)} {rest}"}
    return msgspec.structs.replace(request, headers={spell(name): value for name, value in headers.items()})


AGREED: dict[str, Damage] = {
    "none": lambda sent, _: sent.request,
    "spelled otherwise": spelled_otherwise,
    "signature": another_signature,
    "body": another_body,
    "scheme": another_scheme,
    "path": lambda sent, _: with_(sent, path=sent.request.path + "/"),
    "path in another spelling": lambda sent, _: with_(sent, path=sent.request.path.replace("/", "/%2e/", 1)),
    "method": lambda sent, _: with_(sent, method="PUT"),
    "content type": lambda sent, _: with_(sent, headers={"content-type": "text/plain"}),
    "timestamp": lambda sent, dice: with_(
        sent, headers={"x-timestamp": f"2026-11-23T12:00:{dice.randrange(10, 60)}.5Z"}
    ),
    "no authorization": lambda sent, _: with_(sent, headers={"authorization": None}),
    "key in another case": lambda sent, _: with_(
        sent, headers={"authorization": sent.request.headers["authorization"].replace(sent.key, sent.key.swapcase())}
    ),
    "key": lambda sent, dice: with_(
        sent,
        headers={"authorization": sent.request.headers["authorization"].replace(sent.key, flip(sent.key, dice) + "-")},
    ),
    "line breaks that move": lambda sent, _: with_(
        sent, headers={"content-type": "application/json\nx-timestamp:" + stamp_of(sent)}
    ),
}
"""What happens to a request on its way. Both say the same of it, yes or no."""


class Wrong(NamedTuple):
    """Something that the kit gets wrong."""

    damage: Damage
    ours: bool
    why: str


KIT_IS_WRONG = {
    "no time stamp": Wrong(
        lambda sent, _: signed_again(
            sent, "undefined", sent.request.headers["content-type"], headers={"x-timestamp": None}
        ),
        ours=False,
        why="a missing x-timestamp is signed as `undefined` instead of refused, so that such a request is good for ever",
    ),
    "a time stamp that is no time": Wrong(
        lambda sent, _: signed_again(
            sent, "yesterday", sent.request.headers["content-type"], headers={"x-timestamp": "yesterday"}
        ),
        ours=False,
        why="it does not look at the time at all",
    ),
    "too old or too new": Wrong(
        lambda sent, dice: signed_again(
            sent,
            stamp := (NOW + timedelta(seconds=dice.choice([-1, 1]) * dice.randint(301, 10**7))).isoformat(),
            sent.request.headers["content-type"],
            headers={"x-timestamp": stamp},
        ),
        ours=False,
        why="it knows no freshness, so that a request may be sent again at any time",
    ),
    "secret in clear": Wrong(
        lambda sent, _: with_(sent, headers={"authorization": f"Basic {sent.key}:{sent.secret}"}),
        ours=False,
        why="it takes `Basic KEY:SECRET`, which is no HTTP Basic, as proof: nothing of the request is signed",
    ),
    "no content type": Wrong(
        lambda sent, _: signed_again(sent, stamp_of(sent), "", headers={"content-type": None}),
        ours=True,
        why="a missing content type is an empty line, but it signs `undefined`",
    ),
    "the other secret": Wrong(
        lambda sent, _: with_(
            sent,
            headers={
                "authorization": f"application {sent.key}:"
                + sinch.signature_of(
                    sent.old_secret,
                    sinch.string_to_sign(
                        sent.request.method,
                        sent.request.path,
                        sent.request.body,
                        stamp_of(sent),
                        sent.request.headers["content-type"],
                    ),
                )
            },
        ),
        ours=True,
        why="it knows one secret, so that callbacks are lost while it is changed",
    ),
    "a body that is not UTF-8": Wrong(
        lambda sent, _: signed_again(
            sent, stamp_of(sent), sent.request.headers["content-type"], body=b'{"event":"ice","custom":"\xe9"}'
        ),
        ours=True,
        why="it wants the body as text, and the digest is one of bytes; what the body says is judged later",
    ),
}
"""Where the verdicts differ. Source of most: what the platform's kits leave out, as read in their code."""


def send(dice: random.Random) -> Sent:
    """Make up a genuine request, fresh, with everything in it that a kit might stumble over."""
    secret, old = (
        dice.choice([b64encode, urlsafe_b64encode])(dice.randbytes(dice.choice([1, 16, 17, 32, 65]))).decode()
        for _ in range(2)
    )
    secret = secret.rstrip("=") if dice.random() < 0.3 else secret
    key = "".join(dice.choices("0123456789ABCDEF", k=8)) + "-" + "".join(dice.choices("abcdef", k=4))
    event = {
        "event": dice.choice(["ice", "ace", "pie", "dice", "notify"]),
        "callid": dice.randbytes(8).hex(),
        "custom": dice.choice(["", "plain", "na\u00efve \u260e \U0001f4de", '{"a": "b"}', "\u0000", "x" * 3000]),
    }
    body = b"" if dice.random() < 0.1 else dice.choice([msgspec.json.encode(event), repr(event).encode()])
    path = "/" + "/".join(
        dice.choices(["callbacks", "sinch", "a%20b", "a+b", "", "%C3%A9", "~", "x=1"], k=dice.randint(0, 4))
    )
    content_type = dice.choice(
        ["application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8"]
    )
    now = NOW + timedelta(seconds=dice.randint(-300, 299), microseconds=dice.choice([0, 7, 999_999]))
    method = dice.choice(["POST", "POST", "POST", "GET", "DELETE"])
    headers = sinch.sign(method, path, body, key, secret, now, content_type)
    return Sent(WireRequest(method=method, path=path, headers=headers, body=body), key, secret, old)


def verdicts_of_the_kit(node: str, sent: list[tuple[Sent, WireRequest]]) -> list[bool]:
    lines = [
        msgspec.json.encode(
            {
                "key": before.key,
                "secret": before.secret,
                "method": request.method,
                "path": request.path,
                "headers": request.headers,
                "body": request.body,
            }
        )
        for before, request in sent
    ]
    done = subprocess.run(  # noqa: S603 - our own script
        [node, HERE / "verdicts.cjs"], input=b"\n".join(lines) + b"\n", capture_output=True, check=False, timeout=60
    )
    assert done.stderr == b""
    return [line == b"true" for line in done.stdout.splitlines()]


def is_genuine(sent: Sent, request: WireRequest) -> bool:
    try:
        sinch.verify(request, {sent.key: [sent.secret, sent.old_secret]}, NOW)
    except sinch.SignatureInvalid:
        return False
    return True


def test_a_thousand_requests_are_judged_as_the_platforms_own_kit_does(node: str) -> None:
    """Signed and damaged ones, each way of damage as often as every other; an undamaged one is always genuine."""
    dice = random.Random(669)  # noqa: S311 - no secret is made of it
    kinds = [*AGREED, *KIT_IS_WRONG]
    cases: list[tuple[str, Sent, WireRequest]] = []
    for number in range(1000):
        kind, sent = kinds[number % len(kinds)], send(dice)
        damage = AGREED[kind] if kind in AGREED else KIT_IS_WRONG[kind].damage
        cases.append((kind, sent, damage(sent, dice)))

    theirs = verdicts_of_the_kit(node, [(sent, request) for _, sent, request in cases])
    assert len(theirs) == len(cases)
    for (kind, sent, request), verdict in zip(cases, theirs, strict=True):
        wrong = KIT_IS_WRONG.get(kind)
        ours = is_genuine(sent, request)
        expected = (wrong.ours, not wrong.ours) if wrong else (verdict, verdict)
        assert (ours, verdict) == expected, f"{kind}: {wrong.why if wrong else ''}: {request}"
        assert ours or kind not in {"none", "spelled otherwise"}, f"{kind}: {request}"
        assert not ours or wrong or kind in {"none", "spelled otherwise"}, f"{kind}: {request}"
