"""The demonstration that `callgate dev` starts: an application, accounts, a deck, and a caller or two who run dry.

Its key and secret are public, so that it is served on loopback alone.
"""

from datetime import datetime

from callgate.app import build_vault
from callgate.emulator import demo
from callgate.errors import Conflict
from callgate.money import MICROS
from callgate.policy.limits import UNLIMITED
from callgate.rating.deck_csv import read_deck
from callgate.rating.deck_merge import ImportMode
from callgate.service.add_application import AddApplication, SetApplication
from callgate.service.books import Job
from callgate.service.import_deck import import_deck
from callgate.service.issue_token import issue_token
from callgate.service.open_account import OpenAccount
from callgate.service.ports import Store
from callgate.service.set_limits import SetApplicationLimits
from callgate.service.token import Role
from callgate.service.top_up import TopUp
from callgate.settings import Settings

DECK = b"""\
prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from
1,United States and Canada,0.0120,0,6,6,2020-01-01
61,Australia,0.0210,0,60,60,2020-01-01
44,United Kingdom,0.0150,0,1,1,2020-01-01
46,Sweden,0.0095,0,1,1,2020-01-01
4670,Sweden mobile,0.0200,0,60,60,2020-01-01
49,Germany,0.0180,0.0100,30,6,2020-01-01
"""

WALLETS = {"alice": 500, "bob": 200, "erin": 100, "carol": 2, "dave": 0}
"""Accounts and what each start adds to them, in whole dollars. Carol runs dry after a while, Dave is there to be refused,
and Frank, who also calls, has no account at all."""

PLATFORM = "http://127.0.0.1:8081"
"""Where the demonstration asks about its calls: they are not the real platform's."""

MAX_SECONDS = 600
"""Longest grant: what is held for a call is then small enough for many to be up at once."""


async def prepare_demo(store: Store, settings: Settings, now: datetime, platform: str = PLATFORM) -> str:
    """Set up what is not there yet, and return a fresh admin token. `platform` is where its calls are asked about."""
    vault = build_vault(settings)
    jobs: list[Job[object]] = [
        AddApplication(
            provider="sinch", key=demo.KEY, secret=demo.SECRET, name="demonstration", seal=vault.seal, now=now
        ),
        *(OpenAccount(application=demo.KEY, account=account, currency="USD", limits=UNLIMITED) for account in WALLETS),
    ]
    for job in jobs:
        try:
            await store.perform(job)
        except Conflict:
            continue  # from an earlier run
    read = read_deck(DECK, "the demonstration's deck", now)
    await import_deck(store, "standard", "USD", list(read.rows), mode=ImportMode.REPLACE, is_dry_run=False, now=now)
    await store.perform(
        SetApplicationLimits(application=demo.KEY, words=("countries=all", f"max_seconds={MAX_SECONDS}"))
    )
    await store.perform(SetApplication(key=demo.KEY, words=(f"platform={platform}",)))
    reference = f"demonstration {now:%Y-%m-%d %H:%M:%S}"
    for account, units in WALLETS.items():
        if units:
            job = TopUp(
                application=demo.KEY,
                account=account,
                amount_micros=units * MICROS,
                reference=reference,
                now=now,
                who="dev",
            )
            await store.perform(job)
    return await issue_token(store, "dev", Role.ADMIN, now)
