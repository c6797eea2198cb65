"""Draws a call for the terminal: one rung for each event, what was sent above what was answered."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from callgate.emulator.sinch import NAMES, Ending, Exchange, Verdict
from callgate.numbers import parse_e164

_INDENT = " " * 18


def draw(exchange: Exchange) -> Text:
    """Draw one event and its answer as two lines. Text from the server is shown as it came and styles nothing."""
    sent = exchange.sent
    moment = str(sent.get("timestamp", ""))[11:19]
    rung = Text(f"{moment:8}  ", style="dim")
    rung.append(f"{NAMES.get(str(sent['event']), sent['event']):6}  ", style="bold cyan")
    rung.append(describe_sent(sent), style="default")
    rung.append(f"\n{_INDENT}")
    rung.append(str(exchange.status or "none"), style="green" if exchange.is_delivered else "bold red")
    rung.append(f"  {describe_answer(exchange)}", style="default")
    rung.append(f"  {exchange.ms:g} ms", style="dim")
    if exchange.note is not None:
        rung.append(f"  ({exchange.note.replace('_', ' ')} on purpose)", style="yellow")
    if exchange.url is not None:
        rung.append(f"  {exchange.url}", style="dim")
    return rung


def draw_ending(ending: Ending) -> Text:
    """Draw the closing line."""
    styles = {Verdict.REFUSED: "bold yellow", Verdict.ERROR: "bold red"}
    return Text(ending.summary, style=styles.get(ending.outcome, "bold green"))


def describe_sent(sent: Mapping[str, Any]) -> str:
    """Say in a few words what an event tells."""
    match sent["event"]:
        case "ice":
            caller = sent.get("user") or sent["cli"]
            shown = f" showing {sent['cli']}" if sent.get("user") and parse_e164(sent["cli"]) else ""
            return f"{caller}{shown} calls {sent['to']['type']} {sent['to']['endpoint']}"
        case "ace":
            amd = f", {sent['amd']['status']}" if "amd" in sent else ""
            return f"answered{amd}"
        case "dice":
            lasted = f", {sent['duration']} s" if "duration" in sent else ""
            debit = sent["debit"]
            return f"{sent['reason']} / {sent['result']}{lasted}, debit {debit['amount']} {debit['currencyId']}"
        case "pie":
            entered = sent["menuResult"]
            value = f" {entered['value']}" if entered.get("value") else ""
            return f"menu {entered['menuId']}: {entered['type']}{value}"
        case _:
            return describe_notification(sent)


def describe_notification(sent: Mapping[str, Any]) -> str:
    """Say in a few words what a notification tells."""
    told = [str(sent["type"])]
    if "errorCode" in sent:
        told.append(f"{sent['errorCode']}: {sent['errorMsg']}")
    if "destination" in sent:
        told.append(str(sent["destination"]))
    if "amd" in sent:
        told.append(f"{sent['amd']['status']} ({sent['amd']['reason']})")
    return " ".join(told)


def describe_answer(exchange: Exchange) -> str:
    """Say in a few words what was answered, its instructions before its action."""
    if exchange.fault is not None:
        return exchange.fault
    answer = exchange.answer
    if not isinstance(answer, dict):
        return "an empty body" if answer is None else f"{answer!r}"
    if not answer:
        return "{}"
    instructions = answer.get("instructions")
    nodes = [*(instructions if isinstance(instructions, list) else []), answer.get("action")]
    said = [_describe_node(node) for node in nodes if isinstance(node, dict)]
    return ", then ".join(said) or f"{answer!r}"


def _describe_node(node: Mapping[str, Any]) -> str:
    properties = ", ".join(f"{key} {value}" for key, value in node.items() if key != "name" and value is not None)
    name = str(node.get("name", "no name"))
    return f"{name} ({properties})" if properties else name
