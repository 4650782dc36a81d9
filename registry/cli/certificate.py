"""`registry certificate …`: check a certificate of erasure, and read it; needs no registry."""

from __future__ import annotations

import base64
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli.output import JsonOption, clean, note, say, show_facts, show_json
from registry.errors import InvalidInputError

if TYPE_CHECKING:
    from registry.audit.checkpoint import Checkpoint
    from registry.audit.notes import VerifierKey
    from registry.erasure.certificate.document import Certificate
    from registry.erasure.certificate.pages import CertificatePage

group = typer.Typer(
    name="certificate", help="Verify and show certificates of erasure.", no_args_is_help=True
)
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A certificate, as the registry gave it.")
]
KEY_HELP = "PEM or verifier key lines of who issued it."


class Format(StrEnum):
    """How a certificate is shown."""

    TEXT = "text"
    HTML = "html"
    PDF = "pdf"


@group.command()
def verify(
    file: FileArgument,
    key: Annotated[Path, typer.Option(metavar="KEYFILE", help=KEY_HELP)],
    checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint that you kept, to hold its log to as well.")
    ] = None,
    growth: Annotated[
        Path | None,
        typer.Option(help="The consistency proof between the two, where their sizes differ."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a certificate with a public key and nothing else. Exit 1 where it fails."""
    from registry.erasure.certificate import document as certificates
    from registry.erasure.certificate.pages import as_text, page_of

    if growth is not None and checkpoint is None:
        raise typer.BadParameter("It goes with --checkpoint.", param_hint="--growth")
    envelope, keys = file.read_bytes(), _keys(key)
    found = certificates.verify(envelope, keys)
    kept: Checkpoint | None = None
    if checkpoint is not None:
        hashes = None if growth is None else _growth_hashes(growth)
        kept = certificates.verify_beside(found, _read_text(checkpoint), keys, hashes)
    page = page_of(found, envelope, verified=True)
    if as_json:
        kept_facts = None if kept is None else {"origin": kept.origin, "size": kept.size}
        show_json({**_facts(found, verified=True), "checkpoint": kept_facts})
        return
    typer.echo(clean(as_text(page)), nl=False)
    if kept is not None:
        show_facts([("  Held to", f"your checkpoint of {kept.size:,} entries")])
    say("")
    say("The certificate verifies: these facts were signed, and the audit log holds them.")


@group.command()
def show(
    file: FileArgument,
    format_: Annotated[Format, typer.Option("--format", help="How to show it.")] = Format.TEXT,
    output: Annotated[Path | None, typer.Option(help="A file to write it to.")] = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="KEYFILE", help=KEY_HELP + " Without it nothing is verified."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a certificate as text, page or PDF; verified first, where a key is given."""
    from registry.erasure.certificate import document as certificates
    from registry.erasure.certificate.pages import page_of

    if format_ is Format.PDF and output is None:
        raise typer.BadParameter("PDF is written to a file.", param_hint="--output")
    envelope = file.read_bytes()
    if key is None:
        found = certificates.read(envelope)
    else:
        found = certificates.verify(envelope, _keys(key))
    page = page_of(found, envelope, verified=key is not None)
    made = _made(page, format_)
    if output is not None:
        output.write_bytes(made)
    if as_json:
        show_json(_facts(found, verified=key is not None))
    elif output is not None:
        say(f"Certificate {found.facts.number} is in {output}.")
    else:
        typer.echo(clean(made.decode()), nl=False)
    if key is None:
        note(f"It was not verified: registry certificate verify {file} --key KEYFILE")


def _made(page: CertificatePage, format_: Format) -> bytes:
    from registry.erasure.certificate.pages import as_html, as_pdf, as_text

    match format_:
        case Format.TEXT:
            return as_text(page).encode()
        case Format.HTML:
            return as_html(page).encode()
        case Format.PDF:
            return as_pdf(page)


def _facts(found: Certificate, *, verified: bool) -> dict[str, Any]:
    from registry.erasure.certificate.facts import to_json

    return {
        "verified": verified,
        "number": found.facts.number,
        "outcome": found.facts.outcome.value,
        "origin": found.facts.issuer.origin,
        "keyid": found.keyid,
        "entry": found.audit.index,
        "size": found.audit.size,
        "facts": to_json(found.facts),
    }


def _keys(path: Path) -> list[VerifierKey]:
    from registry.audit.notes import read_keys

    return read_keys(_read_text(path))


def _growth_hashes(path: Path) -> list[bytes]:
    """The hashes of what `GET audit/proofs/consistency` answered."""
    try:
        hashes = json.loads(_read_text(path))["hashes"]
        return [base64.b64decode(each, validate=True) for each in hashes]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInputError(
            f"{path} holds no consistency proof.",
            remedy="Give the answer of GET /api/v1/audit/proofs/consistency as it came.",
        ) from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{path} is not text.", remedy="Give the file as the registry wrote it."
        ) from error
