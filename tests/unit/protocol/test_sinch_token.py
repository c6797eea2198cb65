"""Registration tokens, against the published examples."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from callgate.errors import Invalid
from callgate.protocol import sinch
from callgate.protocol.sinch.token import derive_key, encode

VECTORS = json.loads((Path(__file__).parent / "sinch_vectors.json").read_text())["jwt"]
FIRST = VECTORS[0]
NOW = datetime(2018, 1, 2, 3, 4, 5, tzinfo=UTC)


def token(**changes: Any) -> str:
    """Return a token for the user of the examples."""
    return sinch.registration_token(
        **{
            "key": FIRST["application_key"],
            "secret": FIRST["application_secret"],
            "user": FIRST["user_id"],
            "now": NOW,
            "nonce": FIRST["nonce"],
        }
        | changes
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_published_tokens(vector: dict[str, Any]) -> None:
    """The claims of each example give its token, byte for byte."""
    assert encode(vector["claims"], vector["application_secret"], NOW) == vector["token"]


def test_our_token_is_the_documented_one() -> None:
    """Our order of claims is that of the documents."""
    assert token() == FIRST["token"]


def test_the_end_of_a_registration_comes_last() -> None:
    """It is the one claim that may be left out, and holds the time that was asked for."""
    limited = VECTORS[2]["claims"]
    ours = {name: limited[name] for name in ("iss", "sub", "iat", "exp", "nonce", "sinch:rtc:instance:exp")}
    assert token(instance_exp=1530414245) == encode(ours, FIRST["application_secret"], NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"user": ""},
        {"user": "a b"},
        {"user": "a/b"},
        {"user": "å"},
        {"user": "a\n"},
        {"user": "a" * 256},
        {"ttl_s": 59},
        {"instance_exp": 1514862245 + 48 * 3600 - 1},
    ],
)
def test_what_the_platform_would_refuse_is_refused_here(changes: dict[str, Any]) -> None:
    """Names that need escaping and times that are too short are errors with their reason."""
    with pytest.raises(Invalid) as refused:
        token(**changes)
    assert refused.value.where == next(iter(changes))
    assert token(user="a" * 255, ttl_s=60, instance_exp=1514862245 + 48 * 3600)


def test_a_secret_of_no_bytes_signs_nothing() -> None:
    """A key that everybody can derive is no key."""
    with pytest.raises(sinch.SignatureInvalid, match="secret"):
        derive_key("?", "20180102")
