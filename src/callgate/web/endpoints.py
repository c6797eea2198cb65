"""Endpoints, one by one: added, changed, paused, tried out, given a new secret, removed.

A secret is shown once, on the page that answers the form; it stands in no URL and no browser keeps that page.
"""

import re
import secrets as randomness
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from callgate.errors import Conflict, Error, Invalid, NotFound, StorageUnavailable
from callgate.logs import log
from callgate.service.add_endpoint import (
    ID_PREFIX,
    SetEndpointState,
    Wanted,
    known_endpoint,
    new_endpoint,
    new_rotation,
    remove_endpoint,
)
from callgate.service.change_endpoint import changed_endpoint
from callgate.service.endpoint import (
    EMAIL,
    HMAC,
    MAILTO,
    OF_CONNECTORS,
    PER_S,
    PUBLIC_PREFIX,
    SIGNING,
    WEBHOOK,
    Endpoint,
    EndpointState,
    RecordType,
)
from callgate.service.reports import EndpointReport, report_delivery, report_endpoint
from callgate.service.token import Role
from callgate.web.desk import AnyRequest, AtDesk, Desk, Form
from callgate.web.forms import Filled, sentence_of
from callgate.web.lists import Listed, as_file, form_of, given, paths, query
from callgate.web.search import holds

DELIVERIES_SHOWN = 10

OVERLAPS = (("24", "a day"), ("1", "an hour"), ("168", "a week"), ("0", "not at all"))
"""For how many hours a webhook is signed with its old secret too."""

SIGNINGS = ((HMAC, "a secret that both sides know"), ("ed25519", "a key pair: only this server can sign"))

EVENT = "event:"
"""What the names of the fields begin with that choose types of records."""

_NEW_ID = re.compile(rf"{ID_PREFIX}[0-9a-f]{{16}}")

FAILING = "failing"
STATES = (("active", "active"), ("disabled", "paused"), (FAILING, "failing"))
"""What the list can be limited to, and how that is called."""


@get(paths("/endpoints"))
async def list_endpoints(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """Receivers, in the order in which they were added: of one `kind`, in one `state`, with `find` in their URL or id."""
    desk.over_all()
    filters = given(request, ("find", "kind", "state"))
    every = await desk.store.endpoints()
    items = [report for report in map(report_endpoint, every) if _is_wanted(report, filters)]
    if form := form_of(request):
        return as_file(form, items, None, "endpoints")
    return await desk.page(
        "endpoints.html",
        request,
        listed=Listed(items, None, filters),
        kinds=sorted({endpoint.kind for endpoint in every}),
        states=STATES,
        same=query(request),
    )


def _is_wanted(endpoint: EndpointReport, filters: Mapping[str, str]) -> bool:
    state = FAILING if endpoint.failing_since and endpoint.state == EndpointState.ACTIVE else endpoint.state
    return (
        holds(filters["find"], endpoint.url, endpoint.id)
        and filters["kind"] in ("", endpoint.kind)
        and filters["state"] in ("", state)
    )


@get("/endpoints/new")
async def ask_endpoint(desk: AtDesk, request: AnyRequest) -> Response[str]:
    """The form of a new endpoint."""
    desk.over_all(Role.ADMIN)
    first = {"kind": WEBHOOK, "signing": HMAC, "id": f"{ID_PREFIX}{randomness.token_hex(8)}"}
    return await _new_page(desk, request, Filled(first))


@post("/endpoints/new")
async def add_endpoint(desk: AtDesk, request: AnyRequest, data: Form) -> Response[Any]:
    """Add a receiver, and show its secret. The id comes with the form, so that sending it twice adds one."""
    who = desk.over_all(Role.ADMIN)
    form = Filled(data)
    named = form["id"] if _NEW_ID.fullmatch(form["id"]) else f"{ID_PREFIX}{randomness.token_hex(8)}"
    if any(each.id == named for each in await desk.store.endpoints()):
        return desk.done(request, f"endpoints/{named}", "It had been added before; nothing changed.")
    url, kind, secret = form["url"].strip(), form["kind"] or WEBHOOK, ""
    if kind == EMAIL and url and not url.startswith(MAILTO):
        url = MAILTO + "".join(url.split())
    try:
        options = _options(form, kind)
        if kind not in {WEBHOOK, EMAIL}:
            url, secret = desk.tools.check_connector(kind, url, options, form["token"].strip())
        wanted = Wanted(
            kind=kind,
            options=options,
            secret=secret,
            applications=tuple(form.words("applications")),
            accounts=tuple(form.words("accounts")),
        )
        job, shown = await new_endpoint(
            desk.store,
            url,
            _events(data),
            wanted=wanted,
            allow_private=bool(form["allow_private"]),
            seal=desk.tools.seal,
            resolve=desk.tools.resolve,
            now=desk.clock(),
        )
        job = type(job)(endpoint=msgspec.structs.replace(job.endpoint, id=named))
        endpoint = await desk.store.perform(job)
    except StorageUnavailable:
        raise
    except (Invalid, Conflict) as error:
        return await _new_page(desk, request, _blamed(form, error))
    await desk.catalogs.refresh()
    log.info("endpoint.added", endpoint=endpoint.id, kind=kind, who=who.name)
    if secret or not shown:
        return desk.done(
            request, f"endpoints/{endpoint.id}", "It is added. Send it a test event to see whether it works."
        )
    return await _secret_page(desk, request, endpoint, shown, "is added")


@get("/endpoints/{endpoint:str}")
async def show_endpoint(desk: AtDesk, request: AnyRequest, endpoint: FromPath[str]) -> Response[str]:
    """One endpoint: what it is sent, how it fares, and what can be done to it."""
    desk.over_all()
    return await _page(desk, request, await known_endpoint(desk.store, endpoint), {})


@post("/endpoints/{endpoint:str}")
async def change_endpoint(desk: AtDesk, request: AnyRequest, endpoint: FromPath[str], data: Form) -> Response[Any]:
    """Change where it is, and what it is sent."""
    who = desk.over_all(Role.ADMIN)
    form, known = Filled(data), await known_endpoint(desk.store, endpoint)
    try:
        job = await changed_endpoint(
            known,
            url=form["url"].strip() if known.kind in {WEBHOOK, EMAIL} else known.url,
            types=_events(data),
            options=_changed_options(form, known),
            applications=tuple(form.words("applications")),
            accounts=tuple(form.words("accounts")),
            allow_private=bool(form["allow_private"]) if known.kind == WEBHOOK else known.allow_private,
            resolve=desk.tools.resolve,
        )
        await desk.store.perform(job)
    except (StorageUnavailable, NotFound):
        raise
    except (Invalid, Conflict) as error:
        return await _page(desk, request, known, {"change": _blamed(form, error)})
    await desk.catalogs.refresh()
    log.info("endpoint.changed", endpoint=endpoint, who=who.name)
    return desk.done(request, f"endpoints/{endpoint}", "What happens from now on is sent so.")


@post("/endpoints/{endpoint:str}/state")
async def set_endpoint_state(desk: AtDesk, request: AnyRequest, endpoint: FromPath[str], data: Form) -> Response[Any]:
    """Stop sending to an endpoint, or start again. `back` is the list that it was done on, else it leads to the endpoint."""
    desk.over_all(Role.ADMIN)
    state = EndpointState.DISABLED if data.get("state") == EndpointState.DISABLED else EndpointState.ACTIVE
    back = data["back"] if data.get("back") in ("deliveries", "endpoints") else f"endpoints/{endpoint}"
    try:
        await desk.store.perform(SetEndpointState(id=endpoint, state=state))
    except (NotFound, StorageUnavailable):
        raise
    except Error as error:
        return desk.done(request, back, sentence_of(error))
    await desk.catalogs.refresh()
    told = (
        "is sent nothing more; what waits for it stays" if state is EndpointState.DISABLED else "is sent records again"
    )
    return desk.done(request, back, f"Endpoint {endpoint} {told}.")


@post("/endpoints/{endpoint:str}/test")
async def try_endpoint(desk: AtDesk, request: AnyRequest, endpoint: FromPath[str]) -> Response[Any]:
    """Send it a test event now, and say what came of it."""
    desk.over_all(Role.ADMIN)
    await known_endpoint(desk.store, endpoint)
    why = await desk.tools.try_endpoint(endpoint)
    await desk.note("try_endpoint", "endpoint", endpoint)
    return desk.done(
        request, f"endpoints/{endpoint}", f"It does not work: {why}." if why else "It works: it took the test event."
    )


@post("/endpoints/{endpoint:str}/rotate")
async def rotate(desk: AtDesk, request: AnyRequest, endpoint: FromPath[str], data: Form) -> Response[Any]:
    """Give a webhook a new secret, a connector new credentials."""
    who = desk.over_all(Role.ADMIN)
    form, known = Filled(data), await known_endpoint(desk.store, endpoint)
    hours = form["overlap"] if form["overlap"] in dict(OVERLAPS) else OVERLAPS[0][0]
    credentials = None
    try:
        if known.kind not in {WEBHOOK, EMAIL}:
            _, credentials = desk.tools.check_connector(
                known.kind, known.url, dict(known.options), form["token"].strip()
            )
        until = desk.clock() + timedelta(hours=int(hours))
        job, shown = await new_rotation(
            desk.store, endpoint, seal=desk.tools.seal, old_until=until, credentials=credentials
        )
        rotated = await desk.store.perform(job)
    except (StorageUnavailable, NotFound):
        raise
    except (Invalid, Conflict) as error:
        return await _page(desk, request, known, {"rotate": form.blame(error, {}, "token")})
    await desk.catalogs.refresh()
    log.info("endpoint.rotated", endpoint=endpoint, who=who.name)
    if credentials is not None:
        return desk.done(request, f"endpoints/{endpoint}", "It goes by the new credentials from now on.")
    return await _secret_page(desk, request, rotated, shown, "has a new secret")


@post("/endpoints/{endpoint:str}/remove")
async def remove(desk: AtDesk, request: AnyRequest, endpoint: FromPath[str], data: Form) -> Response[Any]:
    """Forget an endpoint and what waits for it; its id is typed once more, so that nobody does it by accident."""
    who = desk.over_all(Role.ADMIN)
    form, known = Filled(data), await known_endpoint(desk.store, endpoint)
    if form["confirm"].strip() != known.id:
        form.faults["confirm"] = f"Nothing was removed. What would do: {known.id}, its id."
        return await _page(desk, request, known, {"remove": form})
    await remove_endpoint(desk.store, known.id)
    await desk.catalogs.refresh()
    log.info("endpoint.removed", endpoint=endpoint, who=who.name)
    return desk.done(request, "deliveries", f"Endpoint {known.id} is gone, with what waited for it.")


# -- the pages ---------------------------------------------------------------------------------------------------------


async def _new_page(desk: Desk, request: AnyRequest, form: Filled) -> Response[str]:
    connectors = tuple((name, f"CRM: {name}") for name in desk.tools.connectors())
    return await desk.page(
        "endpoint_new.html",
        request,
        form=form,
        kinds=(
            (WEBHOOK, "webhook: records are posted to a URL"),
            (EMAIL, "e-mail: somebody is written to"),
            *connectors,
        ),
        signings=SIGNINGS,
        types=[(kind.value, kind in OF_CONNECTORS) for kind in RecordType],
        status_code=422 if form.is_faulty else 200,
    )


async def _page(desk: Desk, request: AnyRequest, endpoint: Endpoint, faulty: Mapping[str, Filled]) -> Response[str]:
    """The page of an endpoint, with the forms that were filled in wrongly as they were sent."""
    types = OF_CONNECTORS if endpoint.kind not in {WEBHOOK, EMAIL} else tuple(RecordType)
    found = await desk.store.deliveries(None, DELIVERIES_SHOWN, endpoint=endpoint.id)
    return await desk.page(
        "endpoint.html",
        request,
        endpoint=report_endpoint(endpoint),
        is_webhook=endpoint.kind == WEBHOOK,
        is_email=endpoint.kind == EMAIL,
        old_secret_until=endpoint.old_secret_until
        if endpoint.old_secret_until and endpoint.old_secret_until > desk.clock()
        else None,
        deliveries=[report_delivery(each) for each in found],
        forms={"change": _filled(endpoint), "rotate": Filled(), "remove": Filled(), **faulty},
        types=[(kind.value, kind in OF_CONNECTORS) for kind in types],
        overlaps=OVERLAPS,
        status_code=422 if faulty else 200,
    )


async def _secret_page(desk: Desk, request: AnyRequest, endpoint: Endpoint, secret: str, what: str) -> Response[str]:
    """The one time that a secret is shown."""
    return await desk.page(
        "endpoint_secret.html",
        request,
        endpoint=report_endpoint(endpoint),
        secret=secret,
        what=what,
        is_public=secret.startswith(PUBLIC_PREFIX),
        old_secret_until=endpoint.old_secret_until,
    )


def _filled(endpoint: Endpoint) -> Filled:
    events = {f"{EVENT}{kind}": "on" for kind in endpoint.types}
    said = {
        "url": endpoint.url,
        "per_s": endpoint.options.get(PER_S, ""),
        "applications": ", ".join(endpoint.applications),
        "accounts": ", ".join(endpoint.accounts),
        "allow_private": "on" if endpoint.allow_private else "",
    }
    return Filled(said | events)


def _events(data: Mapping[str, str]) -> Sequence[str]:
    return [name.removeprefix(EVENT) for name in data if name.startswith(EVENT)]


def _options(form: Filled, kind: str) -> dict[str, str]:
    """The options of a new endpoint: of a webhook by their fields, of a connector as `NAME=VALUE`. Raises `Invalid`."""
    if kind == EMAIL:
        return {}
    options = {PER_S: form["per_s"].strip()} if form["per_s"].strip() else {}
    if kind == WEBHOOK:
        return options | ({SIGNING: form["signing"]} if form["signing"] not in {"", HMAC} else {})
    for word in form["options"].split("\n"):
        name, equals, value = word.strip().partition("=")
        if name and not equals:
            raise Invalid("option", repr(word.strip()[:40]), "NAME=VALUE, one a line")
        if name:
            options[name.strip()] = value.strip()
    return options


def _changed_options(form: Filled, endpoint: Endpoint) -> dict[str, str]:
    if endpoint.kind != WEBHOOK:
        return dict(endpoint.options)
    kept = {name: value for name, value in endpoint.options.items() if name != PER_S}
    return kept | ({PER_S: form["per_s"].strip()} if form["per_s"].strip() else {})


def _blamed(form: Filled, error: Error) -> Filled:
    """Beside the field that the error is about, without what only the command can do."""
    places = {
        "endpoint URL": "url",
        "events": "events",
        "credentials": "token",
        f"option {PER_S}": "per_s",
        "option": "options",
        "kind": "kind",
        "endpoint": "applications",
    }
    form.blame(error, places, "url")
    form.faults = {name: said.replace("--allow-private", "the tick below") for name, said in form.faults.items()}
    return form


endpoint_routes = (
    list_endpoints, ask_endpoint, add_endpoint, show_endpoint, change_endpoint, set_endpoint_state, try_endpoint, rotate, remove,
)  # fmt: skip
