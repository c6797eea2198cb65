"""Operators at work: accounts, money by hand, limits, rate decks. Each order names what the oracle must make of it."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from callgate.errors import Error
from callgate.policy.account import Status
from callgate.policy.limits import UNLIMITED
from callgate.protocol.call import CallKey
from callgate.rating.deck_merge import ImportMode
from callgate.rating.rate import Rate
from callgate.service.add_application import AddApplication, SetApplication
from callgate.service.add_endpoint import KeepEndpoint
from callgate.service.adjust import Adjust
from callgate.service.books import Job
from callgate.service.endpoint import Endpoint, RecordType
from callgate.service.import_deck import import_deck
from callgate.service.open_account import OpenAccount
from callgate.service.refund import Refund
from callgate.service.set_account import SetAccount
from callgate.service.set_limits import SetAccountLimits, SetApplicationLimits
from callgate.service.set_status import SetAccountStatus, SetApplicationStatus
from callgate.service.top_up import TopUp
from callgate.simulator import schedule as s
from callgate.simulator.causes import Order
from callgate.simulator.node import EPOCH, Node
from callgate.simulator.platform import SECRET
from callgate.simulator.world import Does, World

RECEIVER = Endpoint(
    id="ep_simulated",
    url="https://records.example",
    types=(RecordType.CALL_ENDED,),
    allow_private=False,
    created_at=EPOCH,
    sealed_secrets=(b"whsec_simulated",),
)
"""Who wants call records. Nothing is sent: what is looked at is that they are queued."""

WHO, WHY = "simulator", "simulated"

LOCKED_S = 0.001
"""How long a command waits for the file before it looks again."""


def set_up(world: World) -> None:
    """What is there before anything happens."""
    for key in world.plan.applications:
        job = AddApplication(
            provider="sinch", key=key, secret=SECRET, name="", seal=str.encode, now=EPOCH, limits=UNLIMITED
        )
        _perform(world, f"add {key}", job, lambda: None)
    world.agenda.run()
    for key in world.plan.trusting:
        _perform(world, f"trust {key}", SetApplication(key=key, words=("trust=number",)), lambda: None)
    for key, rule in zip(world.plan.applications, world.plan.lost_dice, strict=False):
        _perform(
            world,
            f"lost_dice {key}",
            SetApplication(key=key, words=(f"lost_dice={rule}", "in_app=refuse")),
            lambda: None,
        )
    _perform(world, "add a receiver", KeepEndpoint(endpoint=RECEIVER), lambda: None)
    for deck in world.plan.decks:
        if deck.prices:  # else shrunk away
            _import(world, s.Import(at=0.0, deck=deck.name, currency=deck.currency, prices=deck.prices, mode="merge"))
            world.agenda.run()
    assert world.node is not None, "nothing goes wrong yet"
    world.refresh(world.node)
    world.agenda.run()


def _perform(
    world: World, name: str, job: Job[Any], apply: Callable[[], str | None], *, is_beside: bool = False
) -> None:
    if is_beside:
        _command(world, Order(name, apply), job)
    else:
        _order(world, Order(name, apply), lambda node: node.store.perform(job))


def _command(world: World, order: Order, job: Job[Any]) -> None:
    """In a process of its own, which waits while the server writes."""
    if world.node is not None and world.node.disk.is_busy:
        world.after(LOCKED_S, _command, world, order, job)
        return
    world.count("command")
    world.desk.perform(job, order, is_failing=bool(world.outages))


def _order(world: World, order: Order, work: Callable[[Node], Any]) -> None:
    world.count("order")
    node = world.node
    if node is not None and node.setup is not None:
        task = node.begin(order, work(node))
        task.add_done_callback(partial(_obeyed, world, node, order))


def _obeyed(world: World, node: Node, order: Order, task: Any) -> None:
    """The operator sees what came of it."""
    error = task.exception()
    if error is not None and node.is_excused(error):
        return
    if error is not None and not isinstance(error, Error):
        world.uncaught(str(order), error)
    elif error is None and not order.is_committed:
        world.fail("order", f"{order} was acknowledged, and nothing was committed")
    elif (type(error).__name__ if error else None) != order.expected:
        world.fail("order", f"{order} gave {error!r}, must give {order.expected}")


def _repeated(world: World, after_s: float, do: Callable[[], None]) -> None:
    """Once, and once more where `after_s` says so."""
    do()
    if after_s:
        world.after(after_s, do)


# -- accounts ----------------------------------------------------------------------------------------------------------


def _open(world: World, entry: s.OpenAccount) -> None:
    named = (entry.application, entry.account, entry.currency, entry.deck, entry.identities)
    job = OpenAccount(
        application=entry.application,
        account=entry.account,
        currency=entry.currency,
        deck=entry.deck,
        identities=entry.identities,
        limits=UNLIMITED,
    )
    _perform(world, f"open {entry.account}", job, lambda: world.oracle.opens(*named), is_beside=entry.is_beside)


def _set_status(world: World, entry: s.Status) -> None:
    application, account, status = entry.application, entry.account, entry.status
    name = f"{status} {account or application}"
    if account:
        job = SetAccountStatus(application=application, account=account, status=Status(status))
        _perform(
            world, name, job, lambda: world.oracle.sets_status(application, account, status), is_beside=entry.is_beside
        )
    else:
        of_all = SetApplicationStatus(key=application, status=Status(status))
        _perform(world, name, of_all, lambda: world.oracle.suspends(application, status), is_beside=entry.is_beside)


def _limit(world: World, entry: s.LimitTo) -> None:
    application, account, seconds = entry.application, entry.account, entry.seconds
    words = (f"max_seconds={seconds or 'none'}",)
    name = f"limit {account or application} {seconds}"
    if account:
        job = SetAccountLimits(application=application, account=account, words=words)
        _perform(
            world, name, job, lambda: world.oracle.limits(application, account, seconds), is_beside=entry.is_beside
        )
    else:
        of_all = SetApplicationLimits(application=application, words=words)
        _perform(
            world,
            name,
            of_all,
            lambda: world.oracle.limits_application(application, seconds),
            is_beside=entry.is_beside,
        )


def _lend(world: World, entry: s.Credit) -> None:
    application, account, micros = entry.application, entry.account, entry.micros
    job = SetAccount(application=application, account=account, words=(_credit_limit(micros),))
    _perform(
        world,
        f"credit {account} {micros}",
        job,
        lambda: world.oracle.lends(application, account, micros),
        is_beside=entry.is_beside,
    )


def _move_deck(world: World, entry: s.MoveDeck) -> None:
    named = (entry.application, entry.account, entry.deck, entry.credit)
    words = (f"deck={entry.deck}", *([_credit_limit(entry.credit)] if entry.credit >= 0 else []))
    job = SetAccount(application=entry.application, account=entry.account, words=words)
    name = f"deck {entry.account} {entry.deck} {entry.credit}"
    _perform(world, name, job, lambda: world.oracle.moves_to_deck(*named), is_beside=entry.is_beside)


def _set_elastic(world: World, entry: s.Elastic) -> None:
    application, account, is_on = entry.application, entry.account, entry.is_on
    job = SetAccount(application=application, account=account, words=(f"elastic={'on' if is_on else 'off'}",))
    name = f"elastic {account} {is_on}"
    _perform(
        world,
        name,
        job,
        lambda: world.oracle.sets_elastic(application, account, is_on=is_on),
        is_beside=entry.is_beside,
    )


def _credit_limit(micros: int) -> str:
    return f"credit_limit={micros // 1_000_000}.{micros % 1_000_000:06}"


# -- money -------------------------------------------------------------------------------------------------------------


def _pay(world: World, entry: s.Pay) -> None:
    def pay(micros: int) -> None:
        named = (entry.application, entry.account, micros, entry.reference)
        job = TopUp(
            application=entry.application,
            account=entry.account,
            amount_micros=micros,
            reference=entry.reference,
            now=world.clock(),
            who=WHO,
        )
        name = f"topup {entry.account} {micros} {entry.reference}"
        _perform(world, name, job, lambda: world.oracle.tops_up(*named), is_beside=entry.is_beside)

    pay(entry.micros)
    if entry.again_after_s:
        world.after(entry.again_after_s, pay, entry.again_micros or entry.micros)


def _adjust(world: World, entry: s.AdjustBy) -> None:
    named = (entry.application, entry.account, entry.micros, entry.reference)

    def adjust() -> None:
        job = Adjust(
            application=entry.application,
            account=entry.account,
            amount_micros=entry.micros,
            why=WHY,
            reference=entry.reference,
            now=world.clock(),
            who=WHO,
        )
        name = f"adjust {entry.account} {entry.micros} {entry.reference}"
        _perform(world, name, job, lambda: world.oracle.adjusts(*named), is_beside=entry.is_beside)

    _repeated(world, entry.again_after_s, adjust)


def _refund(world: World, entry: s.GiveBack) -> None:
    def refund() -> None:
        job = Refund(
            call=CallKey(entry.application, entry.call),
            amount_micros=entry.micros,
            why=WHY,
            reference=entry.reference,
            now=world.clock(),
            who=WHO,
        )
        name = f"refund {entry.call} {entry.micros} {entry.reference}"
        key = (entry.application, entry.call)
        _perform(
            world,
            name,
            job,
            lambda: world.oracle.refunds(key, entry.micros, entry.reference),
            is_beside=entry.is_beside,
        )

    _repeated(world, entry.again_after_s, refund)


# -- rate decks --------------------------------------------------------------------------------------------------------


def _import(world: World, entry: s.Import) -> None:
    oracle, name, now, now_us = world.oracle, entry.deck, world.clock(), world.now_us()
    base = oracle.setup.decks.get(name)

    def apply() -> str | None:
        if oracle.setup.decks.get(name) is not base:
            return "Conflict"
        oracle.publishes(name, entry.currency, oracle.merged(name, entry.prices, entry.mode, now_us))
        return None

    async def bring_in(node: Node) -> None:
        rows = [_rate(price) for price in entry.prices]
        mode = ImportMode(entry.mode)
        await import_deck(node.store, name, entry.currency, rows, mode=mode, is_dry_run=False, now=now)

    _order(world, Order(f"import {name} {entry.mode}", apply), bring_in)


def _rate(price: s.Price) -> Rate:
    return Rate(
        prefix=price.prefix,
        destination=price.prefix,
        rate_nanos_per_min=price.nanos,
        connect_fee_micros=price.fee,
        first_increment_s=price.first_s,
        increment_s=price.next_s,
        minimum_charge_micros=price.minimum,
        grace_s=price.grace_s,
        effective_from=EPOCH + timedelta(seconds=price.from_s),
        is_blocked=price.is_blocked,
    )


DOES: dict[type, Does] = {
    s.OpenAccount: _open,
    s.Status: _set_status,
    s.LimitTo: _limit,
    s.Credit: _lend,
    s.MoveDeck: _move_deck,
    s.Elastic: _set_elastic,
    s.Pay: _pay,
    s.AdjustBy: _adjust,
    s.GiveBack: _refund,
    s.Import: _import,
}
