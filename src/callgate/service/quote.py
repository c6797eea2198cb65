"""What would a call cost: by an account's deck, or by a deck that is named."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from callgate.errors import Invalid, NotFound
from callgate.ledger.wallet import Wallet
from callgate.money import format_micros, format_nanos
from callgate.numbers import parse_e164
from callgate.policy.limits import MAX_GRANT_S
from callgate.rating.charge import affordable_duration_s, billed_duration_s, charge_micros
from callgate.rating.deck import Deck
from callgate.service.books import AccountKey
from callgate.service.load_deck import load_deck_named
from callgate.service.ports import Store

MAX_SECONDS = 1_000_000


class QuoteReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a call would cost. `affordable_seconds` is None when no account was named."""

    destination: str
    deck: str
    prefix: str
    rate_per_minute: str
    connect_fee: str
    increments: str
    seconds: int
    billed_seconds: int
    charge: str
    currency: str
    affordable_seconds: int | None
    origin: str
    file: str
    line: int


async def quote_call(  # noqa: PLR0913 - what a quote depends on
    store: Store,
    destination: str,
    seconds: int,
    *,
    payer: AccountKey | None,
    deck: str,
    now: datetime,
    shown: str | None = None,
    held: Mapping[str, Deck] = {},
) -> QuoteReport:
    """Price a call of so many seconds, by the payer's deck where there is a payer, else by the deck that is named.

    `shown` is the number that the callee would see: a price may depend on it. `held` has decks that a server holds in memory
    anyway; any other is read, with all its rows. Raises `Invalid` for what cannot be dialled or timed, `NotFound` where there
    is no account, deck or price.
    """
    number = parse_e164(destination)
    if number is None:
        raise Invalid("destination", repr(destination), "a number in E.164, such as +46700000001")
    if not 0 <= seconds <= MAX_SECONDS:
        raise Invalid("seconds", str(seconds), f"0 to {MAX_SECONDS}")
    wallet = None
    if payer is not None:
        found = await store.account(payer)
        if found is None:
            raise NotFound(f"there is no account {payer.account} in application {payer.application}")
        deck, wallet = found.account.deck, found.wallet
    priced_by = held[deck] if deck in held else await load_deck_named(store, deck)
    caller = None if shown is None else parse_e164(shown)
    if shown is not None and caller is None:
        raise Invalid("from", repr(shown), "a number in E.164, such as +46700000001")
    return _quote(priced_by, number, seconds, wallet, now, caller)


def _quote(  # noqa: PLR0913, PLR0917 - what a quote depends on
    deck: Deck, number: str, seconds: int, wallet: Wallet | None, now: datetime, caller: str | None
) -> QuoteReport:
    rate = deck.rate_for(number, now, caller)
    if rate is None or rate.is_blocked:
        raise NotFound(f"deck {deck.name} {'blocks' if rate is not None else 'has no price for'} {number}")
    can_pay_s = None
    if wallet is not None:
        can_pay_s = affordable_duration_s(rate, max(0, wallet.available_micros), MAX_GRANT_S)
    return QuoteReport(
        destination=number,
        deck=deck.name,
        prefix=rate.prefix,
        rate_per_minute=format_nanos(rate.rate_nanos_per_min),
        connect_fee=format_micros(rate.connect_fee_micros),
        increments=f"{rate.first_increment_s}/{rate.increment_s}",
        seconds=seconds,
        billed_seconds=billed_duration_s(rate, seconds),
        charge=format_micros(charge_micros(rate, seconds)),
        currency=deck.currency,
        affordable_seconds=can_pay_s,
        origin=rate.origin,
        file=rate.file,
        line=rate.line,
    )
