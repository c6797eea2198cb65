"""`callgate ledger ...`: are the books sound."""

from callgate.cli.desk import AsJson, Config, open_books, say, say_json


async def verify(*, config: Config = None, json: AsJson = False) -> int:
    """Check the four invariants of the ledger on the live database; exit 1 when one does not hold."""
    from callgate.service.reports import ledger_verdict

    async with open_books(config) as store:
        verdict = await ledger_verdict(store)
    if json:
        say_json(verdict._asdict())
    else:
        say(f"{verdict.transfer_count} transfers, {verdict.wallet_count} wallets, {verdict.call_count} ended calls")
        say("\n".join(verdict.faults) or "all four invariants hold")
    return 1 if verdict.faults else 0
