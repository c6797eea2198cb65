"""What other rules, prices or lists would have changed: recorded calls are judged again, in portions, and nothing is written."""

from array import array
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from callgate.errors import Conflict, Invalid, NotFound
from callgate.money import format_micros
from callgate.policy.number_list import ListKind, NumberList
from callgate.policy.rules.document import RuleDocument
from callgate.policy.rules.judge import RuleSet, compile_rules
from callgate.policy.rules.rule import Mode
from callgate.protocol import PROVIDERS, Provider
from callgate.rating.deck import Deck
from callgate.rating.deck_mapped import read_deck_file
from callgate.rating.deck_options import ReadOptions
from callgate.rating.rates import sorted_rates
from callgate.rating.supplier_mapping import SupplierMapping, find_mapping
from callgate.service.catalog import Catalog
from callgate.service.decided_call import DecidedCall
from callgate.service.ports import CallPosition, Store
from callgate.service.rejudge import (
    Judges,
    Outcome,
    asked,
    charge_of,
    judge_again,
    judges_in_force,
    recorded_outcome,
)
from callgate.service.reports import rfc3339

PORTION = 50
"""Calls that are read and judged in one go: a few milliseconds."""

MAX_CALLS = 1_000_000
"""Calls that one backtest looks at, at most."""

MAX_LISTED = 1_000


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What is tried. None, or nothing, leaves what is in force. Rules are judged as if all of them were binding, decks as they
    are once every row has taken effect; a list stands for the one of its name, or comes to those that there are.
    """

    rules: RuleDocument | None = None
    decks: Mapping[str, Deck] = {}
    lists: Sequence[NumberList] = ()


class OutcomeReport(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a change. `charge` is what the talk that there was cost, or would."""

    outcome: str
    refusal: str | None
    rule: str | None
    granted_s: int
    destination: str
    prefix: str | None
    charge: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that would be another one. `already`: what is in force now would decide so too, without what is tried."""

    call_id: str
    decided_at: str
    account: str | None
    caller: str
    kind: str
    already: bool
    currency: str | None
    before: OutcomeReport
    after: OutcomeReport


class MoneyReport(msgspec.Struct, frozen=True, kw_only=True):
    """The calls whose decision changes, in one currency: what they were charged, and what the same talk would be. `newly_held` is
    what calls that were refused would hold: nobody knows how long they would last.
    """

    currency: str
    charged: str
    would_be_charged: str
    difference: str
    newly_held: str


class RuleTally(msgspec.Struct, frozen=True, kw_only=True):
    """How often a rule's condition held, and how often it could not be judged."""

    rule: str
    matched: int
    failed: int


class BacktestReport(msgspec.Struct, frozen=True, kw_only=True):
    """`calls` were decided in the time, `judged` of them judged again; of the others there is no question on record. `kinds`
    counts the changes. `changes` has the newest of them. `is_complete` is false where there were more calls than are looked at;
    `since` is then how far back they reach.
    """

    application: str
    since: str
    until: str
    is_complete: bool
    calls: int
    judged: int
    changed: int
    already: int
    kinds: dict[str, int]
    money: list[MoneyReport]
    rules: list[RuleTally]
    changes: list[Change]


async def backtest(  # noqa: PLR0913 - what is tried, on which calls
    store: Store,
    catalog: Catalog,
    application: str,
    trial: Trial,
    *,
    since: datetime,
    until: datetime,
    most_calls: int = MAX_CALLS,
    listed: int = MAX_LISTED,
    rest: Callable[[], Awaitable[None]],
) -> BacktestReport:
    """Judge calls of a time again, the newest first. `rest` is awaited between portions, so that others have their turn.

    Raises `NotFound` for an application that is not there.
    """
    known = catalog.applications.get(application)
    if known is None:
        raise NotFound(f"there is no application {application}")
    in_force = judges_in_force(catalog, application)
    tried = in_force._replace(
        rules=in_force.rules if trial.rules is None else _all_binding(trial.rules),
        decks={**catalog.decks, **{name: _in_effect(deck, since) for name, deck in trial.decks.items()}},
        lists=_tried_lists(in_force.lists, trial.lists),
        new_decks=frozenset(trial.decks),
    )
    tally = _Tally(PROVIDERS[known.row.provider], in_force, tried, listed)
    before: CallPosition | None = None
    while tally.calls < most_calls:
        portion = await store.decided_calls(
            application, since=since, until=until, before=before, limit=min(PORTION, most_calls - tally.calls)
        )
        if not portion:
            return tally.report(application, since, until, is_complete=True)
        for decided in portion:
            tally.judge(decided)
        last = portion[-1].call
        before = CallPosition(last.decided_at, last.key)
        await rest()
    reached = since if before is None else before.decided_at
    return tally.report(application, reached, until, is_complete=False)


def read_trial_decks(
    catalog: Catalog, files: Mapping[str, tuple[str, bytes]], now: datetime, mappings: Sequence[SupplierMapping]
) -> dict[str, Deck]:
    """Decks to try, from files by the names of those that they stand for; each with the name of its source. A carrier's file is
    read as it would be imported: by what is remembered of the supplier with the name of the deck.

    Raises `NotFound` for a deck that is not in force, `RateDeckInvalid`, and `Conflict` for another currency.
    """
    decks = {}
    for name, (source, content) in files.items():
        if (known := catalog.decks.get(name)) is None:
            raise NotFound(f"there is no deck {name}; there are: {', '.join(catalog.decks) or 'none'}")
        recalled = find_mapping(content, [each for each in mappings if each.supplier == name])
        options = ReadOptions() if recalled is None else recalled.said.options()
        read = read_deck_file(content, source, now, options)
        if read.currency not in (None, known.currency):
            raise Conflict(f"{source} is priced in {read.currency}, deck {name} in {known.currency}")
        decks[name] = Deck(name=name, currency=known.currency, rows=sorted_rates(read.rows).named(name, source))
    return decks


def trial_list(
    catalog: Catalog,
    application: str,
    name: str,
    kind: ListKind | None,
    entries: Iterable[int],
) -> NumberList:
    """A list to try, of entries as they are read. One that stands for a list in force is met by the same account.

    Raises `Invalid` where there is no list of that name and no kind is said.
    """
    known = next((each for each in catalog.lists.get(application, ()) if each.name == name), None)
    if known is None and kind is None:
        raise Invalid("list", f"no list {name[:80]!r} in force", "a kind for a new one: deny or allow")
    of_kind = kind if kind is not None else known.kind  # type: ignore[union-attr]  # one of them says it
    account = None if known is None else known.account
    return NumberList(name=name, kind=of_kind, account=account, entries=array("q", sorted(set(entries))))


def _tried_lists(in_force: Sequence[NumberList], tried: Sequence[NumberList]) -> Sequence[NumberList]:
    names = {each.name for each in tried}
    return [*(each for each in in_force if each.name not in names), *tried]


def _in_effect(deck: Deck, since: datetime) -> Deck:
    """The deck as if its last row had taken effect before the calls that are looked at: new prices are of now, or of later."""
    latest = max((each.effective_from for each in deck.rates.terms), default=since)
    return (
        deck
        if latest <= since
        else Deck(name=deck.name, currency=deck.currency, rows=deck.rates.taken_back(latest - since))
    )


def _all_binding(document: RuleDocument) -> RuleSet:
    """A rule in shadow would change nothing; what is asked is what it would do."""
    rules = tuple(msgspec.structs.replace(rule, mode=Mode.BINDING) for rule in document.rules)
    return compile_rules(msgspec.structs.replace(document, rules=rules))


class _Money:
    """Sums of one currency, in micros."""

    charged = would_be_charged = newly_held = 0


class _Tally:
    """What has been found so far."""

    def __init__(self, provider: Provider, in_force: Judges, tried: Judges, listed: int) -> None:
        self._provider = provider
        self._in_force = in_force
        self._tried = tried
        self._listed = listed
        self.calls = self.judged = self.changed = self.already = 0
        self._kinds: Counter[str] = Counter()
        self._matched: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._money: dict[str, _Money] = {}
        self._changes: list[Change] = []

    def judge(self, decided: DecidedCall) -> None:
        self.calls += 1
        call = asked(decided, self._provider)
        if call is None:
            return
        self.judged += 1
        was, would = recorded_outcome(decided.call), judge_again(decided, call, self._tried)
        for match in would.matches:
            (self._failed if match.error else self._matched)[match.rule] += 1
        kind = kind_of_change(was, would)
        if kind is None:
            return
        already = kind_of_change(judge_again(decided, call, self._in_force), would) is None
        self.changed += 1
        self.already += already
        self._kinds[kind] += 1
        self._count_money(decided, was, would)
        if len(self._changes) < self._listed:
            self._changes.append(_change(decided, kind, was, would, is_already=already))

    def _count_money(self, decided: DecidedCall, was: Outcome, would: Outcome) -> None:
        if decided.call.currency is None:
            return
        money = self._money.setdefault(decided.call.currency, _Money())
        money.charged += decided.call.charge_micros or 0
        money.would_be_charged += charge_of(would, decided.call)
        if was.refusal is not None and would.refusal is None:
            money.newly_held += would.hold_micros

    def report(self, application: str, since: datetime, until: datetime, *, is_complete: bool) -> BacktestReport:
        return BacktestReport(
            application=application,
            since=rfc3339(since),
            until=rfc3339(until),
            is_complete=is_complete,
            calls=self.calls,
            judged=self.judged,
            changed=self.changed,
            already=self.already,
            kinds=dict(sorted(self._kinds.items())),
            money=[_report_money(currency, money) for currency, money in sorted(self._money.items())],
            rules=list(self._report_rules()),
            changes=self._changes,
        )

    def _report_rules(self) -> Iterator[RuleTally]:
        for rule, _ in () if self._tried.rules is None else self._tried.rules.programs:
            yield RuleTally(rule=rule.name, matched=self._matched[rule.name], failed=self._failed[rule.name])


def kind_of_change(was: Outcome, would: Outcome) -> str | None:
    """What kind of change it is, in one word; None where it is none.

    `refused`, `connected`: it was the other way round. `reason`: refused for another one. `elsewhere`: to another destination.
    `price`, `shorter`, `longer`: connected there by another price or for another time.
    """
    if was.refusal is not None or would.refusal is not None:
        if was.refusal is None:
            return "refused"
        if would.refusal is None:
            return "connected"
        return None if (was.refusal, was.rule) == (would.refusal, would.rule) else "reason"
    if was.destination != would.destination:
        return "elsewhere"
    if was.rate != would.rate and _price(was) != _price(would):
        return "price"
    if was.granted_s == would.granted_s:
        return None
    return "shorter" if would.granted_s < was.granted_s else "longer"


def _price(outcome: Outcome) -> tuple[int, ...] | None:
    """What a second of it costs, whatever row says so."""
    rate = outcome.rate
    if rate is None:
        return None
    return (
        rate.rate_nanos_per_min,
        rate.connect_fee_micros,
        rate.first_increment_s,
        rate.increment_s,
        rate.minimum_charge_micros,
        rate.grace_s,
        rate.included_s,
    )


def _change(decided: DecidedCall, kind: str, was: Outcome, would: Outcome, *, is_already: bool) -> Change:
    call = decided.call
    return Change(
        call_id=call.key.call_id,
        decided_at=rfc3339(call.decided_at),
        account=call.account,
        caller=call.caller,
        kind=kind,
        already=is_already,
        currency=call.currency,
        before=_report(was, call.charge_micros or 0),
        after=_report(would, charge_of(would, call)),
    )


def _report(outcome: Outcome, charged_micros: int) -> OutcomeReport:
    return OutcomeReport(
        outcome="connect" if outcome.refusal is None else "refuse",
        refusal=outcome.refusal,
        rule=outcome.rule,
        granted_s=outcome.granted_s,
        destination=outcome.destination,
        prefix=None if outcome.rate is None else outcome.rate.prefix,
        charge=format_micros(charged_micros),
    )


def _report_money(currency: str, money: _Money) -> MoneyReport:
    return MoneyReport(
        currency=currency,
        charged=format_micros(money.charged),
        would_be_charged=format_micros(money.would_be_charged),
        difference=format_micros(money.would_be_charged - money.charged),
        newly_held=format_micros(money.newly_held),
    )
