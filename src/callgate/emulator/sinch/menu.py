"""Menus: prompts, keys, repeats and time-outs, and the PIE that tells what was entered."""

from collections.abc import Generator
from typing import NamedTuple

from callgate.emulator.sinch.ends import hung_up, over
from callgate.emulator.sinch.events import compose_pie
from callgate.emulator.sinch.fingers import listen, reach_out
from callgate.emulator.sinch.ongoing import OngoingCall, State
from callgate.emulator.sinch.prompts import prompt_s
from callgate.emulator.sinch.steps import Answer, Diverted, HungUp, Over, Pressed, Spoke, Step, Turn, Verdict
from callgate.emulator.sinch.tell import ask, tell
from callgate.emulator.sinch.wait import mind
from callgate.emulator.svaml import Action, Menu, Option

MAX_HOPS = 1_000
"""Menus that lead to menus, before the emulator ends it."""


class Entered(NamedTuple):
    """What came of asking once. `kind` is spelled as the wire has it, or "" where the prompt is to be repeated."""

    kind: str
    value: str = ""
    method: str = "dtmf"


SILENCE, WRONG = Entered("timeout"), Entered("invalidinput")


def run_menu(call: OngoingCall, action: Action) -> Generator[Step, Answer, Turn]:
    """Go through the menus until something is to be told, tell it, and return what the backend makes of it."""
    call.take()
    call.state = State.IN_MENU
    menus = {menu.id: menu for menu in action.menus}
    menu = action.menus[0]
    for _ in range(MAX_HOPS):
        entered = yield from _ask_menu(call, menu, action)
        if entered.kind != "menu":
            return (yield from _tell_entered(call, menu, entered))
        menu = menus[entered.value]
    why = f"ended by the emulator: {MAX_HOPS} menus led to menus"
    return over(call, Verdict.ERROR, call.habits.pair("illegal_svaml"), why)


def _tell_entered(call: OngoingCall, menu: Menu, entered: Entered) -> Generator[Step, Answer, Turn]:
    if entered.kind == "hangup":
        if "pie" in call.wants:
            yield from tell(call, compose_pie(call, menu.id, "hangup", ""))  # whatever is answered comes too late
        return hung_up(call, call.person)
    if "pie" not in call.wants:
        return over(
            call, Verdict.ANSWERED, call.habits.pair("ended_by_backend"), "nobody wants to know what was entered"
        )
    turn = yield from ask(call, compose_pie(call, menu.id, entered.kind, entered.value, entered.method))
    if turn is None:
        pair = call.habits.pair("callback_failed_later")
        return over(call, Verdict.ERROR, pair, "ended by the platform")
    return turn


def _ask_menu(call: OngoingCall, menu: Menu, action: Action) -> Generator[Step, Answer, Entered]:
    """Ask, and ask again after no or wrong input as often as the menu says."""
    repeats = menu.repeats if menu.repeats is not None else call.habits.menu_repeats if menu.repeat_prompt else 0
    came = SILENCE
    for attempt in range(repeats + 1):
        prompt = menu.main_prompt if attempt == 0 else menu.repeat_prompt
        came = yield from _ask_once(call, menu, action, prompt)
        if came not in (SILENCE, WRONG):
            return came
    return came


def _ask_once(call: OngoingCall, menu: Menu, action: Action, prompt: str) -> Generator[Step, Answer, Entered]:
    """Play a prompt, which input may interrupt if `barge` says so, and take what is entered."""
    reach_out(call)
    playing_s: float = prompt_s(call, prompt)
    patience_s = menu.timeout_s or call.habits.menu_timeout_s
    barge = action.details.get("barge") is not False
    digits, left_s = "", playing_s + patience_s
    if not barge:
        yield from _play_through(call, playing_s)
        left_s = patience_s
    while left_s > 0:
        what, after_s = yield from listen(call, left_s)
        left_s -= after_s
        match what:
            case None:
                break
            case HungUp(side) if side is call.person:
                return Entered("hangup")
            case Spoke(words) if action.details.get("enableVoice"):
                return Entered("sequence", words, "voice")
            case Pressed(key):
                entered, digits = take_key(menu, digits, key)
                if entered is not None:
                    return entered
                left_s = patience_s
            case _:
                yield from mind(call, what)
    return Entered("sequence", digits) if digits else SILENCE


def _play_through(call: OngoingCall, seconds: float) -> Generator[Step, Answer, None]:
    """A prompt that no key interrupts; hands wait for its end."""
    waiting, call.fingers = call.fingers, type(call.fingers)()
    while seconds > 0:
        what, after_s = yield from listen(call, seconds)
        seconds -= after_s
        if isinstance(what, HungUp) and what.side is call.person:
            raise Diverted((yield from _left(call)))
        if what is not None:
            yield from mind(call, what)
    call.fingers = waiting


def _left(call: OngoingCall) -> Generator[Step, Answer, Over]:
    if "pie" in call.wants:
        yield from tell(call, compose_pie(call, "main", "hangup", ""))
    return hung_up(call, call.person)


def take_key(menu: Menu, digits: str, key: str) -> tuple[Entered | None, str]:
    """What a key makes of what was entered before: something to tell, or the digits so far.

    A first key that is an option decides at once, also in a menu that collects digits.
    """
    option: Option | None = menu.options.get(key) if not digits else None
    if option is not None:
        return Entered(option.does, option.value), ""
    if menu.max_digits is None and menu.options:
        return WRONG, ""
    if key == "#":
        return (Entered("sequence", digits) if digits else WRONG), ""
    digits += key
    return (Entered("sequence", digits), "") if len(digits) >= (menu.max_digits or 1) else (None, digits)
