"""`audit verify` names whatever a database administrator did to the log by hand."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable

import pytest
from sqlalchemy import select

from registry.audit.check import LogReport, check_log
from registry.audit.checkpoint import Checkpoint, sign_checkpoint
from registry.audit.documents import document, leaf_data
from registry.audit.journal import append_entries
from registry.audit.merkle import leaf_hash
from registry.audit.redaction import redact_payloads
from registry.audit.tables import CHECKPOINT, ENTRY, TILE
from registry.audit.tree import append_leaves
from registry.keys.tables import Purpose
from registry.moments import to_micros
from tests.audit.logs import ACTOR, Site, entries

SIZE = 301  # and the entry about the origin, which comes last


def check(site: Site, *, brought: str | None = None) -> LogReport:
    kept = list(site.log().kept.all())
    with site.database.read() as session:
        return check_log(session, site.keys(), kept, brought=brought)


def findings(report: LogReport) -> list[tuple[int | None, str]]:
    return [(finding.index, finding.detail) for finding in report.findings]


@pytest.fixture
def signed(site: Site) -> Site:
    """A log of 301 entries, signed after 100, 200 and all."""
    for number in range(3):
        site.write(100, first=100 * number)
        site.log().catch_up()
    return site


def test_a_whole_log_holds(signed: Site) -> None:
    report = check(signed)
    assert findings(report) == []
    assert (report.entries, report.pending, report.redacted) == (SIZE, 0, 0)
    assert report.checkpoints == 2  # in the database, and outside
    assert report.notices == []
    signed.write(4, first=900)
    assert check(signed).pending == 4


def test_a_large_log_holds(site: Site) -> None:
    site.write(5_000)
    site.log().catch_up()
    site.write(5_000, first=5_000)
    site.log().catch_up()
    report = check(site)
    assert (findings(report), report.entries, report.checkpoints) == ([], 10_001, 4)


def test_an_empty_database_says_that_nothing_was_signed(site: Site) -> None:
    report = check(site)
    assert (report.findings, report.entries) == ([], 0)
    assert report.notices == ["Nothing was signed yet: the log has no origin."]


EDITS = {
    "the payload": "payload = (SELECT payload FROM audit_entry WHERE leaf_index = 78)",
    "the kind": "kind = 'actors.token.created'",
    "the actor": "actor = 'somebody'",
    "the time": "at = at + 1",
    "the salt": "salt = (SELECT salt FROM audit_entry WHERE leaf_index = 78)",
    "the leaf data": "leaf_data = (SELECT leaf_data FROM audit_entry WHERE leaf_index = 78)",
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_is_named(signed: Site, what: str) -> None:
    signed.run(f"UPDATE audit_entry SET {EDITS[what]} WHERE leaf_index = 77")
    ((index, detail),) = findings(check(signed))
    assert index == 77
    assert detail.startswith("it was edited")


def test_an_edit_of_several_columns_together_is_named(signed: Site) -> None:
    """The row commits to itself again, but not to its place in the tree."""
    forge(signed, 77)
    ((index, detail),) = findings(check(signed))
    assert index == 77
    assert detail.startswith("another entry had this place")


def test_an_edit_of_the_tree_with_the_entry_is_named_by_what_was_signed(signed: Site) -> None:
    forge(signed, 77)
    retile(signed)
    ((index, detail),) = findings(check(signed))
    assert index == 0
    assert "one from place 0 on was changed, and the stored tree with it" in detail


def test_an_edit_of_everything_in_the_database_is_named_by_what_is_kept_outside(
    signed: Site,
) -> None:
    forge(signed, 77)
    retile(signed)
    signed.run("DELETE FROM audit_checkpoint")
    ((index, detail),) = findings(check(signed))
    assert index == 0
    assert "in the checkpoint kept outside" in detail


def test_an_edit_of_everything_here_is_named_by_a_checkpoint_from_elsewhere(
    signed: Site,
) -> None:
    with signed.database.read() as session:
        saved = session.execute(select(CHECKPOINT.c.note)).scalars().all()[-1]
    forge(signed, 77)
    retile(signed)
    signed.run("DELETE FROM audit_checkpoint")
    shutil.rmtree(signed.folder / "audit")
    assert findings(check(signed)) == []
    ((_, detail),) = findings(check(signed, brought=saved))
    assert "in the checkpoint that was given" in detail


def test_a_checkpoint_of_another_log_is_refused(signed: Site) -> None:
    secret = signed.keyring.active(Purpose.SIGNING).require_secret()
    for key, root, complaint in (
        (bytes(32), bytes(32), "None of the 1 keys given signed the note"),
        (secret, bytes(32), "the first 100 entries do not lead to the root"),
    ):
        note = sign_checkpoint(Checkpoint("lineage-registry/other", 100, root), key)
        ((_, detail),) = findings(check(signed, brought=note))
        assert complaint in detail


def test_a_deleted_entry_is_named(signed: Site) -> None:
    signed.run("DELETE FROM audit_entry WHERE leaf_index = 77")
    assert findings(check(signed)) == [(77, "it is missing")]


def test_deleted_entries_are_named(signed: Site) -> None:
    signed.run("DELETE FROM audit_entry WHERE leaf_index BETWEEN 77 AND 80")
    assert findings(check(signed)) == [(77, "4 entries from here are missing")]


def test_a_deleted_entry_whose_gap_was_closed_is_named(signed: Site) -> None:
    signed.run(
        "DELETE FROM audit_entry WHERE leaf_index = 77",
        "UPDATE audit_entry SET leaf_index = -leaf_index WHERE leaf_index > 77",
        "UPDATE audit_entry SET leaf_index = -leaf_index - 1 WHERE leaf_index < 0",
    )
    assert findings(check(signed))[0] == (77, "it was moved here: its place in the tree is 78")


def test_an_inserted_entry_is_named(signed: Site) -> None:
    signed.run(
        "UPDATE audit_entry SET leaf_index = -leaf_index WHERE leaf_index >= 77",
        "UPDATE audit_entry SET leaf_index = 1 - leaf_index WHERE leaf_index < 0",
    )
    signed.write(1, first=500)
    signed.run("UPDATE audit_entry SET leaf_index = 77 WHERE leaf_index IS NULL")
    ((index, detail),) = findings(check(signed))
    assert index == 77
    assert "inserted or replaced" in detail


def test_an_entry_put_behind_the_end_is_named(signed: Site) -> None:
    signed.write(1, first=500)
    signed.run(f"UPDATE audit_entry SET leaf_index = {SIZE} WHERE leaf_index IS NULL")
    ((index, detail),) = findings(check(signed))
    assert index == SIZE
    assert detail.startswith("it was inserted")


def test_entries_that_changed_places_are_named(signed: Site) -> None:
    signed.run(
        "UPDATE audit_entry SET leaf_index = -1 WHERE leaf_index = 77",
        "UPDATE audit_entry SET leaf_index = 77 WHERE leaf_index = 99",
        "UPDATE audit_entry SET leaf_index = 99 WHERE leaf_index = -1",
    )
    assert findings(check(signed)) == [(77, "it was moved here: its place in the tree is 99")]


def test_a_place_taken_twice_is_named(signed: Site) -> None:
    signed.run(
        "DROP INDEX ix_audit_entry_leaf_index",
        "UPDATE audit_entry SET leaf_index = 77 WHERE leaf_index = 78",
    )
    ((index, detail),) = findings(check(signed))
    assert (index, detail) == (77, "two entries claim this place")


def test_a_tail_that_was_cut_off_is_named(signed: Site) -> None:
    signed.run("DELETE FROM audit_entry WHERE leaf_index >= 290")
    found = findings(check(signed))
    assert found[0] == (290, "11 entries are missing: the tail was cut off")
    assert "signed over 301 entries, and 290 are there" in found[1][1]


def test_a_tail_that_was_cut_off_with_its_tree_is_named(signed: Site) -> None:
    signed.run("DELETE FROM audit_entry WHERE leaf_index >= 290", "DELETE FROM audit_checkpoint")
    retile(signed)
    ((index, detail),) = findings(check(signed))
    assert index == 290
    assert "kept outside" in detail
    assert "11 at the end are missing" in detail


def test_a_tree_that_was_changed_beside_its_entries_is_named(site: Site) -> None:
    site.write(600)
    site.log().catch_up()
    site.run(
        "UPDATE audit_tile SET hashes = (SELECT hashes FROM audit_tile WHERE number = 2) "
        "WHERE level = 1"
    )
    ((index, detail),) = findings(check(site))
    assert index is None
    assert "differs at tile 1/0" in detail


def test_an_edit_before_it_has_a_place_is_named(signed: Site) -> None:
    signed.write(1, first=500)
    signed.run("UPDATE audit_entry SET kind = 'x' WHERE leaf_index IS NULL")
    ((index, detail),) = findings(check(signed))
    assert index is None
    assert detail.startswith("an entry that waits for its place: it was edited")


def test_a_value_of_another_type_is_named(signed: Site) -> None:
    if not signed.database.is_sqlite:
        pytest.skip("PostgreSQL holds columns to their types")
    signed.run("UPDATE audit_entry SET payload = 'text', at = 'noon' WHERE leaf_index = 77")
    ((index, detail),) = findings(check(signed))
    assert (index, detail[:13]) == (77, "it was edited")


def test_a_checkpoint_of_somebody_else_is_named(signed: Site) -> None:
    (path,) = (signed.folder / "audit").rglob("*.note")
    path.write_text(path.read_text("utf-8").replace("\n301\n", "\n300\n"), "utf-8")
    ((_, detail),) = findings(check(signed))
    assert detail.startswith("the checkpoint kept outside (0001/0000000000000): The signature")


def test_origins_that_were_taken_away_are_named(signed: Site) -> None:
    signed.run("DELETE FROM audit_checkpoint", "DELETE FROM audit_origin")
    ((_, detail),) = findings(check(signed))
    assert detail.startswith("the database has no origin")


def test_an_origin_that_no_entry_tells_of_is_named(signed: Site) -> None:
    signed.run(
        "INSERT INTO audit_origin (number, name, reason, opened_at) VALUES (2, 'x', 'first', 0)"
    )
    ((_, detail),) = findings(check(signed))
    assert detail == "no entry tells of the origin 2, x"


def test_a_second_origin_is_told(signed: Site) -> None:
    signed.run("DELETE FROM audit_entry WHERE leaf_index >= 290", "DELETE FROM audit_checkpoint")
    retile(signed)
    signed.log().catch_up()
    report = check(signed)
    assert findings(report) == []
    (notice,) = report.notices
    assert "/2 was opened on 2026-03-01 09:30 UTC" in notice
    assert "(behind)" in notice


def test_redacted_payloads_verify_and_are_counted(signed: Site) -> None:
    with signed.database.write() as session:
        ids = list(session.execute(select(ENTRY.c.id).limit(600)).scalars())
        count = redact_payloads(
            session, ids[5:20], under="request 17", actor=ACTOR, at=signed.clock()
        )
        again = redact_payloads(
            session, ids[5:20], under="request 17", actor=ACTOR, at=signed.clock()
        )
    assert (count, again) == (15, 0)
    signed.log().catch_up()
    report = check(signed)
    assert (findings(report), report.redacted) == ([], 15)
    with signed.database.read() as session:
        told = session.execute(
            select(ENTRY.c.payload).where(ENTRY.c.kind == "audit.payload.redacted")
        ).scalar_one()
    facts = json.loads(told)
    assert (facts["under"], len(facts["leaves"])) == ("request 17", 15)


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ("salt = NULL, payload = NULL", "salt and payload are gone, and no entry says under what"),
        ("salt = NULL", "of salt and payload one is gone"),
    ],
)
def test_a_payload_that_is_gone_without_an_entry_is_named(
    signed: Site, change: str, detail: str
) -> None:
    signed.run(f"UPDATE audit_entry SET {change} WHERE leaf_index = 77")
    ((index, said),) = findings(check(signed))
    assert index == 77
    assert said.startswith(detail)


def test_entries_from_before_the_tree_are_taken_in(site: Site) -> None:
    old_form(site, lambda salt, payload: hashlib.sha256(salt + payload).digest())
    site.log().catch_up()
    assert findings(check(site)) == []
    site.run("UPDATE audit_entry SET payload = salt WHERE leaf_index = 1")
    assert findings(check(site))[0][0] == 1


def test_a_document_cannot_pose_as_a_payload_of_old(signed: Site) -> None:
    """Or the columns beside it could be changed freely."""
    with signed.database.write() as session:
        row = session.execute(select(ENTRY).where(ENTRY.c.leaf_index == 77)).one()
        whole = document(row.actor, to_micros(row.at), row.payload, row.kind)
        new = {"payload": whole, "actor": "somebody else"}
        session.execute(ENTRY.update().where(ENTRY.c.leaf_index == 77).values(new))
    assert findings(check(signed))[0][0] == 77


def forge(site: Site, index: int) -> None:
    """Put another entry into the place of one, so that it fits its own digest."""
    with site.database.write() as session:
        mine = ENTRY.c.leaf_index == index
        row = session.execute(select(ENTRY).where(mine)).one()
        payload = b'{"event":"sha256:0"}'
        data = leaf_data(row.salt, document("forger", to_micros(row.at), payload, row.kind))
        new = {"payload": payload, "actor": "forger", "leaf_data": data}
        session.execute(ENTRY.update().where(mine).values(new))


def retile(site: Site) -> None:
    """Make the stored tree that of the entries there are."""
    with site.database.write() as session:
        session.execute(TILE.delete())
        query = select(ENTRY.c.leaf_data).where(ENTRY.c.leaf_index.is_not(None))
        leaves = session.execute(query.order_by(ENTRY.c.leaf_index)).scalars()
        append_leaves(session, 0, [leaf_hash(data) for data in leaves])


def old_form(site: Site, digest: Callable[[bytes, bytes], bytes]) -> None:
    """Entries as they were written before leaves committed to the other columns."""
    with site.database.write() as session:
        append_entries(session, entries(20), at=site.clock())
        for row in session.execute(select(ENTRY)).all():
            data = digest(row.salt, row.payload)
            mine = ENTRY.c.id == row.id
            session.execute(ENTRY.update().where(mine).values(leaf_data=data))
