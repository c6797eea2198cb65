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
    say,
    say_json,
    table,
    the_application,
    who,
)
from callgate.errors import Invalid, RulesInvalid

if TYPE_CHECKING:
    from callgate.policy.rules.rule import Rule

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
    from callgate.policy.rules.document import read_rules

    try:
        document = read_rules(_content(file), str(file))
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
    from callgate.policy.rules.document import read_rules
    from callgate.service.apply_rules import ApplyRules
    from callgate.service.rules import binding_anew, rules_report

    text = _content(file)
    document = read_rules(text, str(file))
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


def _counted(rules: "tuple[Rule, ...]") -> str:
    binding = sum(rule.mode == "binding" for rule in rules)
    return f"{len(rules)} rules, {binding} binding, {len(rules) - binding} in shadow"


def _content(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise Invalid(str(file), f"a byte at {error.start} that is no UTF-8", "a TOML document in UTF-8") from None
    except OSError as error:
        raise Invalid(str(file), error.strerror or str(error), "a readable TOML document of rules") from error
