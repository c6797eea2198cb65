"""Users of applications' apps, and tickets that calls have presented, as rows."""

from callgate.service.ticket import UsedTicket
from callgate.service.user import User
from callgate.storage.rows import Row, from_us, to_us

USER_KEY = ("application", "name")
USER = (*USER_KEY, "account", "password", "created_at")


def from_user(user: User) -> Row:
    return (user.application, user.name, user.account, user.password, to_us(user.created_at))


def to_user(row: Row) -> User:
    application, name, account, password, created_at = row
    return User(application=application, name=name, account=account, password=password, created_at=from_us(created_at))


TICKET_KEY = ("application", "id")
TICKET = (*TICKET_KEY, "call_id", "expires_at")


def from_ticket(ticket: UsedTicket) -> Row:
    return (ticket.application, ticket.id, ticket.call_id, to_us(ticket.expires_at))


def to_ticket(row: Row) -> UsedTicket:
    application, ticket, call_id, expires_at = row
    return UsedTicket(application=application, id=ticket, call_id=call_id, expires_at=from_us(expires_at))
