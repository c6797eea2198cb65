"""The statements of a batch, made from the names of tables and columns, and from the types that the database says they have.

Values come as arrays, one for each column, so that a statement is the same whatever the size of its batch. Locks are those of
an update that leaves keys alone, so that nobody who adds a row that refers to a locked one has to wait.
"""

from collections.abc import Sequence
from functools import cache

from callgate.storage import call_rows, outbox_rows, rows, usage_rows
from callgate.storage.changes import Verb

Shape = tuple[Verb, str, tuple[str, ...], tuple[str, ...]]
"""A change without its rows: verb, table, columns, key."""

CALL_ROW, IDENTITY_ROW, ACCOUNT_ROW = range(3)
"""What the first column of a loaded row says that it is."""


_OPENED_WIDTH = len(rows.ACCOUNT) + len(rows.WALLET) + len(usage_rows.USAGE)


class Statements:
    """Those of one database. `types` is what `session.column_types` found."""

    def __init__(self, types: dict[tuple[str, str], str]) -> None:
        self._types = types
        self.load = cache(self._load)
        self.save = cache(self._save)
        self.add = cache(self._add)

    def _load(self, *, with_deliveries: bool) -> str:
        """Calls, who identities are, and the accounts of all of them: locked in the order of their keys, calls first.

        Placeholders: applications and ids of calls, applications and names of identities, applications and ids of accounts;
        then the ids of deliveries. The order of a lane is kept by the lock of its account's wallet, so that deliveries bring
        that with them.
        """
        lanes = (
            "UNION SELECT application, account FROM deliveries WHERE id = ANY($7::text[])" if with_deliveries else ""
        )
        return f"""
            WITH called AS MATERIALIZED (
                SELECT {_of("c", call_rows.CALL)} FROM {self._wanted(1, "application", "call_id")}
                JOIN calls AS c ON c.application = k.application AND c.call_id = k.call_id
                ORDER BY c.application, c.call_id FOR NO KEY UPDATE OF c),
            named AS MATERIALIZED (
                SELECT i.application, i.identity, i.account FROM {self._wanted(3, "application", "identity")}
                JOIN identities AS i ON i.application = k.application AND i.identity = k.identity),
            payers AS MATERIALIZED (
                SELECT application, account FROM called WHERE account IS NOT NULL
                UNION SELECT application, account FROM named
                UNION SELECT application, account FROM {self._wanted(5, "application", "account")} {lanes}),
            opened AS MATERIALIZED (
                SELECT {_of("a", rows.ACCOUNT)}, {", ".join(f"w.{name} AS w_{name}" for name in rows.WALLET)},
                {", ".join(f"u.{name} AS u_{name}" for name in usage_rows.USAGE)} FROM payers AS p
                JOIN accounts AS a ON a.application = p.application AND a.id = p.account
                JOIN wallets AS w ON w.application = p.application AND w.account = p.account
                JOIN usages AS u ON u.application = p.application AND u.account = p.account
                ORDER BY a.application, a.id FOR NO KEY UPDATE OF a, w, u)
            SELECT {CALL_ROW}, {", ".join(call_rows.CALL)}, {self._nothing("accounts", rows.ACCOUNT)},
                {self._nothing("wallets", rows.WALLET)}, {self._nothing("usages", usage_rows.USAGE)} FROM called
            UNION ALL SELECT {IDENTITY_ROW}, application, identity,
                {", ".join(["NULL", "account", *["NULL"] * (len(call_rows.CALL) - 4 + _OPENED_WIDTH)])}
                FROM named
            UNION ALL SELECT {ACCOUNT_ROW}, {self._nothing("calls", call_rows.CALL)}, {", ".join(rows.ACCOUNT)},
                {", ".join(f"w_{name}" for name in rows.WALLET)},
                {", ".join(f"u_{name}" for name in usage_rows.USAGE)} FROM opened"""

    def _save(self, shapes: tuple[Shape, ...], configuration: bool) -> str:  # noqa: FBT001 - a cache's key
        """All changes of a batch, and that it is committed: one statement.

        Placeholders: writer and number of the batch, then the arrays of each change in order.
        What all nodes write to comes last, when all else is written, and always in the same order: the house's accounts, then
        the feed. So nobody who holds them waits for anybody.
        """
        parts, place = [], 3
        for number, shape in enumerate(shapes):
            verb, table, columns, _ = shape
            before = [f"s{each}" for each in range(number)] if verb is Verb.ADD_UP or table == "callbacks" else []
            parts += self._part(f"s{number}", shape, place, before)
            place += len(columns)
        if configuration:
            parts.append("configured AS (UPDATE configuration SET version = version + 1 RETURNING 1)")
        return f"""WITH {", ".join(parts)}{"," if parts else ""}
            committed AS (INSERT INTO commits (writer, batch) VALUES ($1, $2)
                ON CONFLICT (writer) DO UPDATE SET batch = excluded.batch, at = excluded.at RETURNING 1)
            SELECT 1 FROM committed"""

    def _part(self, name: str, shape: Shape, place: int, before: Sequence[str]) -> list[str]:
        verb, table, columns, key = shape
        values = self._values(table, columns, place)
        waits = "".join(f" AND (SELECT count(*) FROM {each}) >= 0" for each in before)
        if table == "callbacks":
            count = f"cardinality(${place}::text[])"
            return [
                f"numbers AS (UPDATE feed SET last = last + {count} WHERE TRUE{waits} RETURNING last - {count} AS last)",
                f"""{name} AS (INSERT INTO callbacks (id, {", ".join(columns)})
                SELECT n.last + v.place, {_of("v", columns)}
                FROM numbers AS n, {self._values(table, columns, place, is_counted=True)} RETURNING 1)""",
            ]
        if verb is Verb.ADD:
            return [
                f"{name} AS (INSERT INTO {table} ({', '.join(columns)}) SELECT {_of('v', columns)} FROM {values} RETURNING 1)"
            ]
        if verb in {Verb.CHANGE, Verb.TOUCH}:
            changed = ", ".join(f"{each} = v.{each}" for each in columns if each not in key)
            same = " AND ".join(f"t.{each} = v.{each}" for each in key)
            return [f"{name} AS (UPDATE {table} AS t SET {changed} FROM {values} WHERE {same} RETURNING 1)"]
        if verb is Verb.REMOVE:
            same = " AND ".join(f"t.{each} = v.{each}" for each in key)
            return [f"{name} AS (DELETE FROM {table} AS t USING {values} WHERE {same} RETURNING 1)"]
        added = ", ".join(f"{each} = {table}.{each} + excluded.{each}" for each in columns if each not in key)
        return [
            f"""{name} AS (INSERT INTO {table} ({", ".join(columns)}) SELECT {_of("v", columns)} FROM {values}
            WHERE TRUE{waits} ON CONFLICT ({", ".join(key)}) DO UPDATE SET {added} RETURNING 1)"""
        ]

    def _add(self, table: str, columns: tuple[str, ...]) -> str:
        """Rows of one table."""
        return f"""INSERT INTO {table} ({", ".join(columns)})
            SELECT {_of("v", columns)} FROM {self._values(table, columns, 1)}"""

    def _values(self, table: str, columns: Sequence[str], place: int, *, is_counted: bool = False) -> str:
        arrays = (f"${place + each}::{self._types[table, name]}[]" for each, name in enumerate(columns))
        counted, names = (" WITH ORDINALITY", (*columns, "place")) if is_counted else ("", columns)
        return f"unnest({', '.join(arrays)}){counted} AS v({', '.join(names)})"

    def _wanted(self, place: int, *names: str) -> str:
        arrays = ", ".join(f"${place + each}::text[]" for each in range(len(names)))
        return f"unnest({arrays}) AS k({', '.join(names)})"

    def _nothing(self, table: str, columns: Sequence[str]) -> str:
        return ", ".join(f"NULL::{self._types[table, name]}" for name in columns)


@cache
def load_alone(table: str, columns: tuple[str, ...], key: tuple[str, ...], *, is_locked: bool) -> str:
    """Rows of one table that bring no others with them, locked in the order of their keys."""
    arrays = ", ".join(f"${place}::text[]" for place in range(1, len(key) + 1))
    same = " AND ".join(f"t.{name} = k.{name}" for name in key)
    return f"""SELECT {_of("t", columns)} FROM unnest({arrays}) AS k({", ".join(key)}) JOIN {table} AS t ON {same}
        ORDER BY {_of("t", key)} {"FOR NO KEY UPDATE OF t" if is_locked else ""}"""


REFUNDED = """SELECT k.application, k.call_id, CAST(coalesce(sum(t.amount_micros), 0) AS bigint)
    FROM unnest($1::text[], $2::text[]) AS k(application, call_id) LEFT JOIN transfers AS t
    ON t.application = k.application AND t.call_id = k.call_id AND t.kind = 'refund' GROUP BY k.application, k.call_id"""
OPEN_HOLDS = """SELECT k.application, k.account, count(c.call_id) FROM unnest($1::text[], $2::text[]) AS k(application, account)
    LEFT JOIN calls AS c ON c.application = k.application AND c.account = k.account AND c.hold_state = 'open'
        AND c.flags NOT LIKE '%emergency%'
    GROUP BY k.application, k.account"""
LOCK_CALLERS = """SELECT pg_advisory_xact_lock(hashtextextended(application || ' ' || caller, 0))
    FROM (SELECT DISTINCT application, caller FROM unnest($1::text[], $2::text[]) AS k(application, caller)
          ORDER BY application, caller) AS callers"""
"""Callers have no rows to lock."""

EMERGENCIES = f"""SELECT {", ".join(f"c.{name}" for name in call_rows.CALL)}
    FROM unnest($1::text[], $2::text[]) AS k(application, caller)
    JOIN calls AS c ON c.application = k.application AND c.caller = k.caller AND c.hold_state = 'open' AND c.rate IS NULL"""
STEP_FORWARD = """UPDATE deliveries SET state = 'next' WHERE number IN (
    SELECT first.number FROM unnest($1::text[], $2::text[], $3::text[]) AS l(endpoint, application, account)
    CROSS JOIN LATERAL (SELECT d.number FROM deliveries AS d WHERE d.state = 'waiting' AND d.endpoint = l.endpoint
        AND d.application = l.application AND d.account = l.account ORDER BY d.number LIMIT 1) AS first
    WHERE NOT EXISTS (SELECT 1 FROM deliveries AS n WHERE n.state = 'next' AND n.endpoint = l.endpoint
        AND n.application = l.application AND n.account = l.account))"""
"""The first that waits in a lane is next, where nobody stands there: one row is read of each, however many wait. Lanes are
locked by their accounts' wallets.
"""

CLAIM = f"""UPDATE deliveries AS d SET attempt_count = attempt_count + 1, attempted_at = $2, due_at = $3 FROM (
    SELECT number FROM deliveries WHERE state = 'next' AND endpoint = $1 AND due_at <= $2
    ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED) AS due
    WHERE d.number = due.number RETURNING {", ".join(f"d.{name}" for name in outbox_rows.DELIVERY)}"""
"""What another worker is just claiming is passed over, so that nobody waits."""


def _of(table: str, columns: Sequence[str]) -> str:
    return ", ".join(f"{table}.{name}" for name in columns)
