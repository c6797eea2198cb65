"""`callgate rules ...`: operators' own rules."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from callgate.cli.desk import (
    AsJson,
    Config,
    InApp,
    Limit,
    Whole,
    open_books,
    read_settings,
    say,
    say_json,
    say_steps,
    table,
    the_application,
    who,
)
from callgate.errors import Invalid, RulesInvalid

if TYPE_CHECKING:
    from callgate.policy.number_list import ListKind
    from callgate.policy.rules.rule import Rule
    from callgate.service.backtest import BacktestReport, OutcomeReport
    from callgate.service.explain import Explanation
    from callgate.service.ports import Store

Version = Annotated[
    Whole | None, Parameter(name="--version", help="Number of the version; the one in force unless given.")
]


async def check(file: Path, *, json: AsJson = False) -> int:
    """Say what is wrong with a document of rules, by line and column; exit 1 when anything is.

    Parameters
    ----------
    file
        A TOML document of rules.
    """
    from callgate.service.rules import read_document

    try:
        document = read_document(_content(file), str(file))
    except RulesInvalid as error:
        if not json:
            raise
        say_json({"errors": [fault._asdict() for fault in error.faults]})
        return 1
    if json:
        say_json({"errors": [], "time_zone": document.time_zone, "rules": document.rules})
        return 0
    say(f"{file} is well: {_counted(document.rules)}")
    return 0


async def apply(
    file: Path, *, base: Whole | None = None, app: InApp = None, config: Config = None, json: AsJson = False
) -> int:
    """Put a document of rules in force; running servers follow within a second.

    Parameters
    ----------
    file
        A TOML document of rules. It replaces the one that is in force.
    base
        Version that the document was made from: refused when another one is in force by now.
    """
    from callgate.app import clock
    from callgate.service.apply_rules import ApplyRules
    from callgate.service.rules import binding_anew, read_document, rules_report

    text = _content(file)
    document = read_document(text, str(file))
    async with open_books(config) as store:
        application = await the_application(store, app)
        before = await rules_report(store, application)
        job = ApplyRules(application=application, document=text, who=who(), now=clock(), base=base)
        head = await store.perform(job)
    anew = binding_anew(before.rules, document.rules)
    if json:
        say_json({"application": application, "version": head.version, "rules": document.rules, "binding_anew": anew})
        return 0
    say(f"Version {head.version} is in force for {application}: {_counted(document.rules)}")
    if anew:
        say(f"Binding from now on: {', '.join(anew)}")
    return 0


async def show(*, version: Version = None, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """Print the rules in force, or an earlier version of them."""
    from callgate.service.rules import rules_report

    async with open_books(config) as store:
        report = await rules_report(store, await the_application(store, app), version)
    if json:
        say_json(report)
    elif report.version == 0:
        say(f"{report.application} has no rules; write some and put them in force with: callgate rules apply FILE")
    else:
        say(f"# version {report.version} of {report.application}, applied {report.applied_at} by {report.applied_by}")
        say(report.document.rstrip("\n"))
    return 0


async def history(*, limit: Limit = 50, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """List the versions of the rules, newest first."""
    from callgate.service.reports import rfc3339

    async with open_books(config) as store:
        versions = await store.rules_versions(await the_application(store, app), limit=limit)
    lines = [(str(each.version), rfc3339(each.applied_at), each.applied_by) for each in versions]
    if json:
        say_json(
            [
                dict(zip(("version", "applied_at", "applied_by"), (each.version, *line[1:]), strict=True))
                for each, line in zip(versions, lines, strict=True)
            ]
        )
    else:
        table(("version", "applied", "by"), lines)
    return 0


async def backtest(
    file: Path | None = None,
    *,
    since: str = "7d",
    until: str | None = None,
    deck: Annotated[tuple[str, ...], Parameter(name="--deck")] = (),
    lists: Annotated[tuple[str, ...], Parameter(name="--list")] = (),
    limit: Limit = 20,
    app: InApp = None,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Say what other rules, prices or lists would have changed about past calls, and how much money.

    Parameters
    ----------
    file
        A TOML document of rules, all of which are judged as if they were binding; those in force unless given.
    since
        How far back, as 24h or 7d, or a time.
    until
        Up to when; now unless given.
    deck
        NAME=FILE: price by this file the calls of accounts on the deck of that name. May be given several times.
    lists
        NAME=FILE: the numbers and prefixes of this file in place of what is on the list of that name; NAME:deny=FILE and
        NAME:allow=FILE for a list that is not there yet. May be given several times.
    """
    from callgate.app import clock
    from callgate.cli.times import parse_since
    from callgate.service.backtest import Trial, backtest, read_trial_decks, trial_list
    from callgate.service.catalog import Catalogs
    from callgate.service.rules import read_document

    if file is None and not deck and not lists:
        raise Invalid("rules backtest", "nothing to try", "a document of rules, --deck NAME=FILE or --list NAME=FILE")
    now = clock()
    document = None if file is None else read_document(_content(file), str(file))
    named = dict(_deck_file(word) for word in deck)
    listed = [_list_file(word) for word in lists]
    async with open_books(config) as store:
        application = await the_application(store, app)
        catalogs = Catalogs(store, lambda _: "")  # its secrets are not needed to decide
        await catalogs.refresh()
        report = await backtest(
            store,
            catalogs.now,
            application,
            Trial(
                rules=document,
                decks=read_trial_decks(catalogs.now, named, now, await store.supplier_mappings()),
                lists=[trial_list(catalogs.now, application, name, kind, entries) for name, kind, entries in listed],
            ),
            since=parse_since(since, "--since", now),
            until=now if until is None else parse_since(until, "--until", now),
            listed=limit,
            rest=_go_on,
        )
    if json:
        say_json(report)
    else:
        _say_backtest(report)
    return 0


async def _go_on() -> None:
    """A command does nothing else: it need not rest."""


def _deck_file(word: str) -> tuple[str, tuple[str, bytes]]:
    name, equals, file = word.partition("=")
    if not (equals and name and file):
        raise Invalid("--deck", repr(word[:80]), "NAME=FILE, such as standard=new.csv")
    try:
        return name, (file, Path(file).read_bytes())
    except OSError as error:
        raise Invalid(file, error.strerror or str(error), "a readable CSV file") from error


def _list_file(word: str) -> "tuple[str, ListKind | None, list[int]]":
    """Read `NAME=FILE` or `NAME:KIND=FILE`, and the file."""
    from callgate.policy.number_list import ListKind
    from callgate.service.number_lists import read_list_file

    left, equals, file = word.partition("=")
    name, colon, kind = left.partition(":")
    if not (equals and name and file) or (colon and kind not in list(ListKind)):
        raise Invalid("--list", repr(word[:80]), "NAME=FILE or NAME:deny=FILE, such as hot:deny=numbers.txt")
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise Invalid(file, error.strerror or str(error), "a readable file of numbers and prefixes") from error
    return name, ListKind(kind) if colon else None, read_list_file(content, file)


def _say_backtest(report: "BacktestReport") -> None:
    say(f"{report.calls} calls since {report.since}, {report.judged} judged again: {report.changed} decisions change")
    if report.already:
        say(f"{report.already} of these what is in force now changes already")
    if not report.is_complete:
        say("there were more calls before that")
    for kind, count in report.kinds.items():
        say(f"  {kind:<10} {count}")
    for money in report.money:
        say(
            f"{money.currency}: charged {money.charged}, would be charged {money.would_be_charged}, "
            f"difference {money.difference}; newly held {money.newly_held}"
        )
    for rule in report.rules:
        failed = f", could not be judged for {rule.failed}" if rule.failed else ""
        say(f"rule {rule.rule}: matched {rule.matched}{failed}")
    if report.changes:
        lines = [
            (each.decided_at, each.call_id, each.account or "-", each.kind, _side(each.before), _side(each.after))
            for each in report.changes
        ]
        table(("decided", "call", "account", "change", "was", "would be"), lines)
    if len(report.changes) < report.changed:
        say(f"and {report.changed - len(report.changes)} more")


def _side(side: "OutcomeReport") -> str:
    if side.refusal is not None:
        return side.refusal if side.rule is None else f"{side.refusal} {side.rule}"
    return f"{side.destination} {side.granted_s} s, {side.charge}"


async def explain(
    call_id: str | None = None,
    *,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    to: str | None = None,
    app: InApp = None,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Say why a call was decided as it was, or how one would be that has not happened.

    Parameters
    ----------
    call_id
        The provider's call id.
    from_
        Who would call: user:ID or a number.
    to
        Who would be called: a number, user:ID, conference:ID, sip:ADDRESS or did:NUMBER.
    """
    from callgate.protocol.call import CallKey
    from callgate.service.explain import explain_call

    if (call_id is None) == (from_ is None) or (from_ is None) != (to is None):
        raise Invalid("rules explain", "neither or both", "a call id, or --from and --to")
    async with open_books(config) as store:
        application = await the_application(store, app)
        if call_id is not None:
            found = await explain_call(store, CallKey(application, call_id))
        else:
            assert from_ is not None and to is not None, "asked above"
            found = await _what_if(store, application, from_, to, config)
    if json:
        say_json(found.trace)
        return 0
    say(f"{found.caller or '?'} -> {found.destination or '?'}  account {found.account or '-'}")
    say_steps(found.trace[:-1])
    if found.outcome == "connect" and found.hold is None:
        say(f"connect for at most {found.granted_s} s, nothing held")
    elif found.outcome == "connect":
        say(f"connect for at most {found.granted_s} s, {found.hold} {found.currency} held for {found.held_s} s")
    else:
        say(f"refused: {found.refusal}. {found.reason}")
    say(f"answer: {_json_text(found.answer)}")
    return 0


async def _what_if(store: "Store", application: str, caller: str, to: str, config: Path | None) -> "Explanation":
    from callgate.app import clock
    from callgate.service.catalog import Catalogs
    from callgate.service.elastic import ElasticTerms
    from callgate.service.explain import explain_what_if

    settings = read_settings(config)
    catalogs = Catalogs(store, lambda _: "")  # its secrets are not needed to decide
    await catalogs.refresh()
    terms = ElasticTerms(slice_s=settings.elastic_slice_s, max_s=settings.elastic_max_s)
    return await explain_what_if(store, catalogs.now, application, caller, to, now=clock(), elastic=terms)


def _json_text(value: object) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


def _counted(rules: "tuple[Rule, ...]") -> str:
    binding = sum(rule.mode == "binding" for rule in rules)
    return f"{len(rules)} rule{'' if len(rules) == 1 else 's'}, {binding} binding, {len(rules) - binding} in shadow"


def _content(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise Invalid(str(file), f"a byte at {error.start} that is no UTF-8", "a TOML document in UTF-8") from None
    except OSError as error:
        raise Invalid(str(file), error.strerror or str(error), "a readable TOML document of rules") from error
