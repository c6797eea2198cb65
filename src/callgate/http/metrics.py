"""`/metrics`, as Prometheus reads it. Open to everybody, and free of numbers, names and amounts of accounts."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from callgate import __version__
from callgate.errors import StorageUnavailable
from callgate.http.asgi import Receive, Scope, Send, send_reply
from callgate.protocol import WireReply
from callgate.service.meter import BUCKETS_US, Counted, Meter, cumulated
from callgate.service.ports import Store

PATH = "/metrics"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

LOOK_S = 5.0
"""How old what was counted in the store may be: whoever asks more often is told the same again."""


class _Stock(NamedTuple):
    """What is counted in the store; None where it did not say."""

    live: int | None
    deliveries: Mapping[str, int] | None


class Metrics:
    """ASGI callable for `PATH`."""

    def __init__(self, store: Store, meter: Meter) -> None:
        self._store = store
        self._meter = meter
        self._stock = _Stock(None, None)
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's own shape
        text = "\n".join((*_counted(self._meter.read()), *self._now(await self._look()))) + "\n"
        await send_reply(send, WireReply(status=200, content_type=CONTENT_TYPE, body=text.encode()))

    async def _look(self) -> _Stock:
        """At most once in `LOOK_S`; nothing where the store is away, which is no reason to say nothing at all."""
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if now - self._looked_at >= LOOK_S:
                self._looked_at = now
                try:
                    async with asyncio.timeout(LOOK_S):
                        self._stock = _Stock(await self._store.live_count(), await self._store.delivery_counts())
                except (StorageUnavailable, TimeoutError):
                    self._stock = _Stock(None, None)
        return self._stock

    def _now(self, stock: _Stock) -> Iterator[str]:
        yield from _head("callgate_queue_jobs", "gauge", "Jobs that wait for the store, in the process that was asked.")
        yield f"callgate_queue_jobs {self._store.waiting_count}"
        yield from _head("callgate_store_up", "gauge", "Whether the store answered when it was last looked at.")
        yield f"callgate_store_up {0 if stock.live is None else 1}"
        if stock.live is not None and stock.deliveries is not None:
            yield from _head("callgate_live_calls", "gauge", "Calls that are up.")
            yield f"callgate_live_calls {stock.live}"
            yield from _head("callgate_outbox_deliveries", "gauge", "Records that are not delivered yet, or parked.")
            for state, count in stock.deliveries.items():
                yield f'callgate_outbox_deliveries{{state="{state}"}} {count}'
        yield from _head("callgate_build_info", "gauge", "Which version this is.")
        yield f'callgate_build_info{{version="{__version__}"}} 1'


def _counted(counted: Counted) -> Iterator[str]:
    yield from _head("callgate_decisions_total", "counter", "Arriving calls that were decided, repeats left out.")
    yield f'callgate_decisions_total{{outcome="connect"}} {counted.connects}'
    yield f'callgate_decisions_total{{outcome="refuse"}} {sum(counted.refusals.values())}'
    yield from _head("callgate_refusals_total", "counter", "Calls that were refused, by the name of the refusal.")
    for name, count in counted.refusals.items():
        yield f'callgate_refusals_total{{refusal="{name}"}} {count}'
    yield from _head("callgate_fallbacks_total", "counter", "Calls that the store did not decide in time.")
    yield f"callgate_fallbacks_total {counted.fallbacks}"
    yield from _head("callgate_decision_seconds", "histogram", "From a genuine callback to its answer.")
    ends = [*(f"{us / 1_000_000:g}" for us in BUCKETS_US), "+Inf"]
    totals = list(cumulated(counted.buckets))
    for end, total in zip(ends, totals, strict=True):
        yield f'callgate_decision_seconds_bucket{{le="{end}"}} {total}'
    yield f"callgate_decision_seconds_sum {counted.total_us / 1_000_000:.6f}"
    yield f"callgate_decision_seconds_count {totals[-1]}"
    yield from _head("callgate_callbacks_total", "counter", "Genuine callbacks, by their kind.")
    for name, count in counted.callbacks.items():
        yield f'callgate_callbacks_total{{callback="{name}"}} {count}'
    yield from _head("callgate_callbacks_rejected_total", "counter", "Callbacks that were not taken, by status.")
    for status, count in counted.rejected.items():
        yield f'callgate_callbacks_rejected_total{{status="{status}"}} {count}'


def _head(name: str, kind: str, about: str) -> tuple[str, str]:
    return f"# HELP {name} {about}", f"# TYPE {name} {kind}"
