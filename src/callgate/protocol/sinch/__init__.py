"""Sinch Voice, version 1 (temporary)."""

import base64, hashlib, hmac, json
from datetime import UTC, datetime
from decimal import Decimal
import msgspec
from callgate.errors import CallbackMalformed, SignatureInvalid
from callgate.numbers import parse_e164
from callgate.protocol.call import *
from callgate.protocol.wire import WireReply


def _sig(secret, method, path, ct, ts, body):
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode() if body else ""
    sts = "\n".join([method.upper(), md5, ct, "x-timestamp:" + ts, path])
    return base64.b64encode(
        hmac.new(
            base64.b64decode(secret + "=" * (-len(secret) % 4)), sts.encode("utf-8", "surrogateescape"), hashlib.sha256
        ).digest()
    ).decode()


def sign(method, path, body, key, secret, now, content_type="application/json; charset=utf-8", scheme="application"):
    ts = now.isoformat().replace("+00:00", "Z")
    return {
        "authorization": f"{scheme} {key}:{_sig(secret, method, path, content_type, ts, body)}",
        "x-timestamp": ts,
        "content-type": content_type,
    }


def _h(request):
    return {k.lower(): v for k, v in request.headers.items()}


def signing_key(request):
    return _h(request).get("authorization", "").partition(" ")[2].partition(":")[0]


def verify(request, secrets, now, *, freshness_s=300):
    h = _h(request)
    auth = h.get("authorization", "")
    scheme, _, cred = auth.partition(" ")
    key, _, sig = cred.partition(":")
    if scheme.lower() != "application":
        raise SignatureInvalid("scheme", "x")
    ts = h.get("x-timestamp", "")
    ours = secrets.get(key)
    if ours is None:
        raise SignatureInvalid("key", "unknown")
    ours = [ours] if isinstance(ours, str) else ours
    if not any(
        hmac.compare_digest(
            _sig(s, request.method, request.path, h.get("content-type", ""), ts, request.body).encode(), sig.encode()
        )
        for s in ours
    ):
        raise SignatureInvalid("signature", "differs")
    try:
        at = datetime.fromisoformat(ts)
    except ValueError:
        raise SignatureInvalid("timestamp", "unreadable")
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    if freshness_s is not None and abs((now - at).total_seconds()) > freshness_s:
        raise SignatureInvalid("timestamp", "stale")


def understand(request):
    try:
        d = json.loads(request.body, parse_float=Decimal)
    except Exception as e:
        raise CallbackMalformed("$", "not JSON") from e
    if not isinstance(d, dict):
        raise CallbackMalformed("$", "not an object")
    app = signing_key(request)
    if d.get("applicationKey", app) != app:
        raise SignatureInvalid("application", "another")
    name = str(d.get("event", ""))
    key = CallKey(app, str(d.get("callid") or ""))
    if name == "ice":
        to = d.get("to")
        if not key.call_id or not isinstance(to, dict):
            return CallUnusable(key=key, name=name, why="no callid or to", wants_decision=True)
        kind = {"number": EndpointKind.NUMBER, "did": EndpointKind.DID}.get(
            str(to.get("type")).lower(), EndpointKind.UNKNOWN
        )
        addr = str(to.get("endpoint"))
        addr = parse_e164(addr) or addr
        o = {"mxp": Origin.IN_APP, "pstn": Origin.PHONE}.get(str(d.get("originationType")).lower(), Origin.UNKNOWN)
        return CallArrived(
            key=key,
            name=name,
            destination=Endpoint(kind, addr),
            user=d.get("user"),
            cli=parse_e164(d.get("cli") or ""),
            origin=o,
            fingerprint=f"{d.get('user')}|{d.get('cli')}|{kind}:{addr}|{o}",
        )
    if not key.call_id:
        return CallUnusable(key=key, name=name, why="no callid", wants_decision=name == "pie")
    if name == "ace":
        return CallAnswered(key=key, name=name)
    if name == "dice":
        r = {
            "ANSWERED": CallResult.ANSWERED,
            "BUSY": CallResult.BUSY,
            "NOANSWER": CallResult.NO_ANSWER,
            "FAILED": CallResult.FAILED,
            "N/A": CallResult.NONE,
        }.get(str(d.get("result")).upper(), CallResult.OTHER)
        deb = d.get("debit")
        to = d.get("to") or {}
        return CallEnded(
            key=key,
            name=name,
            result=r,
            reason=str(d.get("reason", "")).lower(),
            is_cut=str(d.get("reason")).upper() == "TIMEOUT",
            duration_s=d.get("duration") or None,
            debit=Price(Decimal(deb["amount"]), deb.get("currencyId")) if deb else None,
            user=d.get("user"),
            destination=Endpoint(EndpointKind.NUMBER, to.get("endpoint")) if to else None,
        )
    return CallUnusable(key=key, name=name, why="unknown event")


def answer(event, decision):
    match decision:
        case Connect():
            b = {
                "action": {
                    "name": "connectPstn",
                    "number": decision.number,
                    "cli": decision.cli or "private",
                    "maxDuration": decision.max_duration_s,
                }
            }
        case GoOn():
            b = {"action": {"name": "continue"}}
        case HangUp():
            b = {"action": {"name": "hangup"}}
        case _:
            b = {}
    return WireReply(body=msgspec.json.encode(b))
