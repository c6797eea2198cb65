"""An S3-compatible object store: put a file there, see what is there. Requests are signed with AWS Signature Version 4.

Source: Amazon S3 API reference, "Authenticating Requests: Using the Authorization Header".
"""

import asyncio
import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

from callgate.errors import DeliveryFailed
from callgate.service.scheduled_export import Bucket

TIMEOUT_S = 300.0
"""For one file, which may be large."""

MAX_OBJECT = 5 * 1024**3
"""Bytes of one upload. Source: Amazon S3 API reference, PutObject."""

DIGEST_HEADER = "x-amz-meta-sha256"
"""The digest of a file, kept beside it: the store's own `ETag` is another one."""

NOTHING = hashlib.sha256(b"").hexdigest()

_ALGORITHM = "AWS4-HMAC-SHA256"


class S3:
    """One bucket."""

    def __init__(self, session: aiohttp.ClientSession, bucket: Bucket, clock: Callable[[], datetime]) -> None:
        self._session = session
        self._bucket = bucket
        self._clock = clock

    async def digest_of(self, name: str) -> str | None:
        """The digest that we have put beside a file, empty for somebody else's; None where there is no such file.

        Raises `DeliveryFailed`.
        """
        status, headers = await self._ask("HEAD", name, {}, NOTHING, None)
        if status == 404:  # noqa: PLR2004 - not found
            return None
        self._must_be_well(status, "HEAD")
        return headers.get(DIGEST_HEADER, "")

    async def put(self, name: str, file: Path, digest: str) -> None:
        """Put a file there, whole or not at all, where there is none of that name. Raises `DeliveryFailed`."""
        size = await asyncio.to_thread(os.path.getsize, file)
        if size > MAX_OBJECT:
            raise DeliveryFailed(
                f"{name} has {size} bytes, more than one upload may have; write one an hour", is_retryable=False
            )
        headers = {DIGEST_HEADER: digest, "content-length": str(size), "if-none-match": "*"}
        status, _ = await self._ask("PUT", name, headers, digest, file)
        if status in _NO_CONDITIONS:  # a store that knows no conditions: it was asked before whether the file is there
            del headers["if-none-match"]
            status, _ = await self._ask("PUT", name, headers, digest, file)
        self._must_be_well(status, "PUT")

    async def _ask(
        self, method: str, name: str, headers: Mapping[str, str], digest: str, file: Path | None
    ) -> tuple[int, Mapping[str, str]]:
        url = f"{self._bucket.url}/{quote(f'{self._bucket.name}/{self._bucket.prefix}{name}', safe='/-_.~')}"
        signed = sign(method, url, headers, digest, self._bucket, self._clock())
        try:
            with file.open("rb") if file is not None else _Nothing() as body:
                async with self._session.request(
                    method, URL(url, encoded=True), headers=signed, data=body, allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                ) as response:  # fmt: skip
                    return response.status, response.headers
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise DeliveryFailed(
                f"the object store does not answer: {type(error).__name__}", is_retryable=True
            ) from error

    def _must_be_well(self, status: int, what: str) -> None:
        if not 200 <= status < 300:  # noqa: PLR2004 - the class of success
            todo = _TODO.get(status, "the store's own log says why")
            raise DeliveryFailed(f"the object store answers {what} with {status}: {todo}", is_retryable=status >= 500)  # noqa: PLR2004


class _Nothing:
    """No body."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


_NO_CONDITIONS = frozenset({400, 501})

_TODO = {
    301: "the bucket is in another region; set export_s3_region",
    307: "the bucket is elsewhere; set export_s3_url",
    403: "look at export_s3_key, export_s3_secret and what that key may do, and at the clock",
    404: "there is no such bucket; make it, or correct export_to",
    412: "a file of this name is there already, with other bytes; it is not written over",
}
"""What an operator does about an answer."""


def sign(  # noqa: PLR0913, PLR0917 - what is signed, and with what
    method: str, url: str, headers: Mapping[str, str], digest: str, bucket: Bucket, now: datetime
) -> dict[str, str]:
    """Return the headers of a request with those that sign it. `digest` is the SHA-256 of its body, in hexadecimal."""
    parts, at = urlsplit(url), now.strftime("%Y%m%dT%H%M%SZ")
    signed = {**headers, "host": parts.netloc, "x-amz-content-sha256": digest, "x-amz-date": at}
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in sorted(signed))
    request = f"{method}\n{parts.path}\n{parts.query}\n{lines}\n{names}\n{digest}"
    scope = f"{at[:8]}/{bucket.region}/s3/aws4_request"
    text = f"{_ALGORITHM}\n{at}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{bucket.secret}".encode()
    for part in (at[:8], bucket.region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    return {
        **signed,
        "authorization": f"{_ALGORITHM} Credential={bucket.key}/{scope}, SignedHeaders={names}, Signature={signature}",
    }
