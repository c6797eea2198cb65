"""Operators' rules as rows and back."""

from callgate.service.rule_book import RulesHead, RulesVersion
from callgate.storage.rows import Row, from_us, to_us

RULES_KEY = ("application",)
RULES = (*RULES_KEY, "version", "digest")


def from_rules(head: RulesHead) -> Row:
    return (head.application, head.version, head.digest)


def to_rules(row: Row) -> RulesHead:
    return RulesHead(**dict(zip(RULES, row, strict=True)))


RULES_VERSION = ("application", "version", "document", "applied_at", "applied_by")


def from_rules_version(each: RulesVersion) -> Row:
    return (each.application, each.version, each.document, to_us(each.applied_at), each.applied_by)


def to_rules_version(row: Row) -> RulesVersion:
    application, version, document, applied_at, applied_by = row
    return RulesVersion(
        application=application,
        version=version,
        document=document,
        applied_at=from_us(applied_at),
        applied_by=applied_by,
    )
