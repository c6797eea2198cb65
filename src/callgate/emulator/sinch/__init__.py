"""Sinch Voice, version 1, played: the life of a call as the platform leads it. No I/O, no clock."""

from callgate.emulator.sinch.connect import ring
from callgate.emulator.sinch.habits import PAIRS, Habits
from callgate.emulator.sinch.ongoing import Callout, OngoingCall, State
from callgate.emulator.sinch.play import CUT_AT_ANSWER_S, play, run
from callgate.emulator.sinch.rooms import Participant, Rooms
from callgate.emulator.sinch.steps import (
    NAMES,
    Elapse,
    Ending,
    Exchange,
    Happened,
    HungUp,
    Input,
    Kicked,
    Later,
    LostNetwork,
    Patched,
    Pressed,
    Script,
    Spoke,
    Tell,
    Verdict,
)

__all__ = [
    "CUT_AT_ANSWER_S",
    "NAMES",
    "PAIRS",
    "Callout",
    "Elapse",
    "Ending",
    "Exchange",
    "Habits",
    "Happened",
    "HungUp",
    "Input",
    "Kicked",
    "Later",
    "LostNetwork",
    "OngoingCall",
    "Participant",
    "Patched",
    "Pressed",
    "Rooms",
    "Script",
    "Spoke",
    "State",
    "Tell",
    "Verdict",
    "play",
    "ring",
    "run",
]
