"""Recordings: nothing is recorded, but their notifications come, the last of them long after the call."""

from collections.abc import Generator, Mapping
from typing import Any

from callgate.emulator.sinch.events import compose_notify, timestamp
from callgate.emulator.sinch.ongoing import OngoingCall
from callgate.emulator.sinch.steps import Answer, Later, Step
from callgate.emulator.sinch.tell import tell


def stop_recording(call: OngoingCall) -> Generator[Step, Answer, None]:
    """End a recording, if one is under way, and promise its notifications."""
    options, call.recording = call.recording, None
    if options is None or options.get("notificationEvents") is False:
        return
    yield from tell(call, compose_notify(call, "recording_finished"))
    kind = str(options.get("format") or "mp3")
    available = compose_notify(call, "recording_available", destination=_stored_as(call, options, kind))
    yield Later(call.habits.recording_ready_after_s, available)
    transcription = options.get("transcriptionOptions")
    if isinstance(transcription, Mapping) and transcription.get("enabled"):
        written = compose_notify(call, "transcription_available", destination=_stored_as(call, options, "json"))
        yield Later(call.habits.transcription_ready_after_s, written)


def _stored_as(call: OngoingCall, options: Mapping[str, Any], kind: str) -> str:
    """Where the file goes: as it is named, else `yyyyMMddHHmmss_applicationKey_callId.format` in the place named."""
    place = str(options.get("destinationUrl") or options.get("destination") or "s3://recordings")
    scheme, _, path = place.partition("://")
    folder, slash, file = path.rpartition("/")
    if slash and "." in file:
        return f"{scheme}://{folder}/{file.rpartition('.')[0]}.{kind}"
    moment = "".join(digit for digit in timestamp(call.at) if digit.isdigit())
    return f"{place.rstrip('/')}/{moment}_{call.application_key}_{call.call_id}.{kind}"
