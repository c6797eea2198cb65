"""A new deck in two steps: what a file says and what it would change, then putting it in force.

Nothing changes before the second. A carrier's own file is read as it is: which column is taken for what can be put right, and
what the file leaves open is asked.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from litestar import Response, post
from litestar.datastructures import UploadFile
from litestar.params import MultipartBody

from callgate.errors import Conflict, DeckFault, Invalid, RateDeckInvalid
from callgate.logs import log
from callgate.money import parse_currency
from callgate.rating.deck_csv import DeckMapping
from callgate.rating.deck_header import FIELDS
from callgate.rating.deck_merge import ImportMode
from callgate.rating.deck_options import Said
from callgate.rating.deck_outline import outline_deck
from callgate.rating.supplier_mapping import find_mapping
from callgate.service.forget_mapping import ForgetMapping
from callgate.service.import_alone import prepare_by_size
from callgate.service.import_deck import DeckImport, PreparedDeck, import_file, supplier_of
from callgate.service.import_report import ImportReport, report_import
from callgate.service.token import Role
from callgate.web.desk import AnyRequest, AtDesk, Desk, Form, name_of
from callgate.web.forms import Filled, told_first
from callgate.web.rates import MODES, faulty_upload

MAX_UPLOAD_BYTES = 16 * 1024 * 1024
"""Some 300,000 rows; what is larger is imported by the command."""

FAULTS_SHOWN = 30
CHANGES_SHOWN = 12

QUESTION = "an answer to which is meant: "
"""What the fault says that asks: an option follows, and what could be said."""

OPTIONS: Mapping[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "dates": (
        "Dates are written",
        (
            ("", "as the file tells"),
            ("dmy", "day, month, year"),
            ("mdy", "month, day, year"),
            ("ymd", "year, month, day"),
        ),
    ),
    "decimal": (
        "Decimals are after",
        (("", "what the file tells"), ("point", "a point: 0.0105"), ("comma", "a comma: 0,0105")),
    ),
    "increment_order": (
        "1/60 means",
        (("", "ask me"), ("first-next", "first 1 s, then each 60 s"), ("next-first", "each 1 s, after the first 60 s")),
    ),
    "rate_unit": (
        "A price is for",
        (("", "a minute"), ("second", "a second"), ("increment", "an increment")),
    ),
    "nanp": (
        "Codes of six or ten digits",
        (("", "as the file tells"), ("add1", "are American, without their 1"), ("none", "are whole")),
    ),
    "default_row": (
        "A row for the rest of the world",
        (("", "ask me"), ("import", "prices every other number"), ("skip", "is left out")),
    ),
    "allow_free": ("A price of 0", (("", "ask me"), ("true", "is meant: it costs nothing"))),
}
"""What can be said of a file that it does not say itself: a label, and the answers. The first is to say nothing."""

TEXTS = ("increments", "tz", "effective")
"""Options that are written, not chosen."""


CARRIED = ("upload", "name", "deck", "supplier", "mode", "currency", "map", "ignored", "recalled", *OPTIONS, *TEXTS)
"""What goes from page to page until an upload is in force."""


class Column(NamedTuple):
    """A column of the file as the form has it."""

    place: int
    name: str
    field: str
    samples: Sequence[str]


class Fault(NamedTuple):
    """A cell that cannot be read."""

    line: int
    column: str
    found: str
    expected: str


@post("/rates/check", request_max_body_size=MAX_UPLOAD_BYTES)
async def check_deck(desk: AtDesk, request: AnyRequest, data: MultipartBody[dict[str, Any]]) -> Response[Any]:
    """Read an uploaded deck, and show what it would change."""
    desk.over_all(Role.ADMIN)
    file = data.get("file")
    form = Filled({name: value for name, value in data.items() if isinstance(value, str)})
    content = await file.read() if isinstance(file, UploadFile) else b""
    name = (file.filename if isinstance(file, UploadFile) else "") or "the rows below"
    is_typed = not content.strip()
    if is_typed:
        content, name = form["rows"].encode(), "the rows below"
    upload = await asyncio.to_thread(desk.uploads.keep, content)
    said = {
        "upload": upload,
        "name": name,
        "deck": form["deck"].strip(),
        "mode": form["mode"],
        "currency": form["currency"].strip(),
        "supplier": form["supplier"].strip(),
    }
    try:
        said |= await _recalled(desk, said)
        report = await _import(desk, Filled(said), who="", is_dry_run=True)
    except RateDeckInvalid as error:
        asks = any(fault.expected.startswith(QUESTION) for fault in error.faults)
        if is_typed and not asks:
            form.faults["rows"] = told_first(f"{name} cannot be imported; nothing was changed", error.faults)
            return await faulty_upload(desk, request, form, error.faults)
        return await _check_page(desk, request, Filled(said), None, error.faults)
    except (Invalid, Conflict) as error:
        otherwise = "deck" if "deck" in str(error) else "currency"
        places = {"deck": "deck", "supplier": "supplier", "currency": "currency", "--currency": "currency"}
        return await faulty_upload(desk, request, form.blame(error, places, otherwise))
    return await _check_page(desk, request, Filled(said), report, ())


async def _recalled(desk: Desk, said: Mapping[str, str]) -> dict[str, str]:
    """What was said of the supplier's last file with the same header, as the form has it: it can be seen there, and changed."""
    mappings = await desk.store.supplier_mappings(supplier_of(said["supplier"], said["deck"]))
    path = desk.uploads.path(said["upload"])
    if not mappings or path is None:
        return {}
    content = await asyncio.to_thread(path.read_bytes)
    found = await asyncio.to_thread(find_mapping, content, mappings)
    if found is None:
        return {}
    answers = {name: word for name, word in found.said.answers.items() if not said.get(name)}
    shown = f"{found.file} of {found.supplier} was on {found.remembered_at:%Y-%m-%d}"
    columns = "\n".join(f"{field}={name}" for field, name in found.said.columns.items())
    return {**answers, "map": columns, "ignored": "\n".join(found.said.ignored), "recalled": shown}


@post("/rates/forget")
async def forget_reading(desk: AtDesk, request: AnyRequest, data: Form) -> Response[Any]:
    """Forget how files like this one were read, and read it by what it tells itself."""
    desk.over_all(Role.ADMIN)
    form = Filled({name: data.get(name, "") for name in ("upload", "name", "deck", "supplier", "mode")})
    path = desk.uploads.path(form["upload"])
    if path is None:
        return await _gone(desk, request, form)
    mappings = await desk.store.supplier_mappings(supplier_of(form["supplier"], form["deck"]))
    found = await asyncio.to_thread(find_mapping, await asyncio.to_thread(path.read_bytes), mappings)
    if found is not None:
        await desk.store.perform(ForgetMapping(id=found.id))
    return await _read(desk, request, form)


@post("/rates/read")
async def read_again(desk: AtDesk, request: AnyRequest, data: Form) -> Response[Any]:
    """Read what was uploaded once more, by what was said of it now."""
    desk.over_all(Role.ADMIN)
    columns, ignored = _columns(data)
    said = "\n".join(f"{field}={name}" for field, name in columns.items())
    form = Filled({**data, "map": said, "ignored": "\n".join(ignored)})
    if desk.uploads.path(form["upload"]) is None:
        return await _gone(desk, request, form)
    return await _read(desk, request, form)


async def _read(desk: Desk, request: AnyRequest, form: Filled) -> Response[Any]:
    try:
        report = await _import(desk, form, who="", is_dry_run=True)
    except RateDeckInvalid as error:
        return await _check_page(desk, request, form, None, error.faults)
    except (Invalid, Conflict) as error:
        places = {name: name for name in (*OPTIONS, *TEXTS, "currency", "deck", "supplier")} | {
            "--currency": "currency"
        }
        return await _check_page(desk, request, form.blame(error, places, "map"), None, ())
    return await _check_page(desk, request, form, report, ())


@post("/rates/apply")
async def apply_deck(desk: AtDesk, request: AnyRequest, data: Form) -> Response[Any]:
    """Put in force what was checked."""
    who = desk.over_all(Role.ADMIN)
    form = Filled(data)
    if desk.uploads.path(form["upload"]) is None:
        return await _gone(desk, request, form)
    try:
        report = await _import(desk, form, who=name_of(who), is_dry_run=False)
    except RateDeckInvalid as error:
        return await _check_page(desk, request, form, None, error.faults)
    except (Invalid, Conflict) as error:
        return await faulty_upload(desk, request, form.blame(error, {}, "deck"))
    await asyncio.to_thread(desk.uploads.drop, form["upload"])
    await desk.catalogs.refresh()
    log.info("deck.imported", deck=form["deck"], who=who.name)
    told = f"{report.added:,} added, {report.removed:,} removed, {report.dearer:,} dearer, {report.cheaper:,} cheaper"
    return desk.done(request, "rates", f"Deck {form['deck']} is in force: {told}.")


async def _gone(desk: Desk, request: AnyRequest, form: Filled) -> Response[str]:
    form.faults["rows"] = "What was uploaded is not kept any more: upload it again."
    return await faulty_upload(desk, request, form)


async def _import(desk: Desk, form: Filled, *, who: str, is_dry_run: bool) -> ImportReport:
    """Raises `Invalid`, `Conflict`, `RateDeckInvalid`."""
    prepared = await prepared_deck(desk, form, who=who, is_dry_run=is_dry_run)
    return report_import(form["deck"].strip(), prepared, is_dry_run=is_dry_run)


async def prepared_deck(desk: Desk, form: Filled, *, who: str = "", is_dry_run: bool = True) -> PreparedDeck:
    """The deck as it would be with what was uploaded, or is from now on. Raises `Invalid`, `Conflict`, `RateDeckInvalid`."""
    path = desk.uploads.path(form["upload"])
    if path is None:
        raise Invalid("file", "nothing", "a file, uploaded within the last hour")
    asked = parse_currency(form["currency"]) if form["currency"].strip() else None
    words = {"currency": asked} | {name: form[name].strip() or None for name in (*OPTIONS, *TEXTS)}
    order = DeckImport(
        path=path,
        file=form["name"],
        deck=form["deck"].strip(),
        mode=ImportMode.MERGE if form["mode"] == ImportMode.MERGE else ImportMode.REPLACE,
        currency=asked,
        default_currency=desk.settings.default_currency,
        said=Said(
            answers={name: word for name, word in words.items() if word is not None},
            columns=_mapped(form),
            ignored=_ignored(form),
        ),
        now=desk.clock(),
        supplier=form["supplier"].strip(),
    )
    order.said.options()  # what is wrong with it is said before the file is read
    size = (await asyncio.to_thread(path.stat)).st_size
    return await import_file(
        desk.store, order, is_dry_run=is_dry_run, who=who, prepare=prepare_by_size(size), recalls=False
    )


def _mapped(form: Filled) -> dict[str, str]:
    """Which column is which, as far as a person has said so."""
    return dict(line.partition("=")[::2] for line in form["map"].splitlines() if "=" in line)


def _ignored(form: Filled) -> tuple[str, ...]:
    """Columns that a person has said to be nothing."""
    return tuple(line for line in form["ignored"].splitlines() if line.strip())


def _columns(data: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Both after the form was sent: what was said before, and each column that is taken for something else by now."""
    said, ignored = _mapped(Filled(data)), list(_ignored(Filled(data)))
    for name, field in data.items():
        kind, _, place = name.partition(":")
        column = data.get(f"column:{place}")
        if kind != "field" or field == data.get(f"was:{place}") or not column or field not in ("", *FIELDS):
            continue
        said = {each: named for each, named in said.items() if named != column}
        ignored = [named for named in ignored if named != column]
        if field:
            said[field] = column
        else:
            ignored.append(column)
    return said, ignored


async def _check_page(
    desk: Desk, request: AnyRequest, form: Filled, report: ImportReport | None, faults: Sequence[DeckFault]
) -> Response[str]:
    """What was read, or what stands in the way. `report` is None for a file that cannot be read yet."""
    questions = [fault for fault in faults if fault.expected.startswith(QUESTION)]
    for fault in questions:
        option, _, answers = fault.expected.removeprefix(QUESTION).partition(" ")
        place = option.replace("-", "_")
        where = f"line {fault.line}, {fault.column}" if fault.column else f"line {fault.line}"
        form.faults[place] = f"The file leaves this open: {fault.found} on {where}. What would do: {answers}."
    mapping = None if report is None else report.mapping
    if report is None:
        mapping, is_as_said = await asyncio.to_thread(_outline, desk, form)
        if not is_as_said:
            form.drop("map", "ignored")
    wrong = [fault for fault in faults if not fault.expected.startswith(QUESTION)]
    return await desk.page(
        "rates_check.html",
        request,
        form=form,
        report=report,
        mapping=mapping,
        columns=[]
        if mapping is None
        else [Column(place, each.column, each.field, each.samples) for place, each in enumerate(mapping.columns)],
        fields=tuple(FIELDS),
        faults=[Fault(*fault) for fault in wrong[:FAULTS_SHOWN]],
        more_faults=max(0, len(wrong) - FAULTS_SHOWN),
        questions=len(questions),
        changes=[] if report is None else report.largest[:CHANGES_SHOWN],
        options=[(name, label, answers) for name, (label, answers) in OPTIONS.items()],
        carried=CARRIED,
        modes=MODES,
        is_known=form["deck"] in desk.decks,
        default_currency=desk.settings.default_currency,
        status_code=422 if faults or form.is_faulty else 200,
    )


def _outline(desk: Desk, form: Filled) -> tuple[DeckMapping | None, bool]:
    """The columns, and whether they are as a person said: what cannot be is left out, so that it can be put right."""
    path = desk.uploads.path(form["upload"])
    try:
        content = b"" if path is None else path.read_bytes()
    except OSError:
        return None, True
    try:
        return outline_deck(content, _mapped(form), _ignored(form)), True
    except Invalid:
        return outline_deck(content, {}), False


deck_upload_routes = (check_deck, read_again, apply_deck, forget_reading)
