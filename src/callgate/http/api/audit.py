"""The route of the audit log: who changed what, from what to what."""

from typing import Any

import msgspec
from litestar import get
from litestar.params import FromQuery

from callgate.errors import Invalid
from callgate.http.api.access import may_configure
from callgate.http.api.accounts import InApp
from callgate.http.api.desk import TheDesk
from callgate.http.api.paging import Cursor, Limit, Page, page, read_cursor
from callgate.service.audit_entry import AuditEntry
from callgate.service.ports import AuditFilter
from callgate.service.reports import rfc3339


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """One row that changed. `before` and `after` are null where there was or is nothing; secrets are in neither."""

    id: int
    at: str
    who: str
    via: str
    action: str
    kind: str
    subject: str
    application: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@get("/audit", guards=[may_configure])
async def list_audit(
    desk: TheDesk,
    who: FromQuery[str | None] = None,
    kind: FromQuery[str | None] = None,
    subject: FromQuery[str | None] = None,
    app: InApp = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[AuditReport]:
    """List what was changed, newest first; of `who`, of one `kind`, or of one `subject`."""
    wanted = AuditFilter(application=desk.scope(app), who=who, kind=kind, subject=subject)
    before = _read_id(read_cursor(cursor)) if cursor else None
    found = await desk.store.audit_entries(wanted, before=before, limit=limit + 1)
    return page(found, limit, lambda entry: str(entry.id), report_entry)


def report_entry(entry: AuditEntry) -> AuditReport:
    return AuditReport(
        id=entry.id,
        at=rfc3339(entry.at),
        who=entry.who,
        via=entry.via,
        action=entry.action,
        kind=entry.kind,
        subject=entry.subject,
        application=entry.application or None,
        before=None if entry.before is None else msgspec.json.decode(entry.before),
        after=None if entry.after is None else msgspec.json.decode(entry.after),
    )


def _read_id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):  # noqa: PLR2004 - fits the column
        raise Invalid("cursor", repr(text[:40]), "the `next` of the page before")
    return int(text)
