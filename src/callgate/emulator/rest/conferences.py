"""Conferences: who is in one, and what is done to them there."""

from datetime import timedelta

from aiohttp import web

from callgate.emulator.applications import Application
from callgate.emulator.emulated import Platform
from callgate.emulator.rest.body import read_object, text_of
from callgate.emulator.rest.errors import ILLEGAL, NOT_FOUND, ApiError, no_such_call
from callgate.emulator.sinch import Kicked, Participant
from callgate.emulator.svaml.properties import MOH

COMMANDS = ("mute", "unmute", "onhold", "resume")


async def show_conference(platform: Platform, application: Application, request: web.Request) -> web.Response:
    """`GET /calling/v1/conferences/id/{conferenceId}`."""
    shown = []
    for call_id, inside in _participants(platform, application, request).items():
        here_for = platform.time_of(platform.calls[call_id]) - inside.joined_at
        shown.append(
            {
                "cli": inside.cli,
                "id": call_id,
                "duration": here_for // timedelta(seconds=1),
                "muted": inside.is_muted,
                "onhold": inside.is_on_hold,
            }
        )
    return web.json_response({"participants": shown})


async def end_conference(platform: Platform, application: Application, request: web.Request) -> web.Response:
    """`DELETE /calling/v1/conferences/id/{conferenceId}`: put everybody out."""
    for call_id in list(_participants(platform, application, request)):
        platform.do(call_id, Kicked())
    return web.Response(status=204)


async def manage_participant(platform: Platform, application: Application, request: web.Request) -> web.Response:
    """`PATCH /calling/v1/conferences/id/{conferenceId}/{callId}`: mute and hold, of which no event is sent."""
    inside = _participant(platform, application, request)
    body = await read_object(request)
    command = text_of(body, "command", is_required=True)
    if command not in COMMANDS:
        raise ApiError(ILLEGAL, f"command: {command!r} is not one of {', '.join(COMMANDS)}")
    moh = text_of(body, "moh")
    if moh and moh not in MOH:
        raise ApiError(ILLEGAL, f"moh: {moh!r} is not one of {', '.join(MOH)}")
    if command in ("mute", "unmute"):
        inside.is_muted = command == "mute"
    else:
        inside.is_on_hold = command == "onhold"
    return web.Response(status=200)


async def kick_participant(platform: Platform, application: Application, request: web.Request) -> web.Response:
    """`DELETE /calling/v1/conferences/id/{conferenceId}/{callId}`."""
    platform.do(_participant(platform, application, request).call_id, Kicked())
    return web.Response(status=204)


def _participants(platform: Platform, application: Application, request: web.Request) -> dict[str, Participant]:
    named = request.match_info["conference_id"]
    found = platform.rooms_of(application).conferences.get(named)
    if found is None:
        raise ApiError(NOT_FOUND, f"No such ongoing conference '{named}' in the application's context")
    return found


def _participant(platform: Platform, application: Application, request: web.Request) -> Participant:
    inside = _participants(platform, application, request).get(request.match_info["call_id"])
    if inside is None:
        raise no_such_call()
    return inside
