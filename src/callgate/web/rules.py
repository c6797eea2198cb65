"""Rules: the operator's own, what each would have done in shadow, and their document in force."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Response, get, post

from callgate.errors import Conflict, RuleFault, RulesInvalid
from callgate.logs import log
from callgate.policy.rules.document import read_rules
from callgate.policy.rules.rule import Mode, Rule
from callgate.service.apply_rules import ApplyRules
from callgate.service.reports import rfc3339
from callgate.service.rules import binding_anew, rules_report
from callgate.service.shadow import RuleResult, rule_results
from callgate.service.token import Role
from callgate.web.desk import AnyRequest, AtDesk, Desk, Form, name_of
from callgate.web.forms import Filled, sentence_of, told_first
from callgate.web.lists import Listed, as_file, form_of, given, paths, query
from callgate.web.search import holds

VERSIONS_SHOWN = 8

NO_FILTERS: Mapping[str, str] = {"mode": "", "find": ""}

EXAMPLE = """\
time_zone = "Europe/Stockholm"

[[rule]]
name = "short-calls-when-dear"
condition = 'rate_per_minute > 0.50 && available < 20'
effect = "cap"
seconds = 600
mode = "shadow"
"""


class RuleLine(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as the list has it. `matched` and what follows are what it came to on the newest calls, see `service.shadow`."""

    name: str
    mode: str
    effect: str
    condition: str
    priority: int
    detail: str
    matched: int
    would_refuse: int
    failed: int
    last: str


@get(paths("/rules"))
async def list_rules(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """The rules in force, or those of an earlier `version`: in one `mode`, with `find` in name or condition."""
    desk.who()
    filters = given(request, ("app", "version", "mode", "find"))
    app, version = desk.application(filters.pop("app")), filters.pop("version")
    return await _page(desk, request, app, Filled(), (), version, filters)


async def _page(  # noqa: PLR0913, PLR0917 - what the page shows
    desk: Desk,
    request: AnyRequest,
    app: str,
    form: Filled,
    faults: Sequence[RuleFault],
    version: str = "",
    filters: Mapping[str, str] = NO_FILTERS,
) -> Response[Any]:
    report = await rules_report(desk.store, app, int(version) if version.isdigit() and len(version) < 10 else None)  # noqa: PLR2004 - keeps int() small
    looked_at, results = await rule_results(desk.store, app)
    lines = [
        _line(rule, results.get(rule.name, RuleResult()))
        for rule in report.rules
        if filters["mode"] in ("", rule.mode) and holds(filters["find"], rule.name, rule.condition)
    ]
    if kind := form_of(request):
        return as_file(kind, lines, None, "rules")
    in_force = report if not version else await rules_report(desk.store, app)
    versions = await desk.store.rules_versions(app, limit=VERSIONS_SHOWN)
    first = Filled(document=report.document or EXAMPLE, base=str(in_force.version))
    return await desk.page(
        "rules.html",
        request,
        app=app,
        applications=tuple(desk.applications),
        report=report,
        looked_at=looked_at,
        is_in_force=report.version == in_force.version,
        listed=Listed(lines, None, filters),
        modes=tuple(mode.value for mode in Mode),
        same=query(request),
        versions=[(each.version, rfc3339(each.applied_at), each.applied_by) for each in versions],
        form=form if form.is_faulty else first,
        faults=faults,
        status_code=422 if form.is_faulty else 200,
    )


@post("/rules")
async def apply_rules(desk: AtDesk, request: AnyRequest, data: Form) -> Response[Any]:
    """Put a document in force; every fault is said by its line and column, and nothing has changed then."""
    who = desk.at_least(Role.ADMIN)
    form = Filled(data)
    app = desk.application(form["app"])
    document = form["document"].replace("\r\n", "\n")
    before = await rules_report(desk.store, app)
    try:
        read = read_rules(document, "the document")
        base = int(form["base"]) if form["base"].isdigit() else None
        head = await desk.store.perform(
            ApplyRules(application=app, document=document, who=name_of(who), now=desk.clock(), base=base)
        )
    except RulesInvalid as error:
        form.faults["document"] = told_first("The document cannot be used; nothing was changed", error.faults)
        return await _page(desk, request, app, form, error.faults)
    except Conflict as error:
        form.faults["document"] = sentence_of(error)
        return await _page(desk, request, app, form, ())
    await desk.catalogs.refresh()
    log.info("rules.applied", application=app, version=head.version, who=who.name)
    anew = binding_anew(before.rules, read.rules)
    told = f" Binding from now on: {', '.join(anew)}." if anew else ""
    return desk.done(request, f"rules?app={app}", f"Version {head.version} is in force.{told}")


@post("/rules/mode")
async def switch_rule(desk: AtDesk, request: AnyRequest, data: Form) -> Response[Any]:
    """Make one rule binding, or put it back into shadow: the document's own line is changed, and a new version applied."""
    who = desk.at_least(Role.ADMIN)
    app, name = desk.application(data.get("app", "")), data.get("rule", "")
    mode = Mode.BINDING if data.get("mode") == Mode.BINDING else Mode.SHADOW
    report = await rules_report(desk.store, app)
    document = with_mode(report.document, name, mode)
    try:
        wanted = tuple(msgspec.structs.replace(rule, mode=mode) if rule.name == name else rule for rule in report.rules)
        if name not in {rule.name for rule in wanted} or read_rules(document, "the document").rules != wanted:
            return desk.done(request, f"rules?app={app}", f"There is no rule {name} whose mode could be changed.")
        await desk.store.perform(
            ApplyRules(application=app, document=document, who=name_of(who), now=desk.clock(), base=report.version)
        )
    except (RulesInvalid, Conflict) as error:
        return desk.done(request, f"rules?app={app}", f"Not changed: {sentence_of(error)}")
    await desk.catalogs.refresh()
    log.info("rule.switched", application=app, rule=name, mode=mode.value, who=who.name)
    told = "is binding from now on" if mode is Mode.BINDING else "only watches from now on"
    return desk.done(request, f"rules?app={app}", f"Rule {name} {told}.")


def with_mode(document: str, name: str, mode: Mode) -> str:
    """The document with one rule in another mode, and nothing else changed: its comments and its order stay."""
    lines = document.split("\n")
    starts = [place for place, line in enumerate(lines) if line.split("#")[0].strip() == "[[rule]]"]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        table = range(start + 1, end)
        if not any(_is_key(lines[place], "name") and _value(lines[place]) == name for place in table):
            continue
        wanted = f'mode = "{mode.value}"'
        for place in table:
            if _is_key(lines[place], "mode"):
                lines[place] = wanted
                return "\n".join(lines)
        named = next(place for place in table if _is_key(lines[place], "name"))
        lines.insert(named + 1, wanted)
        return "\n".join(lines)
    return document


def _is_key(line: str, key: str) -> bool:
    return line.partition("=")[0].strip() == key and "=" in line


def _value(line: str) -> str:
    return line.partition("=")[2].strip().strip("\"'")


def _line(rule: Rule, result: RuleResult) -> RuleLine:
    detail = (
        rule.text
        or rule.to
        or (rule.menu and f"menu {rule.menu}")
        or (f"at most {rule.seconds:,} s" if rule.seconds else "")
    )
    return RuleLine(
        name=rule.name,
        mode=rule.mode,
        effect=rule.effect,
        condition=rule.condition,
        priority=rule.priority,
        detail=detail,
        matched=result.matched,
        would_refuse=result.would_refuse,
        failed=result.failed,
        last=result.last,
    )


rule_routes = (list_rules, apply_rules, switch_rule)
