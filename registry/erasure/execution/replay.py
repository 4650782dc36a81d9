"""The list of erasures beside the ledger, and doing them again in a restored registry.

Rules (the governance page, cases 8 and 15):
1. The list lies under `erasures/` of the ledger's URL, outside the database. `records/` holds a
   signed object for each step of an erasure, `keys/` one for each destroyed key, `list.json` says
   that there is a list at all. Objects are added and never changed; writing one twice is one.
2. A record is written after its transaction committed, by a step that comes again until it is. So
   nothing is listed that was not done. Of destroyed keys the database is the truth, and
   `mirror_destroyed_keys` adds what the list lacks.
3. Replaying is idempotent: rows keep their ids, sets only grow, keys are destroyed once.
4. What a record names and the restored registry does not know (a batch that came after the backup)
   is passed over.
5. A file that was rewritten since the backup is known by what the record says was left of it: it is
   not taken for changed by somebody else, and lacks what it lacks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import msgspec
from sqlalchemy import Table, select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.audit.key_changes import recording_as
from registry.audit.redaction import redact_leaves
from registry.canonical import canonical_json
from registry.catalog.version_tables import BatchNumber
from registry.erasure.execution.records import (
    DESTROYED_KEY,
    LIST_HEAD,
    RECORD,
    ErasureRecord,
    KeyEnd,
    RedactedPart,
    RestrictedRow,
    Signer,
    SuppressedRow,
    batch_mark,
    open_payload,
    read_record,
    record_json,
    sign_payload,
)
from registry.erasure.targets.file_states import FileKey, FileNow, put_state
from registry.errors import NotFoundError, NotVerifiedError
from registry.keys.destruction import DestroyedKey, replay_destroyed
from registry.keys.keyring import Keyring
from registry.keys.tables import KEY_VERSION, RECORD_KEY, KeyState, Purpose
from registry.ledger.closure import Sets
from registry.ledger.holes import Holes
from registry.ledger.source_files import files_of
from registry.moments import from_micros, to_micros
from registry.rights.tables import Restriction, Suppression
from registry.storage.columns import insert_unless_there, table_of
from registry.storage.database import Database
from registry.storage.objects import Objects

FOLDER = "erasures"
HEAD = f"{FOLDER}/list.json"
_RECORDS, _KEYS = f"{FOLDER}/records", f"{FOLDER}/keys"
_AT_ONCE = 1_000
_suppression, _restriction = table_of(Suppression), table_of(Restriction)
_number = table_of(BatchNumber)


@dataclass(frozen=True, slots=True)
class Doors:
    """How the ledger and the event log erase; both must be right when done twice.

    `mark`: holes, in the transaction of the session; does not commit. `wipe`: the rows themselves,
    after the commit. `redact`: parts of kept events, in the transaction; how many it replaced.
    """

    mark: Callable[[Session, Sets, datetime], object]
    wipe: Callable[[Sets], object]
    redact: Callable[[Session, Sequence[RedactedPart], datetime], int]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did: records and keys in all, and rows that were given to the ledger."""

    records: int
    keys: int
    examples: int


def signer_of(keyring: Keyring) -> Signer:
    """The active signing key."""
    return Signer(keyring.active(Purpose.SIGNING).require_secret())


def begin_list(objects: Objects, signer: Signer, *, now: datetime) -> None:
    """Say that there is a list, unless that is said. Effects: one object."""
    if not objects.exists(HEAD):
        envelope = sign_payload(LIST_HEAD, {"begun_at": to_micros(now)}, signer)
        objects.put(HEAD, msgspec.json.encode(envelope))


def has_list(objects: Objects) -> bool:
    """Whether there is a list; an empty one counts."""
    return objects.exists(HEAD)


def write_record(objects: Objects, record: ErasureRecord, signer: Signer) -> str:
    """Keep a record; the name of its object. The same record is one object (rule 1)."""
    shown = record_json(record)
    digest = hashlib.sha256(canonical_json(shown)).hexdigest()[:32]
    name = f"{_RECORDS}/{to_micros(record.at):017d}-{digest}.json"
    begin_list(objects, signer, now=record.at)
    if not objects.exists(name):
        objects.put(name, msgspec.json.encode(sign_payload(RECORD, shown, signer)))
    return name


def read_records(objects: Objects, keys: Collection[bytes]) -> list[ErasureRecord]:
    """Every record, the oldest first. `keys`: public signing keys, 32 bytes each.

    Raises NotVerifiedError, with the name, for an object that none of the keys signed.
    """
    found = []
    for name in sorted(objects.names(_RECORDS)):
        payload = open_payload(_envelope(objects, name), RECORD, keys, name=name)
        found.append(read_record(payload, name=name))
    return sorted(found, key=lambda record: (record.at, record.id))


def write_key_end(objects: Objects, end: KeyEnd, signer: Signer) -> str:
    """List one destroyed key, after the commit; the name of its object. Twice is once."""
    name = _end_name(end)
    if not objects.exists(name):
        payload = {**asdict(end), "destroyed_at": to_micros(end.destroyed_at)}
        objects.put(name, msgspec.json.encode(sign_payload(DESTROYED_KEY, payload, signer)))
    return name


def mirror_destroyed_keys(database: Database, objects: Objects, signer: Signer) -> int:
    """List every destroyed key that is not in the list; how many. Effects: objects.

    Cost: a listing, and a query. To be called after versions were destroyed, and before a backup.
    """
    with database.read() as session:
        ends = read_destroyed_keys(session)
    known = set(objects.names(_KEYS))
    new = [end for end in ends if _end_name(end) not in known]
    for end in new:
        write_key_end(objects, end, signer)
    return len(new)


def _end_name(end: KeyEnd) -> str:
    return f"{_KEYS}/{end.name.replace('/', '-')}-{end.key_id}.json"


def read_destroyed_keys(session: Session) -> list[KeyEnd]:
    """Every key that was destroyed, as the database has it."""
    version, record = KEY_VERSION.c, RECORD_KEY.c
    gone = select(version.id, version.purpose, version.version, version.destroyed_at).where(
        version.state == KeyState.DESTROYED
    )
    shredded = select(record.id, record.destroyed_at).where(record.wrapped.is_(None))
    ends = [
        KeyEnd(f"{row.purpose}/{row.version}", row.id, row.destroyed_at)
        for row in session.execute(gone)
    ]
    ends += [
        KeyEnd(f"record/{row.id}", row.id, row.destroyed_at) for row in session.execute(shredded)
    ]
    return ends


def read_key_ends(objects: Objects, keys: Collection[bytes]) -> list[KeyEnd]:
    """The destroyed keys of the list. Raises NotVerifiedError as `read_records`."""
    found = []
    for name in sorted(objects.names(_KEYS)):
        payload = open_payload(_envelope(objects, name), DESTROYED_KEY, keys, name=name)
        at = from_micros(payload["destroyed_at"])
        found.append(KeyEnd(payload["name"], payload["key_id"], at))
    return found


def check_list(objects: Objects, keys: Collection[bytes]) -> None:
    """Raise NotFoundError where there is no list, NotVerifiedError where it is another's."""
    if not has_list(objects):
        raise NotFoundError(
            f"There is no list of erasures at {objects.url}.",
            remedy="Name the folder or bucket of the ledger that was in use: --erasures PLACE.",
        )
    open_payload(_envelope(objects, HEAD), LIST_HEAD, keys, name=HEAD)


def rows_of_case(
    session: Session, case_id: str
) -> tuple[tuple[SuppressedRow, ...], tuple[RestrictedRow, ...]]:
    """The suppressions and restrictions that a case added, as a record keeps them."""
    ids = {
        row.version: row.id
        for row in session.execute(
            select(KEY_VERSION.c.version, KEY_VERSION.c.id).where(
                KEY_VERSION.c.purpose == Purpose.SUBJECT
            )
        )
    }
    columns = set(SuppressedRow.__slots__) - {"key_id"}
    query = select(*(_suppression.c[name] for name in columns)).order_by(_suppression.c.id)
    suppressed = tuple(
        SuppressedRow(**row._mapping, key_id=ids.get(row.key_version))
        for row in session.execute(query.where(_suppression.c.case_id == case_id))
    )
    columns = set(RestrictedRow.__slots__) - {"key_id", "mark"}
    query = select(*(_restriction.c[name] for name in columns)).order_by(_restriction.c.id)
    found = session.execute(query.where(_restriction.c.case_id == case_id)).all()
    marks = read_marks(session, {row.batch_number for row in found} - {None})
    restricted = tuple(
        RestrictedRow(
            **row._mapping, key_id=ids.get(row.key_version), mark=marks.get(row.batch_number)
        )
        for row in found
    )
    return suppressed, restricted


def read_marks(session: Session, numbers: Collection[int]) -> dict[int, str]:
    """The marks of batches by their numbers; a number that nobody knows is left out."""
    wanted, marks = sorted(numbers), {}
    for start in range(0, len(wanted), _AT_ONCE):
        some = _number.c.number.in_(wanted[start : start + _AT_ONCE])
        columns = (_number.c.number, _number.c.dataset_id, _number.c.run_id, _number.c.name)
        for number, dataset_id, run_id, name in session.execute(select(*columns).where(some)):
            marks[number] = batch_mark(bytes(dataset_id), bytes(run_id), name)
    return marks


def replay(
    database: Database,
    records: Sequence[ErasureRecord],
    doors: Doors,
    *,
    actor: str,
    now: datetime,
    report: Callable[[int, int], None] = lambda _done, _total: None,
) -> Replayed:
    """Do again what the records say, the oldest first (rule 3).

    Effects: one transaction and one entry a record, then the ledger's own work; `report` is told
    how many of how many are done. Raises what the doors raise: call it again then.
    """
    keys = examples = 0
    for done, record in enumerate(records, 1):

        def apply(session: Session, record: ErasureRecord = record) -> tuple[Sets, int]:
            return _apply(session, record, doors, actor=actor, now=now)

        sets, destroyed = database.transact(apply)
        if sets:
            doors.wipe(sets)
        keys += destroyed
        examples += sum(int(ordinals.size) for ordinals in sets.values())
        report(done, len(records))
    return Replayed(len(records), keys, examples)


def _apply(
    session: Session, record: ErasureRecord, doors: Doors, *, actor: str, now: datetime
) -> tuple[Sets, int]:
    """Everything of a record that rests in SQL; which rows the ledger must wipe, and keys gone."""
    named = {each.number for each in record.batches} | {each.number for each in record.files}
    marks = read_marks(session, named)
    sets = {
        each.number: Holes.from_bytes(each.ordinals).ordinals()
        for each in record.batches
        if marks.get(each.number) == each.mark
    }
    if sets:
        doors.mark(session, sets, now)
    if record.redactions:
        doors.redact(session, record.redactions, now)
    _add_rows(session, record)
    files = _add_files(session, record, marks, now)
    under = record.request_id
    redact_leaves(session, record.entries, under=under, actor=actor, at=now)
    ends = [DestroyedKey(f"record/{key}", record.at) for key in record.record_keys]
    destroyed = replay_destroyed(session, ends, record=recording_as(actor)) if ends else 0
    facts = {
        "request": record.request_id,
        "record": record.id,
        "examples": sum(int(ordinals.size) for ordinals in sets.values()),
        "suppressions": len(record.suppressions),
        "restrictions": len(record.restrictions),
        "redactions": len(record.redactions),
        "entries": len(record.entries),
        "files": files,
    }
    append_entries(session, [Entry(EntryKind.ERASURE_REPLAYED, actor, facts)], at=now)
    return sets, destroyed


def _add_rows(session: Session, record: ErasureRecord) -> None:
    marks = read_marks(
        session, {r.batch_number for r in record.restrictions if r.batch_number is not None}
    )
    for row in record.suppressions:
        insert_unless_there(session, _suppression, _columns(_suppression, row))
    for restricted in record.restrictions:
        number = restricted.batch_number
        if number is None or marks.get(number) == restricted.mark:
            insert_unless_there(session, _restriction, _columns(_restriction, restricted))


def _add_files(
    session: Session, record: ErasureRecord, marks: dict[int, str], now: datetime
) -> int:
    """What erasures left of files (rule 5); how many of them are known here."""
    left = [each for each in record.files if marks.get(each.number) == each.mark]
    numbers = sorted({each.number for each in left})
    datasets: dict[int, bytes] = {}
    for start in range(0, len(numbers), _AT_ONCE):
        some = _number.c.number.in_(numbers[start : start + _AT_ONCE])
        owners = select(_number.c.number, _number.c.dataset_id).where(some)
        datasets |= {row.number: bytes(row.dataset_id) for row in session.execute(owners)}
    uris = {
        (number, digest_of_uri(file.uri)): file.uri
        for number, files in files_of(session, numbers).items()
        for file in files
    }
    known = [each for each in left if (each.number, each.uri_digest) in uris]
    for each in known:
        uri = uris[each.number, each.uri_digest]
        state = FileNow(each.sha256, None, Holes.from_bytes(each.holes), each.rows)
        put_state(session, FileKey(datasets[each.number], each.number, uri), state, at=now)
    return len(known)


def digest_of_uri(uri: str) -> bytes:
    """How a record calls a file: it may be called after somebody."""
    return hashlib.sha256(b"registry/file\x00" + uri.encode()).digest()


def _columns(table: Table, row: SuppressedRow | RestrictedRow) -> dict[str, object]:
    return {name: value for name, value in asdict(row).items() if name in table.c}


def _envelope(objects: Objects, name: str) -> dict[str, object]:
    try:
        return msgspec.json.decode(objects.get(name), type=dict[str, object])
    except msgspec.DecodeError as error:
        raise NotVerifiedError(
            f"{name} at {objects.url} is not verified: it is no JSON.",
            remedy="Get the original: the list must be as it was written.",
        ) from error
