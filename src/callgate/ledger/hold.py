"""Money set aside for one call. A hold meets exactly one end: post, void or expire."""

from datetime import datetime
from enum import StrEnum

import msgspec


class HoldState(StrEnum):
    """OPEN until its one end."""

    OPEN = "open"
    POSTED = "posted"
    VOIDED = "voided"
    EXPIRED = "expired"  # voided by rule: nobody could say what became of the call


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """`amount_micros` of the payer's wallet, set aside when the call was authorized."""

    amount_micros: int
    placed_at: datetime
    state: HoldState = HoldState.OPEN

    def end(self, state: HoldState) -> "Hold":
        """Return the ended hold. A hold that has ended cannot end again: that would be our own bug."""
        assert self.state is HoldState.OPEN, f"hold is {self.state} already"
        return msgspec.structs.replace(self, state=state)

    def replace(self, amount_micros: int) -> "Hold":
        """Return the hold with another amount, for a call that goes elsewhere: more or less than was set aside."""
        assert self.state is HoldState.OPEN, f"hold is {self.state} already"
        return msgspec.structs.replace(self, amount_micros=amount_micros)

    def grow(self, amount_micros: int) -> "Hold":
        """Return the hold with more set aside, for a call that goes on."""
        assert self.state is HoldState.OPEN, f"hold is {self.state} already"
        assert amount_micros >= self.amount_micros, "a hold that shrinks"
        return msgspec.structs.replace(self, amount_micros=amount_micros)
