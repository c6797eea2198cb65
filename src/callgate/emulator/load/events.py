"""Writes and signs the events of a load. Bodies are filled into texts made beforehand: thousands are sent a second."""

import time
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from callgate.emulator.target import Target
from callgate.protocol import sinch
from callgate.protocol.sinch.signature import JSON_UTF8

ICE = (
    b'{"event":"ice","callid":"%b","callResourceUrl":"https://calling-euc1.api.sinch.com/calling/v1/calls/id/%b",'
    b'"timestamp":"%b","version":1,"custom":"","applicationKey":%b,"user":%b,'
    b'"userRate":{"currencyId":"USD","amount":0.01},"cli":"private","to":{"type":"number","endpoint":"%b"},'
    b'"domain":"pstn","originationType":"MXP","duration":0,"rdnis":""}'
)
ACE = b'{"event":"ace","callid":"%b","timestamp":"%b","version":1,"custom":"","applicationKey":%b,"user":%b}'
DICE = (
    b'{"event":"dice","callid":"%b","timestamp":"%b","version":1,"custom":"","applicationKey":%b,"user":%b,'
    b'"reason":"%b","result":"%b",%b"debit":{"currencyId":"USD","amount":%b},'
    b'"userRate":{"currencyId":"USD","amount":0.01},"to":{"type":"number","endpoint":"%b"},"from":%b}'
)


class Scribe:
    """Writes the events of one application's calls, and signs them for one target."""

    def __init__(self, target: Target, key: str, secret: str) -> None:
        self._path, self._secret = target.path, secret
        self._key = msgspec.json.encode(key)
        self._before = (
            f"POST {target.path_and_query} HTTP/1.1\r\nhost: {target.netloc}\r\naccept: */*\r\n"
            f"content-type: {JSON_UTF8}\r\nauthorization: application {key}:"
        ).encode()

    def ice(self, call_id: bytes, user: bytes, number: bytes, at: int) -> bytes:
        """Write the incoming call event. `user` is JSON, `at` seconds of the epoch, here and below."""
        return ICE % (call_id, call_id, _stamp(at), self._key, user, number)

    def ace(self, call_id: bytes, user: bytes, at: int) -> bytes:
        """Write the answered call event."""
        return ACE % (call_id, _stamp(at), self._key, user)

    def dice(  # noqa: PLR0913, PLR0917 - what is known of an end
        self, call_id: bytes, user: bytes, number: bytes, at: int, pair: tuple[bytes, bytes], duration_s: int | None
    ) -> bytes:
        """Write the disconnected call event. The debit is `ceil(duration / 60)` times the rate of 0.01."""
        minutes = -(-(duration_s or 0) // 60)
        duration = b"" if duration_s is None else b'"duration":%d,' % duration_s
        debit = b"%d.%02d" % divmod(minutes, 100)
        return DICE % (call_id, _stamp(at), self._key, user, *pair, duration, debit, number, user)

    def request(self, body: bytes) -> bytes:
        """Return the request that brings this body, signed now."""
        stamp = _stamp(int(time.time())).decode()
        signature = sinch.signature_of(self._secret, sinch.string_to_sign("POST", self._path, body, stamp, JSON_UTF8))
        return b"%b%b\r\nx-timestamp: %b\r\ncontent-length: %d\r\n\r\n%b" % (
            self._before,
            signature.encode(),
            stamp.encode(),
            len(body),
            body,
        )


@lru_cache(maxsize=4_096)
def _stamp(at: int) -> bytes:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}".encode()
