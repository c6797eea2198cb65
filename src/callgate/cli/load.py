"""`callgate load`: emulated calls by the thousand against any callback server."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from callgate.cli.desk import AsJson, Config, Whole, say, say_json, table
from callgate.emulator import demo
from callgate.errors import Error, Invalid, TargetUnfit, TargetUnreachable

if TYPE_CHECKING:
    from pathlib import Path

    from callgate.emulator.load.drive import LoadPlan, Progress
    from callgate.emulator.load.figures import LoadReport
    from callgate.emulator.load.talk_log import TalkLog
    from callgate.service.reconcile import Agreement
    from callgate.settings import Settings

DONE, FAILED, MISUSED = 0, 1, 2
"""Exit codes: every answer was right; some was wrong or never asked for, or the ledger differs; there was nothing to load."""

MAX_RATE, MAX_FOR_S, MAX_CONNECTIONS = 100_000.0, 7 * 86_400, 10_000


def load(
    *,
    rate: Annotated[str, Parameter(name="--rate")] = "100",
    lasting: Annotated[str, Parameter(name="--for")] = "10s",
    mix: Annotated[str | None, Parameter(name="--mix")] = None,
    callers: Annotated[str | None, Parameter(name="--from")] = None,
    numbers: Annotated[str | None, Parameter(name="--to")] = None,
    repeats: Annotated[Whole, Parameter(name="--repeats")] = 1,
    connections: Annotated[Whole, Parameter(name="--connections")] = 64,
    seed: Annotated[Whole, Parameter(name="--seed")] = 1,
    target: Annotated[str, Parameter(name="--target")] = demo.TARGET,
    key: Annotated[str, Parameter(name="--key")] = demo.KEY,
    secret: Annotated[str, Parameter(name="--secret")] = demo.SECRET,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Place emulated calls by the thousand, look at every answer, print throughput, latency and all that was wrong.

    Parameters
    ----------
    rate
        Calls a second, each of two or three callbacks; they fall due evenly, whoever still waits for an answer. With
        max each connection carries one call after the other instead, as fast as the target goes.
    lasting
        For how long: 60s, 2m.
    mix
        How calls go, such as answered=80,noanswer=8,busy=6,cancel=4,failed=2; refused=N dials numbers that nobody has.
    callers
        In-app users who call, comma between.
    numbers
        Numbers that they dial, comma between.
    repeats
        Percent of the calls whose every event comes twice and has to get the same answer.
    connections
        Connections kept open.
    seed
        The same seed gives the same calls.
    target
        Callback URL of the server to load.
    key
        Application key to sign with; the demonstration's unless given.
    secret
        Application secret to sign with, base64.
    """
    try:
        plan = _plan(rate, lasting, mix, callers, numbers, repeats, connections, seed, target, key, secret)
        report, talk_log = _run(plan, is_quiet=json)
    except (Invalid, TargetUnreachable, TargetUnfit) as error:
        sys.stderr.write(f"{error}\n")
        return MISUSED
    agreement = _reconcile(plan, talk_log, config)
    if json:
        say_json(_as_json(report, agreement))
    else:
        _print(report, agreement)
    is_well = not report.wrong and not report.unsent and (isinstance(agreement, str) or agreement.is_well)
    return DONE if is_well else FAILED


def _plan(  # noqa: PLR0917 - the words of the command line in their order
    rate: str,
    lasting: str,
    mix: str | None,
    callers: str | None,
    numbers: str | None,
    repeats: int,
    connections: int,
    seed: int,
    target: str,
    key: str,
    secret: str,
) -> LoadPlan:
    """Read the words. Raises `Invalid`."""
    from callgate.emulator.load import mix as words
    from callgate.emulator.load.drive import LoadPlan
    from callgate.emulator.scenario import parse_talk_s
    from callgate.emulator.target import check_secret, read_target

    seconds = parse_talk_s(lasting, "--for")
    if not 0 < seconds <= MAX_FOR_S:
        raise Invalid("--for", repr(lasting), "a time such as 60s, at most seven days")
    if not 0 <= repeats <= 100:  # noqa: PLR2004 - percent
        raise Invalid("--repeats", str(repeats), "0 to 100, in percent")
    if not 1 <= connections <= MAX_CONNECTIONS:
        raise Invalid("--connections", str(connections), f"1 to {MAX_CONNECTIONS}")
    return LoadPlan(
        target=read_target(target),
        key=key,
        secret=check_secret(secret),
        rate_per_s=_rate(rate),
        seconds=float(seconds),
        seed=seed,
        mix=words.Mix(
            fates=words.parse_fates(mix) if mix is not None else words.USUAL,
            callers=words.parse_callers(callers) if callers is not None else words.CALLERS,
            numbers=words.parse_numbers(numbers) if numbers is not None else demo.PRICED,
            repeat_percent=repeats,
        ),
        connections=connections,
    )


def _rate(text: str) -> float | None:
    if text == "max":
        return None
    try:
        rate_per_s = float(text)
    except ValueError:
        rate_per_s = 0.0
    if not 0 < rate_per_s <= MAX_RATE:  # which no not-a-number is
        raise Invalid("--rate", repr(text), f"calls a second, above 0 and at most {MAX_RATE:g}, or max")
    return rate_per_s


def _run(plan: LoadPlan, *, is_quiet: bool) -> tuple[LoadReport, TalkLog]:
    """Load; Ctrl-C ends it early, with its report. On a terminal the figures of the moment stand in one line."""
    import asyncio
    import signal

    from callgate.emulator.load.drive import Load, probe

    show = _show_progress if sys.stderr.isatty() and not is_quiet else None

    async def steps() -> tuple[LoadReport, TalkLog]:
        load = Load(plan)
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, load.stop)
        return await load.run(show), load.talk_log

    probe(plan)
    try:
        import uvloop
    except ImportError:
        return asyncio.run(steps())
    try:
        return uvloop.run(steps())
    finally:
        if show is not None:
            sys.stderr.write("\r\x1b[K")


def _show_progress(progress: Progress) -> None:
    wrong = f"  \x1b[31m{progress.wrong} wrong\x1b[0m" if progress.wrong else "  0 wrong"
    sys.stderr.write(
        f"\r\x1b[K{progress.elapsed_s:5.0f} s  {progress.calls_per_s:7.0f} calls/s  {progress.callbacks_per_s:7.0f} callbacks/s"
        f"  p99 {progress.p99_ms:.1f} ms  {progress.waiting} up{wrong}"
    )
    sys.stderr.flush()


# -- the books ---------------------------------------------------------------------------------------------------------


def _reconcile(plan: LoadPlan, talk_log: TalkLog, config: Path | None) -> Agreement | str:
    """Compare with the books that the settings name; or say why that cannot be done: another server's calls are not in them."""
    import asyncio

    try:
        return asyncio.run(_compare(plan, talk_log, _books_of(plan, config)))
    except Error as error:
        return str(error)


def _books_of(plan: LoadPlan, config: Path | None) -> Settings:
    """The settings; where they name no database, those of a `callgate dev` that was started here."""
    import msgspec

    from callgate.cli.desk import read_settings
    from callgate.cli.dev import HOME
    from callgate.settings import Settings

    settings = read_settings(config)
    if plan.key == demo.KEY and settings.database_url == Settings().database_url and (HOME / "gate.db").exists():
        return msgspec.structs.replace(settings, database_url=f"sqlite:///{HOME}/gate.db")
    return settings


async def _compare(plan: LoadPlan, talk_log: TalkLog, settings: Settings) -> Agreement | str:
    from callgate.app import build_store, clock, opened
    from callgate.service.reconcile import Claim, Claims, reconcile

    def claim(index: int) -> Claim | None:
        talk = talk_log.talk(index)
        return None if talk is None else Claim(f"user:{talk.caller}", talk.number, talk.seconds)

    async with opened(build_store(settings)) as store:
        if not any(row.key == plan.key for row in await store.applications()):
            return f"the database of the settings has no application {plan.key}"
        agreement = await reconcile(store, Claims(plan.key, len(talk_log), talk_log.index_of, claim), clock())
    if agreement.claimed and not agreement.found:
        return "the database of the settings has none of these calls: the target is another server"
    return agreement


# -- what is printed ---------------------------------------------------------------------------------------------------


def _as_json(report: LoadReport, agreement: Agreement | str) -> dict[str, Any]:
    import msgspec

    from callgate.money import format_micros

    if isinstance(agreement, str):
        ledger: dict[str, Any] = {"compared": False, "why": agreement}
    else:
        ledger = {
            "compared": True,
            "equal": agreement.is_well,
            "calls": agreement.claimed,
            "seconds": agreement.seconds,
            "claimed": {each: format_micros(micros) for each, micros in agreement.claimed_micros.items()},
            "moved": {each: format_micros(micros) for each, micros in agreement.moved_micros.items()},
            "fault_count": agreement.fault_count,
            "faults": [*agreement.faults, *agreement.verdict.faults],
        }
    return {**msgspec.to_builtins(report), "ledger": ledger}


def _print(report: LoadReport, agreement: Agreement | str) -> None:
    asked = "as fast as it goes" if report.asked_per_s is None else f"{report.asked_per_s:g} calls a second asked for"
    say(f"{report.target}, {asked}, {report.seconds:.1f} s, seed {report.seed}\n")
    rates = f"{report.calls_per_s:,.0f} calls and {report.callbacks_per_s:,.0f} callbacks a second"
    say(f"{report.calls:,} calls, {report.callbacks:,} callbacks: {rates}")
    say(
        f"{', '.join(f'{name} {count:,}' for name, count in report.ended_as.items())}; {report.repeats:,} events repeated"
    )
    if report.reconnects:
        say(f"{report.reconnects:,} connections were closed by the target and opened again")
    say("")
    rows = [(name, latency) for name, latency in report.latency.items() if latency.count]
    table(
        ("from when it was due", "answers", "p50", "p90", "p99", "p99.9", "worst"),
        [
            (
                {"ice": "ICE", "ace": "ACE", "dice": "DiCE"}.get(name, name),
                f"{each.count:,}",
                *(f"{ms:.2f} ms" for ms in (each.p50_ms, each.p90_ms, each.p99_ms, each.p999_ms, each.worst_ms)),
            )
            for name, each in rows
        ],
    )
    say("")
    _print_wrong(report)
    _print_generator(report)
    _print_ledger(agreement)


def _print_wrong(report: LoadReport) -> None:
    if report.unsent:
        say(f"{report.unsent:,} calls were given up: they fell due and found no free connection for five seconds")
    if not report.wrong:
        say("no wrong answer")
    for wrong in report.wrong:
        say(f"{wrong.count:,} x {wrong.kind}; first: {wrong.first}")


def _print_generator(report: LoadReport) -> None:
    own = report.generator
    say(f"generator: {own.cpu_share:.0%} of a core, at most {own.lag_p99_ms:.1f} ms late to 99 % of its calls")
    if own.verdict:
        say(f"generator: {own.verdict}")


def _print_ledger(agreement: Agreement | str) -> None:
    from callgate.money import format_micros

    if isinstance(agreement, str):
        say(f"ledger: not compared: {agreement}")
        return
    charged = (
        ", ".join(f"{format_micros(micros)} {currency}" for currency, micros in agreement.moved_micros.items()) or "0"
    )
    said = f"{agreement.claimed:,} calls, {agreement.seconds:,} s of talk, {charged} charged"
    if agreement.is_well:
        say(f"ledger: {said}: equal to the micro, and all four invariants hold")
        return
    due = (
        ", ".join(f"{format_micros(micros)} {currency}" for currency, micros in agreement.claimed_micros.items()) or "0"
    )
    say(f"ledger: {said}, but {due} were due; {agreement.fault_count:,} differences:")
    say("\n".join([*agreement.faults, *agreement.verdict.faults]))
