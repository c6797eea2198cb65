"""Checks of the answers: every kind of event is answered, legally, also the ones that a server was not written for."""

from typing import Any

from callgate.emulator.conformance.report import Check, Finding, Mark
from callgate.emulator.conformance.sender import Sender
from callgate.emulator.conformance.verdicts import legal, taken, worst

DID = "+12025550199"


def checks() -> list[Check]:
    """Every check of this subject, in the order of the report."""
    return [
        Check(
            "ice-of-every-kind",
            "calls from phones, over SIP, to users, conferences and rented numbers are answered with legal SVAML",
            "answer `hangup` to every incoming call that you do not want",
            _ices,
        ),
        Check(
            "ice-of-few-fields",
            "an incoming call without its usual fields is answered with legal SVAML",
            "take every field but `event` for one that may be missing",
            _bare,
        ),
        Check(
            "unknown-fields",
            "fields that nobody knows are passed over",
            "ignore fields that you do not know: the platform adds some now and then",
            lambda sender: legal(sender.send(sender.event("ice", sender.new_call(), novelty={"a": [1]})), "ice"),
        ),
        Check(
            "ace",
            "an answered call is answered with legal SVAML",
            "answer `continue`, or `hangup`",
            _ace,
        ),
        Check(
            "ace-of-a-stranger",
            "an answered call that was never announced is answered with legal SVAML",
            "answer `hangup` to an answered call that you do not know",
            lambda sender: legal(sender.send(sender.event("ace", sender.new_call())), "ace"),
        ),
        Check(
            "pie",
            "keys pressed in a menu, none pressed, and a caller who left are answered with legal SVAML",
            "answer every prompt input: `continue` or `hangup` where you have no menu",
            _pies,
        ),
        Check("dice", "the end of a call is taken", "answer 200; the body does not matter", _dices),
        Check(
            "notify",
            "notifications are taken",
            "answer 200 to every notification, also of types that you do not know",
            _notices,
        ),
        Check(
            "unknown-event",
            "an event of a kind that nobody knows is taken",
            "answer 200 and `{}` to an event that you do not know: new kinds come without a warning",
            _unknown,
        ),
        Check(
            "content-type",
            "answers are called JSON",
            "send `content-type: application/json`",
            _content_type,
        ),
    ]


def _ices(sender: Sender) -> Finding:
    phone: dict[str, Any] = {"user": None, "cli": "+46701740605", "originationType": "PSTN", "userRate": None}
    kinds: list[dict[str, Any]] = [
        phone | {"to": {"type": "did", "endpoint": DID}},
        phone | {"to": {"type": "did", "endpoint": DID}, "cli": ""},
        {"to": {"type": "username", "endpoint": "nobody"}, "domain": "mxp", "cli": None},
        {"to": {"type": "conference", "endpoint": "a-room"}, "domain": "mxp"},
        {"to": {"type": "sip", "endpoint": "someone@example.com"}, "domain": "mxp"},
        {"to": {"type": "Number", "endpoint": sender.number.removeprefix("+")}, "domain": "PSTN"},
    ]
    return worst([legal(sender.send(sender.event("ice", sender.new_call(), **each)), "ice") for each in kinds])


def _bare(sender: Sender) -> Finding:
    event = {"event": "ice", "callid": sender.new_call()}
    lean = sender.event("ice", sender.new_call(), to=None, cli=None, user=None, userRate=None, custom=None)
    return worst([legal(sender.send(each), "ice") for each in (event, lean)])


def _ace(sender: Sender) -> Finding:
    call_id = sender.new_call()
    sender.send(sender.event("ice", call_id))
    plain = legal(sender.send(sender.event("ace", call_id)), "ace")
    return worst([plain, _ace_of_a_machine(sender)])


def _ace_of_a_machine(sender: Sender) -> Finding:
    call_id = sender.new_call()
    sender.send(sender.event("ice", call_id))
    amd = {"status": "machine", "reason": "longgreeting", "duration": 4}
    return legal(sender.send(sender.event("ace", call_id, amd=amd)), "ace")


def _pies(sender: Sender) -> Finding:
    inputs: list[dict[str, str]] = [
        {"menuId": "main", "type": "return", "value": "1", "inputMethod": "dtmf"},
        {"menuId": "main", "type": "sequence", "value": "1234", "inputMethod": "dtmf"},
        {"menuId": "main", "type": "timeout"},
        {"menuId": "main", "type": "hangup"},
    ]
    call_id = sender.new_call()
    sender.send(sender.event("ice", call_id))
    return worst([legal(sender.send(sender.event("pie", call_id, menuResult=each)), "pie") for each in inputs])


def _dices(sender: Sender) -> Finding:
    ends: list[dict[str, Any]] = [{}, {"reason": "SOMETHINGNEW", "result": "N/A"}]
    findings = []
    for end in ends:
        call_id = sender.new_call()
        sender.send(sender.event("ice", call_id))
        findings.append(taken(sender.send(sender.event("dice", call_id, **end))))
    return worst(findings)


def _notices(sender: Sender) -> Finding:
    told: list[dict[str, Any]] = [
        {},
        {"callid": None, "applicationKey": None},
        {"type": "callingerror", "errorCode": 40001, "errorMsg": "Illegal SVAML"},
        {"type": "something_new"},
    ]
    return worst([taken(sender.send(sender.event("notify", sender.new_call(), **each))) for each in told])


def _unknown(sender: Sender) -> Finding:
    return taken(sender.send(sender.event("novelty", sender.new_call())))


def _content_type(sender: Sender) -> Finding:
    outcome = sender.send(sender.event("ice", sender.new_call()))
    is_json = "json" in outcome.content_type.lower()
    return Finding(Mark.PASS if is_json else Mark.ADVICE, outcome.content_type or "none is given")
