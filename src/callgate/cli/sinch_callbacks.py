"""`callgate sinch callbacks ...`: where the platform sends an application's callbacks."""

from pathlib import Path
from typing import TYPE_CHECKING

from callgate.cli.desk import AsJson, Config, InApp, open_books, read_settings, say, say_json
from callgate.cli.sinch import application_of

if TYPE_CHECKING:
    from callgate.protocol.sinch.rest import CallbackUrls
    from callgate.service.application import Application


async def get(*, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """Ask the platform where it sends an application's callbacks."""
    from callgate.platform.sinch import SinchClient
    from callgate.protocol.sinch import rest

    application = await _application(app, config)
    async with SinchClient(*_who(application), base_url=_base_url(application)) as client:
        urls = await client.send(rest.GetCallbacks(application_key=application.row.key))
    _say(urls, as_json=json)
    return 0


async def set(  # noqa: A001 - the command's own name
    url: str, *, fallback: str | None = None, app: InApp = None, config: Config = None, json: AsJson = False
) -> int:
    """Tell the platform where to send an application's callbacks.

    Parameters
    ----------
    url
        Where they are sent, such as https://gate.example.com/callbacks/sinch.
    fallback
        Where they are sent when that fails; none takes it away, and without --fallback it stays as it is.
    """
    from callgate.platform.sinch import SinchClient
    from callgate.protocol.sinch import rest

    application = await _application(app, config)
    key = application.row.key
    async with SinchClient(*_who(application), base_url=_base_url(application)) as client:
        if fallback is None:  # documents do not say whether one that is not sent stays
            fallback = (await client.send(rest.GetCallbacks(application_key=key))).fallback or None
        elif fallback == "none":
            fallback = ""
        await client.send(rest.UpdateCallbacks(application_key=key, primary=url, fallback=fallback))
        urls = await client.send(rest.GetCallbacks(application_key=key))
    _say(urls, as_json=json)
    return 0


async def _application(app: str | None, config: Path | None) -> "Application":
    from callgate.app import build_vault

    vault = build_vault(read_settings(config))
    async with open_books(config) as store:
        return await application_of(store, vault, app)


def _who(application: "Application") -> tuple[str, str]:
    return application.row.key, application.secrets[0][0]


def _base_url(application: "Application") -> str | None:
    """An emulated platform, where the operator set one; what applications are set to is kept in no region."""
    from callgate.protocol.base_url import is_url

    said = application.row.settings.platform
    return said if is_url(said) else None


def _say(urls: "CallbackUrls", *, as_json: bool) -> None:
    if as_json:
        say_json({"primary": urls.primary or None, "fallback": urls.fallback or None})
    else:
        say(f"primary   {urls.primary or '-'}")
        say(f"fallback  {urls.fallback or '-'}")
