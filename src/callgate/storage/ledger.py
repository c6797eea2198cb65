"""What the invariants speak of, as statements: one for each part of `ledger.verify.LedgerRows`."""

from collections.abc import Callable, Iterable

from callgate.ledger.verify import Balance, EndedCall, LedgerRows, Moved, OpenHolds
from callgate.storage import rows
from callgate.storage.rows import Row
from callgate.storage.sql import select


def ledger_rows(ask: Callable[[str], Iterable[Row]]) -> LedgerRows:
    """Everything, each part asked for when it is read. `ask` answers all of it from one moment."""
    return LedgerRows(
        transfers=(Moved(*row) for row in ask(_TRANSFERS)),
        house=(Balance(*row) for row in ask(_HOUSE)),
        wallets=(rows.to_wallet(row) for row in ask(_WALLETS)),
        open_holds=(OpenHolds(*row) for row in ask(_OPEN_HOLDS)),
        ended_calls=(EndedCall(row[0], row[1], row[2] == "open", *row[3:]) for row in ask(_ENDED_CALLS)),
        stray_holds=((row[0], row[1]) for row in ask(_STRAY_HOLDS)),
    )


_TRANSFERS = "SELECT application, currency, debit, credit, amount_micros FROM transfers"
_HOUSE = "SELECT application, currency, name, posted_micros FROM house_accounts"
_WALLETS = select("wallets", rows.WALLET)
_OPEN_HOLDS = """SELECT application, account, CAST(sum(hold_micros) AS BIGINT) FROM calls
    WHERE hold_state = 'open' AND (account IS NOT NULL OR hold_micros > 0) GROUP BY application, account"""
_ENDED_CALLS = """SELECT k.application, k.call_id, c.hold_state, CASE WHEN c.state = 'ended' THEN c.charge_micros END,
    (SELECT CAST(coalesce(sum(amount_micros), 0) AS BIGINT) FROM transfers AS t
      WHERE t.application = k.application AND t.call_id = k.call_id
      AND t.kind IN ('charge', 'overrun', 'correction') AND t.credit LIKE 'revenue:%'),
    (SELECT count(*) FROM records AS r
      WHERE r.application = k.application AND r.call_id = k.call_id AND r.corrects IS NULL),
    (SELECT CAST(coalesce(sum(amount_micros), 0) AS BIGINT) FROM transfers AS t
      WHERE t.application = k.application AND t.call_id = k.call_id AND t.kind = 'refund'),
    (SELECT CAST(coalesce(sum(amount_micros), 0) AS BIGINT) FROM transfers AS t
      WHERE t.application = k.application AND t.call_id = k.call_id
      AND t.kind = 'correction' AND t.debit LIKE 'revenue:%'),
    (SELECT count(*) FROM records AS r
      WHERE r.application = k.application AND r.call_id = k.call_id AND r.corrects IS NOT NULL)
    FROM (SELECT application, call_id FROM calls WHERE state = 'ended'
      UNION SELECT application, call_id FROM transfers WHERE call_id IS NOT NULL
      UNION SELECT application, call_id FROM records) AS k
    LEFT JOIN calls AS c ON c.application = k.application AND c.call_id = k.call_id"""
_STRAY_HOLDS = """SELECT application, call_id FROM calls
    WHERE hold_state = 'open' AND state NOT IN ('arrived', 'answered')"""
