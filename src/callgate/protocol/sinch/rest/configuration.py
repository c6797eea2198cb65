"""What an application is set to at the platform: its callback URLs and its numbers. And what kind of number one is.

Source: Sinch Voice API reference, applications and calling.
"""

from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import urlsplit

from msgspec import field

from callgate.errors import CallbackMalformed
from callgate.numbers import parse_e164
from callgate.protocol.sinch.callbacks import Money, Part
from callgate.protocol.sinch.rest.operation import Operation, Order, Reply, document, id_faults, reply_of, segment
from callgate.protocol.sinch.rules import Fault, encode

MAX_NUMBERS = 100
"""How many numbers one request may assign."""

MAX_URL = 2_000

CAPABILITIES = ("voice", "sms")

NUMBERS_PATH = "/v1/configuration/numbers"


class CallbackUrls(Reply, frozen=True, kw_only=True):
    """Where the platform sends callbacks. `fallback` is asked only when `primary` fails or is too slow."""

    primary: str = ""
    fallback: str = ""


class GetCallbacks(Operation[CallbackUrls], frozen=True, kw_only=True):
    """Ask for the callback URLs of an application."""

    is_configuration: ClassVar[bool] = True

    application_key: str

    @property
    def path(self) -> str:
        """The application's own."""
        return _callbacks_path(self.application_key)

    def faults(self, *, strict: bool) -> Iterator[Fault]:
        """Of the key."""
        del strict
        yield from id_faults(self.application_key, "application_key")

    def understand(self, body: bytes) -> CallbackUrls:
        """Older documents have an array of URLs."""
        raw = document(body)
        said = raw.pop("url", None)
        if isinstance(said, list):
            said = dict(zip(("primary", "fallback"), said, strict=False))
        elif isinstance(said, str):
            said = {"primary": said}
        return reply_of(CallbackUrls, raw | (said if isinstance(said, dict) else {}))


class UpdateCallbacks(Order, frozen=True, kw_only=True):
    """Set the callback URLs of an application. `fallback` None is not sent, an empty one is, and leaves none."""

    method: ClassVar[str] = "POST"
    is_configuration: ClassVar[bool] = True

    application_key: str
    primary: str
    fallback: str | None = None

    @property
    def path(self) -> str:
        """The application's own."""
        return _callbacks_path(self.application_key)

    @property
    def body(self) -> bytes:
        """Both URLs."""
        urls = {"primary": self.primary} | ({} if self.fallback is None else {"fallback": self.fallback})
        return encode({"url": urls})

    def faults(self, *, strict: bool) -> Iterator[Fault]:
        """Of the key and the URLs."""
        del strict
        yield from id_faults(self.application_key, "application_key")
        for name, url in (("primary", self.primary), ("fallback", self.fallback or self.primary)):
            if not _is_url(url):
                yield Fault(
                    name, repr(url[:60]), "an http or https URL such as https://gate.example.com/callbacks/sinch"
                )


class OwnNumber(Part, frozen=True, kw_only=True):
    """A rented number. `application_key` is empty while it is not assigned; `capability` is `voice` or `sms`."""

    text: str = field(default="", name="number")
    application_key: str = field(default="", name="applicationkey")
    capability: str = ""

    @property
    def number(self) -> str:
        """As E.164 where it can be read as such, else the text."""
        return parse_e164(self.text) or self.text


class OwnNumbers(Reply, frozen=True, kw_only=True):
    """The numbers that are rented."""

    numbers: tuple[OwnNumber, ...] = ()


class GetNumbers(Operation[OwnNumbers], frozen=True, kw_only=True):
    """Ask which numbers are rented, and which application each is assigned to."""

    is_configuration: ClassVar[bool] = True

    @property
    def path(self) -> str:
        """One for all numbers."""
        return NUMBERS_PATH

    def understand(self, body: bytes) -> OwnNumbers:
        """Liberally."""
        return reply_of(OwnNumbers, document(body))


class AssignNumbers(Order, frozen=True, kw_only=True):
    """Assign rented numbers to an application, the one that asks unless another is named."""

    method: ClassVar[str] = "POST"
    is_configuration: ClassVar[bool] = True

    numbers: tuple[str, ...]
    application_key: str | None = None
    capability: str | None = None

    @property
    def path(self) -> str:
        """One for all numbers."""
        return NUMBERS_PATH

    @property
    def body(self) -> bytes:
        """The numbers, and what is said of them."""
        return encode({"numbers": self.numbers} | _assigned(self.application_key, self.capability))

    def faults(self, *, strict: bool) -> Iterator[Fault]:
        """Of each number, and of what is said of them."""
        del strict
        if not 1 <= len(self.numbers) <= MAX_NUMBERS:
            yield Fault("numbers", f"{len(self.numbers)} numbers", f"1 to {MAX_NUMBERS}")
        for index, number in enumerate(self.numbers):
            yield from _number_faults(number, f"numbers[{index}]")
        yield from _assignment_faults(self.application_key, self.capability)


class UnassignNumber(Order, frozen=True, kw_only=True):
    """Take a rented number from an application."""

    method: ClassVar[str] = "DELETE"
    is_configuration: ClassVar[bool] = True

    number: str
    application_key: str | None = None
    capability: str | None = None

    @property
    def path(self) -> str:
        """One for all numbers."""
        return NUMBERS_PATH

    @property
    def body(self) -> bytes:
        """The number, and what is said of it: a DELETE with a body, which is signed like any other."""
        return encode({"number": self.number} | _assigned(self.application_key, self.capability))

    def faults(self, *, strict: bool) -> Iterator[Fault]:
        """Of the number, and of what is said of it."""
        del strict
        yield from _number_faults(self.number, "number")
        yield from _assignment_faults(self.application_key, self.capability)


class NumberInfo(Reply, frozen=True, kw_only=True):
    """What kind of number one is. `number_type` is `unknown`, `fixed`, `mobile` or `other`; `rate` is a minute's."""

    country_id: str = ""
    number_type: str = ""
    normalized_number: str = ""
    restricted: bool | None = None
    rate: Money | None = None


class QueryNumber(Operation[NumberInfo], frozen=True, kw_only=True):
    """Ask what kind of number one is. The platform's documents call this deprecated."""

    is_configuration: ClassVar[bool] = True

    number: str

    @property
    def path(self) -> str:
        """The number's own."""
        return f"/v1/calling/query/number/{segment(self.number)}"

    def faults(self, *, strict: bool) -> Iterator[Fault]:
        """Of the number."""
        del strict
        yield from _number_faults(self.number, "number")

    def understand(self, body: bytes) -> NumberInfo:
        """Older documents call it `numberItem`."""
        raw = document(body)
        found = raw.get("number", raw.get("numberItem"))
        if not isinstance(found, dict):
            raise CallbackMalformed("$.number", "there is none")
        if isinstance(found.get("numberType"), str):
            found["numberType"] = found["numberType"].lower()
        return reply_of(NumberInfo, found)


def _callbacks_path(application_key: str) -> str:
    return f"/v1/configuration/callbacks/applications/{segment(application_key)}"


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        has_host = bool(url.hostname) and url.port != 0
    except ValueError:
        return False
    is_plain = text.isascii() and text.isprintable() and " " not in text and len(text) <= MAX_URL
    return url.scheme in {"http", "https"} and has_host and is_plain and not url.fragment


def _assigned(application_key: str | None, capability: str | None) -> dict[str, Any]:
    said = {"applicationkey": application_key, "capability": capability}
    return {name: value for name, value in said.items() if value is not None}


def _number_faults(number: str, path: str) -> Iterator[Fault]:
    if parse_e164(number) != number:
        yield Fault(path, repr(number[:40]), "an E.164 number such as +46700000001")


def _assignment_faults(application_key: str | None, capability: str | None) -> Iterator[Fault]:
    if application_key is not None:
        yield from id_faults(application_key, "application_key")
    if capability is not None and capability not in CAPABILITIES:
        yield Fault("capability", repr(capability[:40]), f"one of {', '.join(CAPABILITIES)}")
