"""A throw-away PostgreSQL for one test run: one server, and a database of its own for each test.

    pytest ──(stdin held open)──> keeper ──> postgres
      └── workers ask the keeper's port for the server's address

Rules:
1. The keeper starts PostgreSQL when it is first asked, so a run that needs none starts none.
2. The keeper lives while its standard input is open. However pytest ends, interrupted or killed,
   the server is then stopped (fast mode) and its folder removed.
3. PostgreSQL refuses to run as root. There it runs as `postgres`, or else `nobody`, in a folder
   which that user owns.
4. `fsync` is off: no test pulls the machine's plug, and what is committed outlives the server's
   processes all the same. Only 127.0.0.1 is listened on.
5. Text sorts by a human locale where the server has ICU, as on most operators' machines, so an
   order that nobody asked for with COLLATE shows up here and not there.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.provision import Installation, ProvisionError, require_installation

HOST = "127.0.0.1"
SUPERUSER = "postgres"
START_SECONDS = 60
STOP_SECONDS = 30
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
LOCALES = (
    ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"],
    ["--locale=C"],
)


@dataclass(frozen=True)
class Server:
    """Where the run's server listens, and what the tests may ask of it."""

    host: str
    port: int

    def url(self, database: str) -> str:
        """SQLAlchemy's URL of a database, for psycopg 3."""
        return f"postgresql+psycopg://{SUPERUSER}@{self.host}:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection as the superuser, in autocommit; the caller closes it."""
        return psycopg.connect(
            host=self.host, port=self.port, user=SUPERUSER, dbname=database, autocommit=True
        )

    @contextlib.contextmanager
    def temporary_database(self, *, template: str = "template1") -> Iterator[str]:
        """The URL of a new copy of the template; dropped afterwards, whoever is still connected."""
        name = f"test_{uuid.uuid4().hex}"
        with self.connect() as admin:
            _run(admin, "CREATE DATABASE {} TEMPLATE {}", name, template)
        try:
            yield self.url(name)
        finally:
            with self.connect() as admin:
                _run(admin, "DROP DATABASE {} WITH (FORCE)", name)

    def ensure_template(self, name: str, prepare: Callable[[str], None]) -> str:
        """The template database of that name, made once per server whichever worker comes first.

        `prepare` gets the URL of the new empty database, fills it (runs the migrations) and closes
        every connection. The flag `datistemplate` says that it came to its end.
        """
        with self.connect() as admin:
            admin.execute("SELECT pg_advisory_lock(hashtext(%s))", [name])
            row = admin.execute(
                "SELECT datistemplate FROM pg_database WHERE datname = %s", [name]
            ).fetchone()
            if row == (True,):
                return name
            if row == (False,):
                _run(admin, "DROP DATABASE {} WITH (FORCE)", name)
            _run(admin, "CREATE DATABASE {}", name)
            prepare(self.url(name))
            _run(admin, "ALTER DATABASE {} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false", name)
            return name


def _run(connection: psycopg.Connection[Any], statement: str, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


class Keeper:
    """The process that keeps the server of one run. Owned by pytest's controller."""

    def __init__(self) -> None:
        with socket.create_server((HOST, 0)) as listener:
            self.port: int = listener.getsockname()[1]
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.postgres", str(listener.fileno())],
                cwd=Path(__file__).resolve().parent.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
                # Ctrl-C in the terminal is pytest's alone: the last tests still need the server.
                start_new_session=True,
            )

    def stop(self) -> None:
        """Close the keeper's input and wait until server and folder are gone."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=2 * STOP_SECONDS)


def ask_keeper(port: int) -> Server:
    """The run's server, started if this is the first to ask.

    Raises ProvisionError where it cannot be started.
    """
    with (
        socket.create_connection((HOST, port), timeout=3 * START_SECONDS) as asked,
        asked.makefile("rb") as answer,
    ):
        line = answer.readline()
    if not line:
        raise ProvisionError("The process that keeps the tests' PostgreSQL has ended.")
    message = json.loads(line)
    if "error" in message:
        raise ProvisionError(message["error"])
    return Server(message["host"], message["port"])


def keep(listener: socket.socket) -> None:
    """Answer whoever connects with the server's address, until standard input ends (rule 2)."""
    with contextlib.ExitStack() as stack:
        message: dict[str, object] | None = None
        while True:
            ready, _, _ = select.select([sys.stdin, listener], [], [])
            if sys.stdin in ready and not os.read(sys.stdin.fileno(), 1024):
                return
            if listener not in ready:
                continue
            connection, _ = listener.accept()
            with connection:
                if message is None:
                    message = _start_or_explain(stack)
                with contextlib.suppress(OSError):
                    connection.sendall(json.dumps(message).encode() + b"\n")


def _start_or_explain(stack: contextlib.ExitStack) -> dict[str, object]:
    try:
        server = stack.enter_context(running_server())
    except (OSError, ProvisionError) as error:
        return {"error": str(error)}
    return {"host": server.host, "port": server.port}


@contextlib.contextmanager
def running_server() -> Iterator[Server]:
    """A fresh server, stopped and removed with the block. Raises ProvisionError."""
    with restartable_server() as restartable:
        yield restartable.server


class Restartable:
    """A server of a test's own, which the test may stop, and start again at the same address."""

    def __init__(self, programs: _Programs) -> None:
        self._programs = programs
        self._process, self.server = programs.start()

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Shut it down: fast (SIGINT), or as if it crashed (SIGQUIT)."""
        _stop(self._process, number)

    def start(self) -> None:
        """Start it again. Raises ProvisionError."""
        self._process, self.server = self._programs.start(self.server.port)


@contextlib.contextmanager
def restartable_server() -> Iterator[Restartable]:
    """As `running_server`, in the hands of the test. Raises ProvisionError."""
    account = _server_account()
    folder = Path(tempfile.mkdtemp(prefix="registry-postgres-", dir=_reachable_parent(account)))
    try:
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        programs = _Programs(require_installation(), folder, account)
        programs.create_cluster()
        restartable = Restartable(programs)
        try:
            yield restartable
        finally:
            restartable.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _server_account() -> pwd.struct_passwd | None:
    """Whom the server runs as; None is ourselves (rule 3)."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise ProvisionError(
        "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody`."
    )


def _reachable_parent(account: pwd.struct_passwd | None) -> Path:
    """A folder for temporary files whose every ancestor the server's user may pass."""
    for parent in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):
        resolved = parent.resolve()
        passable = all(step.stat().st_mode & 0o001 for step in (resolved, *resolved.parents))
        if account is None or passable:
            return resolved
    raise ProvisionError(f"The user {account} can reach no folder for temporary files.")


class _Programs:
    """`initdb` and `postgres`, run as the right user in the server's folder."""

    def __init__(
        self, installation: Installation, folder: Path, account: pwd.struct_passwd | None
    ) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._log = folder / "server.log"
        self._options: dict[str, Any] = {
            "cwd": folder,
            "env": {"PATH": os.defpath, "LC_ALL": "C", "HOME": str(folder)},
            "stdin": subprocess.DEVNULL,
        }
        if account is not None:
            ids = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            self._options |= ids
        self._bin = self._reachable(installation.folder)

    def _reachable(self, installed: Path) -> Path:
        """The programs' folder, or a copy of it where the server's user may not enter.

        The second happens as root with an environment below /root, where the wheel's programs are
        in `<package>/<prefix>/bin` and find their libraries by relative path in `<package>.libs`.
        """
        try:
            self._call(installed / "postgres", "--version")
        except PermissionError:
            prefix, package = installed.parents[:2]
            for part in (prefix, package.with_name(f"{package.name}.libs")):
                copy = self._folder / "programs" / part.relative_to(package.parent)
                shutil.copytree(part, copy, symlinks=True)
            return self._folder / "programs" / installed.relative_to(package.parent)
        return installed

    def _call(self, *command: str | Path) -> None:
        subprocess.run(
            command, check=True, text=True, errors="replace", capture_output=True, **self._options
        )

    def create_cluster(self) -> None:
        """Run `initdb`. Trusted logins: whoever reaches this machine's loopback may test."""
        fixed = ["--username", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--no-sync"]
        failure = ""
        for locale in LOCALES:
            shutil.rmtree(self._data, ignore_errors=True)
            try:
                self._call(self._bin / "initdb", "--pgdata", self._data, *fixed, *locale)
            except subprocess.CalledProcessError as error:
                failure = error.stderr.strip()
            else:
                return
        raise ProvisionError(f"initdb failed: {failure}")

    def start(self, port: int | None = None) -> tuple[subprocess.Popen[bytes], Server]:
        """The server once it answers; another port is tried where somebody took the first."""
        for _ in range(3):
            server = Server(HOST, port or _free_port())
            settings = SETTINGS | {"port": str(server.port)}
            arguments = [part for item in settings.items() for part in ("-c", "=".join(item))]
            with self._log.open("wb") as log:
                process = subprocess.Popen(
                    [self._bin / "postgres", "-D", self._data, *arguments],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    **self._options,
                )
            if _wait_until_up(process, server):
                return process, server
            _stop(process)
        last_words = self._log.read_text(errors="replace").strip().splitlines()[-5:]
        raise ProvisionError("PostgreSQL did not start: " + " | ".join(last_words))


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _wait_until_up(process: subprocess.Popen[bytes], server: Server) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(psycopg.OperationalError):
            server.connect().close()
            return process.poll() is None
        time.sleep(0.05)
    return False


def _stop(process: subprocess.Popen[bytes], first: signal.Signals = signal.SIGINT) -> None:
    """Fast shutdown (SIGINT), and the hard ways where that takes too long."""
    for number in (first, signal.SIGQUIT, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=STOP_SECONDS)


def main() -> None:
    """Be the keeper: the only argument is the number of the inherited listening socket."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        keep(listener)


if __name__ == "__main__":
    main()
