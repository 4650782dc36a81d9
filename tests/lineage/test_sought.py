"""A text loses what is sought in it, and nothing else; names stay."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidInputError
from registry.lineage.sought import ERASED, Sought

SOUGHT = Sought(
    [
        ("email", "Ada.L@Example.org"),
        ("phone", "+49 30 901820"),
        ("url", "https://example.org/people/ada"),
        ("external", "cust-0042-x"),
        ("external", "q7"),
        ("national_id", "DE:65929970489"),
    ],
    ["ex-5", "example/row 17", "dé-77-x"],
)

TEXTS = {
    "write to ada.l@example.org now": f"write to {ERASED} now",
    "ADA.L@EXAMPLE.ORG": ERASED,
    "<Ada.L@Example.org>, bob@example.org": f"<{ERASED}>, bob@example.org",
    "ada.l@example.org.uk": "ada.l@example.org.uk",
    "x.ada.l@example.org": "x.ada.l@example.org",
    "call +49 (0)30 901820.": f"call {ERASED}.",
    "tel 0049 30 901820": f"tel {ERASED}",
    "+49309018201": "+49309018201",
    "see https://example.org/people/ada/home": f"see {ERASED}/home",
    "see https://example.org/people/adam": "see https://example.org/people/adam",
    "customer cust-0042-x of 3": f"customer {ERASED} of 3",
    "cust-0042-xy": "cust-0042-xy",
    "q7": ERASED,
    " q7 ": ERASED,
    "q7 is too short to be looked for": "q7 is too short to be looked for",
    "tax number 65929970489": f"tax number {ERASED}",
    "ex-5": ERASED,
    "ex-55": "ex-55",
    "the example/row 17!": f"the {ERASED}!",
    "the other-example/row 17": "the other-example/row 17",
    "a dé-77-x b": f"a {ERASED} b",
    "a adé-77-x b": "a adé-77-x b",
    "": "",
    "nothing at all": "nothing at all",
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.items())
def test_a_text_loses_what_is_sought_and_nothing_else(text: str, expected: str) -> None:
    assert SOUGHT.without(text) == expected
    assert SOUGHT.without(expected) == expected


@pytest.mark.parametrize("text", [text for text, after in TEXTS.items() if text != after])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_body_that_holds_it_is_never_passed_over(text: str, ascii_only: bool) -> None:
    body = json.dumps({"a": [text]}, ensure_ascii=ascii_only)
    assert SOUGHT.may_be_in(body.encode())
    assert SOUGHT.may_be_in(body.replace("/", "\\/").encode())
    escaped = "".join(f"\\u{ord(each):04x}" for each in text)
    assert SOUGHT.may_be_in(f'{{"a": "{escaped}"}}'.encode())


def test_most_bodies_are_passed_over() -> None:
    somebody = Sought([("email", "ada.l@example.org"), ("phone", "+49 30 901820")], ["ex-502"])
    assert not somebody.may_be_in(b'{"run": {"runId": "0190a0f0"}, "job": {"name": "daily"}}')
    assert not Sought().may_be_in(b'{"a": "ada.l@example.org"}')


def test_what_is_no_identifier_is_refused() -> None:
    for scheme, value in [("mail", "a@example.org"), ("email", "nobody")]:
        with pytest.raises(InvalidInputError):
            Sought([(scheme, value)])


def event(text: str) -> dict[str, Any]:
    return {
        "eventTime": text,
        "producer": text,
        "run": {"runId": text, "facets": {"note": {"_producer": text, "text": text, text: 1}}},
        "job": {
            "namespace": text,
            "name": text,
            "facets": {
                "ownership": {"owners": [{"name": text, "type": text}]},
                "parent": {"job": {"name": text, "namespace": text}},
            },
        },
        "outputs": [
            {
                "namespace": text,
                "name": text,
                "facets": {
                    "schema": {"fields": [{"name": text, "description": text}]},
                    "symlinks": {"identifiers": [{"name": text, "namespace": text}]},
                },
                "outputFacets": {
                    "registry_batch": {
                        "batch": text,
                        "files": [{"uri": text}],
                        "origin": {"uri": text, "description": text},
                    },
                    "registry_rowMaps": {"maps": [{"inputs": [{"batch": text}], "method": text}]},
                },
            }
        ],
    }


def test_names_stay_and_are_told() -> None:
    content = event("ada.l@example.org")
    before = copy.deepcopy(content)
    outcome = SOUGHT.take_out(content)
    assert sorted(outcome.replaced) == sorted(
        [
            f"$.run.facets.note['{ERASED}']",
            "$.run.facets.note.text",
            "$.job.facets.ownership.owners[0].name",
            "$.job.facets.ownership.owners[0].type",
            "$.outputs[0].facets.schema.fields[0].description",
            "$.outputs[0].outputFacets.registry_batch.origin.uri",
            "$.outputs[0].outputFacets.registry_batch.origin.description",
            "$.outputs[0].outputFacets.registry_rowMaps.maps[0].method",
        ]
    )
    assert sorted(outcome.kept) == sorted(
        [
            "$.eventTime",
            "$.producer",
            "$.run.runId",
            "$.run.facets.note._producer",
            "$.job.namespace",
            "$.job.name",
            "$.job.facets.parent.job.name",
            "$.job.facets.parent.job.namespace",
            "$.outputs[0].namespace",
            "$.outputs[0].name",
            "$.outputs[0].facets.schema.fields[0].name",
            "$.outputs[0].facets.symlinks.identifiers[0].name",
            "$.outputs[0].facets.symlinks.identifiers[0].namespace",
            "$.outputs[0].outputFacets.registry_batch.batch",
            "$.outputs[0].outputFacets.registry_batch.files[0].uri",
            "$.outputs[0].outputFacets.registry_rowMaps.maps[0].inputs[0].batch",
        ]
    )
    assert content != before
    again = SOUGHT.take_out(copy.deepcopy(content))
    assert (again.replaced, sorted(again.kept)) == ([], sorted(outcome.kept))
    assert SOUGHT.take_out(event("somebody else")).kept == []


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(list(TEXTS)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.sampled_from(list(TEXTS)), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), _json, max_size=4))
def test_taking_out_twice_changes_nothing_more_and_the_shape_stays(content: dict[str, Any]) -> None:
    wrapped = {"run": {"facets": {"some": content}}}
    had = json.dumps(wrapped, ensure_ascii=False).encode("utf-8", "surrogatepass")
    outcome = SOUGHT.take_out(wrapped)  # type: ignore[arg-type]
    after = copy.deepcopy(wrapped)
    assert SOUGHT.take_out(wrapped).replaced == []  # type: ignore[arg-type]
    assert wrapped == after
    if outcome.replaced:
        assert SOUGHT.may_be_in(had)
