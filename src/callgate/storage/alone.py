"""Rows that bring no others with them, one kind a line: where they are found, and which shelf they come onto."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from callgate.service.books import Books, Keys
from callgate.storage import did_rows, export_rows, list_rows, mapping_rows, outbox_rows, rows, rule_rows, sign_in_rows
from callgate.storage.operator_rows import OPERATOR, OPERATOR_KEY, SESSION, SESSION_KEY, to_operator, to_session
from callgate.storage.rows import Row


class Kind(NamedTuple):
    """`named` is the field of `Keys`, `shelf` that of `Books`. Each row begins with its key."""

    named: str
    shelf: str
    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    to_struct: Callable[[Row], Any]
    is_locked: bool = True  # false for what is never changed

    def keys(self, keys: Keys) -> Sequence[Any]:
        """Which rows of this kind are wanted."""
        wanted: Sequence[Any] = getattr(keys, self.named)
        return wanted

    def parts(self, wanted: Sequence[Any]) -> Sequence[tuple[str, ...]]:
        """Keys as tuples, also those of a single word."""
        return wanted if len(self.key) > 1 else [(each,) for each in wanted]

    def load(self, books: Books, wanted: Sequence[Any], found: Iterable[Row]) -> None:
        """Put them on their shelf; what was not found is known to be missing."""
        shelf, width = getattr(books, self.shelf), len(self.key)
        for key in wanted:
            shelf.load(key, None)
        for row in found:  # a tuple equals the named tuple that was asked by
            shelf.load(row[0] if width == 1 else tuple(row[:width]), self.to_struct(row))


ALONE = (
    Kind("applications", "applications", "applications", rows.APPLICATION, rows.APPLICATION_KEY, rows.to_application),
    Kind("decks", "decks", "decks", rows.DECK, rows.DECK_KEY, rows.to_deck_head),
    Kind(
        "mappings",
        "mappings",
        "supplier_mappings",
        mapping_rows.MAPPING,
        mapping_rows.MAPPING_KEY,
        mapping_rows.to_mapping,
    ),
    Kind("tokens", "tokens", "tokens", rows.TOKEN, rows.TOKEN_KEY, rows.to_token),
    Kind(
        "endpoints", "endpoints", "endpoints", outbox_rows.ENDPOINT, outbox_rows.ENDPOINT_KEY, outbox_rows.to_endpoint
    ),
    Kind(
        "deliveries",
        "deliveries",
        "deliveries",
        outbox_rows.DELIVERY,
        outbox_rows.DELIVERY_KEY,
        outbox_rows.to_delivery,
    ),
    Kind("replies", "replies", "replies", rows.REPLY, rows.REPLY_KEY, rows.to_reply),
    Kind("leases", "leases", "leases", rows.LEASE, rows.LEASE_KEY, rows.to_lease),
    Kind("lists", "lists", "lists", list_rows.LIST, list_rows.LIST_KEY, list_rows.to_list),
    Kind("users", "users", "users", sign_in_rows.USER, sign_in_rows.USER_KEY, sign_in_rows.to_user),
    Kind("tickets", "tickets", "tickets", sign_in_rows.TICKET, sign_in_rows.TICKET_KEY, sign_in_rows.to_ticket),
    Kind("operators", "operators", "operators", OPERATOR, OPERATOR_KEY, to_operator),
    Kind("sessions", "sessions", "sessions", SESSION, SESSION_KEY, to_session),
    Kind("rules", "rules", "rules", rule_rows.RULES, rule_rows.RULES_KEY, rule_rows.to_rules),
    Kind("exports", "exports", "exports", export_rows.EXPORT, export_rows.EXPORT_KEY, export_rows.to_export),
    Kind("dids", "dids", "dids", did_rows.DID, did_rows.DID_KEY, did_rows.to_did),
    Kind("inputs", "inputs", "inputs", did_rows.INPUT, did_rows.INPUT_KEY, did_rows.to_answered, is_locked=False),
    Kind("transfers", "moved", "transfers", rows.TRANSFER, rows.TRANSFER_KEY, rows.to_transfer, is_locked=False),
)
"""In the order in which they are locked. A lock on one is held until the batch is committed."""
