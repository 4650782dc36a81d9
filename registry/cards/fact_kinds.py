"""What a fact of a card may be: name, title, form; and the facts that only people state. Pure.

Rules:
1. A fact with a `statement` is declared: only a person can say it, with `registry statement add`.
2. A table's columns are part of its name's meaning. `SHARES` is what sums give for one dimension:
   a value, and its examples, bytes and tokens; what nobody recorded is the value `NOT_RECORDED`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Form(StrEnum):
    """The form of a fact's value."""

    TEXT = "text"
    COUNT = "count"
    SHARE = "share"
    FLAG = "flag"
    DAY = "day"
    MOMENT = "moment"
    LIST = "list"
    TABLE = "table"


SHARES: Final = ("value", "examples", "bytes", "tokens")
NOT_RECORDED: Final = "(not recorded)"
#: In place of a name that the reader may not see; other cells of such a row may be withheld too.
BEYOND: Final = "(beyond your scope)"


@dataclass(frozen=True, slots=True)
class FactKind:
    """What a name stands for. `columns`: of a table. `statement`: the kind that declares it.

    `supplied_by`: the event, facet, command or statement that records it, for who closes a gap.
    """

    name: str
    title: str
    form: Form
    columns: tuple[str, ...] = ()
    statement: str | None = None
    supplied_by: str = ""


def _stated(kind: str, title: str, form: Form = Form.TEXT) -> FactKind:
    by = f"registry statement add --kind {kind}"
    return FactKind(f"statement.{kind}", title, form, statement=kind, supplied_by=by)


STATEMENTS = (
    _stated("description", "Description in the owner's words"),
    _stated("design_choices", "Design choices"),
    _stated("intended_use", "Intended use"),
    _stated("out_of_scope_use", "Uses that are ruled out"),
    _stated("assumptions", "Assumptions, and what fields stand for"),
    _stated("collection", "How data was collected"),
    _stated("original_purpose", "Original purpose of collection, and compatibility"),
    _stated("selection", "How data was selected"),
    _stated("cleaning", "Cleaning, outliers and missing values"),
    _stated("annotation", "How labelling was done"),
    _stated("annotators", "Who the annotators are, in aggregate"),
    _stated("sufficiency", "Whether there is enough of it, and who judged so"),
    _stated("representativeness", "Representativeness for the persons and setting of use"),
    _stated("coverage", "Geographic, contextual and behavioural setting"),
    _stated("bias_assessment", "Biases examined"),
    _stated("bias_mitigation", "What was done about bias"),
    _stated("known_gaps", "Known gaps, and how they will be closed"),
    _stated("special_category_necessity", "Why special categories are strictly necessary"),
    _stated("special_category_alternatives", "Why other data cannot do"),
    _stated("reuse_limits", "Limits of re-use and privacy measures"),
    _stated("pseudonymisation", "Pseudonymisation and its test"),
    _stated("personal_data_none", "That there is no personal data", Form.FLAG),
    _stated("labels_none", "That there are no labels", Form.FLAG),
    _stated("synthetic_validation", "How synthetic data was validated"),
    _stated("notice", "Notice to persons, or the exemption"),
    _stated("security", "Security measures in general terms"),
    _stated("transfers", "Third-country transfers and safeguards"),
    _stated("dpia", "Data protection impact assessment"),
    _stated("data_governance", "Procedures that govern it"),
    _stated("test_reports", "Dated and signed test reports"),
    _stated("deployer_information", "What deployers must know"),
    _stated("copyright_measures", "Measures for reservations of rights"),
    _stated("illegal_content_measures", "Measures against illegal content"),
    _stated("other_processing", "Other processing that matters for rights"),
    _stated("content_types", "Types of content"),
    _stated("traits", "Regional and demographic traits"),
    _stated("public_datasets", "Public datasets, in words"),
    _stated("private_datasets", "Private datasets that are not publicly known, in words"),
    _stated("crawlers", "Crawlers: purposes and behaviour"),
    _stated("user_data", "Services whose users' data is used, in words"),
    _stated("synthetic_data", "Generators and what they were trained on"),
    _stated("other_sources", "Other sources, in words"),
    _stated("unavailable_information", "What could not be had, and why"),
    _stated("maintenance", "Maintenance and next update"),
    _stated("citation", "How to cite"),
    _stated("social_impact", "Foreseeable effects on people"),
    _stated("comments", "Comments"),
)

STATEMENT_KINDS: Final = tuple(kind.statement for kind in STATEMENTS if kind.statement is not None)
