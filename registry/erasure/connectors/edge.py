"""The edge of a connector: what stopped it becomes a value, what a caller raised goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pyarrow as pa

from registry.erasure.connectors.places import stopped_by
from registry.erasure.connectors.protocol import Intent, Progress, Watch
from registry.erasure.connectors.trouble import NotFaithfulError, Reason, StoppedError, Trouble

Result = TypeVar("Result")
Told = TypeVar("Told", Progress, Intent)


class _OfTheCallerError(Exception):
    """What a caller's `Watch` raised: none of this connector's business."""

    def __init__(self, raised: Exception) -> None:
        super().__init__(str(raised))
        self.raised = raised


def at_edge(
    uri: str, watch: Watch, work: Callable[[Watch], Result], stopped: Callable[[Trouble], Result]
) -> Result:
    """What `work` gives, or what `stopped` makes of the trouble that it met.

    Effects: whatever `watch` raises is raised again as it was.
    """
    told = Watch(_apart(watch.progress), _apart(watch.intend))
    try:
        return work(told)
    except _OfTheCallerError as error:
        raise error.raised from error.raised.__cause__
    except StoppedError as error:
        return stopped(error.trouble)
    except NotFaithfulError as error:
        return stopped(Trouble(Reason.NOT_KEPT_AS_IT_IS, f"{uri}: {error}."))
    except (pa.ArrowException, ValueError, EOFError) as error:
        return stopped(Trouble(Reason.TRUNCATED, f"{uri} cannot be read: {first_line(error)}."))
    except OSError as error:
        if error.errno is None:  # Arrow's own: the bytes are damaged
            return stopped(Trouble(Reason.TRUNCATED, f"{uri} cannot be read: {first_line(error)}."))
        return stopped(stopped_by(uri, error).trouble)


def first_line(error: Exception) -> str:
    """The first words of an error; the rest may quote values."""
    said = str(error).strip().partition("\n")[0].rstrip(".")[:200]
    return said or type(error).__name__


def _apart(call: Callable[[Told], None]) -> Callable[[Told], None]:
    def tell(said: Told) -> None:
        try:
            call(said)
        except Exception as error:
            raise _OfTheCallerError(error) from error

    return tell
