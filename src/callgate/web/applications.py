"""Applications: their secrets, settings and limits, where their callbacks are sent, and why a signature does not match."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec
from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from callgate.errors import Error, Invalid, PlatformFailed, StorageUnavailable
from callgate.logs import log
from callgate.policy.account import Status
from callgate.policy.limits import APPLICATION_DEFAULTS, KINDS, filled, shown
from callgate.policy.refusal import Refusal
from callgate.policy.texts import SETTING, UNSPOKEN
from callgate.protocol import PROVIDERS
from callgate.protocol.capture import read_capture
from callgate.protocol.provider import CallbackUrls
from callgate.service.add_application import AddApplication, SetApplication
from callgate.service.application import Application, ApplicationSettings
from callgate.service.reports import fault_reports, rfc3339
from callgate.service.rotate import OVERLAP, RotateSecret
from callgate.service.set_limits import SetApplicationLimits
from callgate.service.set_status import SetApplicationStatus
from callgate.service.token import Role
from callgate.web.desk import AnyRequest, AtDesk, Desk, Form
from callgate.web.forms import Filled
from callgate.web.limit_fields import changed_words, to_fill
from callgate.web.lists import Listed, as_file, form_of, given, paths, query
from callgate.web.search import holds

FAULTS_SHOWN = 12

NO_FILTERS: Mapping[str, str] = {"find": "", "status": ""}

OVERLAPS = (("24", "a day"), ("1", "an hour"), ("168", "a week"), ("0", "not at all"))
"""For how many hours an old secret stays valid."""


class ApplicationLine(msgspec.Struct, frozen=True, kw_only=True):
    """An application as the list has it."""

    key: str
    name: str
    provider: str
    status: str
    secrets: int
    created_at: str


@get(paths("/applications"))
async def list_applications(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """The applications whose callbacks are answered, in one `status`, with `find` in name or key; and callbacks that were not
    genuine lately.
    """
    desk.who()
    filters = given(request, ("find", "status"))
    items = [each for each in _lines(desk) if _is_wanted(each, filters)]
    if form := form_of(request):
        return as_file(form, items, None, "applications")
    return await _list(desk, request, items, filters, Filled())


def _lines(desk: Desk) -> list[ApplicationLine]:
    now = desk.clock()
    return [_line(application, now) for application in desk.applications.values()]


def _is_wanted(application: ApplicationLine, filters: Mapping[str, str]) -> bool:
    return holds(filters["find"], application.name, application.key) and filters["status"] in ("", application.status)


async def _list(
    desk: Desk, request: AnyRequest, items: list[ApplicationLine], filters: Mapping[str, str], form: Filled
) -> Response[str]:
    return await desk.page(
        "applications.html",
        request,
        listed=Listed(items, None, filters),
        statuses=(Status.ACTIVE.value, Status.SUSPENDED.value),
        same=query(request),
        faults=await fault_reports(desk.store, limit=FAULTS_SHOWN) if desk.bound is None else [],
        form=form,
        providers=tuple(PROVIDERS),
        status_code=422 if form.is_faulty else 200,
    )


@post("/applications")
async def add_application(desk: AtDesk, request: AnyRequest, data: Form) -> Response[Any]:
    """Add one by the key and secret that its platform shows."""
    desk.over_all(Role.ADMIN)
    form, now = Filled(data), desk.clock()
    provider = form["provider"] if form["provider"] in PROVIDERS else next(iter(PROVIDERS))
    try:
        await desk.store.perform(
            AddApplication(
                provider=provider,
                key=form["key"].strip(),
                secret=form["secret"].strip(),
                name=form["name"].strip(),
                seal=desk.vault.seal,
                now=now,
            )
        )
    except StorageUnavailable:
        raise
    except Error as error:
        blamed = form.blame(error, {"application secret": "secret"}, "key")
        return await _list(desk, request, _lines(desk), NO_FILTERS, blamed)
    await desk.catalogs.refresh()
    return desk.done(request, f"applications/{form['key'].strip()}", "Its callbacks are answered from now on.")


@get("/applications/{key:str}")
async def show_application(desk: AtDesk, request: AnyRequest, key: FromPath[str]) -> Response[str]:
    """One application. `ask=1` asks the platform where its callbacks are sent."""
    desk.who()
    return await _page(desk, request, key, {}, is_asking="ask" in request.query_params)


async def _page(
    desk: Desk, request: AnyRequest, key: str, faulty: Mapping[str, Filled], *, is_asking: bool = False
) -> Response[str]:
    application = _known(desk, key)
    urls, trouble = CallbackUrls(""), ""
    if is_asking:
        try:
            urls = await desk.platform.callback_urls(key)
        except PlatformFailed as error:
            trouble = str(error)
    words = _settings(application.row.settings)
    forms = {
        "texts": Filled(),
        "secret": Filled(hours=str(int(OVERLAP.total_seconds() // 3600))),
        "urls": Filled(primary=_own_url(desk, application), fallback=urls.fallback),
        "settings": Filled(words),
        "limits": Filled(to_fill(shown(filled(application.row.limits, APPLICATION_DEFAULTS)))),
    }
    return await desk.page(
        "application.html",
        request,
        application=_line(application, desk.clock()),
        secrets=[None if until is None else rfc3339(until) for _, until in application.secrets],
        urls=urls,
        is_asked=is_asking,
        trouble=trouble,
        settings=tuple(words),
        texts=application.row.settings.texts.shown(),
        refusals=tuple(refusal for refusal in Refusal if refusal not in UNSPOKEN),
        limits=tuple(KINDS),
        overlaps=OVERLAPS,
        forms={**forms, **faulty},
        status_code=422 if faulty else 200,
    )


@post("/applications/{key:str}/secret")
async def rotate(desk: AtDesk, request: AnyRequest, key: FromPath[str], data: Form) -> Response[Any]:
    """Give it a new secret; the old one stays valid for a while."""
    desk.at_least(Role.ADMIN)
    form, now = Filled(data), desk.clock()
    _known(desk, key)
    hours = next((int(hours) for hours, _ in OVERLAPS if hours == form["hours"]), 24)
    try:
        await desk.store.perform(
            RotateSecret(
                key=key,
                secret=form["secret"].strip(),
                until=now + timedelta(hours=hours),
                seal=desk.vault.seal,
                unseal=desk.vault.unseal,
                now=now,
            )
        )
    except StorageUnavailable:
        raise
    except Error as error:
        return await _page(desk, request, key, {"secret": form.blame(error, {}, "secret")})
    await desk.catalogs.refresh()
    stays = "The old one stays valid for a while." if hours else "The old one is not valid any more."
    return desk.done(request, f"applications/{key}", f"It has a new secret. {stays}")


@post("/applications/{key:str}/callbacks")
async def set_callbacks(desk: AtDesk, request: AnyRequest, key: FromPath[str], data: Form) -> Response[Any]:
    """Tell the platform where to send its callbacks."""
    who = desk.at_least(Role.ADMIN)
    form = Filled(data)
    _known(desk, key)
    try:
        await desk.platform.set_callback_urls(key, CallbackUrls(form["primary"].strip(), form["fallback"].strip()))
    except (Invalid, PlatformFailed) as error:
        return await _page(desk, request, key, {"urls": form.blame(error, {"fallback": "fallback"}, "primary")})
    await desk.note("set_callback_urls", "application", key, key)
    log.info("application.callbacks_set", application=key, who=who.name)
    return desk.done(request, f"applications/{key}?ask=1", "The platform sends its callbacks there from now on.")


@post("/applications/{key:str}/settings")
async def set_settings(desk: AtDesk, request: AnyRequest, key: FromPath[str], data: Form) -> Response[Any]:
    """Change what is set for it."""
    desk.at_least(Role.ADMIN)
    form, names = Filled(data), list(_settings(_known(desk, key).row.settings))
    words = tuple(f"{name}={form[name].strip()}" for name in names if name in data)
    try:
        await desk.store.perform(SetApplication(key=key, words=words))
    except StorageUnavailable:
        raise
    except Error as error:
        blamed = form.blame(error, {name: name for name in names}, names[0])
        return await _page(desk, request, key, {"settings": blamed})
    await desk.catalogs.refresh()
    return desk.done(request, f"applications/{key}", "The settings hold from the next call on.")


@post("/applications/{key:str}/texts")
async def set_text(desk: AtDesk, request: AnyRequest, key: FromPath[str], data: Form) -> Response[Any]:
    """Say what callers hear at one refusal, in one locale; an empty text takes it back."""
    desk.at_least(Role.ADMIN)
    form = Filled(data)
    _known(desk, key)
    locale = form["locale"].strip()
    name = f"{SETTING}.{form['refusal']}" + (f".{locale}" if locale else "")
    try:
        await desk.store.perform(SetApplication(key=key, words=(f"{name}={form['text'].strip()}",)))
    except StorageUnavailable:
        raise
    except Error as error:
        blamed = form.blame(
            error, {f"{SETTING}.{form['refusal']}": "locale" if locale else "text", name: "text"}, "text"
        )
        return await _page(desk, request, key, {"texts": blamed})
    await desk.catalogs.refresh()
    return desk.done(request, f"applications/{key}", "Callers hear it from the next call on.")


@post("/applications/{key:str}/limits")
async def set_limits(desk: AtDesk, request: AnyRequest, key: FromPath[str], data: Form) -> Response[Any]:
    """Set the limits that were changed: each by its name, a field that was emptied lifts it."""
    desk.at_least(Role.ADMIN)
    form, row = Filled(data), _known(desk, key).row
    words = changed_words(to_fill(shown(filled(row.limits, APPLICATION_DEFAULTS))), data)
    try:
        await desk.store.perform(SetApplicationLimits(application=key, words=words))
    except StorageUnavailable:
        raise
    except Error as error:
        blamed = form.blame(error, {name: name for name in KINDS}, next(iter(KINDS)))
        return await _page(desk, request, key, {"limits": blamed})
    await desk.catalogs.refresh()
    return desk.done(request, f"applications/{key}", "The limits hold from the next call on.")


@post("/applications/{key:str}/status")
async def set_status(desk: AtDesk, request: AnyRequest, key: FromPath[str], data: Form) -> Response[Any]:
    """Refuse its new calls, or take them again."""
    desk.at_least(Role.ADMIN)
    _known(desk, key)
    status = Status.SUSPENDED if data.get("status") == Status.SUSPENDED else Status.ACTIVE
    await desk.store.perform(SetApplicationStatus(key=key, status=status))
    await desk.catalogs.refresh()
    return desk.done(request, f"applications/{key}", f"The application is {status}.")


# -- why a signature does not match --------------------------------------------------------------------------------------


@get("/applications/doctor")
async def ask_doctor(desk: AtDesk, request: AnyRequest) -> Response[str]:
    """The form of a request that failed."""
    desk.at_least(Role.OPERATOR)
    return await _doctor_page(desk, request, Filled(), None)


@post("/applications/doctor")
async def diagnose(desk: AtDesk, request: AnyRequest, data: Form) -> Response[str]:
    """Say which ingredient of a captured request's signature differs."""
    desk.at_least(Role.OPERATOR)
    form, now = Filled(data), desk.clock()
    try:
        captured = read_capture(form["request"].replace("\r\n", "\n").lstrip("\n").encode())
    except Invalid as error:
        return await _doctor_page(desk, request, form.blame(error, {}, "request"), None)
    provider = PROVIDERS[next(iter(PROVIDERS))]
    secrets = {key: application.secrets_at(now) for key, application in desk.applications.items()}
    asked, _, _ = (form["path"].strip() or captured.path).partition("?")
    came = captured.path.partition("?")[0]
    found = provider.diagnose(msgspec.structs.replace(captured, path=asked), secrets, now, freshness_s=None)
    if found.ingredient is not None and came != asked:
        other = provider.diagnose(msgspec.structs.replace(captured, path=came), secrets, now, freshness_s=None)
        found = other if other.ingredient is None else found
    return await _doctor_page(desk, request, form, (found.ingredient, found.explanation))


async def _doctor_page(
    desk: Desk, request: AnyRequest, form: Filled, found: tuple[str | None, str] | None
) -> Response[str]:
    status = 422 if form.is_faulty else 200
    return await desk.page("signature_doctor.html", request, form=form, found=found, status_code=status)


def _settings(settings: ApplicationSettings) -> dict[str, str]:
    """Those that have a field of their own each."""
    texts = settings.texts.shown()
    return {name: value for name, value in settings.shown().items() if name not in texts}


def _known(desk: Desk, key: str) -> Application:
    application = desk.applications.get(key)
    if application is None:
        raise NotFoundException(detail="There is no such application.")
    return application


def _line(application: Application, now: datetime) -> ApplicationLine:
    return ApplicationLine(
        key=application.row.key,
        name=application.row.name,
        provider=application.row.provider,
        status=application.row.status,
        secrets=len(application.secrets_at(now)),
        created_at=rfc3339(application.row.created_at),
    )


def _own_url(desk: Desk, application: Application) -> str:
    """Where this server takes the provider's callbacks, as the platform has to call it."""
    base = desk.settings.public_url.rstrip("/")
    host = "127.0.0.1" if not urlsplit(base).hostname else ""
    return f"{base or f'http://{host}:{desk.settings.port}'}/callbacks/{application.row.provider}"


application_routes = (
    list_applications, add_application, show_application, rotate, set_callbacks, set_settings, set_text, set_limits, set_status,
    ask_doctor, diagnose,
)  # fmt: skip
