"""Who somebody is, and what they may do, by what a provider says of them."""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.errors import OpenIdRefused
from callgate.service.openid import BEGUN_LASTS, Terms, begin, claim_of, person_of, values_of
from callgate.service.token import Role

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
TERMS = Terms(
    name_claim="email",
    roles_claim="groups",
    roles={"staff": Role.VIEWER, "desk": Role.OPERATOR, "root": Role.ADMIN},
    tenants_claim="tenant",
    tenants={},
)
EVA = {"email": "eva@example.com", "sub": "1", "groups": ["staff"]}


@pytest.mark.parametrize(
    ("groups", "role"),
    [(["staff"], Role.VIEWER), ("desk", Role.OPERATOR), (["staff", "x", "desk"], Role.OPERATOR), (["root", "staff"], Role.ADMIN)],
)  # fmt: skip
def test_the_highest_role_counts(groups: Any, role: Role) -> None:
    """Of a list, or of one text."""
    assert person_of(EVA | {"groups": groups}, TERMS).role is role


@pytest.mark.parametrize(
    ("tenant", "application"),
    [("acme", "A"), (["acme", "x"], "A"), (["acme", "acme too"], "A"), (["acme", "house"], None), ("house", None)],
)
def test_tenants_see_one_application_or_all(tenant: Any, application: str | None) -> None:
    """As the values say."""
    terms = Terms(
        name_claim="sub",
        roles_claim="groups",
        roles=TERMS.roles,
        tenants_claim="tenant",
        tenants={"acme": "A", "acme too": "A", "globex": "B", "house": "*"},
    )
    assert person_of(EVA | {"tenant": tenant}, terms).application == application
    for none in (None, "x", 5, [], ["acme", "globex"], {"acme": 1}):
        with pytest.raises(OpenIdRefused):
            person_of(EVA | {"tenant": none}, terms)


values = st.sampled_from(
    ["staff", "desk", "STAFF", "staff desk", "", 5, True, None, ["staff"], {"staff": True}, "eva@example.com"]
)


@given(st.dictionaries(st.sampled_from(["email", "groups", "email_verified"]), values | st.lists(values, max_size=3)))
def test_nobody_has_a_role_that_no_value_gives(claims: dict[str, Any]) -> None:
    """Whatever a provider says, and however it is shaped: a role comes from a value that has one, and a name from a text."""
    try:
        person = person_of(claims, TERMS)
    except OpenIdRefused:
        return
    said = claims["groups"]
    assert TERMS.roles.keys() & {each for each in (said if isinstance(said, list) else [said]) if isinstance(each, str)}
    assert person.name == claims["email"] and person.application is None


def test_claims_by_name_and_by_the_way_to_them() -> None:
    """A name that holds dots comes first: providers use whole URLs."""
    claims = {"realm_access": {"roles": ["a"]}, "https://x.example/roles": "b", "a.b": 1, "a": {"b": 2}}
    assert values_of(claims, "realm_access.roles") == ["a"]
    assert values_of(claims, "https://x.example/roles") == ["b"]
    assert (claim_of(claims, "a.b"), claim_of(claims, "a.c"), claim_of(claims, "realm_access.roles.a")) == (
        1,
        None,
        None,
    )


def test_what_is_made_up_for_a_sign_in() -> None:
    """Each time something else, long enough, over after ten minutes, and the challenge is that of RFC 7636."""
    first, second = begin(NOW), begin(NOW)
    assert len({first.state, first.nonce, first.verifier, second.state, second.nonce, second.verifier}) == 6
    assert min(map(len, (first.state, first.nonce, first.verifier))) >= 43
    assert (first.is_over(NOW), first.is_over(NOW + BEGUN_LASTS), first.is_over(NOW - BEGUN_LASTS)) == (
        False,
        True,
        True,
    )
    digest = hashlib.sha256(first.verifier.encode()).digest()
    assert base64.urlsafe_b64decode(first.challenge + "=") == digest
    assert first.state not in repr(first)
