"""Runs all checks against one server, in order, and ends every call that they began."""

from collections.abc import Callable

from callgate.emulator.conformance import events, repeats, robust, signature
from callgate.emulator.conformance.report import Check, Checked, Conformance, Finding, Mark
from callgate.emulator.conformance.sender import Sender
from callgate.emulator.target import must_be_fit
from callgate.emulator.transport import NoAnswer, Transport
from callgate.errors import TargetUnreachable

CALLER, NUMBER = "alice", "+12025550143"
"""Who calls whom, where nobody says otherwise. The number is one of those that are kept free for fiction."""


def check_conformance(  # noqa: PLR0913 - what a check is made of
    transport: Transport,
    key: str,
    secret: str,
    *,
    caller: str = CALLER,
    number: str = NUMBER,
    on_checked: Callable[[Checked], None] | None = None,
) -> Conformance:
    """Ask a server everything. `on_checked` hears each line as soon as it is known.

    Raises `TargetUnreachable` where nothing answers, `TargetUnfit` where it is no callback server that does.
    """
    sender = Sender(transport, key, secret, caller=caller, number=number)
    _look_at_the_door(sender)
    checked: list[Checked] = []
    is_taken = True
    try:
        for check in all_checks():
            finding = (
                check.look(sender) if is_taken else Finding(Mark.SKIPPED, "not tried, since nothing signed is taken")
            )
            is_taken = is_taken and not (check.name == "signed" and finding.mark is Mark.FAIL and _is_refusal(sender))
            checked.append(_line(check, finding))
            if on_checked is not None:
                on_checked(checked[-1])
    finally:
        sender.end_all()
    return Conformance(target=transport.url, checks=checked)


def all_checks() -> list[Check]:
    """Every check, in the order of the report."""
    return [
        *signature.checks(),
        *events.checks(),
        *repeats.checks(),
        *robust.checks(),
        signature.leaks(),
        robust.deadline(),
        robust.encryption(),
    ]


def _line(check: Check, finding: Finding) -> Checked:
    is_well = finding.mark in (Mark.PASS, Mark.SKIPPED)
    return Checked(
        name=check.name, mark=finding.mark, says=check.says, found=finding.found, todo="" if is_well else check.todo
    )


def _is_refusal(sender: Sender) -> bool:
    """Whether the server refuses what we sign altogether, so that it would pass every check of a refusal."""
    return sender.send(sender.event("notify", sender.new_call())).status in (401, 403)


def _look_at_the_door(sender: Sender) -> None:
    """Look what answers at all, before anything is judged."""
    headers, body = sender.sign(
        b'{"event":"notify","callid":"%b","type":"callgate_conformance"}' % sender.new_call().encode()
    )
    transport = sender.transport
    try:
        answer = transport.send("POST", transport.requested, headers, body)
    except NoAnswer as error:
        raise TargetUnreachable(transport.url, str(error)) from None
    must_be_fit(transport.url, answer.status, answer.headers, answer.body)
