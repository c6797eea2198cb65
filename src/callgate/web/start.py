"""First start: what it takes until a call is let through, each step with how it stands and where it is done."""

from typing import NamedTuple
from urllib.parse import urlsplit

from litestar import Response, get

from callgate.policy.limits import APPLICATION_DEFAULTS, filled, shown
from callgate.service.application import Application
from callgate.web.desk import AnyRequest, AtDesk, Desk

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
ACCOUNTS_LOOKED_AT = 50


class Step(NamedTuple):
    """One step. `path` is where it is done, from the first page; `does` is what the link there says."""

    name: str
    is_done: bool
    found: str
    does: str
    path: str


@get("/start")
async def show_start(desk: AtDesk, request: AnyRequest) -> Response[str]:
    """The walk, and where one stands."""
    desk.who()
    application = next(iter(desk.applications.values()), None)
    steps = [_application(application), _callbacks(application), _countries(application), _deck(desk)]
    steps += [await _account(desk, application), await _call(desk, application)]
    return await desk.page(
        "start.html",
        request,
        steps=steps,
        next_step=next((place for place, step in enumerate(steps) if not step.is_done), None),
        phone=_phone(application),
    )


def _application(application: Application | None) -> Step:
    if application is None:
        return Step("Application", False, "none yet: every callback is answered with 401", "Add one", "applications")
    path = f"applications/{application.row.key}"
    return Step("Application", True, f"{application.row.name} on {application.row.provider}", "Show", path)


def _callbacks(application: Application | None) -> Step:
    """Whether callbacks come is asked of the platform on the application's own page: here nobody waits for it."""
    if application is None:
        return Step("Callback URL", False, "first the application", "", "")
    path = f"applications/{application.row.key}?ask=1"
    if _phone(application):
        return Step("Callback URL", True, "the emulated platform knows it already", "Ask the platform", path)
    return Step("Callback URL", True, "where the platform sends its questions", "Ask the platform, and set it", path)


def _countries(application: Application | None) -> Step:
    if application is None:
        return Step("Countries", False, "first the application", "", "")
    countries = shown(filled(application.row.limits, APPLICATION_DEFAULTS))["countries"]
    path = f"applications/{application.row.key}"
    if countries is None:
        return Step("Countries", True, "all of them may be called", "Limit them", path)
    if not isinstance(countries, list) or not countries:
        return Step("Countries", False, "none may be called", "Name some", path)
    return Step("Countries", True, ", ".join(countries), "Change", path)


def _deck(desk: Desk) -> Step:
    if not desk.decks:
        return Step("Rate deck", False, "none yet: without a price every call is refused", "Import one", "rates")
    return Step("Rate deck", True, ", ".join(sorted(desk.decks)), "Show", "rates")


async def _account(desk: Desk, application: Application | None) -> Step:
    if application is None:
        return Step("Account with money", False, "first the application", "", "")
    key = application.row.key
    found = await desk.store.accounts(key, after="", limit=ACCOUNTS_LOOKED_AT)
    rich = next((each for each in found if each.wallet.available_micros > 0), None)
    if rich is not None:
        path = f"accounts/{rich.account.id}?app={key}"
        return Step("Account with money", True, f"{rich.account.id} can pay", "Show", path)
    if found:
        path = f"accounts/{found[0].account.id}?app={key}"
        return Step("Account with money", False, "none has any yet", "Top one up", path)
    return Step(
        "Account with money", False, "none yet: callers without one are refused", "Open one", f"accounts/new?app={key}"
    )


async def _call(desk: Desk, application: Application | None) -> Step:
    if application is not None and await desk.store.calls(application.row.key, limit=1):
        return Step("First call", True, "calls have come", "Show", "calls")
    return Step("First call", False, "none yet", "", "")


def _phone(application: Application | None) -> str:
    """The address of an emulated platform on this machine, whose phone pad places calls; empty where there is none."""
    said = "" if application is None else application.row.settings.platform
    return f"{said.rstrip('/')}/" if urlsplit(said).hostname in LOOPBACK else ""
