"""The emulator takes the answers that the platform takes, and no others."""

from typing import Any

import pytest

from callgate.emulator.svaml import Action, IllegalSvaml, read_svaml


def test_connect_pstn_is_read_with_all_that_the_emulator_acts_upon() -> None:
    """Number, longest duration, ringing and silence."""
    answer = {
        "action": {
            "name": "connectPstn",
            "number": "+46701740605",
            "maxDuration": 180,
            "dialTimeout": 20,
            "suppressCallbacks": True,
        }
    }
    assert read_svaml(answer, "ice").action == Action(
        name="connectPstn", number="+46701740605", max_duration_s=180, dial_timeout_s=20, is_silent=True
    )


@pytest.mark.parametrize(
    "answer",
    [
        {"action": {"name": "ConnectPSTN"}},
        {"action": {"name": "connectpstn", "number": None, "maxDuration": None}, "instructions": None},
        {"action": {"name": "connectPstn", "callback": True}, "instructions": []},
    ],
)
def test_spellings_that_work_in_practice_are_taken(answer: dict[str, Any]) -> None:
    """Case of names, null for absent, unknown properties."""
    assert read_svaml(answer, "ice").action == Action(name="connectPstn")


def test_an_older_destination_is_the_number_to_dial() -> None:
    """`destination` instead of `number`, as answers of 2015 have it."""
    action = {"name": "connectPstn", "destination": {"type": "number", "endpoint": "46701740605"}}
    assert read_svaml({"action": action}, "ice").action.number == "+46701740605"


def test_an_emergency_number_can_be_dialled() -> None:
    """It is short and has no country code."""
    assert read_svaml({"action": {"name": "connectPstn", "number": "112"}}, "ice").action.number == "112"


def test_cookies_are_kept() -> None:
    """Each `setCookie` counts, the last of a key wins."""
    instructions = [
        {"name": "setCookie", "key": "step", "value": "one"},
        {"name": "SetCookie", "key": "step", "value": "two"},
        {"name": "say", "text": "Hi"},
    ]
    svaml = read_svaml({"instructions": instructions, "action": {"name": "hangup"}}, "ice")
    assert svaml.cookies == {"step": "two"}


@pytest.mark.parametrize(
    ("answer", "event", "path"),
    [
        (None, "ice", "$"),
        ([], "ice", "$"),
        ({}, "ice", "$.action"),
        ({"action": "hangup"}, "ice", "$.action"),
        ({"action": {}}, "ice", "$.action.name"),
        ({"action": {"name": "explode"}}, "ice", "$.action.name"),
        ({"action": {"name": "continue"}}, "ice", "$.action.name"),
        ({"action": {"name": "connectPstn"}}, "ace", "$.action.name"),
        ({"action": {"name": "connectPstn", "number": "bob"}}, "ice", "$.action.number"),
        ({"action": {"name": "connectPstn", "number": 46701740605}}, "ice", "$.action.number"),
        ({"action": {"name": "connectPstn", "maxDuration": 14_401}}, "ice", "$.action.maxDuration"),
        ({"action": {"name": "connectPstn", "maxDuration": 0}}, "ice", "$.action.maxDuration"),
        ({"action": {"name": "connectPstn", "maxDuration": "60"}}, "ice", "$.action.maxDuration"),
        ({"action": {"name": "connectPstn", "maxDuration": True}}, "ice", "$.action.maxDuration"),
        ({"action": {"name": "connectPstn", "dialTimeout": -1}}, "ice", "$.action.dialTimeout"),
        ({"action": {"name": "connectPstn", "suppressCallbacks": "no"}}, "ice", "$.action.suppressCallbacks"),
        ({"instructions": {}, "action": {"name": "hangup"}}, "ice", "$.instructions"),
        ({"instructions": ["say"], "action": {"name": "hangup"}}, "ice", "$.instructions[0]"),
        ({"instructions": [{"name": "sing"}], "action": {"name": "hangup"}}, "ice", "$.instructions[0].name"),
        ({"instructions": [{"name": "say"}], "action": {"name": "hangup"}}, "ice", "$.instructions[0].text"),
        ({"instructions": [{"name": "answer"}], "action": {"name": "continue"}}, "ace", "$.instructions[0].name"),
        (
            {
                "instructions": [{"name": "setCookie", "key": "k", "value": "x" * 1024}],
                "action": {"name": "hangup"},
            },
            "ice",
            "$.instructions",
        ),
    ],
)
def test_illegal_answers_are_refused_with_their_path(answer: object, event: str, path: str) -> None:
    """The explanation begins with the JSON path of what is wrong."""
    with pytest.raises(IllegalSvaml) as caught:
        read_svaml(answer, event)
    assert str(caught.value).startswith(f"{path}: ")
