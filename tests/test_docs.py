"""The documentation is true: what there is, is documented; links lead somewhere; examples run and print what they say.

How examples are marked:

- A block of `console` is run by a shell, one for the whole page: lines that begin with `$ ` are commands, the lines below
  are what they print. `...` stands for anything; times and milliseconds may differ; a call id stands for another one, which
  later commands of the page then mean.
- `<!-- first: COMMAND -->` is run unseen: what a page takes for granted.
- A block of `csv` or `toml` that names a file after that word is written to that file first.
- `<!-- beside: COMMAND -->` starts a server that runs until the end of the page. It listens elsewhere than on 8080, and
  commands and outputs are changed to match. A block of `text beside` is what it has printed.
- A block of `pycon` is a doctest. Blocks of any other kind are not run.
"""

import doctest
import importlib
import inspect
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import cyclopts
import msgspec
import pytest

import callgate
from callgate import Callgate, library
from callgate.cli import build
from callgate.emulator.conformance.run import all_checks
from callgate.emulator.faults import SAID
from callgate.emulator.scenario_files import wording
from callgate.emulator.sinch import PAIRS, Habits
from callgate.http import problems
from callgate.ledger.hold import HoldState
from callgate.ledger.transfer import TransferKind
from callgate.ledger.wallet import Wallet
from callgate.library import DEFAULTS
from callgate.policy.account import Account, Status
from callgate.policy.caller_id import Screening
from callgate.policy.limits import KINDS, UNLIMITED, Limits, change_limits
from callgate.policy.permissions import NAMES as PERMISSIONS
from callgate.policy.permissions import Permissions
from callgate.policy.pricing import NAMES as PRICING
from callgate.policy.pricing import Pricing
from callgate.policy.refusal import SENTENCES, Refusal
from callgate.policy.rules.document import RuleDocument, read_rules
from callgate.policy.rules.facts import FACTS
from callgate.policy.rules.judge import compile_rules
from callgate.policy.rules.rule import Effect, Rule
from callgate.policy.usage import Usage
from callgate.protocol import WireReply
from callgate.protocol.call import CallArrived, CallKey, Endpoint, EndpointKind, Origin, Price
from callgate.protocol.life import NEXT, CallState
from callgate.rating.deck import Deck
from callgate.rating.deck_csv import COLUMNS, OPTIONAL_COLUMNS, REQUIRED_COLUMNS
from callgate.rating.rate import Rate
from callgate.service.application import ApplicationRow, ApplicationSettings
from callgate.service.decide import Facts, decide
from callgate.service.delivery import DeliveryState
from callgate.service.endpoint import RecordType
from callgate.service.records import Flag, SettledBy
from callgate.service.reports import RecordReport
from callgate.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]

START_WITHIN_S = 30.0
"""How long a server of an example may take until it answers."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def words_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


# -- tables ------------------------------------------------------------------------------------------------------------


def rows_of(page: Path, heading: str) -> list[list[str]]:
    """Return the cells, without code marks, of the first table below a heading of the page."""
    _, found, below = words_of(page).partition(f"# {heading}\n")
    assert found, f"{name_of(page)} has no heading {heading}"
    table: list[list[str]] = []
    for line in below.splitlines():
        if line.startswith("|"):
            table.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
        elif table or line.startswith("#"):
            break
    return table[2:]  # without the head and its rule


def first_cells(page: Path, heading: str) -> list[str]:
    return [row[0] for row in rows_of(page, heading)]


def test_every_setting_is_documented() -> None:
    """Its name, its environment variable and its default, and no setting that there is not."""
    settings = Settings()
    expected = [
        [name, PREFIX + name.upper(), str(getattr(settings, name)) or "none"] for name in Settings.__struct_fields__
    ]
    assert [row[:3] for row in rows_of(REFERENCE / "settings.md", "Server")] == expected


def test_every_setting_of_an_application_and_every_limit_is_documented() -> None:
    """What `app set` sets and what `limits` sets."""
    page = REFERENCE / "settings.md"
    fields = ApplicationSettings.__struct_fields__
    assert first_cells(page, "Application") == [
        name
        for field in fields
        for name in {
            "pricing": list(PRICING),
            "permissions": list(PERMISSIONS),
            "texts": ["text.REFUSAL"],
            "redirects": ["redirect.REFUSAL"],
        }.get(field, [field])
    ]
    assert first_cells(page, "Limits") == list(KINDS)


@pytest.mark.parametrize(
    ("page", "heading", "words"),
    [
        ("decision.md", "Refusals", Refusal),
        ("flags.md", "Every flag", Flag),
        ("life-of-a-call.md", "States", CallState),
        ("ledger.md", "Kinds of transfer", TransferKind),
        ("ledger.md", "The end of a hold", HoldState),
        ("life-of-a-call.md", "What a settlement rests on", SettledBy),
        ("call-records.md", "Types of records", RecordType),
        ("call-records.md", "States of a delivery", DeliveryState),
    ],
)
def test_every_word_that_is_stored_is_documented(page: str, heading: str, words: type[StrEnum]) -> None:
    """Each in its table, in the order of the code, and none that the code does not have."""
    assert first_cells(REFERENCE / page, heading) == [str(word) for word in words]


def test_refusals_are_documented_in_the_words_that_operators_see() -> None:
    """The sentence of the table is the sentence that `calls show` prints."""
    told = {row[0]: row[1] for row in rows_of(REFERENCE / "decision.md", "Refusals")}
    assert told == {str(refusal): sentence for refusal, sentence in SENTENCES.items()}


EVERY_LIMIT = change_limits(
    Limits(),
    [
        "countries=SE",
        "number_types=mobile",
        "risk_classes=low,elevated",
        *(f"{name}=5" for name in KINDS if name not in {"countries", "number_types", "risk_classes"}),
    ],
)


def test_the_steps_of_the_decision_are_those_that_run() -> None:
    """In their order, by the names that the trace has."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    rate = Rate(
        prefix="46", destination="Sweden", rate_nanos_per_min=1, connect_fee_micros=0, first_increment_s=1,
        increment_s=1, effective_from=now,
    )  # fmt: skip
    verdict = decide(
        Facts(
            call=CallArrived(
                key=CallKey("app", "call"), name="ice", user="alice", fingerprint="",
                destination=Endpoint(EndpointKind.NUMBER, "+46701740605"), origin=Origin.IN_APP,
                provider_rate=Price(Decimal("0.000000001"), "USD"),
            ),
            application=ApplicationRow(
                key="app", provider="sinch", name="", created_at=now, sealed_secrets=(), status=Status.ACTIVE,
                limits=UNLIMITED,
            ),
            account=Account(
                application="app", id="alice", currency="USD", limits=EVERY_LIMIT, pricing=Pricing(guards_margin=True),
                permissions=Permissions(caller_id=Screening.REFUSE, hours="24/7"),
            ),
            wallet=Wallet(application="app", account="alice", currency="USD", posted_micros=1),
            usage=Usage(application="app", account="alice", blocked_until=1),
            deck=Deck(name="standard", currency="USD", rows=[rate]),
            rules=compile_rules(RuleDocument()),
            now=now,
        )
    )  # fmt: skip
    assert verdict.refusal is None
    assert first_cells(REFERENCE / "decision.md", "Steps") == [step.step for step in verdict.trace]


def test_rules_are_documented() -> None:
    """Every fact with its type and meaning, every key of a rule, every effect; the example is a document."""
    page = REFERENCE / "rules.md"
    told = [row[:3] for row in rows_of(page, "Facts")]
    assert told == [[name, str(fact.kind), fact.meaning.replace("`", "")] for name, fact in FACTS.items()]
    assert set(first_cells(page, "Rule")) == set(Rule.__struct_fields__)
    assert first_cells(page, "Effects") == [str(effect) for effect in Effect]
    example = re.search(r"^```toml\n(.*?)^```", words_of(page), re.MULTILINE | re.DOTALL)
    assert example is not None
    assert len(read_rules(example[1], "rules.md").rules) == 2


def test_the_life_of_a_call_is_the_table_in_the_code() -> None:
    """Each pair of state and event with the state that it leads to, no more and no fewer."""
    told = [tuple(row[:3]) for row in rows_of(REFERENCE / "life-of-a-call.md", "What leads where")]
    assert told == [(str(state), event.__name__, str(after)) for (state, event), after in NEXT.items()]


def test_every_column_of_a_deck_is_documented() -> None:
    """Columns that must be there apart from those that may be."""
    page = REFERENCE / "rate-decks.md"
    assert first_cells(page, "Required columns") == list(REQUIRED_COLUMNS)
    assert first_cells(page, "Optional columns") == list(OPTIONAL_COLUMNS)
    assert len(COLUMNS) == len(REQUIRED_COLUMNS) + len(OPTIONAL_COLUMNS)


def test_every_field_of_a_record_is_documented() -> None:
    """In the order in which they are delivered."""
    assert first_cells(REFERENCE / "call-records.md", "Fields") == list(RecordReport.__struct_fields__)


def test_every_check_of_conformance_is_documented() -> None:
    """In the order of the report, in the words that it prints."""
    told = [row[:3] for row in rows_of(REFERENCE / "conformance.md", "Checks")]
    assert told == [[each.name, each.says.replace("`", ""), each.todo.replace("`", "")] for each in all_checks()]


def test_every_problem_document_is_documented() -> None:
    """By the last part of its type, with its status."""
    told = {(row[0], row[1]) for row in rows_of(REFERENCE / "http.md", "Problem documents")}
    fixed = [value for value in vars(problems).values() if isinstance(value, WireReply)]
    decoded = [msgspec.json.decode(reply.body) for reply in fixed]
    assert {(each["type"].removeprefix(problems.TYPE), str(each["status"])) for each in decoded} <= told


def test_the_library_is_documented() -> None:
    """Every option with its default, what each event is answered by default, and every line of the log."""
    page = REFERENCE / "library.md"
    told = [
        [name, "" if each.default is each.empty else str(each.default)]
        for name, each in inspect.signature(Callgate).parameters.items()
    ]
    assert [row[:2] for row in rows_of(page, "Options")] == told
    actions = {kind: msgspec.json.decode(reply.body).get("action", {}) for kind, reply in DEFAULTS.items()}
    assert {row[0]: row[2] for row in rows_of(page, "Events")} == {
        kind: action.get("name", "{}") for kind, action in actions.items()
    }
    logged = re.findall(r'log\.(\w+)\("(\w+)', inspect.getsource(library))
    assert {(row[0], row[1]) for row in rows_of(page, "Log")} == {(name, level) for level, name in logged}


def test_the_emulator_is_documented() -> None:
    """Every fault in the words of its page, every habit with its default, every ending with its reason and result."""
    page = REFERENCE / "emulator.md"
    kinds = [row[:2] for row in rows_of(page, "Faults")]
    assert kinds == [[str(kind), said.replace("`", "")] for kind, said in SAID.items()]
    habits = msgspec.to_builtins(Habits())
    told = [[row[0], row[1]] for row in rows_of(page, "Habits")]
    assert told == [[name, "false" if value is False else str(value)] for name, value in habits.items()]
    assert [tuple(row) for row in rows_of(page, "Endings")] == [(name, *pair) for name, pair in PAIRS.items()]


@pytest.mark.parametrize(
    ("heading", "part"),
    [
        ("File", wording.FilePart),
        ("Platform", wording.PlatformPart),
        ("Gate", wording.GatePart),
        ("Account", wording.AccountPart),
        ("Backend", wording.SaidPart),
        ("Call", wording.CallPart),
        ("Expect of a call", wording.ExpectPart),
        ("Act", wording.ActPart),
        ("Expect", wording.AccountExpectPart),
    ],
)
def test_every_word_of_a_scenario_file_is_documented(heading: str, part: type[msgspec.Struct]) -> None:
    """In the table of its part, and none that the part does not have."""
    told = {word for cell in first_cells(REFERENCE / "scenario-files.md", heading) for word in cell.split(", ")}
    assert told == {field.encode_name for field in msgspec.structs.fields(part)}


# -- commands ----------------------------------------------------------------------------------------------------------


def commands(app: cyclopts.App, words: tuple[str, ...] = ()) -> Iterator[tuple[str, cyclopts.App]]:
    for name in app:
        if not name.startswith("-"):
            inner = app[name]
            if inner.default_command is None:
                yield from commands(inner, (*words, name))
            else:
                yield " ".join((*words, name)), inner


def spellings(argument: cyclopts.Argument) -> tuple[str, ...]:
    """How a page may write an argument: by its option, or by its place."""
    name = argument.names[0]
    return (*argument.names, "NAME=VALUE" if name == "WORDS" else name.strip("-").upper().replace("-", "_"))


def test_every_command_and_option_is_documented() -> None:
    """Each command has its heading, and below it every argument by the name that the command line takes."""
    text = words_of(REFERENCE / "commands.md")
    sections = dict(re.findall(r"^## callgate ([a-z -]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    found = dict(commands(build()))
    assert sorted(sections) == sorted(found)
    missing = [
        f"{command}: {argument.names[0]}"
        for command, app in found.items()
        for argument in app.assemble_argument_collection()
        if not any(spelled in sections[command] for spelled in spellings(argument))
    ]
    assert missing == []


# -- links and names ---------------------------------------------------------------------------------------------------

LINK = re.compile(r"!?\[((?:[^\]`]|`[^`]*`)*)\]\(([^)\s]+)\)")


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors_of(page: Path) -> set[str]:
    """Headings as forges make anchors of them."""
    headings = re.findall(r"^#+ (.*)$", without_blocks(words_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Relative ones: to a file of the project and, where they name one, to a heading in it."""
    broken = []
    for _, target in LINK.findall(without_blocks(words_of(page))):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        file = (page.parent / path).resolve() if path else page
        if not (file.exists() and file.is_relative_to(ROOT)) or (anchor and anchor not in anchors_of(file)):
            broken.append(target)
    assert broken == []


def test_every_page_is_found_from_the_readme() -> None:
    """By following links, whoever begins there can reach all of them."""
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        targets = [target.partition("#")[0] for _, target in LINK.findall(without_blocks(words_of(page)))]
        waiting += [(page.parent / target).resolve() for target in targets if target and "://" not in target]
    assert [name_of(page) for page in PAGES if page not in seen] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_names_that_link_to_code_are_in_it(page: Path) -> None:
    """Where the label of a link to a module is code, it is a name that the module has."""
    missing = []
    for label, target in LINK.findall(words_of(page)):
        file = (page.parent / target).resolve()
        if not re.fullmatch(r"`[\w.]+`", label) or file.suffix != ".py" or not file.is_relative_to(ROOT / "src"):
            continue
        module = ".".join(file.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
        found: Any = importlib.import_module(module)
        if label.strip("`").endswith(file.name):
            continue
        for part in label.strip("`").split("."):
            found = getattr(found, part, None) or inspect.get_annotations(found).get(part)
            if found is None:
                missing.append(f"{label} in {module}")
                break
    assert missing == []


# -- examples ----------------------------------------------------------------------------------------------------------


def has_block(page: Path, kind: str) -> bool:
    return f"\n```{kind}\n" in words_of(page)


@pytest.mark.parametrize("page", [page for page in PAGES if has_block(page, "pycon")], ids=name_of)
def test_python_examples_run(page: Path) -> None:
    """Each page's examples in their order, in one namespace."""
    blocks = re.findall(r"^```pycon\n(.*?)^```", words_of(page), re.MULTILINE | re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, name_of(page), str(page), 0)
    told: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=told.append)
    assert "".join(told) == ""


class Step(NamedTuple):
    """Something that a page asks for: a file, a server beside, what that has printed, or a command."""

    kind: str
    what: str
    text: str


PARTS = re.compile(
    r"^<!-- (?P<unseen>first|beside): (?P<command>.*?) -->$|^```(?P<kind>\w+)(?: (?P<word>\S+))?\n(?P<block>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def steps_of(page: Path) -> Iterator[Step]:
    for part in PARTS.finditer(words_of(page)):
        match part["kind"], part["word"]:
            case None, _:
                yield Step(part["unseen"], part["command"], "")
            case "console", _:
                for example in re.split(r"^\$ ", part["block"], flags=re.MULTILINE)[1:]:
                    command, _, output = example.partition("\n")
                    yield Step("command", command, output)
            case "csv" | "toml", str(file):
                yield Step("file", file, part["block"])
            case "text", "beside":
                yield Step("printed", "", part["block"])
            case _:
                pass


END = "--- end of output ---"
VARYING = re.compile(
    r"(?P<rest>\.\.\.)|(?P<moment>\d{4}-\d\d-\d\dT[\d:.]+Z)|(?P<time>\b\d\d:\d\d:\d\d\b)|(?P<ms>\b[\d.]+ ms\b)"
    r"|(?P<token>\bcg_[\w-]+)|(?P<id>\b[0-9a-f]{32}\b)"
)
STANDS_FOR = {
    "rest": r".*?",
    "moment": r"\d{4}-\d\d-\d\dT[\d:.]+Z",
    "time": r"\d\d:\d\d:\d\d",
    "ms": r"[\d.]+ ms",
    "token": r"cg_[\w-]+",
}


class Reader:
    """Does what a page says, in a folder of its own, and compares what it sees."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "reader"
        self._ids: dict[str, str] = {}
        self._beside: subprocess.Popen[str] | None = None
        self._printed = folder / "beside.txt"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._address = f"127.0.0.1:{free.getsockname()[1]}"
        bin_folder = folder / "bin"
        for each in (self._folder, bin_folder):
            each.mkdir()
        python = f'exec {shlex.quote(sys.executable)} "$@"\n'
        for name, script in (("callgate", self._callgate()), ("python", f"#!/bin/sh\n{python}")):
            (bin_folder / name).write_text(script, encoding="utf-8")
            (bin_folder / name).chmod(0o755)
        self._shell = self._start("bash", stdin=subprocess.PIPE, stdout=subprocess.PIPE, path=bin_folder)

    def _callgate(self) -> str:
        """The command as an installation has it, but that emulated calls go to the page's own server."""
        target = f"http://{self._address}/callbacks/sinch"
        return (
            f'#!/bin/sh\ncase "$1 $*" in call\\ *--target*) ;; call\\ *) set -- "$@" --target {target};; esac\n'
            f'exec {shlex.quote(sys.executable)} -m callgate "$@"\n'
        )

    def _start(self, *words: str, path: Path | None = None, **streams: Any) -> "subprocess.Popen[str]":
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environment["PYTHONPATH"] = str(Path(callgate.__file__).parents[1])
        environment["CALLGATE_PORT"] = self._address.partition(":")[2]
        environment["COLUMNS"] = "80"
        self._path = path or self._path
        environment["PATH"] = f"{self._path}{os.pathsep}{environment['PATH']}"
        return subprocess.Popen(  # noqa: S603 - what our own pages say
            words,
            cwd=self._folder,
            env=environment,
            text=True,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **streams,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in (self._shell, self._beside):
            if process is not None:
                os.killpg(process.pid, signal.SIGTERM)
                process.communicate(timeout=START_WITHIN_S)

    def do(self, step: Step) -> None:
        match step.kind:
            case "file":
                (self._folder / step.what).write_text(step.text, encoding="utf-8")
            case "first":
                self._run(step.what)
            case "beside":
                self._run_beside(step.what)
            case "printed":
                self._compare(step.text, self._printed.read_text(encoding="utf-8"), "the server")
            case _:
                self._compare(step.text, self._run(step.what), step.what)

    def _run_beside(self, command: str) -> None:
        with self._printed.open("w") as printed:
            self._beside = self._start(*shlex.split(command), stdout=printed)
        give_up_at = time.monotonic() + START_WITHIN_S
        while not self._is_ready():
            assert time.monotonic() < give_up_at and self._beside.poll() is None, self._printed.read_text()
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self._address}/readyz", timeout=1) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    def _run(self, command: str) -> str:
        for told, real in self._ids.items():
            command = command.replace(told, real)
        command = command.replace("127.0.0.1:8080", self._address)
        assert self._shell.stdin is not None and self._shell.stdout is not None
        self._shell.stdin.write(f"{command}\nprintf '\\n%s\\n' '{END}'\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        for line in self._shell.stdout:
            if line == f"{END}\n":
                return "".join(lines)
            lines.append(line)
        raise AssertionError(f"the shell ended at {command}")

    def _compare(self, told: str, printed: str, by: str) -> None:
        told = _plain(told)
        printed = _plain(printed.replace(self._address, "127.0.0.1:8080"))
        pattern, ids, end = "", dict[str, str](), 0
        for varying in VARYING.finditer(told):
            pattern += re.escape(told[end : varying.start()])
            end = varying.end()
            if varying.lastgroup != "id":
                pattern += STANDS_FOR[varying.lastgroup or ""]
            elif varying[0] in self._ids:
                pattern += self._ids[varying[0]]
            elif varying[0] in ids:
                pattern += f"(?P={ids[varying[0]]})"
            else:
                ids[varying[0]] = f"id_{len(ids)}"
                pattern += f"(?P<{ids[varying[0]]}>[0-9a-f]{{32}})"
        match = re.fullmatch(pattern + re.escape(told[end:]), printed, re.DOTALL)
        assert match is not None, f"{by} printed\n{printed}\nwhere the page has\n{told}"
        self._ids |= {told_id: match[group] for told_id, group in ids.items()}


def _plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def read(page: Path, folder: Path) -> None:
    with Reader(folder) as reader:
        for step in steps_of(page):
            reader.do(step)


WITH_EXAMPLES = sorted(
    (page for page in PAGES if has_block(page, "console")),
    key=lambda page: words_of(page).count("\n$ "),
    reverse=True,
)
"""Pages with most commands first, so that two readers share the work evenly."""


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Path, Future[None]]]:
    """Every page with examples, being read: two at a time, since it is mostly waiting for commands to start."""
    with ThreadPoolExecutor(2) as readers:
        yield {page: readers.submit(read, page, tmp_path_factory.mktemp(page.stem)) for page in WITH_EXAMPLES}


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=name_of)
def test_shell_examples_print_what_the_page_says(page: Path, readings: dict[Path, Future[None]]) -> None:
    """From the top of the page to its end, as a reader would."""
    readings[page].result()
