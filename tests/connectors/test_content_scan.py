"""A content scan finds the rows that name a person, in every form of file, and no other."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.erasure.connectors.content_scan import scan_file
from registry.erasure.connectors.folder import FolderPlace
from registry.erasure.connectors.person_patterns import How, person_of
from registry.erasure.connectors.protocol import Target, Watch
from registry.erasure.connectors.trouble import Reason
from registry.errors import InvalidInputError
from registry.ledger.holes import Holes
from tests.connectors.copies import FORMS, ROWS, sha256, table

ADA = [
    ("email", "Ada@Example.org"),
    ("phone", "+49 171 1234567"),
    ("account", "github/octoada"),
    ("national_id", "DE:65 929 970 489"),
    ("url", "https://Example.org/~ada"),
    ("external", "user-00042"),
]
#: A text, and which identifiers it holds, how surely.
TEXTS: dict[str, dict[int, How]] = {
    "write to ada@example.org.": {0: How.NORMALISED},
    "ADA@EXAMPLE.ORG": {0: How.NORMALISED},
    "<ada@example.org>,": {0: How.NORMALISED},
    "ａｄａ＠example．org": {0: How.NORMALISED},
    "nada@example.org": {},
    "ada@example.org.uk": {},
    "ada@example.organic": {},
    "call +49 (0)171 / 123-4567": {1: How.NORMALISED},
    "00491711234567": {1: How.NORMALISED},
    "0171 1234567": {1: How.PATTERN},
    "+1 0171 12345678": {},
    "4491711234567": {},
    "see github/octoada": {2: How.NORMALISED},
    "by octoada, 2024": {2: How.PATTERN},
    "octoadam": {},
    "tax 65929970489": {3: How.NORMALISED},
    "tax 165929970489": {},
    "http://example.org/~ada/": {4: How.NORMALISED},
    "http://example.org/~adam": {},
    "USER-00042": {5: How.NORMALISED},
    "user-000421": {},
    "": {},
    "ada@example.org by octoada": {0: How.NORMALISED, 2: How.PATTERN},
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_names_the_person(text: str, tmp_path: Path) -> None:
    person = person_of(ADA)
    assert dict(person.in_text(text)) == TEXTS[text]
    # The loose expression must let it through, in a column and in lines, beside other texts.
    for name, content in (
        ("a.parquet", _parquet([text, "nobody"])),
        ("a.jsonl", json.dumps({"t": text}).encode() + b'\n{"t": "nobody"}\n'),
        ("b.jsonl", json.dumps({"t": [text]}, ensure_ascii=False).encode() + b"\n"),
        ("a.txt", text.encode() + b"\n"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        found = scan_file(FolderPlace([str(tmp_path)]), Target(uri=str(path)), person, Watch())
        assert found.trouble is None
        assert {hit.position: hit.how for hit in found.hits} == TEXTS[text], name
        assert {hit.ordinal for hit in found.hits} <= {0}


def _parquet(texts: list[str]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": texts}), sink)
    return sink.getvalue()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_to_its_last_row(form: str, tmp_path: Path) -> None:
    data = table()
    texts = data.column("text").to_pylist()
    for row in (0, 63, ROWS - 1):
        texts[row] = f"{texts[row]} ada@example.org"
    path = tmp_path / f"a.{form}"
    path.write_bytes(FORMS[form][0](data.set_column(1, "text", [texts])))
    holes = Holes([100_001, 100_003])
    target = Target(
        uri=str(path),
        sha256=sha256(path.read_bytes()),
        first=100_000,
        rows=ROWS + 2,
        holes=holes,
    )
    found = scan_file(FolderPlace([str(tmp_path)]), target, person_of(ADA), Watch())
    assert found.trouble is None
    assert found.rows == ROWS
    assert [hit.ordinal for hit in found.hits] == [100_000, 100_065, 100_000 + ROWS + 1]


def test_nested_texts_are_read(tmp_path: Path) -> None:
    name = "ada@example.org"
    data = pa.table(
        {
            "list": [["a"], [name, name], None, [], []],
            "struct": [{"deep": [{"er": "x"}]}, None, {"deep": [{"er": name}]}, None, None],
            "map": pa.array(
                [[], [], [], [("k", name)], [(name, "v")]], pa.map_(pa.string(), pa.string())
            ),
            "number": [1, 2, 3, 4, 5],
        }
    )
    path = tmp_path / "a.parquet"
    pq.write_table(data, path, row_group_size=2)
    found = scan_file(FolderPlace([str(tmp_path)]), Target(uri=str(path)), person_of(ADA), Watch())
    assert (found.trouble, [hit.ordinal for hit in found.hits]) == (None, [1, 2, 3, 4])


def test_bytes_that_are_no_text_are_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xff\xfe nothing\n\xff ada@example.org\n")
    found = scan_file(FolderPlace([str(tmp_path)]), Target(uri=str(path)), person_of(ADA), Watch())
    assert [hit.ordinal for hit in found.hits] == [1]


def test_a_short_identifier_is_not_searched_for_and_that_is_said() -> None:
    person = person_of([("external", "42"), ("email", "ada@example.org"), ("account", "x/bo")])
    assert person.unsearchable == (0,)
    assert person.in_text("42 bo") == []
    assert person.in_text("x/bo") == [(2, How.NORMALISED)]
    with pytest.raises(InvalidInputError):
        person_of([("email", "nobody")])


def test_a_file_that_was_changed_is_not_read_for_hits(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"ada@example.org\n")
    target = Target(uri=str(path), sha256=bytes(32))
    found = scan_file(FolderPlace([str(tmp_path)]), target, person_of(ADA), Watch())
    assert found.trouble is not None
    assert (found.trouble.reason, found.hits) == (Reason.CHANGED_OUTSIDE, ())
