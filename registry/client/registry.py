"""The pipeline's way to its registry: begins runs, adopts what exists, delivers what waits.

Rules:
1. Events go through openlineage-python's client, so its filters and environment facets hold and any
   of its transports works: by default the one of this package, else the client that is given.
2. With `also`, a second client gets every event too; when it fails, that is logged, and the
   registry's copy is sent all the same.
3. OPENLINEAGE_DISABLED=true turns all of it off, as it does elsewhere.
"""

from __future__ import annotations

import atexit
import logging
import os
import weakref
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from registry.client.connection import TIMEOUT_SECONDS, open_outbox
from registry.client.outbox import Flushed, ObjectKind, Outbox
from registry.client.payload import Payload
from registry.client.run import Run
from registry.client.sources import Name, NameLike, as_name
from registry.client.spool import LIMIT_BYTES
from registry.clock import Clock, system_clock
from registry.errors import InvalidInputError
from registry.ids import fresh_id, run_id, uuid_text

if TYPE_CHECKING:
    from openlineage.client.client import OpenLineageClient
    from openlineage.client.event_v2 import RunEvent

    from registry.client.code import CodeLocation
    from registry.client.events import ParentRun

PARENT_VARIABLE = "OPENLINEAGE_PARENT_ID"
_log = logging.getLogger("registry.client")


class Registry:
    """A registry as one account. Threads may share it; close it, or use it as a context manager.

    `url` and `token` default to REGISTRY_URL and REGISTRY_TOKEN. `openlineage` is a client to use
    instead of our own, `also` one to use besides. `spool` is a folder, `spool_limit_bytes` how much
    it may hold. `strict` raises what is otherwise logged: a refusal, a wrong token, a full spool.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        openlineage: OpenLineageClient | None = None,
        also: OpenLineageClient | None = None,
        spool: str | os.PathLike[str] | None = None,
        spool_limit_bytes: int = LIMIT_BYTES,
        strict: bool = False,
        timeout_seconds: float = TIMEOUT_SECONDS,
        outbox: Outbox | None = None,
        clock: Clock = system_clock,
    ) -> None:
        """Opens nothing yet. Raises InvalidInputError for a URL that is none."""
        self._outbox = outbox or open_outbox(
            url,
            token,
            spool=spool,
            spool_limit_bytes=spool_limit_bytes,
            strict=strict,
            timeout_seconds=timeout_seconds,
        )
        self._client = openlineage
        self._also = also
        self._strict = strict
        self._clock = clock
        self._code: CodeLocation | None = None
        self._looked_for_code = False
        _open.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def run(
        self,
        job: NameLike | None = None,
        *,
        namespace: str | None = None,
        name: str | None = None,
        run_id: str | None = None,
        parent: Run | ParentRun | None = None,
        nominal_time: datetime | None = None,
        purpose: str | None = None,
        manifest: str | None = None,
        recipe: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        seed: int | None = None,
        code: CodeLocation | bool = True,
        facets: Mapping[str, Any] | None = None,
        job_facets: Mapping[str, Any] | None = None,
    ) -> Run:
        """A run of a job, `"NAMESPACE NAME"` or both by themselves; begin it with `with`.

        `parameters`, `seed` and the code's commit are recorded, so that what the run makes can be
        made again. `parent` defaults to OPENLINEAGE_PARENT_ID, set by schedulers; a `run_id` that
        is no UUID becomes one. `purpose`, `manifest` and `recipe` are those of a training run.
        `code` False leaves git alone.
        """
        from registry.client.events import RunFacts

        if job is None:
            job = (namespace or "", name or "")
        named = as_name(job, "The job")
        facts = RunFacts(
            run_id=fresh_id() if run_id is None else _uuid(run_id, named),
            job=named,
            parent=_as_parent(parent),
            nominal_time=nominal_time,
            purpose=purpose,
            manifest=manifest,
            recipe=recipe,
            parameters=dict(parameters or {}),
            seed=seed,
            code=self._locate() if code is True else (code or None),
            run_facets=dict(facets or {}),
            job_facets=dict(job_facets or {}),
        )
        return Run(facts, self._emit, self._outbox, self._clock)

    @property
    def address(self) -> str:
        """Which registry this is."""
        return self._outbox.address

    def send_object(self, payload: Payload, kind: ObjectKind) -> str:
        """Hand over an object of the ledger; gives the `sha256:…` that an event names it by."""
        return self._outbox.send_object(payload, kind)

    def without_spool(self, *, patience_seconds: float = 60.0) -> Registry:
        """The same registry for a program that must know that what it sent has arrived.

        What the registry refuses, or cannot take for so long, raises.
        """
        direct = self._outbox.direct(patience_seconds)
        return Registry(outbox=direct, strict=True, clock=self._clock)

    def flush(self, *, timeout_seconds: float = 30.0) -> Flushed:
        """Deliver what waits in the spool, and say what is left there and why."""
        return self._outbox.flush(timeout_seconds=timeout_seconds)

    def close(self) -> None:
        """Try once more to deliver what waits; what cannot be is kept for the next time."""
        _open.discard(self)
        self._outbox.close()

    def _emit(self, event: RunEvent) -> None:
        try:
            self._opened().emit(event)
        except Exception as error:
            # Ours raises only where it is strict; another's may raise anything.
            if self._strict:
                raise
            _log.error("The OpenLineage client failed, and the event is lost: %s", error)
        if self._also is not None:
            try:
                self._also.emit(event)
            except Exception as error:  # noqa: BLE001 - another's transport may raise anything
                _log.warning("The second OpenLineage client failed: %s", error)

    def _opened(self) -> OpenLineageClient:
        if self._client is None:
            from openlineage.client.client import OpenLineageClient

            from registry.client.transport import RegistryConfig, RegistryTransport

            transport = RegistryTransport(RegistryConfig(outbox=self._outbox))
            self._client = OpenLineageClient(transport=transport)
        return self._client

    def _locate(self) -> CodeLocation | None:
        if not self._looked_for_code:
            from registry.client.code import locate_code

            self._code = locate_code()
            self._looked_for_code = True
        return self._code


def _as_parent(parent: Run | ParentRun | None) -> ParentRun | None:
    from registry.client.events import ParentRun

    if isinstance(parent, Run):
        return parent.as_parent()
    if parent is not None:
        return replace(parent, run_id=_uuid(parent.run_id, parent.job))
    text = os.environ.get(PARENT_VARIABLE)
    if not text:
        return None
    job, _, run = text.rpartition("/")
    namespace, _, name = job.rpartition("/")
    if not (namespace and name and run):
        raise InvalidInputError(
            f"{PARENT_VARIABLE} is {text[:80]!r}.",
            remedy="It is NAMESPACE/NAME/RUN_ID, as OpenLineage's integrations set it.",
        )
    found = Name(namespace, name)
    return ParentRun(_uuid(run, found), found)


def _uuid(text: str, job: Name) -> str:
    """The run id as the registry has it: another text than a UUID stands for one."""
    return uuid_text(run_id(text, *job)[0])


_open: weakref.WeakSet[Registry] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """A pipeline that ends while something waits gives it one more try."""
    for registry in list(_open):
        registry.close()
