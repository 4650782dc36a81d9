"""Says what it means that a temporary file cannot be written: the disk, and not the caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from registry.errors import StorageUnavailableError


@contextmanager
def writing_temporary() -> Iterator[None]:
    """Turn what the system says of a full or broken disk into StorageUnavailableError."""
    try:
        yield
    except OSError as error:
        said = error.strerror or str(error).partition("\n")[0][:200]
        raise StorageUnavailableError(
            f"A temporary file cannot be written: {said.rstrip('.')}.",
            remedy="Try again; if it stays so, look at the disk that holds temporary files.",
        ) from error
