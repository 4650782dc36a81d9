"""The closed list of what can be asked for, named after the table in the contracts. Pure.

An action is an object and a verb, joined by a dot, as `policies/roles.csv` writes them in two
fields.
"""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """What an actor asks to do; the comment is its row of CONTRACTS, "Roles and actions"."""

    WRITE_LINEAGE = "lineage.write"  # write lineage, upload objects
    READ_CATALOG = "catalog.read"  # read catalog, lineage, cards
    TRACE_EXAMPLES = "examples.trace"  # trace, sample, locate
    ASK_DECISIONS = "decisions.ask"  # ask decisions and manifests
    EDIT_RIGHTS = "rights.edit"  # import consent, place holds, edit register and statements
    RELEASE_FINDINGS = "findings.release"  # release quarantine, accept violations, publish cards
    PROCESS_ERASURE = "erasure.process"  # file, verify, plan, execute an erasure request
    APPROVE_REQUESTS = "requests.approve"  # approve or deny a request, lift a hold, grant access
    READ_AUDIT = "audit.read"  # read the audit log, export, verify
    ADMINISTER = "registry.administer"  # accounts, bindings, projects, tokens, keys, settings

    @property
    def parts(self) -> tuple[str, str]:
        """The object and the verb."""
        thing, _, verb = self.value.partition(".")
        return thing, verb
