"""What may be trained on, before and after one generated contributor withdraws their consent.

before = the manifest of the training data, all contributors having agreed
         the contributor of one example withdraws
after  = the manifest again: smaller by exactly that person's examples
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from registry.client.http import HttpClient
from registry.client.manifest import Manifest, ask_manifest
from registry.clock import system_clock
from registry.demo import datasets
from registry.demo.contributors import CONTRIBUTORS, Contributor
from registry.demo.pipeline import PURPOSE
from registry.moments import rfc3339

# The generated contributors agreed before the demo began.
AGREED_AT = "2024-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Trainable:
    """The training data before and after one contributor's withdrawal."""

    contributor: Contributor
    before: Manifest
    after: Manifest


def ask_trainable(client: HttpClient, contributor: Contributor) -> Trainable:
    """Record that all agreed, ask, record that this one withdrew, and ask again.

    Raises the registry's errors.
    """
    client.post("/api/v1/consents", [_said(each, "given", AGREED_AT) for each in CONTRIBUTORS])
    before = ask_manifest(client, datasets.TRAIN, PURPOSE, with_ids=False)
    client.post("/api/v1/consents", _said(contributor, "withdrawn", rfc3339(system_clock())))
    after = ask_manifest(client, datasets.TRAIN, PURPOSE, with_ids=False)
    return Trainable(contributor, before, after)


def _said(person: Contributor, status: str, at: str) -> dict[str, Any]:
    subject = {"scheme": "email", "value": person.email}
    return {"subject": subject, "purpose": PURPOSE, "status": status, "at": at}
