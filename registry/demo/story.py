"""The demo from beginning to end: a registry, a pipeline that reports to it, and its answers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

from registry.audit.notes import read_keys, vkey_line
from registry.audit.signing import current_origin
from registry.canonical import digest_text
from registry.client import Registry
from registry.client.http import HttpClient
from registry.demo.cards import Cards, write_cards
from registry.demo.consent import Trainable, ask_trainable
from registry.demo.contributors import CONTRIBUTORS, NOTICE, contributor_of
from registry.demo.datasets import DATASETS, MODEL
from registry.demo.erasure import Erased, erase_contributor
from registry.demo.home import DATA, begin_anew
from registry.demo.pipeline import Audience, Pipeline
from registry.demo.proof import EventProof, prove_model
from registry.demo.questions import OneExample, ask_example, ask_sample, wait_until_bound
from registry.demo.server import served
from registry.demo.standard_library import installed_library
from registry.erasure.certificate.document import verify
from registry.errors import ConflictError, SetupError
from registry.keys.listing import list_keys
from registry.settings import Settings
from registry.storage.database import Database

KEYS = "public-keys.txt"
MODEL_NODE = f"dataset:{MODEL[0]}:{MODEL[1]}"


class Listener(Audience, Protocol):
    """Who follows the whole demo."""

    def note(self, text: str) -> None:
        """Something to know."""


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What the demo shows of a batch, as the registry answers it."""

    name: str
    examples: int | None
    license: str | None
    origin: str | None
    files: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Story:
    """What came of it.

    `lineage` is the answer to where the model came from; `batches` are those of the demo's datasets
    in it, by node id; `example` is one example of its training data, `sample` five more; `proof`
    says that the event which made it is in the audit log; `trainable` is what may be trained on
    before and after that example's contributor withdrew; `erased` is what became of the request to
    erase them, with a certificate that was verified; `files_read` counts the files that were
    found as they were recorded, before anybody was erased; `cards` are the documents of its
    training data and of its model, as it all stands in the end.
    """

    home: Path
    lineage: dict[str, Any]
    batches: dict[str, list[BatchFacts]]
    example: OneExample
    sample: dict[str, Any]
    proof: EventProof
    trainable: Trainable
    erased: Erased
    files_read: int
    cards: Cards


def tell(home: Path, listener: Listener, *, only: Sequence[str] = ()) -> Story:
    """Run the demo in this folder; `only` names the modules to read, all where it is empty.

    Effects: an empty registry home with the demo's data in `demo-data`, the earlier demo's deleted;
    a server process that ends with this call. Raises as `begin_anew`, `served`, `Pipeline.run`,
    `wait_until_bound`, and ConflictError where a file is not what was recorded.
    """
    library = installed_library()
    _refuse_silence()
    if begin_anew(home):
        listener.note(f"The earlier demo in {home} was deleted.")
    with served(home) as client:
        listener.note(f"The registry serves {home} at {client.url}")
        listener.note(f"Data subjects: {len(CONTRIBUTORS)} contributors, {NOTICE}")
        with _sdk(client, home) as registry:
            Pipeline(library, home.absolute() / DATA, registry, listener).run(only)
        wait_until_bound(client, listener)
        lineage = client.get("/api/v1/lineage", {"nodeId": MODEL_NODE, "direction": "upstream"})
        batches = {
            node["id"]: _batches(client, node["data"]["name"])
            for node in lineage["graph"]
            if node["type"] == "DATASET" and node["data"]["namespace"] == DATASETS
        }
        example, sample = ask_example(client, library), ask_sample(client)
        proof = prove_model(client, *MODEL)
        source = str(example.backward["sources"][0]["example_id"])
        trainable = ask_trainable(client, contributor_of(source))
        files = [file for several in batches.values() for batch in several for file in batch.files]
        for uri, digest in files:
            _compare(uri, digest)
        paths = [_on_disk(uri) for uri, _ in files]
        erased = erase_contributor(client, trainable.contributor, home, paths, listener)
        cards = write_cards(client, home, listener)
    _verify(home, erased.certificate)
    count = len(files)
    return Story(home, lineage, batches, example, sample, proof, trainable, erased, count, cards)


def _refuse_silence() -> None:
    """Raise SetupError where OpenLineage's own switch would keep the pipeline from reporting."""
    if os.environ.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        raise SetupError(
            "OPENLINEAGE_DISABLED is true, so that nothing would be reported.",
            remedy="Unset it for the demo.",
        )


def _sdk(client: HttpClient, home: Path) -> Registry:
    """The pipeline's way to the registry; the demo must know that what it sent has arrived."""
    token = _pipeline_token(client)
    return Registry(client.url, token, spool=home / "spool").without_spool()


def _pipeline_token(client: HttpClient) -> str:
    """A token of the pipeline's own, which may send events and administers nothing."""
    asked = {"name": "demo-pipeline", "roles": ["pipeline"]}
    return str(client.post("/api/v1/tokens", asked)["token"])


def _batches(client: HttpClient, name: str) -> list[BatchFacts]:
    """Every batch of one of the demo's datasets."""
    dataset = f"namespaces/{quote(DATASETS, safe='')}/datasets/{quote(name, safe='')}"
    return [
        BatchFacts(
            batch["name"],
            batch["exampleCount"],
            batch["license"],
            batch["origin"]["uri"],
            tuple((file["uri"], file["sha256"]) for file in batch["files"]),
        )
        for batch in client.pages(f"/api/v1/{dataset}/batches", "batches")
    ]


def _verify(home: Path, certificate: Path) -> None:
    """Hold the certificate to the registry's public keys, which are written beside it, as anybody
    would who has the two files. Raises NotVerifiedError.
    """
    database = Database(Settings(home=home).database)
    try:
        with database.read() as session:
            keys = [key.public_key for key in list_keys(session) if key.public_key]
            origin = current_origin(session)
    finally:
        database.close()
    name = "" if origin is None else origin.name
    (home / KEYS).write_text("".join(f"{vkey_line(name, key)}\n" for key in keys), "utf-8")
    verify(certificate.read_bytes(), read_keys((home / KEYS).read_text("utf-8")))


def _on_disk(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))


def _compare(uri: str, recorded: str) -> None:
    """Raise ConflictError unless the file has the digest that the registry recorded."""
    content = _on_disk(uri).read_bytes()
    found = digest_text(hashlib.sha256(content).digest())
    if found != recorded:
        raise ConflictError(
            f"{uri} is {found}, and {recorded} was recorded.",
            remedy="Something else writes in the demo's folder; run the demo again.",
        )
