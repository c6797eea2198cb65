"""Operators' rules on their way into force, and what is known of them there."""

from collections.abc import Iterable

import msgspec

from callgate.errors import NotFound, RulesInvalid
from callgate.logs import log
from callgate.policy.rules.document import RuleDocument, read_rules
from callgate.policy.rules.judge import RuleSet, compile_rules, unusable_rules
from callgate.policy.rules.rule import Mode, Rule
from callgate.service.hooks import known_facts
from callgate.service.ports import Store
from callgate.service.reports import rfc3339
from callgate.service.rule_book import RulesVersion


class RulesReport(msgspec.Struct, frozen=True, kw_only=True):
    """A version of an application's rules. `version` is 0 where none was ever applied; the document is empty then."""

    application: str
    version: int
    applied_at: str | None
    applied_by: str
    time_zone: str
    rules: tuple[Rule, ...]
    document: str


def read_document(text: str, source: str) -> RuleDocument:
    """Read a document by the facts that there are here, those of installed hooks too. Raises `RulesInvalid`."""
    return read_rules(text, source, known_facts())


def load_rules(versions: Iterable[RulesVersion]) -> dict[str, RuleSet]:
    """Compile documents in force, by application.

    One that was good when it was applied, and is not understood by this version of ours, refuses every call that it would
    have judged: what it forbade is not known any more.
    """
    return {each.application: _compile(each) for each in versions}


def _compile(stored: RulesVersion) -> RuleSet:
    try:
        return compile_rules(read_document(stored.document, _named(stored)), stored.version)
    except (RulesInvalid, ValueError) as error:
        log.error("rules.unusable", application=stored.application, version=stored.version, error=str(error))
        return unusable_rules(stored.version, str(error))


def faults_in_force(versions: Iterable[RulesVersion]) -> list[str]:
    """What is wrong with documents in force, as this installation understands them."""
    faults = []
    for each in versions:
        try:
            read_document(each.document, _named(each))
        except RulesInvalid as error:
            faults.append(str(error))
    return faults


def _named(stored: RulesVersion) -> str:
    return f"version {stored.version} of the rules of {stored.application}"


async def rules_report(store: Store, application: str, version: int | None = None) -> RulesReport:
    """Return the rules in force, or an earlier version of them. Raises `NotFound`, `RulesInvalid`."""
    found = await store.rules_versions(application, version=version)
    if found:
        return report_rules(found[0])
    if version is None:
        return RulesReport(
            application=application,
            version=0,
            applied_at=None,
            applied_by="",
            time_zone="UTC",
            rules=(),
            document="",
        )
    raise NotFound(f"there is no version {version} of the rules of {application}")


def report_rules(stored: RulesVersion) -> RulesReport:
    """Raises `RulesInvalid` for a document that this version of ours does not understand."""
    document = read_document(stored.document, _named(stored))
    return RulesReport(
        application=stored.application,
        version=stored.version,
        applied_at=rfc3339(stored.applied_at),
        applied_by=stored.applied_by,
        time_zone=document.time_zone,
        rules=document.rules,
        document=stored.document,
    )


def binding_anew(before: Iterable[Rule], after: Iterable[Rule]) -> list[str]:
    """Names of rules that bind from now on and did not, or not in these words: what an operator should look at twice."""
    known = {rule.name: rule for rule in before if rule.mode is Mode.BINDING}
    return [rule.name for rule in after if rule.mode is Mode.BINDING and known.get(rule.name) != rule]
