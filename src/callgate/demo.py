"""The demonstration that `callgate dev` starts: an application, accounts, a deck, and a caller or two who run dry.

Its key and secret are public, so that it is served on loopback alone.
"""

from datetime import datetime

from callgate.app import build_vault
from callgate.emulator import demo
from callgate.errors import Conflict
from callgate.money import MICROS
from callgate.rating.deck_change import ImportMode
from callgate.rating.deck_csv import read_deck
from callgate.service.add_application import AddApplication
from callgate.service.books import Job
from callgate.service.import_deck import import_deck
from callgate.service.issue_token import issue_token
from callgate.service.open_account import OpenAccount
from callgate.service.ports import Store
from callgate.service.token import Role
from callgate.service.top_up import TopUp
from callgate.settings import Settings

DECK = b"""\
prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from
1,United States and Canada,0.0120,0,6,6,2020-01-01
44,United Kingdom,0.0150,0,1,1,2020-01-01
46,Sweden,0.0095,0,1,1,2020-01-01
4670,Sweden mobile,0.0200,0,60,60,2020-01-01
49,Germany,0.0180,0.0100,30,6,2020-01-01
"""

WALLETS = {"alice": 25, "bob": 5, "carol": 1, "dave": 0}
"""Accounts and what they start with, in whole dollars. Dave is there to be refused."""


async def prepare_demo(store: Store, settings: Settings, now: datetime) -> str:
    """Set up what is not there yet, and return a fresh admin token."""
    vault = build_vault(settings)
    jobs: list[Job[object]] = [
        AddApplication(
            provider="sinch", key=demo.KEY, secret=demo.SECRET, name="demonstration", seal=vault.seal, now=now
        ),
        *(OpenAccount(application=demo.KEY, account=account, currency="USD") for account in WALLETS),
    ]
    for job in jobs:
        try:
            await store.perform(job)
        except Conflict:
            continue  # from an earlier run
    read = read_deck(DECK, "the demonstration's deck", now)
    await import_deck(store, "standard", "USD", list(read.rows), mode=ImportMode.REPLACE, is_dry_run=False, now=now)
    for account, units in WALLETS.items():
        if units:
            await store.perform(
                TopUp(application=demo.KEY, account=account, amount_micros=units * MICROS, reference="demo", now=now)
            )
    return await issue_token(store, "dev", Role.ADMIN, now)
