"""The edge of the command line: where errors become lines on stderr and an exit code.

Rules (CONTRACTS, "Commands"):
1. 0: done. 1: refused, not verified, or not possible now. 2: the command was not written right.
2. An error is two lines on stderr, what is wrong and what to do, and never a traceback;
   REGISTRY_DEBUG=1 shows one, for reports.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from registry.errors import RegistryError

DEBUG_VARIABLE = "REGISTRY_DEBUG"


class Refused(typer.Exit):
    """The command did its work, and the answer is no: exit code 1 without further words."""

    def __init__(self) -> None:
        super().__init__(1)


class EdgeGroup(TyperGroup):
    """The outermost group of commands, which turns what goes wrong into words (rule 2)."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises typer.Exit(1) where it failed."""
        try:
            return super().invoke(ctx)
        except RegistryError as error:
            _refuse(error, error.detail, error.remedy, error.path)
        except BrokenPipeError:
            # Nobody reads on, such as `head`: that is no error, but stdout must not complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except OSError as error:
            name = f"{error.filename}: " if error.filename else ""
            _refuse(error, f"{name}{error.strerror or error}.", "Correct the path or its rights.")
        except (typer.TyperException, typer.Exit, typer.Abort, KeyboardInterrupt):
            raise
        except Exception as error:  # noqa: BLE001 - the edge
            said = str(error).partition("\n")[0][:200]
            _refuse(
                error,
                f"The command met something it did not expect: {type(error).__name__}: {said}",
                f"Run it again with {DEBUG_VARIABLE}=1, and report what it shows.",
            )


def _refuse(error: Exception, detail: str, remedy: str, path: str | None = None) -> None:
    """Show an error and leave with 1."""
    if os.environ.get(DEBUG_VARIABLE):
        raise error
    from registry.cli.output import say_error

    say_error(detail, remedy, path)
    raise typer.Exit(1) from error
