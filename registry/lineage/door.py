"""What happens to an event before it is queued: identity, masking, reading, refusals.

Rules (DESIGN §1.1, §5):
1. Identity is that of the bytes as received; what is kept is what was received, less masked secrets
   and inline examples, each a recorded redaction.
2. Personal data and secrets hide in unmodified producers' events: secrets are masked, identifiers
   flagged as a warning.
3. What cannot be taken in whole is refused here, so that nothing is half written.
"""

from __future__ import annotations

from dataclasses import dataclass

from registry.canonical import event_digest, exact_json
from registry.lineage.batch_facet import read_batch
from registry.lineage.events import Event, decode_json, interpret, require_object
from registry.lineage.inline_examples import InlineExamples, move_inline_examples
from registry.lineage.rights_facet import read_rights
from registry.lineage.row_maps_facet import read_row_maps
from registry.lineage.values import Warn, malformed
from registry.pii.flags import flag_identifiers, may_hold_identifiers
from registry.pii.secrets import mask_secrets, may_hold_secrets
from registry.wire.facets import EXAMPLES


@dataclass(frozen=True, slots=True)
class Admitted:
    """An event at the door, and the (JSON path, kind) of what was taken out of it."""

    event: Event
    redactions: tuple[tuple[str, str], ...] = ()
    examples: tuple[InlineExamples, ...] = ()


def admit(body: bytes) -> Admitted:
    """Read one event. Raises MalformedEventError with the JSON path."""
    content = require_object(decode_json(body))
    digest = event_digest(content)
    redactions: list[tuple[str, str]] = []
    examples: list[InlineExamples] = []
    if EXAMPLES.encode() in body:
        examples = move_inline_examples(content)
    if may_hold_secrets(body):
        redactions = [(masking.path, masking.kind.value) for masking in mask_secrets(content)]
    masked = len(redactions)
    redactions += [(moved.path, "examples") for moved in examples]
    if redactions:
        body = exact_json(content)
    event = interpret(content, body, digest)
    event.warnings.extend(
        Warn("secret_masked", path, f"A secret ({kind}) was masked before the event was kept.")
        for path, kind in redactions[:masked]
    )
    if may_hold_identifiers(body):
        event.warnings.extend(
            Warn("identifier_present", flag.path, f"It holds what looks like {flag.kind.value}.")
            for flag in flag_identifiers(content)
        )
    for dataset in event.datasets():
        for key, facets in dataset.facets_by_key():
            if "rows" in facets.get(EXAMPLES, {}):
                raise malformed(
                    "Examples stand where no batch is written.",
                    "Send them with an output of a run, beside its registry_batch.",
                    f"{dataset.path}.{key}.{EXAMPLES}",
                )
        read_rights(dataset)
        # Refused here, not when it is projected: its sender can mend it.
        if read_batch(dataset) is None and read_row_maps(dataset) is not None:
            raise malformed(
                "The row maps belong to no batch.",
                "Send registry_batch beside them.",
                dataset.path,
            )
    return Admitted(event, tuple(redactions), tuple(examples))
