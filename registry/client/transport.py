"""The registry as a transport of openlineage-python: events go through the spool.

A program that configures openlineage-python itself can name it in `openlineage.yml`:

    transport:
      type: registry.client.transport.RegistryTransport
      url: http://127.0.0.1:8400
      token: reg_…
"""

from __future__ import annotations

from typing import Any, Self

import attr
from openlineage.client.client import Event
from openlineage.client.serde import Serde
from openlineage.client.transport.transport import Config, Transport

from registry.client.outbox import Outbox


@attr.define
class RegistryConfig(Config):
    """Where the registry is; both default to REGISTRY_URL and REGISTRY_TOKEN."""

    url: str | None = None
    token: str | None = None
    outbox: Outbox | None = None

    @classmethod
    def from_dict(cls, params: dict[str, Any]) -> Self:
        """The configuration as `openlineage.yml` has it; what is not known is left alone."""
        return cls(url=params.get("url"), token=params.get("token"))


class RegistryTransport(Transport):
    """Hands each event to an outbox."""

    kind = "registry"
    config_class = RegistryConfig

    def __init__(self, config: RegistryConfig) -> None:
        self._outbox = config.outbox or _own_outbox(config)

    def emit(self, event: Event) -> None:
        """Deliver the event, or keep it in the spool."""
        self._outbox.send_event(Serde.to_json(event).encode())

    def close(self, timeout: float = -1) -> bool:
        """Try once more to deliver what waits; whether nothing does any more."""
        seconds = 30.0 if timeout < 0 else timeout
        waiting = self._outbox.flush(timeout_seconds=seconds).waiting
        self._outbox.close(timeout_seconds=seconds)
        return waiting == 0


def _own_outbox(config: RegistryConfig) -> Outbox:
    from registry.client.connection import open_outbox

    return open_outbox(config.url, config.token)
