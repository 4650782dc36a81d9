"""What a person gave to be found by: sealed for the case, and a subject key for the registry.

Rules:
1. Identifiers are normalised as everywhere (CONTRACTS, "Subjects"); one that is given twice counts
   once. A request has 1 to 100 of them.
2. Each rests sealed under the request's own record key; beside it a subject key that a rotation
   moves. Two requests are about the same people when their keys are the same set under the version
   that is active.
3. No text that is kept in the clear may hold one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import insert, select
from sqlmodel import Session

from registry.erasure.case.cases import Case
from registry.erasure.tables import ErasureIdentifier
from registry.errors import InvalidInputError
from registry.keys.envelope import RecordSealer, read_record_key
from registry.keys.identifiers import Scheme, normal_forms, parse_scheme
from registry.keys.keyring import Keyring
from registry.keys.subjects import SUBJECT_KEY_BYTES, new_subject_key, translator
from registry.keys.tables import Purpose
from registry.keys.versions import require_live
from registry.rights.suppression import under_active_version
from registry.storage.columns import table_of

MOST = 100
#: Shorter ones stand in ordinary words by accident.
_TELLING = 6
_identifier = table_of(ErasureIdentifier)


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier as the person gave it; `form` is its normal form."""

    scheme: Scheme
    value: str = field(repr=False)
    form: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A subject key of a request, and the version it is written under now."""

    position: int
    scheme: Scheme
    key: bytes
    version: int


def parse_identifiers(subjects: Sequence[tuple[str, str]]) -> list[Identifier]:
    """(scheme, value) pairs in normal form (rule 1).

    Raises InvalidInputError with the place (`subjects[2].scheme`); no message holds a value.
    """
    if not 0 < len(subjects) <= MOST:
        raise InvalidInputError(
            f"A request names 1 to {MOST} identifiers of a person, and this one {len(subjects)}.",
            remedy="File one request for each person, with what they are known by.",
            path="subjects",
        )
    found: dict[tuple[Scheme, str], Identifier] = {}
    for place, (scheme_text, value) in enumerate(subjects):
        scheme = parse_scheme(scheme_text, path=f"subjects[{place}].scheme")
        _, form = normal_forms(scheme, value, path=f"subjects[{place}].value")[0]
        found.setdefault((scheme, form), Identifier(scheme, value, form))
    return list(found.values())


def reject_identifiers(identifiers: Iterable[Identifier], texts: Mapping[str, str | None]) -> None:
    """Raise InvalidInputError where one of the texts, by path, holds an identifier (rule 3)."""
    telling = [each for each in identifiers if len(each.form) >= _TELLING]
    for path, given in texts.items():
        folded = (given or "").casefold()
        if any(
            part.casefold() in folded
            for each in telling
            for part in (each.form, each.value.strip())
        ):
            raise InvalidInputError(
                f"{path} holds an identifier of the person, and is kept in the clear.",
                remedy="Say it without: the request itself says whom it is about.",
                path=path,
            )


def keep_identifiers(
    session: Session,
    keyring: Keyring,
    sealer: RecordSealer,
    request_id: str,
    identifiers: Sequence[Identifier],
) -> None:
    """Keep the identifiers of a new request (rule 2).

    Raises KeyDestroyedError where the key's version is destroyed this very second: file it again.
    Effects: rows; does not commit.
    """
    rows: list[dict[str, object]] = []
    for position, each in enumerate(identifiers):
        made = new_subject_key(keyring, each.scheme, each.value)
        rows.append(
            {
                "request_id": request_id,
                "position": position,
                "scheme": each.scheme.value,
                "sealed": sealer.seal(each.value.encode(), context=_place(request_id, position)),
                "subject_key": made.key,
                "key_version": made.version,
            }
        )
    for version in {row["key_version"] for row in rows}:
        require_live(session, Purpose.SUBJECT, int(str(version)))
    session.execute(insert(_identifier), rows)


def open_identifiers(session: Session, keyring: Keyring, case: Case) -> list[Identifier]:
    """What the person gave, in the clear.

    Raises KeyDestroyedError once the request's key was destroyed, TamperedError.
    """
    sealer = read_record_key(session, keyring, case.record_key)
    query = select(_identifier).where(_identifier.c.request_id == case.id)
    found = []
    for row in session.execute(query.order_by(_identifier.c.position)):
        value = sealer.open(row.sealed, context=_place(case.id, row.position)).decode()
        scheme = Scheme(row.scheme)
        found.append(Identifier(scheme, value, normal_forms(scheme, value)[0][1]))
    return found


def kept_keys(session: Session, request_id: str, *, held: bool = False) -> list[KeptKey]:
    """The subject keys of a request; `held`: their rows and versions stay as they are until this
    transaction ends, for whoever writes them elsewhere.
    """
    query = select(_identifier).where(_identifier.c.request_id == request_id)
    ordered = query.order_by(_identifier.c.position)
    found = [
        KeptKey(row.position, Scheme(row.scheme), bytes(row.subject_key), row.key_version)
        for row in session.execute(ordered.with_for_update() if held else ordered)
    ]
    if held:
        for version in sorted({each.version for each in found}):
            require_live(session, Purpose.SUBJECT, version)
    return found


def people_of(keyring: Keyring, keys: Iterable[KeptKey]) -> frozenset[bytes]:
    """Subject keys as one set under the active version, to be compared (rule 2)."""
    by_version: dict[int, list[bytes]] = {}
    for each in keys:
        by_version.setdefault(each.version, []).append(each.key)
    return frozenset(under_active_version(keyring, by_version))


def under_every_version(keyring: Keyring, people: Iterable[bytes]) -> list[bytes]:
    """Subject keys of the active version, each as it may rest anywhere: under any live version."""
    active = keyring.active(Purpose.SUBJECT)
    joined = b"".join(people)
    found: list[bytes] = []
    for key in keyring.live(Purpose.SUBJECT):
        made = joined if key.version == active.version else translator(active, key)(joined)
        found += (
            made[at : at + SUBJECT_KEY_BYTES] for at in range(0, len(made), SUBJECT_KEY_BYTES)
        )
    return found


def _place(request_id: str, position: int) -> str:
    return f"erasure-request/{request_id}/identifier/{position}"
