"""Lines of the audit log as rows of its table and back."""

from callgate.service.audit_entry import AuditEntry, Via
from callgate.storage.rows import Row, from_us, to_us

AUDIT = ("at", "who", "via", "action", "kind", "subject", "application", "before", "after")


def from_audit_entry(entry: AuditEntry) -> Row:
    """Without its id, which the engine gives."""
    return (
        to_us(entry.at),
        entry.who,
        str(entry.via),
        entry.action,
        entry.kind,
        entry.subject,
        entry.application,
        entry.before,
        entry.after,
    )


def to_audit_entry(row: Row) -> AuditEntry:
    """From the id and then the columns of `AUDIT`."""
    number, at, who, via, action, kind, subject, application, before, after = row
    return AuditEntry(
        id=number,
        at=from_us(at),
        who=who,
        via=Via(via),
        action=action,
        kind=kind,
        subject=subject,
        application=application,
        before=before,
        after=after,
    )
