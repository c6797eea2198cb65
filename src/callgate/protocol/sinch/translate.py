"""Wire to neutral words and back.

Whether a genuine event can be acted upon is judged here; the structs of the wire take anything.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import msgspec

from callgate.errors import DecisionUnsupported, SignatureInvalid
from callgate.money import CURRENCIES
from callgate.protocol.call import (
    Acknowledge,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallEvent,
    CallInput,
    CallKey,
    CallNoted,
    CallResult,
    CallUnusable,
    Connect,
    ConnectSip,
    ConnectUser,
    Decision,
    Endpoint,
    EndpointKind,
    GoOn,
    HangUp,
    JoinConference,
    Origin,
    Price,
)
from callgate.protocol.menu import Menu as NeutralMenu
from callgate.protocol.menu import RunMenus
from callgate.protocol.sinch.callbacks import (
    Ace,
    Destination,
    Dice,
    Ice,
    Known,
    Money,
    Notify,
    Pair,
    Pie,
    UnknownEvent,
    number_in,
    read,
)
from callgate.protocol.sinch.prompts import tts
from callgate.protocol.sinch.signature import covered_by_signature, signing_key
from callgate.protocol.sinch.svaml import (
    Address,
    AnyAction,
    ConnectConf,
    ConnectMxp,
    ConnectPstn,
    Continue,
    Hangup,
    Menu,
    Option,
    RunMenu,
    Say,
    Svaml,
)
from callgate.protocol.sinch.svaml import ConnectSip as SvamlConnectSip
from callgate.protocol.wire import WireReply, WireRequest

MAX_TEXT = 256
"""Longest call id, user and address that we act upon, in characters."""

MAX_RESOURCE = 1_000
"""Longest address of a call that we keep, in characters."""

MAX_DURATION_S = 10 * 24 * 3600
"""Longest duration that we believe. A longer one, or one below 0, counts as none: the provider is asked instead."""

MAX_GRANT_S = 14_400
"""Longest `maxDuration` of connectPstn. Source: Sinch Voice API reference, SVAML actions."""


def understand(request: WireRequest) -> CallEvent:
    """Read a verified request in neutral words; what cannot be acted upon is `CallUnusable`.

    Raises `SignatureInvalid` as `owner` does, and `CallbackMalformed`.
    """
    callback = read(request)
    return translate(callback, owner(request, callback), covered_by_signature(request))


def owner(request: WireRequest, callback: Known | UnknownEvent) -> str:
    """Return the application that a callback belongs to: the one whose key signed the request that it was read from.

    A request whose Authorization header names no key belongs to the application that its body names. Raises
    `SignatureInvalid` when the body belongs to another application than the one that signed.
    """
    signer = signing_key(request)
    check_owner(callback, signer)
    return signer or callback.application_key


def check_owner(callback: Known | UnknownEvent, signer: str) -> None:
    """Raise `SignatureInvalid` when the body belongs to another application than the one that signed, if any did."""
    claimed = callback.application_key
    if claimed == signer or not signer:
        return
    # Keys are GUIDs, and the platform's own pages write the same one in either case. One that cannot be read is another.
    if (claimed and claimed.lower() != signer.lower()) or "applicationKey" in callback.other:
        raise SignatureInvalid("application", "the body belongs to another application than the one that signed")


def translate(callback: Known | UnknownEvent, application: str, covered: str = "") -> CallEvent:
    """Say in neutral words what a callback of this application tells. `covered` goes with it, see `CallEvent`."""
    if (why := unusable(callback)) is not None:
        return CallUnusable(
            key=CallKey(application, callback.callid if _is_plain(callback.callid) else ""),
            name=callback.event[:64],
            occurred_at=callback.timestamp,
            custom=callback.custom,
            covered=covered,
            why=why,
            wants_decision=isinstance(callback, Ice | Pie),
        )
    common = {
        "key": CallKey(application, callback.callid),
        "name": callback.event,
        "occurred_at": callback.timestamp,
        "custom": callback.custom,
        "covered": covered,
    }
    return _WORDS[type(callback)](callback, common)


def answer(event: CallEvent, decision: Decision) -> WireReply:
    """Say a decision in SVAML: the same decision is the same bytes. Raises `DecisionUnsupported`.

    Acknowledge is `{}`, and no answer to a call that waits for one.
    """
    if isinstance(decision, HangUp):
        if not decision.text:
            return _HANG_UP
        say = Say(text=decision.text, locale=decision.locale or None)
        return WireReply(body=Svaml(instructions=(say,), action=Hangup()).to_json())
    if isinstance(event, CallArrived | CallInput) and (action := _action(event, decision)) is not None:
        return WireReply(body=Svaml(action=action).to_json())
    if isinstance(decision, JoinConference) and isinstance(event, CallAnswered):
        return WireReply(body=Svaml(action=ConnectConf(conference_id=decision.conference)).to_json())
    if isinstance(decision, GoOn) and isinstance(event, CallAnswered | CallInput):
        return _GO_ON
    if isinstance(decision, Acknowledge) and not isinstance(event, CallArrived | CallAnswered):
        return _NOTHING
    raise DecisionUnsupported(f"{type(decision).__name__} is no answer to {event.name}")


def _action(event: CallArrived | CallInput, decision: Decision) -> AnyAction | None:
    """What a caller who waits is led to; None for decisions that lead nowhere."""
    match decision:
        case Connect():
            _check_grant("connectPstn", decision.max_duration_s)
            cli = decision.cli if decision.cli is not None else "private"
            return ConnectPstn(number=decision.number, cli=cli, max_duration=decision.max_duration_s)
        case ConnectSip():
            _check_grant("connectSip", decision.max_duration_s)
            cli = decision.cli if decision.cli is not None else "private"
            to = Address(type="sip", endpoint=decision.address)
            return SvamlConnectSip(destination=to, cli=cli, max_duration=decision.max_duration_s)
        case ConnectUser() if isinstance(event, CallArrived):  # PIE knows no connectMxp
            headers = tuple(Pair(key=key, value=value) for key, value in decision.headers)
            return ConnectMxp(destination=Address(type="username", endpoint=decision.user), call_headers=headers)
        case JoinConference():
            return ConnectConf(conference_id=decision.conference)
        case RunMenus():
            menus = tuple(map(_menu, decision.menus))
            return RunMenu(locale=decision.locale, main_menu=decision.menus[0].id, menus=menus)
    return None


def _check_grant(action: str, max_duration_s: int) -> None:
    if not 0 < max_duration_s <= MAX_GRANT_S:
        raise DecisionUnsupported(f"{action} for {max_duration_s} s: at least 1, at most {MAX_GRANT_S}")


def _menu(menu: NeutralMenu) -> Menu:
    options = [Option(dtmf=key, action=f"return({key})") for key in menu.keys]
    options += [Option(dtmf=key, action=f"menu({to})") for key, to in menu.menus]
    return Menu(
        id=menu.id,
        main_prompt=tts(menu.say),
        repeat_prompt=tts(menu.repeat or menu.say),
        repeats=menu.repeats,
        max_digits=menu.digits or None,
        timeout_mills=menu.timeout_s * 1_000,
        options=tuple(options) or None,
    )


_HANG_UP = WireReply(body=Svaml(action=Hangup()).to_json())
_GO_ON = WireReply(body=Svaml(action=Continue()).to_json())
_NOTHING = WireReply()


def unusable(callback: Known | UnknownEvent) -> str | None:
    """Return why an event cannot be acted upon, or None."""
    if type(callback) is UnknownEvent:
        return "an event that we do not know" if callback.event else "no event is named"
    if not callback.callid:
        return "no call id"
    if type(callback) is not Ice:
        return None if _is_plain(callback.callid) else "the call id is too long or not printable"
    to = callback.to
    if to is None or not to.text:
        return "no destination"
    if _is_plain(callback.callid + to.text + callback.user):  # all at once, as nearly always
        return None
    for what, text in (("call id", callback.callid), ("destination", to.text), ("user", callback.user)):
        if not _is_plain(text):
            return f"the {what} is too long or not printable"
    return None


def _is_plain(text: str, longest: int = MAX_TEXT) -> bool:
    """Whether it can be stored and compared as it is; U+FFFD stands where a NUL was."""
    return len(text) <= longest and text.isprintable() and (text.isascii() or "\ufffd" not in text)


def _arrived(ice: Ice, common: dict[str, Any]) -> CallArrived:
    assert ice.to is not None
    destination = _endpoint(ice.to)
    cli = number_in(ice.cli_text)
    shown = cli or ice.cli_text.strip().lower().removeprefix("private")
    return CallArrived(
        **common,
        destination=destination,
        fingerprint=_digest((ice.user, shown, ice.to.type, destination.address, ice.origination_type)),
        user=ice.user or None,
        cli=cli,
        origin=_ORIGINS.get(ice.origination_type, Origin.UNKNOWN),
        provider_rate=_price(ice.user_rate),
        headers=_mapping(ice.call_headers),
        resource=ice.call_resource_url if _is_plain(ice.call_resource_url, MAX_RESOURCE) else "",
        extra=_extra(ice, domain=ice.domain, rdnis=ice.rdnis),
    )


def _answered(ace: Ace, common: dict[str, Any]) -> CallAnswered:
    if ace.amd is None:
        return CallAnswered(**common, extra=_extra(ace))
    amd = {"status": ace.amd.status, "reason": ace.amd.reason}
    return CallAnswered(**common, is_machine=_MACHINES.get(ace.amd.status), extra=_extra(ace, amd=amd))


def _input(pie: Pie, common: dict[str, Any]) -> CallInput:
    result = pie.menu_result
    if result is None:
        return CallInput(**common, fingerprint=_digest(("", "", "", pie.timestamp)), extra=_extra(pie))
    return CallInput(
        **common,
        fingerprint=_digest((result.menu_id, result.type, result.value, pie.timestamp)),
        menu=result.menu_id,
        kind=result.type,
        value=result.value,
        extra=_extra(pie, inputMethod=result.input_method),
    )


def _ended(dice: Dice, common: dict[str, Any]) -> CallEnded:
    duration_s = dice.duration
    return CallEnded(
        **common,
        result=_RESULTS.get(dice.result, CallResult.OTHER),
        reason=dice.reason.lower()[:64],
        is_cut=dice.reason == "TIMEOUT",
        duration_s=duration_s if duration_s is not None and 0 < duration_s <= MAX_DURATION_S else None,
        debit=_price(dice.debit),
        user=dice.user or None,
        destination=_endpoint(dice.to) if dice.to is not None and dice.to.text else None,
        extra=_extra(dice),
    )


def _noted(notify: Notify, common: dict[str, Any]) -> CallNoted:
    extra = _extra(notify, destination=notify.destination, errorCode=notify.error_code, errorMsg=notify.error_msg)
    return CallNoted(**common, kind=notify.type[:64], extra=extra)


def _endpoint(destination: Destination) -> Endpoint:
    return Endpoint(_KINDS.get(destination.type, EndpointKind.UNKNOWN), destination.endpoint)


def _price(money: Money | None) -> Price | None:
    if money is None:
        return None
    currency = (money.currency_id or "").upper()
    return Price(money.amount, currency if currency in CURRENCIES else None)


def _mapping(pairs: tuple[Pair, ...]) -> dict[str, str]:
    return {pair.key: pair.value for pair in pairs}


def _digest(facts: tuple[object, ...]) -> str:
    """Shorten facts to a text that is equal only for equal facts, and tells no number."""
    return blake2b(msgspec.json.encode(facts), digest_size=16).hexdigest()


def _extra(callback: Known, **words: object) -> dict[str, Any]:
    """Keep, under the provider's name and its own spelling, what neutral words cannot say and the event does."""
    said = {name: word for name, word in words.items() if word}
    if callback.conference_id:
        said["conferenceId"] = callback.conference_id
    if callback.cookies:
        said["cookies"] = _mapping(callback.cookies)
    return {"sinch": said} if said else {}


_WORDS: dict[type, Callable[[Any, dict[str, Any]], CallEvent]] = {
    Ice: _arrived,
    Ace: _answered,
    Pie: _input,
    Dice: _ended,
    Notify: _noted,
}
_ORIGINS = {"mxp": Origin.IN_APP, "pstn": Origin.PHONE, "sip": Origin.SIP, "server": Origin.SERVER}
_KINDS = {
    "number": EndpointKind.NUMBER,
    "did": EndpointKind.DID,
    "username": EndpointKind.USER,
    "sip": EndpointKind.SIP,
    "conference": EndpointKind.CONFERENCE,
}
_RESULTS = {
    "ANSWERED": CallResult.ANSWERED,
    "BUSY": CallResult.BUSY,
    "NOANSWER": CallResult.NO_ANSWER,
    "FAILED": CallResult.FAILED,
    "N/A": CallResult.NONE,
}
_MACHINES = {"machine": True, "human": False}
