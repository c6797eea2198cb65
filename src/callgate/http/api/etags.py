"""Entity tags of configuration: what `ETag` says of a row, and what `If-Match` is compared with, in the transaction itself."""

from collections.abc import Callable
from typing import Annotated, Any

from litestar import Response
from litestar.params import HeaderParameter

from callgate.ledger.wallet import Wallet
from callgate.policy.account import Account
from callgate.service.application import ApplicationRow
from callgate.service.books import AccountKey, Books
from callgate.service.endpoint import Endpoint
from callgate.service.matched import tag_of

IfMatch = Annotated[
    str | None,
    HeaderParameter(name="If-Match", description="The `ETag` that was read: 412 where it has changed since."),
]


def account_tag(account: Account, wallet: Wallet) -> str:
    """What is configured of an account: money that moves is no change of it."""
    return tag_of(account, wallet.credit_limit_micros)


def application_tag(row: ApplicationRow) -> str:
    return tag_of(row)


def endpoint_tag(endpoint: Endpoint) -> str:
    return tag_of(endpoint)


def tag_of_account(key: AccountKey) -> Callable[[Books], str | None]:
    """For `Desk.do`."""

    def tag(books: Books) -> str | None:
        account = books.accounts.get(key)
        return None if account is None else account_tag(account, books.wallet(*key))

    return tag


def tag_of_application(key: str) -> Callable[[Books], str | None]:
    """For `Desk.do`."""

    def tag(books: Books) -> str | None:
        row = books.applications.get(key)
        return None if row is None else application_tag(row)

    return tag


def tag_of_endpoint(named: str) -> Callable[[Books], str | None]:
    """For `Desk.do`."""

    def tag(books: Books) -> str | None:
        endpoint = books.endpoints.get(named)
        return None if endpoint is None else endpoint_tag(endpoint)

    return tag


def tagged(content: Any, tag: str) -> Response[Any]:
    """An answer with its tag."""
    return Response(content, headers={"etag": tag})
