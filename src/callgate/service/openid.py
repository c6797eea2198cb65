"""A sign-in by way of an OpenID Connect provider: what is made up for it, and who somebody is by what the provider says of them.

Plain values and functions. Who may come in, and as what, is said by the operator's settings alone: a role for each value of a
claim that has one, and, where applications are tenants, the application that another value stands for. Whoever has none stays
outside. Sources: OpenID Connect Core 1.0, section 3.1; RFC 7636 (PKCE).
"""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from callgate.errors import Invalid, OpenIdRefused
from callgate.service.operator import parse_operator_name
from callgate.service.token import Role

BEGUN_LASTS = timedelta(minutes=10)
"""How long somebody may take at the provider: a second factor, a forgotten password."""

EVERY = "*"
"""In the place of an application: all of them."""

MOST_VALUES = 1_000
"""Values of one claim that are looked at."""

_RANK = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in that waits for the provider's answer: kept by the browser, sealed, and good for one answer."""

    state: str
    nonce: str
    verifier: str
    begun_at: datetime

    def __repr__(self) -> str:
        return "Begun(***)"

    @property
    def challenge(self) -> str:
        """What the provider is shown of the verifier, by the method S256."""
        return urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()

    def is_over(self, now: datetime) -> bool:
        return not self.begun_at <= now < self.begun_at + BEGUN_LASTS


def begin(now: datetime) -> Begun:
    """Nobody can guess any of it."""
    return Begun(
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        begun_at=now,
    )


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Which claims count, and for what: `roles` by value of `roles_claim`; `tenants`, keys of applications by value of
    `tenants_claim`, empty where everybody sees all applications.
    """

    name_claim: str
    roles_claim: str
    roles: Mapping[str, Role]
    tenants_claim: str
    tenants: Mapping[str, str]

    def misses(self, claims: Mapping[str, Any]) -> bool:
        """Whether the provider may have more to say: of a claim that counts there is nothing."""
        wanted = {self.name_claim, self.roles_claim, *([self.tenants_claim] if self.tenants else [])}
        return any(claim_of(claims, name) is None for name in wanted)


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may come in. `sub` is the provider's own id of them, which never becomes another's; `application` is the one
    that they see, None for all; `id_token` is what the provider said, word for word.
    """

    name: str
    sub: str
    role: Role
    application: str | None
    id_token: str = ""

    def __repr__(self) -> str:
        return f"Person({self.name})"


def person_of(claims: Mapping[str, Any], terms: Terms) -> Person:
    """Say who it is. Raises `OpenIdRefused`, whose sentence is for them to read."""
    name = _name_of(claims, terms)
    roles = [terms.roles[value] for value in values_of(claims, terms.roles_claim) if value in terms.roles]
    if not roles:
        raise OpenIdRefused(
            f"You are known as {name}, but nothing gives you a role here. Ask whoever runs this server: none of your values of "
            f"the claim {terms.roles_claim} is in the setting dashboard_oidc_roles."
        )
    return Person(
        name=name,
        sub=str(claims.get("sub", ""))[:255],
        role=max(roles, key=_RANK.index),
        application=_application_of(name, claims, terms),
    )


def _name_of(claims: Mapping[str, Any], terms: Terms) -> str:
    found = claim_of(claims, terms.name_claim)
    if not isinstance(found, str) or not found:
        raise OpenIdRefused(
            f"Your provider does not say your {terms.name_claim}. Whoever runs this server asks it for another scope with "
            "dashboard_oidc_scopes, or names another claim in dashboard_oidc_name_claim."
        )
    if terms.name_claim == "email" and claims.get("email_verified", True) not in (True, "true"):
        raise OpenIdRefused("Your provider has not verified that your e-mail address is yours. Verify it there.")
    try:
        return parse_operator_name(found)
    except Invalid as error:
        raise OpenIdRefused(f"Your {terms.name_claim} cannot be a name here: {error.expected}.") from None


def _application_of(name: str, claims: Mapping[str, Any], terms: Terms) -> str | None:
    if not terms.tenants:
        return None
    found = {terms.tenants[value] for value in values_of(claims, terms.tenants_claim) if value in terms.tenants}
    if EVERY in found:
        return None
    if not found:
        raise OpenIdRefused(
            f"You are known as {name}, but to no application. Ask whoever runs this server: none of your values of the claim "
            f"{terms.tenants_claim} is in the setting dashboard_oidc_tenants."
        )
    if len(found) > 1:
        raise OpenIdRefused(
            f"You are known as {name} to {len(found)} applications, and a session sees one, or all. Ask whoever runs this server."
        )
    return found.pop()


def values_of(claims: Mapping[str, Any], name: str) -> Sequence[str]:
    """The values of a claim that may be a text or a list of texts; what is neither is none."""
    found = claim_of(claims, name)
    listed = found if isinstance(found, list) else [found]
    return [value for value in listed[:MOST_VALUES] if isinstance(value, str)]


def claim_of(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by the way to it, such as `realm_access.roles`. None for a claim that is not there."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found
