"""Reads the answer of a callback server as strictly as the platform does. Source: Sinch Voice API reference, SVAML.

It shares no code with `protocol.sinch.svaml`, which writes such answers: an emulator that read with the gate's own eyes
would agree with the gate's own mistakes.
"""

from callgate.emulator.svaml.faults import IllegalSvaml
from callgate.emulator.svaml.menus import Menu, Option
from callgate.emulator.svaml.read import Action, Instruction, Svaml, read_svaml

__all__ = ["Action", "IllegalSvaml", "Instruction", "Menu", "Option", "Svaml", "read_svaml"]
