"""What the reference leaves open, as choices that can be changed: how the platform is believed to behave."""

from collections.abc import Mapping

import msgspec

from callgate.emulator.scenario import Outcome

UNANSWERED: Mapping[Outcome, tuple[str, str]] = {
    Outcome.BUSY: ("N/A", "BUSY"),
    Outcome.REJECTED: ("N/A", "BUSY"),
    Outcome.NO_ANSWER: ("TIMEOUT", "NOANSWER"),
    Outcome.CANCEL: ("CANCEL", "NOANSWER"),
    Outcome.FAILED: ("CONGESTION", "FAILED"),
    Outcome.BLOCKED: ("BLOCKED", "FAILED"),
    Outcome.NO_CREDIT: ("NOCREDITPARTNER", "FAILED"),
    Outcome.OTHER_PEER: ("OTHERPEERANSWERED", "N/A"),
    Outcome.USER_NOT_FOUND: ("USERNOTFOUND", "FAILED"),
}
"""Reason and result of the calls that nobody answers."""

AT_ONCE = frozenset((Outcome.FAILED, Outcome.BLOCKED, Outcome.NO_CREDIT, Outcome.USER_NOT_FOUND))
"""Outcomes before anything rings."""

MORE_PAIRS: Mapping[str, tuple[str, str]] = {
    "in_app_no_answer": ("N/A", "BUSY"),
    "caller_hangs_up": ("CALLERHANGUP", "ANSWERED"),
    "callee_hangs_up": ("CALLEEHANGUP", "ANSWERED"),
    "network_lost": ("CLIENTNETWORK", "ANSWERED"),
    "cut": ("TIMEOUT", "ANSWERED"),
    "parked_too_long": ("TIMEOUT", "ANSWERED"),
    "refused": ("MANAGERHANGUP", "FAILED"),
    "ended_by_backend": ("MANAGERHANGUP", "ANSWERED"),
    "callback_failed": ("CALLBACKERROR", "FAILED"),
    "callback_failed_later": ("CALLBACKERROR", "ANSWERED"),
    "illegal_svaml": ("GENERALERROR", "FAILED"),
    "no_route": ("CONGESTION", "FAILED"),
}
"""Reason and result of everything else."""

PAIRS: Mapping[str, tuple[str, str]] = {**{str(outcome): pair for outcome, pair in UNANSWERED.items()}, **MORE_PAIRS}


class Habits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the platform behaves where its documents are silent. Times in seconds; `pairs` replaces entries of `PAIRS`."""

    is_strict: bool = False  # refuse SVAML that only older pages allow
    ring_limit_s: int = 45  # an unanswered phone, where the answer sets no dialTimeout
    longest_call_s: int = 86_400  # where nothing else ends it
    longest_park_s: int = 600
    menu_timeout_s: float = 5.0
    menu_repeats: int = 3  # of a menu with a repeatPrompt that sets no repeats
    characters_a_second: int = 15  # of spoken text
    recording_ready_after_s: int = 5
    transcription_ready_after_s: int = 120
    most_questions: int = 1_000  # callbacks that one call may ask for; a menu may lead back to itself for ever
    pairs: Mapping[str, tuple[str, str]] = {}

    def pair(self, name: str) -> tuple[str, str]:
        """Reason and result of an ending, by its name in `PAIRS`."""
        return self.pairs.get(name) or PAIRS[name]


DEFAULT = Habits()
