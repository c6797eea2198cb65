"""How long prompts play. Nothing is heard here; what counts is the time that they take."""

from callgate.emulator.sinch.ongoing import OngoingCall

SPOKEN = ("#tts", "#ssml")

FILE_S = 3
"""How long a file plays whose length nobody knows."""

TONE_S = 0.5
"""How long a tone takes, and a `w`."""


def prompt_s(call: OngoingCall, prompt: str) -> int:
    """How long a list of prompts plays: text by its length, files as long as `FILE_S`."""
    seconds = 0
    rest = prompt
    while rest:
        if rest.startswith("#") and "]" in rest:
            part, _, rest = rest.partition("]")
            kind, _, text = part.partition("[")
            seconds += speech_s(call, text) if kind in SPOKEN else FILE_S
        else:
            part, _, rest = rest.partition(";")
            seconds += FILE_S if part else 0
        rest = rest.removeprefix(";")
    return seconds


def speech_s(call: OngoingCall, text: str) -> int:
    """How long a text takes to say; begun seconds count."""
    return -(-len(text) // call.habits.characters_a_second)
