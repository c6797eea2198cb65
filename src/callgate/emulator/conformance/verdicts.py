"""From an answer to a finding: must it be taken, must it be refused, must it be as the first one was."""

from callgate.emulator.conformance.report import Finding, Mark
from callgate.emulator.conformance.sender import Outcome, fault_of


def legal(outcome: Outcome, event: str) -> Finding:
    """Pass a 2xx answer with SVAML that this event may be answered with."""
    if not outcome.is_taken:
        return Finding(Mark.FAIL, outcome.shown)
    fault = fault_of(outcome, event)
    return Finding(Mark.PASS, outcome.shown) if fault is None else Finding(Mark.FAIL, f"{outcome.shown}: {fault}")


def taken(outcome: Outcome) -> Finding:
    """Pass any 2xx answer."""
    return Finding(Mark.PASS if outcome.is_taken else Mark.FAIL, outcome.shown)


def refused(outcome: Outcome, otherwise: Mark = Mark.FAIL) -> Finding:
    """Pass a 4xx answer; a failure of the server is none. `otherwise` is what a 2xx is worth."""
    if outcome.is_refused:
        return Finding(Mark.PASS, outcome.shown)
    return Finding(otherwise if outcome.is_taken else Mark.FAIL, outcome.shown)


def survived(outcome: Outcome) -> Finding:
    """Pass a 4xx answer; take a 2xx for advice; fail what broke the server."""
    return refused(outcome, Mark.ADVICE)


def is_same(first: Outcome, second: Outcome) -> bool:
    """Whether a repeat was answered as the first was; how the JSON is written does not matter."""
    if (first.status, first.body) == (second.status, second.body):
        return True
    return first.status == second.status and first.json() is not None and first.json() == second.json()


def same(first: Outcome, second: Outcome) -> Finding:
    """Pass two 2xx answers that say the same."""
    if not first.is_taken:
        return Finding(Mark.FAIL, first.shown)
    if is_same(first, second):
        return Finding(Mark.PASS, second.shown)
    return Finding(Mark.FAIL, f"first {first.shown}, then {second.shown}")


def worst(findings: list[Finding]) -> Finding:
    """Return the first that failed, else the first with advice, else the first."""
    for mark in (Mark.FAIL, Mark.ADVICE):
        for finding in findings:
            if finding.mark is mark:
                return finding
    return findings[0]
