"""`registry serve` and `registry worker`: the processes that stay."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.home import held_home
from registry.cli.output import JsonOption, note, show_json
from registry.errors import SettingsError, SetupError
from registry.settings import Settings, load_settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from registry.request import House

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 75
GRACE_SECONDS = 15


def install(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(serve)
    app.command()(worker)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    tls_certificate: Annotated[
        str | None, typer.Option(help="PEM file with the certificate chain, for TLS.")
    ] = None,
    tls_key: Annotated[str | None, typer.Option(help="PEM file with its key.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Serve the registry over HTTP until stopped.

    An empty home becomes ready by itself, and the first administrator token is shown once.
    """
    settings = load_settings(host=host, port=port, tls_certificate=tls_certificate, tls_key=tls_key)
    _require_tls_files(settings)
    _log_to_stderr()
    with _ending_on_signals(), ExitStack() as stack:
        lock = stack.enter_context(held_home(settings, "registry serve"))
        from registry.app import close_house, create_app, open_house

        house = open_house(settings)
        stack.callback(close_house, house)
        listener = stack.enter_context(_listening(settings.host, settings.port))
        url = _url(settings, listener.getsockname()[1])
        if lock is not None:
            # A certificate is for the name that people use, so commands use it, too.
            lock.announce(settings.public_url if settings.tls and settings.public_url else url)
        if as_json:
            show_json({"url": url, "pid": os.getpid(), "home": _home_text(settings)})
            sys.stdout.flush()
        note(f"Serving {_home_text(settings)} at {url} (stop with Ctrl-C)")
        _offer_setup(house, settings.public_url or url)
        _tune_interpreter()
        _run(create_app(settings, house=house), settings, listener)


def _run(app: ASGIApp, settings: Settings, listener: socket.socket) -> None:
    """Serve the application on the socket until told to stop."""
    import uvicorn

    config = uvicorn.Config(
        app,
        loop="auto",  # uvloop where there is one
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whose word counts is a setting of ours (registry.app)
        ssl_certfile=settings.tls_certificate or None,
        ssl_keyfile=settings.tls_key or None,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])


def worker(
    threads: Annotated[int, typer.Option(min=1, max=64, help="Tasks that run at once.")] = 2,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="Do what is due, then stop.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Work off the queue of tasks until stopped.

    With PostgreSQL as many workers as you like; an embedded home has its worker in `serve`.
    """
    settings = load_settings()
    _log_to_stderr()
    with _ending_on_signals(), ExitStack() as stack:
        stack.enter_context(held_home(settings, "registry worker"))
        from registry.app import SEQUENCE_SECONDS, close_house, open_house
        from registry.workers.loop import Workers
        from registry.workers.repeat import repeating

        house = open_house(settings)
        stack.callback(close_house, house)
        workers = Workers(house, threads=threads)
        if until_idle:
            tried = workers.work_off()
            house.audit.catch_up()
            if as_json:
                show_json({"tasks": tried})
            note(f"{tried} tasks were due.")
            return
        if as_json:
            show_json({"pid": os.getpid(), "threads": threads})
            sys.stdout.flush()
        note(f"Working with {threads} threads (stop with Ctrl-C)")
        sequencing = repeating(house.audit.turn, every_seconds=SEQUENCE_SECONDS)
        with sequencing, workers.running():
            threading.Event().wait()


def _tune_interpreter() -> None:
    """Suit the interpreter to a server whose event loop and writer share one lock.

    The writer gives the lock away at every statement of the database, and would wait the default
    5 ms for a busy event loop to give it back. Events are many short-lived objects: collecting
    garbage every 700 of them costs a fifth of the work.
    """
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Leave the block in order, and the process with 0, on SIGTERM and Ctrl-C."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        note("Stopped.")
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that takes connections already: they wait until the server is ready."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise SetupError(
            f"Nothing can listen at {host}:{port}: {error.strerror or error}.",
            remedy="Choose another address with --host and --port, or stop what listens there.",
        ) from error
    try:
        yield listener
    finally:
        listener.close()


def _url(settings: Settings, port: int) -> str:
    """The address at which this machine reaches what listens at the settings' host."""
    host = settings.host
    reachable = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    scheme = "https" if settings.tls else "http"
    return (
        f"{scheme}://[{reachable}]:{port}"
        if ":" in reachable
        else (f"{scheme}://{reachable}:{port}")
    )


def _require_tls_files(settings: Settings) -> None:
    """Raise SettingsError unless certificate and key can be read and belong together."""
    if not settings.tls:
        return
    import ssl

    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            settings.tls_certificate, settings.tls_key
        )
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"TLS cannot be spoken with {settings.tls_certificate} and {settings.tls_key}: "
            f"{error.strerror or error}.",
            remedy="Name a PEM certificate chain and its unencrypted key, readable for this user.",
        ) from error


def _offer_setup(house: House, url: str) -> None:
    """Show a set-up link while an embedded registry has nobody who could log in."""
    link = house.log_ins.offer_setup() if house.settings.embedded else None
    if link is not None:
        note(
            f"Nobody can log in by browser yet. Set the administrator up, once, within a day:\n"
            f"{url.rstrip('/')}/set-up?link={link}"
        )


def _home_text(settings: Settings) -> str:
    return str(settings.home.absolute()) if settings.embedded else "PostgreSQL"


def _log_to_stderr() -> None:
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
