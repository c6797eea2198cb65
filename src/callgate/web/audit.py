"""The audit log: who changed what, by which way, from what to what."""

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Response, get

from callgate.service.audit_entry import AuditEntry
from callgate.service.look_through import look_through
from callgate.service.ports import AuditFilter
from callgate.service.reports import rfc3339
from callgate.service.token import Role
from callgate.web.desk import AnyRequest, AtDesk
from callgate.web.lists import Listed, as_file, form_of, given, paths, query
from callgate.web.search import fragment_of, holds

SHOWN = 50


class AuditLine(msgspec.Struct, frozen=True, kw_only=True):
    """One change. `changed` are the fields that are others by now, each with its value before and after."""

    id: int
    at: str
    who: str
    via: str
    action: str
    kind: str
    subject: str
    application: str
    changed: dict[str, tuple[str, str]]


@get(paths("/audit"))
async def list_audit(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """Changes, newest first. Filters: `who`, `kind`, `subject`, `app`, and `number`: a part of what was changed, or of what
    it was and is now.
    """
    desk.at_least(Role.ADMIN)
    filters = given(request, ("number", "who", "kind", "subject", "app", "before"))
    before = filters.pop("before")
    wanted = AuditFilter(
        application=desk.bound or filters["app"] or None,
        who=filters["who"] or None,
        kind=filters["kind"] or None,
        subject=filters["subject"] or None,
    )
    last = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None  # noqa: PLR2004 - fits the column
    fragment = fragment_of(filters["number"])

    async def read(entry: AuditEntry | None, limit: int) -> Sequence[AuditEntry]:
        return await desk.store.audit_entries(wanted, before=last if entry is None else entry.id, limit=limit)

    def has_it(entry: AuditEntry) -> bool:
        sides = (side.decode(errors="replace") for side in (entry.before, entry.after) if side is not None)
        texts = (entry.subject, *sides)
        return holds(fragment, *texts) or holds(filters["number"], *texts)

    found = await look_through(read, SHOWN, has_it if fragment else None)
    items = [_line(entry) for entry in found.items]
    following = None if found.last is None else query(request, before=str(found.last.id))
    if form := form_of(request):
        return as_file(form, items, following, "audit")
    return await desk.page(
        "audit.html",
        request,
        listed=Listed(items, following, filters, is_cut=found.is_cut),
        applications=tuple(desk.applications),
        same=query(request, before=None),
    )


def _line(entry: AuditEntry) -> AuditLine:
    before = {} if entry.before is None else msgspec.json.decode(entry.before)
    after = {} if entry.after is None else msgspec.json.decode(entry.after)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return AuditLine(
        id=entry.id,
        at=rfc3339(entry.at),
        who=entry.who,
        via=entry.via,
        action=entry.action,
        kind=entry.kind,
        subject=entry.subject,
        application=entry.application,
        changed={name: (_text(before.get(name)), _text(after.get(name))) for name in names},
    )


def _text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()
