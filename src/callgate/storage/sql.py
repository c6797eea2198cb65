"""Statements made from the names of tables and columns, which are all ours."""

from collections.abc import Sequence
from functools import cache


def select(table: str, columns: Sequence[str]) -> str:
    return f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - names are ours


def select_one(table: str, columns: Sequence[str], key: Sequence[str]) -> str:
    return f"{select(table, columns)} WHERE {' AND '.join(f'{name} = ?' for name in key)}"


@cache
def select_many(table: str, columns: Sequence[str], key: Sequence[str], count: int) -> str:
    """Rows under so many keys, found one by one through the table's index on them; keys that have none give none."""
    named = ", ".join(key)
    return f"""WITH wanted({named}) AS (VALUES {marks(len(key), count)})
        SELECT {", ".join(columns)} FROM wanted CROSS JOIN {table} USING ({named})"""  # noqa: S608 - names are ours


@cache
def select_named(table: str, columns: Sequence[str], key: Sequence[str], count: int) -> str:
    """As `select_many`, in the words of every engine; conditions on `named`, which is the table, may follow."""
    found = " AND ".join(f"named.{name} = wanted.{name}" for name in key)
    return f"""WITH wanted({", ".join(key)}) AS (VALUES {marks(len(key), count)})
        SELECT {", ".join(f"named.{name}" for name in columns)} FROM wanted CROSS JOIN {table} AS named WHERE {found}"""  # noqa: S608


@cache
def insert(table: str, columns: Sequence[str], count: int = 1) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {marks(len(columns), count)}"  # noqa: S608


@cache
def upsert(table: str, columns: Sequence[str], key: Sequence[str], count: int = 1) -> str:
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return f"{insert(table, columns, count)} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changed}"


@cache
def touch(table: str, columns: Sequence[str], key: Sequence[str], count: int = 1) -> str:
    """Change the rows under so many keys, where there are such."""
    changed = ", ".join(f"{name} = told.{name}" for name in columns if name not in key)
    found = " AND ".join(f"{table}.{name} = told.{name}" for name in key)
    return f"""WITH told({", ".join(columns)}) AS (VALUES {marks(len(columns), count)})
        UPDATE {table} SET {changed} FROM told WHERE {found}"""  # noqa: S608 - names are ours


@cache
def add_up(table: str, columns: Sequence[str], key: Sequence[str], count: int = 1) -> str:
    """What is not the key is added to what is there."""
    changed = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in columns if name not in key)
    return f"{insert(table, columns, count)} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changed}"


@cache
def delete(table: str, key: Sequence[str], count: int = 1) -> str:
    return f"DELETE FROM {table} WHERE ({', '.join(key)}) IN (VALUES {marks(len(key), count)})"  # noqa: S608 - names are ours


def marks(columns: int, count: int) -> str:
    """Placeholders for so many rows."""
    return ", ".join([f"({', '.join('?' * columns)})"] * count)
