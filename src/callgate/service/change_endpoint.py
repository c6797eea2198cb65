"""Change what an endpoint is sent, and where. Its secret, its kind and its id stay; what waits for it goes to the new place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from callgate.errors import Conflict, Invalid, NotFound
from callgate.service.add_endpoint import Resolve, Wanted, check_endpoint, known_endpoint
from callgate.service.books import Books, Keys
from callgate.service.endpoint import EMAIL, REMOVED, SIGNING, WEBHOOK, Endpoint, RecordType


@dataclass(frozen=True, kw_only=True)
class ChangeEndpoint:
    """Store what is said of an endpoint now. `before` is what it was checked against: its secret and its state are left as
    they are by then.
    """

    before: Endpoint
    url: str
    types: tuple[RecordType, ...]
    options: Mapping[str, str]
    applications: tuple[str, ...]
    accounts: tuple[str, ...]
    allow_private: bool

    def keys(self) -> Keys:
        return Keys(endpoints=(self.before.id,))

    def run(self, books: Books) -> Endpoint:
        """Raises `NotFound`; `Conflict` where somebody else has changed it meanwhile."""
        endpoint = books.endpoints.get(self.before.id)
        if endpoint is None or endpoint.kind == REMOVED:
            raise NotFound(f"there is no endpoint {self.before.id}; see: callgate endpoint list")
        if _said(endpoint) != _said(self.before):
            raise Conflict(f"endpoint {self.before.id} was changed by somebody else meanwhile; look at it again")
        changed = msgspec.structs.replace(
            endpoint,
            url=self.url,
            types=self.types,
            options=self.options,
            applications=self.applications,
            accounts=self.accounts,
            allow_private=self.allow_private,
        )
        if changed != endpoint:
            books.endpoints.put(endpoint.id, changed)
        return changed


async def changed_endpoint(  # noqa: PLR0913 - what can be said of an endpoint
    endpoint: Endpoint,
    *,
    url: str,
    types: Sequence[str],
    options: Mapping[str, str],
    applications: tuple[str, ...],
    accounts: tuple[str, ...],
    allow_private: bool,
    resolve: Resolve,
) -> ChangeEndpoint:
    """Check a change and make the job that keeps it. Raises `Invalid`.

    How a webhook is signed does not change with its old secret in force, and where a CRM is belongs to its credentials.
    """
    if endpoint.kind not in {WEBHOOK, EMAIL} and (url != endpoint.url or dict(options) != dict(endpoint.options)):
        raise Invalid("endpoint URL", repr(url[:80]), "a new endpoint: where a CRM is belongs to its credentials")
    if endpoint.kind == WEBHOOK and options.get(SIGNING) != endpoint.options.get(SIGNING):
        raise Invalid(
            f"option {SIGNING}", repr(options.get(SIGNING, "")), "a new endpoint: its secret is of the other kind"
        )
    wanted = Wanted(kind=endpoint.kind, options=options, applications=applications, accounts=accounts)
    is_moved = url != endpoint.url or allow_private != endpoint.allow_private
    checked = await check_endpoint(
        url, types, wanted=wanted, allow_private=allow_private, resolve=resolve if is_moved else _nobody
    )
    return ChangeEndpoint(
        before=endpoint,
        url=url,
        types=checked.types,
        options=checked.options,
        applications=applications,
        accounts=accounts,
        allow_private=checked.allow_private,
    )


async def _nobody(_host: str) -> list[str]:
    """An address that stays is not looked up again: it was public when it was set, and is looked at when it is sent to."""
    return []


def _said(endpoint: Endpoint) -> tuple[object, ...]:
    return (
        endpoint.url,
        endpoint.types,
        dict(endpoint.options),
        endpoint.applications,
        endpoint.accounts,
        endpoint.allow_private,
    )


__all__ = ["ChangeEndpoint", "changed_endpoint", "known_endpoint"]
