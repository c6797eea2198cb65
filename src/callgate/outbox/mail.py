"""Records as e-mail: written from a template for each type, handed to the operator's own mail server by SMTP.

A repeat has the `Message-ID` of the first attempt, so that mailboxes show it once.
"""

import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import aiosmtplib
import msgspec
from jinja2 import BaseLoader, FileSystemLoader, StrictUndefined, Template, TemplateError, TemplateNotFound
from jinja2.sandbox import SandboxedEnvironment

from callgate import __version__
from callgate.outbox.crm import Link
from callgate.outbox.schedule import Answer, Fate
from callgate.outbox.trouble import REST
from callgate.service.delivery import Delivery
from callgate.service.endpoint import Endpoint, Security, SmtpServer, read_mailto

TIMEOUT_S = 5.0
"""For each step of the exchange; all of them together must end before the claim does."""

OURS = Path(__file__).parent / "mails"
"""Templates that come with us."""

ANY = "any"
"""The template of types that have none of their own."""

MAX_SUBJECT = 200


class MailTrouble(StrEnum):
    """What can be wrong between us and a mail server, by names that stay."""

    NO_SERVER = "no_mail_server"
    UNREACHABLE = "mail_server_unreachable"
    CERTIFICATE_REFUSED = "certificate_refused"
    NO_ENCRYPTION = "no_encryption"
    LOGIN_REFUSED = "login_refused"
    SENDER_REFUSED = "sender_refused"
    RECIPIENT_REFUSED = "recipient_refused"
    MESSAGE_REFUSED = "message_refused"
    LATER = "asked_to_wait"


SENTENCES: Mapping[MailTrouble, str] = {
    MailTrouble.NO_SERVER: "no mail server is set; set smtp_host and smtp_from, and start the server again",
    MailTrouble.UNREACHABLE: "there was no answer; it is tried again; look at smtp_host and smtp_port",
    MailTrouble.CERTIFICATE_REFUSED: "its certificate was not accepted; it must be valid for the name in smtp_host",
    MailTrouble.NO_ENCRYPTION: "it offers no encryption on this port; set smtp_port and smtp_security to what it has",
    MailTrouble.LOGIN_REFUSED: "it does not take the login; look at smtp_user and smtp_password",
    MailTrouble.SENDER_REFUSED: "it does not send for smtp_from; set an address that this login may use",
    MailTrouble.RECIPIENT_REFUSED: "it does not know the recipient; add the endpoint with another address, then resend",
    MailTrouble.MESSAGE_REFUSED: "it does not take the message; its own log says why",
    MailTrouble.LATER: "it asks to be tried again later",
}
"""What is the matter, and what to do."""

OF_THE_SERVER = frozenset(
    {
        MailTrouble.NO_SERVER,
        MailTrouble.CERTIFICATE_REFUSED,
        MailTrouble.NO_ENCRYPTION,
        MailTrouble.LOGIN_REFUSED,
        MailTrouble.SENDER_REFUSED,
    }
)
"""Nothing would get through: the endpoint rests, and no delivery uses up a try."""

OF_THE_MESSAGE = frozenset({MailTrouble.RECIPIENT_REFUSED, MailTrouble.MESSAGE_REFUSED})
"""The same would be refused again."""

_PERMANENT = 500
"""Replies from here on are final. Source: RFC 5321, section 4.2.1."""


class Mailer:
    """Sends through one mail server; None where the operator has set none."""

    def __init__(self, server: SmtpServer | None, link: Link) -> None:
        self._server = server
        self._link = link
        self._environments = [_environment(OURS)]
        if server is not None and server.templates is not None:
            self._environments.insert(0, _environment(server.templates))

    async def send(self, delivery: Delivery, endpoint: Endpoint, type_: str | None = None) -> Answer:
        """Send once. Never raises: what went wrong is the answer. `type_` is for what is no record."""
        if self._server is None:
            return _answer(MailTrouble.NO_SERVER)
        message, note = self.write(delivery, endpoint, type_)
        server = self._server
        try:
            refused, _ = await aiosmtplib.send(
                message,
                sender=server.sender,
                recipients=read_mailto(endpoint.url),
                hostname=server.host,
                port=server.port,
                username=server.user or None,
                password=server.password or None,
                use_tls=server.security is Security.TLS,
                start_tls=server.security is Security.STARTTLS,
                tls_context=None if server.authority is None else ssl.create_default_context(cafile=server.authority),
                timeout=TIMEOUT_S,
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            return _explain(error)
        if refused:
            note = f"not taken for {len(refused)} of the recipients"
        return Answer(Fate.DELIVERED, note)

    def write(self, delivery: Delivery, endpoint: Endpoint, type_: str | None = None) -> tuple[EmailMessage, str]:
        """Return the message, and what is to be noted of it: that a template of the operator's could not be used."""
        assert self._server is not None, "the caller has asked"
        body: dict[str, Any] = msgspec.json.decode(delivery.body)
        facts: dict[str, Any] = {name: _in_a_line(value) for name, value in body["data"].items()}
        kind = type_ or str(delivery.type)
        call_id = facts.get("call_id")
        words = {
            "account": "", **facts, "type": kind, "timestamp": body["timestamp"], "facts": facts,
            "call_link": self._link(facts["application"], call_id) if call_id else "",
        }  # fmt: skip
        text, note = self._rendered(kind, "txt", words)
        html, html_note = self._rendered(kind, "html", words)
        head, _, rest = (text or "").partition("\n")
        message = EmailMessage()
        message["Subject"] = " ".join(head.removeprefix("Subject:").split())[:MAX_SUBJECT]
        message["From"] = self._server.sender
        message["To"] = ", ".join(read_mailto(endpoint.url))
        message["Date"] = format_datetime(delivery.occurred_at)
        message["Message-ID"] = f"<{delivery.id}@{self._server.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message["X-Mailer"] = f"callgate/{__version__}"
        message.set_content(rest.lstrip("\n"))
        if html is not None:
            message.add_alternative(html, subtype="html")
        return message, note or html_note

    def _rendered(self, kind: str, form: str, words: Mapping[str, Any]) -> tuple[str | None, str]:
        """By the operator's template, else by ours; an HTML one only where the operator has it. An alarm is not lost because
        of a slip in a template.
        """
        note = ""
        for environment in self._environments:
            try:
                return _template(environment, kind, form).render(words), note
            except TemplateNotFound:
                continue
            except (TemplateError, TypeError, ValueError, ArithmeticError, UnicodeError) as error:
                note = f"template {kind}.{form} could not be used: {error}"[:MAX_SUBJECT]
        return (
            (None, note) if form == "html" else (self._environments[-1].get_template(f"{ANY}.txt").render(words), note)
        )


def _in_a_line(value: object) -> object:
    """What a caller says may hold line feeds, which would end a subject, or look like words of ours."""
    return " ".join(value.split()) if isinstance(value, str) else value


def _template(environment: SandboxedEnvironment, kind: str, form: str) -> Template:
    return environment.get_template(f"{kind}.{form}")


def _environment(folder: Path) -> SandboxedEnvironment:
    """Read anew when a file changes. Names that are not there are an error, and not an empty place in a mail."""
    loader: BaseLoader = FileSystemLoader(folder)
    return SandboxedEnvironment(
        loader=loader,
        undefined=StrictUndefined,
        autoescape=lambda name: bool(name) and str(name).endswith(".html"),
        keep_trailing_newline=True,
        trim_blocks=True,
    )


def _explain(error: Exception) -> Answer:
    """What the server said, or why it said nothing. Its words are not kept, since they may repeat addresses; its code is."""
    match error:
        case _ if _is_of_certificate(error):
            return _answer(MailTrouble.CERTIFICATE_REFUSED)
        case aiosmtplib.SMTPAuthenticationError(code=code):
            return _answer(MailTrouble.LOGIN_REFUSED if code >= _PERMANENT else MailTrouble.LATER, code)
        case aiosmtplib.SMTPNotSupported():
            return _answer(MailTrouble.NO_ENCRYPTION)
        case aiosmtplib.SMTPSenderRefused(code=code):
            return _answer(MailTrouble.SENDER_REFUSED if code >= _PERMANENT else MailTrouble.LATER, code)
        case aiosmtplib.SMTPRecipientsRefused():
            code = max((each.code for each in error.recipients), default=_PERMANENT)
            return _answer(MailTrouble.RECIPIENT_REFUSED if code >= _PERMANENT else MailTrouble.LATER, code)
        case aiosmtplib.SMTPConnectError() | aiosmtplib.SMTPTimeoutError() | aiosmtplib.SMTPServerDisconnected():
            return _answer(MailTrouble.UNREACHABLE)
        case aiosmtplib.SMTPResponseException(code=code):
            return _answer(MailTrouble.MESSAGE_REFUSED if code >= _PERMANENT else MailTrouble.LATER, code)
        case aiosmtplib.SMTPException() if "STARTTLS" in str(error):
            return _answer(MailTrouble.NO_ENCRYPTION)
        case _:
            return _answer(MailTrouble.UNREACHABLE)


def _is_of_certificate(error: BaseException | None) -> bool:
    """Whether it is that, at the bottom of it: it comes wrapped."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _answer(trouble: MailTrouble, code: int | None = None) -> Answer:
    why = f"{trouble}{f' ({code})' if code else ''}: {SENTENCES[trouble]}"
    if trouble in OF_THE_SERVER:
        return Answer(Fate.HELD, why, REST)
    return Answer(Fate.DEAD if trouble in OF_THE_MESSAGE else Fate.RETRY, why)
