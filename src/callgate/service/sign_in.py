"""An app's user has proven who they are: may they call, and who pays for it."""

from dataclasses import dataclass
from datetime import datetime

from callgate.errors import Error
from callgate.policy.account import Status
from callgate.policy.judge import judge_account, judge_application
from callgate.policy.refusal import SENTENCES, Refusal
from callgate.service.application import ApplicationRow
from callgate.service.books import AccountKey, Books, IdentityKey, Keys
from callgate.service.ticket import LIVES, Ticket, issue_ticket


class SignInRefused(Error):
    """Somebody is who they say, and may not call all the same."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal}: {SENTENCES[refusal]}")
        self.refusal = refusal


@dataclass(frozen=True, kw_only=True)
class FindPayer:
    """Return the account that pays for a user's calls. Never writes."""

    application: ApplicationRow
    user: str

    def keys(self) -> Keys:
        return Keys(identities=(self._identity(),))

    def run(self, books: Books) -> str:
        """Raises `SignInRefused`."""
        account = books.identities.get(self._identity())
        opened = None if account is None else books.accounts.get(AccountKey(self.application.key, account))
        refusal = judge_application(self.application.status)
        if refusal is None:
            refusal = Refusal.CALLER_UNKNOWN if opened is None else judge_account(Status(opened.status))
        if refusal is not None:
            raise SignInRefused(refusal)
        assert account is not None, "judged just now"
        return account

    def _identity(self) -> IdentityKey:
        return IdentityKey(self.application.key, f"user:{self.user}")


def ticket_for(payer: AccountKey, named: str, to: str, *, key: bytes, now: datetime) -> str:
    """Write a ticket for one call that this account pays for, signed with `key`. `named` is never used twice."""
    expires_s = int((now + LIVES).timestamp())
    return issue_ticket(key, Ticket(payer.application, payer.account, named, expires_s, to))
