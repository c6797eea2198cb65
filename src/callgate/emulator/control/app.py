"""One HTTP app for all of it: the platform's REST interface, the control API, and the pages."""

from aiohttp import web

from callgate.emulator.control.api import ControlApi
from callgate.emulator.control.guard import build_guard
from callgate.emulator.control.pages import MAX_FORM_BYTES, Pages
from callgate.emulator.emulated import Platform
from callgate.emulator.rest import add_rest


def build_app(platform: Platform, *, is_loopback: bool = True) -> web.Application:
    """Make the app. `is_loopback`: it is served on loopback alone."""
    app = web.Application(middlewares=[build_guard(is_loopback=is_loopback)], client_max_size=MAX_FORM_BYTES)
    add_rest(app, platform)
    ControlApi(platform).add_to(app)
    Pages(platform).add_to(app)
    return app
