"""Checks of the signature: what is genuine is taken, however it is written; what is not is refused, whatever differs."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from callgate.emulator.conformance.report import Check, Finding, Mark
from callgate.emulator.conformance.sender import OTHER_KEY, OTHER_SECRET, Outcome, Sender
from callgate.emulator.conformance.verdicts import legal, refused, taken, worst

AN_HOUR_S = 3_600.0
A_MINUTE_S = 60.0

VERIFY = "verify the signature of every callback before you read its body, over the bytes as they came"


class Damage(NamedTuple):
    """One ingredient that differs, and what a server that does not notice leaves out."""

    name: str
    says: str
    todo: str
    how: Mapping[str, Any]
    otherwise: Mark = Mark.FAIL


DAMAGED: Sequence[Damage] = (
    Damage("unsigned", "a callback without a signature is refused", VERIFY, {"without": ("authorization",)}),
    Damage("signature", "a signature with another character in it is refused", VERIFY, {"flip": True}),
    Damage(
        "secret",
        "a signature made with another secret is refused",
        "compute it with your own secret",
        {"secret": OTHER_SECRET},
    ),
    Damage(
        "unknown-key",
        "a key that is not yours is refused",
        "look the key of the Authorization header up among your own, and refuse any other",
        {"key": OTHER_KEY, "secret": OTHER_SECRET},
    ),
    Damage(
        "other-key",
        "your secret under another key is refused",
        "take the secret that belongs to the key of the Authorization header, and refuse a key that is not yours",
        {"key": OTHER_KEY},
    ),
    Damage("other-path", "a signature for another path is refused", "sign over the path", {"path": "/elsewhere"}),
    Damage("other-method", "a signature for another method is refused", "sign over the method", {"method": "PUT"}),
    Damage(
        "other-timestamp",
        "a time stamp that was not signed is refused",
        "sign over x-timestamp as it came",
        {"stamp": "2020-01-01T00:00:00Z", "sent_stamp": "now"},
    ),
    Damage(
        "no-timestamp",
        "a callback without x-timestamp is refused",
        "refuse what has no x-timestamp",
        {"without": ("x-timestamp",)},
    ),
    Damage(
        "other-content-type",
        "a content type that was not signed is refused",
        "sign over the content type as it came",
        {"sent_content_type": "application/json"},
    ),
    Damage(
        "stale",
        "a callback that was signed an hour ago is refused",
        "refuse a time stamp that is more than five minutes from now: whoever recorded a callback could send it again",
        {"age_s": AN_HOUR_S},
    ),
    Damage(
        "future",
        "a callback that was signed an hour ahead is refused",
        "refuse a time stamp that is more than five minutes from now, in either direction",
        {"age_s": -AN_HOUR_S},
    ),
    Damage(
        "other-scheme",
        "a scheme that is not `application` is refused",
        "read the first word of the Authorization header",
        {"scheme": "Bearer"},
        Mark.ADVICE,
    ),
)


class Variant(NamedTuple):
    """A way to write what is genuine all the same."""

    name: str
    says: str
    todo: str
    hows: Sequence[Mapping[str, Any]]
    otherwise: Mark = Mark.FAIL


def _stamps() -> Sequence[Mapping[str, Any]]:
    now = datetime.now(UTC)
    return [{"stamp": f"{now:%Y-%m-%dT%H:%M:%S}{fraction}Z"} for fraction in ("", ".123", ".1234567")]


GENUINE: Sequence[Variant] = (
    Variant(
        "content-types",
        "content types are signed as they were sent, with and without charset",
        "sign over the header's whole value, and do not write it anew",
        [
            {"content_type": each}
            for each in ("application/json", "application/json;charset=UTF-8", "application/json; charset=utf-8")
        ],
    ),
    Variant(
        "header-names",
        "header names are read in any case",
        "compare names of headers without case",
        [{"is_titled": True}],
    ),
    Variant(
        "scheme-in-capitals",
        "the scheme is read in any case",
        "compare the scheme without case: the platform's older kits write `Application`",
        [{"scheme": "Application"}],
        Mark.ADVICE,
    ),
    Variant(
        "a-minute-old",
        "a callback that was signed a minute ago, or ahead, is taken",
        "allow some minutes either way: clocks differ, and networks are slow",
        [{"age_s": A_MINUTE_S}, {"age_s": -A_MINUTE_S}],
        Mark.ADVICE,
    ),
)


def checks() -> list[Check]:
    """Every check of this subject, in the order of the report."""
    return [
        Check(
            "signed",
            "a signed incoming call is taken, and answered with legal SVAML",
            "check the key, the secret, and that the path you sign over is that of the callback URL",
            lambda sender: legal(sender.send(sender.event("ice", sender.new_call())), "ice"),
        ),
        *(_damaged(damage) for damage in DAMAGED),
        Check("other-body", "a body that was changed on its way is refused", "sign over the body", _other_body),
        Check(
            "rewritten-body",
            "the same JSON, written otherwise than it was signed, is refused",
            "hash the bytes as they came: do not parse the body and write it anew",
            _rewritten_body,
        ),
        Check(
            "unusual-body",
            "JSON with blanks, escapes and another order of keys is taken as it was signed",
            "hash the bytes as they came: do not parse the body and write it anew",
            _unusual_body,
        ),
        Check(
            "unsigned-end",
            "the end of a call without a signature is refused",
            "verify every kind of event: whoever can forge an end can end calls in your books",
            lambda sender: _refused(sender.send(sender.event("dice", sender.new_call()), without=("authorization",))),
        ),
        Check(
            "other-application",
            "a body that names another application than the one that signed is refused",
            "compare applicationKey of the body with the key of the Authorization header",
            lambda sender: refused(
                sender.send(sender.event("ice", sender.new_call(), applicationKey=OTHER_KEY)), Mark.ADVICE
            ),
        ),
        *(_genuine(variant) for variant in GENUINE),
        Check(
            "timestamps",
            "time stamps with and without fractions of a second are taken",
            "read ISO 8601 with up to nine digits behind the point",
            lambda sender: worst([taken(sender.send(_ice(sender), **how)) for how in _stamps()]),
        ),
    ]


def leaks() -> Check:
    """Ask at the very end, when all refusals have been seen."""
    return Check(
        "no-secrets-told",
        "no answer tells the right signature or the secret",
        "tell whoever is refused nothing: write into your own log what differs",
        lambda sender: Finding(Mark.FAIL, sender.leaks[0]) if sender.leaks else Finding(Mark.PASS, "none does"),
    )


def _ice(sender: Sender) -> dict[str, Any]:
    return sender.event("ice", sender.new_call())


def _damaged(damage: Damage) -> Check:
    def look(sender: Sender) -> Finding:
        how = dict(damage.how)
        if how.get("sent_stamp") == "now":
            how["sent_stamp"] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return _refused(sender.send(_ice(sender), **how), damage.otherwise)

    return Check(damage.name, damage.says, damage.todo, look)


def _genuine(variant: Variant) -> Check:
    def look(sender: Sender) -> Finding:
        finding = worst([taken(sender.send(_ice(sender), **how)) for how in variant.hows])
        return finding if finding.mark is Mark.PASS else Finding(variant.otherwise, finding.found)

    return Check(variant.name, variant.says, variant.todo, look)


def _refused(outcome: Outcome, otherwise: Mark = Mark.FAIL) -> Finding:
    """401 and 403 say it well; any other 4xx refuses too, but a platform's people may take it for something else."""
    finding = refused(outcome, otherwise)
    if finding.mark is Mark.PASS and outcome.status not in (401, 403):
        return Finding(Mark.ADVICE, f"{outcome.shown}, where 401 says what is meant")
    return finding


def _other_body(sender: Sender) -> Finding:
    event = _ice(sender)
    other = msgspec.json.encode({**event, "callid": sender.new_call()})
    return _refused(sender.send(msgspec.json.encode(event), sent_body=other))


def _rewritten_body(sender: Sender) -> Finding:
    event = _ice(sender)
    rewritten = msgspec.json.format(msgspec.json.encode(event), indent=2)
    return _refused(sender.send(event, sent_body=rewritten))


def _unusual_body(sender: Sender) -> Finding:
    event = {**_ice(sender), "custom": "å/€"}
    backwards = dict(reversed(event.items()))
    text = msgspec.json.format(msgspec.json.encode(backwards), indent=3).decode()
    body = text.replace("å", "\\u00e5").replace("/", "\\/").encode()
    outcome = sender.send(body)
    sender.note(event, outcome)
    return taken(outcome)
