"""Statements made from the names of tables and columns, which are all ours."""

from collections.abc import Sequence


def select(table: str, columns: Sequence[str]) -> str:
    return f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - names are ours


def select_one(table: str, columns: Sequence[str], key: Sequence[str]) -> str:
    return f"{select(table, columns)} WHERE {' AND '.join(f'{name} = ?' for name in key)}"


def insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608


def upsert(table: str, columns: Sequence[str], key: Sequence[str]) -> str:
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return f"{insert(table, columns)} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changed}"
