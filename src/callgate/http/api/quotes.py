"""The route of quotes: what would a call cost."""

from typing import Annotated

from litestar import get
from litestar.params import FromQuery, QueryParameter

from callgate.http.api.access import may_look
from callgate.http.api.accounts import InApp
from callgate.http.api.desk import TheDesk
from callgate.service.books import AccountKey
from callgate.service.quote import MAX_SECONDS, QuoteReport, quote_call


@get("/quote", guards=[may_look])
async def show_quote(
    desk: TheDesk,
    destination: FromQuery[str],
    seconds: Annotated[int, QueryParameter(name="seconds", ge=0, le=MAX_SECONDS)],
    account: FromQuery[str | None] = None,
    deck: FromQuery[str] = "standard",
    shown: Annotated[
        str | None, QueryParameter(name="from", description="The number that the callee would see.")
    ] = None,
    app: InApp = None,
) -> QuoteReport:
    """Price a call by an account's deck, or by a deck that is named."""
    payer = AccountKey(desk.application(app), account) if account is not None else None
    return await quote_call(
        desk.store, destination, seconds, payer=payer, deck=deck, now=desk.clock(), shown=shown, held=desk.decks
    )
