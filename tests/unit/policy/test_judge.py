"""What says no without looking at money."""

import pytest

from callgate.policy.account import Account, Status
from callgate.policy.destination import is_valid_number
from callgate.policy.judge import judge_account, judge_application, judge_caller, judge_destination
from callgate.policy.refusal import SENTENCES, Refusal
from callgate.protocol.call import Endpoint, EndpointKind


@pytest.mark.parametrize(
    ("status", "refusal"),
    [(Status.ACTIVE, None), (Status.SUSPENDED, "application_suspended")],
)
def test_an_application_must_be_active(status: Status, refusal: str | None) -> None:
    """Before anything else is asked."""
    assert judge_application(status) == refusal


def test_somebody_must_pay() -> None:
    """A caller whom no account answers to is unknown."""
    assert judge_caller(None) is Refusal.CALLER_UNKNOWN
    assert judge_caller(Account(application="app", id="alice", currency="USD")) is None


@pytest.mark.parametrize(
    ("status", "refusal"),
    [(Status.ACTIVE, None), (Status.SUSPENDED, "account_suspended"), (Status.CLOSED, "account_closed")],
)
def test_an_account_must_be_active(status: Status, refusal: str | None) -> None:
    """A closed one is told apart from a suspended one."""
    assert judge_account(status) == refusal


@pytest.mark.parametrize("kind", [kind for kind in EndpointKind if kind is not EndpointKind.NUMBER])
def test_other_destinations_than_numbers_need_a_route(kind: EndpointKind) -> None:
    """Whatever their address looks like."""
    assert judge_destination(Endpoint(kind, "+46701740605")) is Refusal.NO_ROUTE


@pytest.mark.parametrize("number", ["+46701740605", "+15612600684", "+4930123456", "+390612345678"])
def test_a_number_that_a_plan_knows_is_valid(number: str) -> None:
    """Leading zeros of Italy belong to the number."""
    assert is_valid_number(number)
    assert judge_destination(Endpoint(EndpointKind.NUMBER, number)) is None


@pytest.mark.parametrize(
    "text",
    [
        "+46123",
        "+999123456789",
        "+467017406051234",
        "+46112",
        "",
        "abc",
        "private",
        "46701740605",
        "0701740605",
        "+46701740605;ext=5",
        "tel:+46701740605",
        "+46 70 174 06 05",
        "+46 (0)70 174 06 05",
        "+46701740605\n",
        "\uff0b46701740605",
        "+4670174060\u0665",
    ],
)
def test_what_is_not_a_number_in_e164_is_no_destination(text: str) -> None:
    """Libraries read more than can be rated: extensions, blanks, digits of other scripts."""
    assert not is_valid_number(text)
    assert judge_destination(Endpoint(EndpointKind.NUMBER, text)) is Refusal.DESTINATION_INVALID


def test_every_refusal_has_a_sentence() -> None:
    """For the operator, ending as sentences do."""
    assert set(SENTENCES) == set(Refusal)
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())
