"""Rented numbers, and what was answered to callers in their menus, as rows of tables and back."""

import msgspec

from callgate.policy.menu import MenuTree
from callgate.protocol.call import Endpoint
from callgate.rating.tariff import Tariff
from callgate.service.did import Did
from callgate.service.inputs import Answered, InputKey
from callgate.storage.rows import Row

_encode = msgspec.json.Encoder().encode
_decode_route = msgspec.json.Decoder(Endpoint).decode
_decode_menu = msgspec.json.Decoder(MenuTree).decode
_decode_tariff = msgspec.json.Decoder(Tariff).decode

DID_KEY = ("application", "number")
DID = (*DID_KEY, "account", "route", "menu", "receive")


def from_did(did: Did) -> Row:
    shown = (None if part is None else _encode(part).decode() for part in (did.route, did.menu, did.receive))
    return (did.application, did.number, did.account, *shown)


def to_did(row: Row) -> Did:
    application, number, account, route, menu, receive = row
    return Did(
        application=application,
        number=number,
        account=account,
        route=route and _decode_route(route),
        menu=menu and _decode_menu(menu),
        receive=receive and _decode_tariff(receive),
    )


INPUT_KEY = ("application", "call_id", "fingerprint")
INPUT = (*INPUT_KEY, "answer")


def from_answered(answered: Answered) -> Row:
    return (*answered.key, answered.answer)


def to_answered(row: Row) -> Answered:
    *key, answer = row
    return Answered(key=InputKey(*key), answer=answer)
