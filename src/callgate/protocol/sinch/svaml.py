"""SVAML: instructions and actions as they are spelled on the wire, written exactly and read liberally.

A struct holds one object of the wire; what it leaves at its default is not written. Properties that current documents
no longer have are marked legacy: they are here so that older answers can be read. Whether an answer is valid for an
event is `check`'s question. Source: Sinch Voice API reference, SVAML; older pages and kits for what is legacy.
"""

from decimal import Decimal
from typing import Any, Self

import msgspec
from msgspec import field

from callgate.errors import CallbackMalformed
from callgate.protocol.sinch.callbacks import Pair, parse


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of everything in SVAML."""


class Address(Part, frozen=True, kw_only=True):
    """Where to connect to: `type` is `number`, `username`, `sip` or `Websocket`."""

    type: str | None = None
    endpoint: str


class AmdOptions(Part, frozen=True, kw_only=True):
    """Answering machine detection. `is_async`: the call goes on, and the verdict comes as a notification."""

    enabled: bool | None = None
    is_async: bool | None = field(default=None, name="async")


class TranscriptionOptions(Part, frozen=True, kw_only=True):
    """Whether and in what language a recording is written down."""

    enabled: bool | None = None
    locale: str | None = None


class RecordingOptions(Part, frozen=True, kw_only=True):
    """Where a recording goes. `credentials` open that place: they are not shown."""

    destination_url: str | None = None  # s3://bucket/path or azure://account/container
    credentials: str | None = None  # s3: `key:secret:region`; azure: the access key
    format: str | None = None
    notification_events: bool | None = None
    transcription_options: TranscriptionOptions | None = None

    def __repr__(self) -> str:
        """Show all but the credentials."""
        return f"RecordingOptions(destination_url={self.destination_url!r}, credentials=...)"


class ConferenceDtmfOptions(Part, frozen=True, kw_only=True):
    """What keys do in a conference: `ignore`, `forward` to the others, or `detect` (PIE)."""

    mode: str | None = None
    max_digits: int | None = None
    timeout_mills: int | None = None


class StreamingOptions(Part, frozen=True, kw_only=True):
    """Format of the audio on a WebSocket; the rate is in Hz."""

    version: int | None = None
    sample_rate: int | None = None


class Option(Part, frozen=True, kw_only=True):
    """A key of a menu. `action` is `return(x)`, which ends in a PIE, or `menu(id)`, which goes on in that menu."""

    dtmf: str | None = None
    action: str | None = None
    input: str | None = None  # legacy: a word
    add: tuple[Pair, ...] | None = None  # legacy: cookies


class Menu(Part, frozen=True, kw_only=True):
    """One menu: what is played, and what is waited for."""

    id: str | None = None
    main_prompt: str | None = None
    repeat_prompt: str | None = None
    repeats: int | None = None
    max_digits: int | None = None
    timeout_mills: int | None = None
    max_timeout_mills: int | None = None
    options: tuple[Option, ...] | None = None


class Action(Part, frozen=True, kw_only=True, tag_field="name"):
    """Base of what happens next with the call."""


class Hangup(Action, frozen=True, kw_only=True, tag="hangup"):
    """End the call, or never set it up."""

    hangup_cause: int | None = None  # legacy: 0 normal, 1 busy, 2 congestion
    barge: bool | None = None  # legacy


class Continue(Action, frozen=True, kw_only=True, tag="continue"):
    """Let the call be set up as it was going to be."""

    record: bool | None = None  # legacy
    recording_options: RecordingOptions | None = None  # legacy


class ConnectPstn(Action, frozen=True, kw_only=True, tag="connectPstn"):
    """Connect to a number of the telephone network; without `number` to the one that was dialled. Times in seconds."""

    number: str | None = None
    locale: str | None = None
    max_duration: int | None = None
    dial_timeout: int | None = None
    cli: str | None = None  # E.164 or `private`; legacy: `incoming`
    suppress_callbacks: bool | None = None
    dtmf: str | None = None
    indications: str | None = None
    amd: AmdOptions | None = None
    record: bool | None = None  # legacy
    recording_options: RecordingOptions | None = None  # legacy
    tags: Any = None  # legacy
    callback: bool | None = None  # legacy
    suppress_error_prompts: bool | None = None  # legacy


class ConnectMxp(Action, frozen=True, kw_only=True, tag="connectMxp"):
    """Connect to an app's user; without `destination` to the one that was dialled."""

    destination: Address | None = None
    call_headers: tuple[Pair, ...] | None = None


class ConnectConf(Action, frozen=True, kw_only=True, tag="connectConf"):
    """Join a conference, which exists from its first participant on."""

    conference_id: str | None = None
    conference_dtmf_options: ConferenceDtmfOptions | None = None
    moh: str | None = None
    record: bool | None = None  # legacy
    recording_options: RecordingOptions | None = None  # legacy
    enter_leave_sound: Any = None  # legacy
    conference_type: Any = None  # legacy
    cli: str | None = None  # legacy
    suppress_callbacks: bool | None = None  # legacy
    dtmf_mode: str | None = None  # legacy


class ConnectSip(Action, frozen=True, kw_only=True, tag="connectSip"):
    """Connect to a SIP address. Times in seconds."""

    destination: Address | None = None
    max_duration: int | None = None
    cli: str | None = None
    transport: str | None = None
    suppress_callbacks: bool | None = None
    call_headers: tuple[Pair, ...] | None = None
    moh: str | None = None
    account: str | None = None  # legacy


class ConnectStream(Action, frozen=True, kw_only=True, tag="connectStream"):
    """Connect the audio to a WebSocket. Times in seconds."""

    destination: Address | None = None
    streaming_options: StreamingOptions | None = None
    max_duration: int | None = None
    call_headers: tuple[Pair, ...] | None = None


class RunMenu(Action, frozen=True, kw_only=True, tag="runMenu"):
    """Play menus and collect what the caller presses or says."""

    barge: bool | None = None
    locale: str | None = None
    main_menu: str | None = None
    enable_voice: bool | None = None
    menus: tuple[Menu, ...] | None = None
    alt_locale: str | None = None  # legacy


class Park(Action, frozen=True, kw_only=True, tag="park"):
    """Keep the call waiting until it is told more through the REST interface. Times in seconds."""

    locale: str | None = None
    intro_prompt: str | None = None
    hold_prompt: str | None = None
    max_duration: int | None = None


class Instruction(Part, frozen=True, kw_only=True, tag_field="name"):
    """Base of what is done before the action."""


class PlayFiles(Instruction, frozen=True, kw_only=True, tag="playFiles"):
    """Play prompts to the caller; see `prompts`."""

    ids: tuple[str, ...]
    locale: str | None = None


class Say(Instruction, frozen=True, kw_only=True, tag="say"):
    """Speak a text to the caller."""

    text: str | None = None
    locale: str | None = None


class SendDtmf(Instruction, frozen=True, kw_only=True, tag="sendDtmf"):
    """Send tones; `w` waits for half a second."""

    value: str


class SetCookie(Instruction, frozen=True, kw_only=True, tag="setCookie"):
    """Keep a value for the later events of this call."""

    key: str
    value: str


class Answer(Instruction, frozen=True, kw_only=True, tag="answer"):
    """Answer the incoming leg now: its duration and charge start."""


class StartRecording(Instruction, frozen=True, kw_only=True, tag="startRecording"):
    """Record the leg."""

    options: RecordingOptions | None = None


class StopRecording(Instruction, frozen=True, kw_only=True, tag="stopRecording"):
    """Stop what `StartRecording` started."""


class ReportCallStatus(Instruction, frozen=True, kw_only=True, tag="ReportCallStatus"):
    """Say in the answer to a DiCE whether the call was a success. Gone from current documents."""

    value: str
    details: str | None = None


AnyAction = (
    Hangup
    | Continue
    | ConnectPstn
    | ConnectMxp
    | ConnectConf
    | ConnectSip
    | ConnectStream
    | RunMenu
    | Park
    | StartRecording  # legacy: as the action of a PATCH
    | StopRecording
)
AnyInstruction = PlayFiles | Say | SendDtmf | SetCookie | Answer | StartRecording | StopRecording | ReportCallStatus


class Svaml(Part, frozen=True, kw_only=True):
    """One answer: instructions in their order, then the action."""

    instructions: tuple[AnyInstruction, ...] = ()
    action: AnyAction | None = None

    def to_json(self) -> bytes:
        """Write it with absent fields left out; equal answers are equal bytes."""
        return _encode(self)

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Read an answer as the platform does: any case, older forms; unknown properties and `null`s are passed over.

        Raises `CallbackMalformed` with the JSON path of the first thing that cannot be read.
        """
        try:
            return msgspec.convert(modern(parse(body)), cls, strict=False)
        except msgspec.ValidationError as error:
            explanation, _, path = str(error).partition(" - at `")
            raise CallbackMalformed(path.rstrip("`") or "$", explanation) from None


def modern(raw: dict[str, Any]) -> dict[str, Any]:
    """Return parsed SVAML in today's spelling: names and properties in their right case, older forms in today's."""
    svaml: dict[str, Any] = _respell(raw)
    parts = [svaml.get("action"), *_items(svaml.get("instructions"))]
    for part in (part for part in parts if isinstance(part, dict)):
        name = part.get("name")
        if isinstance(name, str):
            part["name"] = NAMES.get(name.lower(), name)
        if isinstance(part.get("ids"), str):
            part["ids"] = [part["ids"]]
        target = part.get("destination")
        if part.get("name") == "connectPstn" and isinstance(target, dict):
            part.setdefault("number", target.get("endpoint"))
        for menu in _items(part.get("menus")):
            for option in _items(menu.get("options")) if isinstance(menu, dict) else ():
                if isinstance(option, dict) and isinstance(option.get("dtmf"), int):
                    option["dtmf"] = str(option["dtmf"])
        for options in (part.get("options"), part.get("recordingOptions")):
            if isinstance(options, dict) and "destination" in options:
                options.setdefault("destinationUrl", options["destination"])
    return svaml


def _respell(value: Any) -> Any:
    """Spell every property as its struct does, whole numbers without a point, and leave out `null`s."""
    if isinstance(value, dict):
        spelled = {PROPERTIES.get(name.lower(), name): member for name, member in value.items()}
        return {name: _respell(member) for name, member in spelled.items() if member is not None}
    if isinstance(value, list):
        return [_respell(item) for item in value]
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return value


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


_PARTS: tuple[type[msgspec.Struct], ...] = (
    Svaml,
    *Action.__subclasses__(),
    *Instruction.__subclasses__(),
    *(Address, AmdOptions, TranscriptionOptions, RecordingOptions, ConferenceDtmfOptions, StreamingOptions),
    *(Option, Menu, Pair),
)
PROPERTIES = {
    known.encode_name.lower(): known.encode_name for part in _PARTS for known in msgspec.structs.fields(part)
} | {"name": "name"}
"""Right spelling of every property, by its lower case."""

NAMES = {
    str(part.__struct_config__.tag).lower(): str(part.__struct_config__.tag)
    for part in (*Action.__subclasses__(), *Instruction.__subclasses__())
}
"""Right spelling of every action and instruction, by its lower case."""

_encode = msgspec.json.Encoder().encode
