"""The questions of each kind of card, read from `policies/cards/` and checked.

Rules:
1. A file that cannot be used is refused with what is wrong in it: a name that is no fact, a
   question that is asked nowhere or twice in one card, a condition or date nobody wrote.
2. A question is written down once, in whichever file; other cards name it by its id.
3. A file that the operator's folder lacks is the shipped one.
4. `digest` covers every byte that was read: another file makes another card of the same facts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from registry.cards.card import Clause, FieldKind, Kind, Reading
from registry.cards.catalogue import CATALOGUE
from registry.cards.questions.checks import check_sheet, check_sheets
from registry.cards.questions.forms import (
    Asking,
    Condition,
    FactTest,
    FieldForm,
    QuestionForm,
    SectionForm,
    SheetForm,
    TemplateForm,
)
from registry.cards.questions.summary_names import rests_on
from registry.policy.policy_set import policy_path
from registry.policy.yaml_file import read_form

FILES: Mapping[Kind, str] = {kind: f"cards/{kind}.yaml" for kind in Kind}


@dataclass(frozen=True, slots=True)
class Question:
    """A question, with everything that it was written down with.

    `needs`, `one_of`, `also`: names of facts. `blocks`: None where a gap never forbids publishing,
    a condition where it does under one.
    """

    id: str
    ask: str
    clause: Clause
    needs: tuple[str, ...]
    one_of: tuple[str, ...]
    also: tuple[str, ...]
    absent: str
    when: Condition | None = None
    blocks: bool | Condition = False
    is_red: bool = False
    is_optional: bool = False
    asks: tuple[str, ...] = ()
    field: FieldKind | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The facts under it, in the order in which they are shown."""
        return tuple(dict.fromkeys((*self.one_of, *self.needs, *self.also)))

    @property
    def rests_on(self) -> frozenset[str]:
        """Every recorded fact that its answer depends on, those of its conditions among them."""
        tests = [test for each in (self.when, self.blocks) for test in _tests(each)]
        named = (*self.names, *(test.fact for test in tests))
        return frozenset(base for name in named for base in rests_on(name))


@dataclass(frozen=True, slots=True)
class QuestionSection:
    """Questions under a heading."""

    number: str
    title: str
    questions: tuple[Question, ...]
    is_annex: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything that one kind of card asks."""

    kind: Kind
    title: str
    intro: str
    sections: tuple[QuestionSection, ...]

    @property
    def questions(self) -> Iterator[Question]:
        """Every question, in order."""
        return (question for section in self.sections for question in section.questions)


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """The questions of every kind. `digest`: `sha256:…` (rule 4); `template`: of the summary."""

    digest: str
    sheets: Mapping[Kind, Sheet]
    template: TemplateForm
    unasked: Mapping[str, str]


def load_questions(folder: Path | None = None) -> Questions:
    """The questions of a folder of policies, or the shipped ones (rule 3).

    Raises PolicyError with file and, of what has one, line (rule 1). Cost: about 50 ms, of YAML.
    """
    forms = {kind: read_form(policy_path(folder, name), SheetForm) for kind, name in FILES.items()}
    for kind, form in forms.items():
        check_sheet(kind, form, FILES[kind])
    template = check_sheets(forms, FILES)
    sheets = {kind: _sheet(kind, form, forms) for kind, form in forms.items()}
    unasked = {name: why for form in forms.values() for name, why in form.unasked.items()}
    return Questions(_digest(folder), sheets, template, unasked)


def asked(questions: Questions) -> frozenset[str]:
    """The names of the catalogue that some question rests on."""
    every = (each for sheet in questions.sheets.values() for each in sheet.questions)
    return frozenset(name for each in every for name in each.rests_on if name in CATALOGUE)


def _digest(folder: Path | None) -> str:
    found = hashlib.sha256()
    for name in FILES.values():
        data = policy_path(folder, name).read_bytes()
        found.update(f"{name} {hashlib.sha256(data).hexdigest()}\n".encode())
    return f"sha256:{found.hexdigest()}"


def _sheet(kind: Kind, form: SheetForm, forms: Mapping[Kind, SheetForm]) -> Sheet:
    homes = {name: each for each in forms.values() for name in each.questions}
    sections = tuple(_section(section, form, homes) for section in form.sections)
    return Sheet(kind, form.title, form.intro, sections)


def _section(
    section: SectionForm, form: SheetForm, homes: Mapping[str, SheetForm]
) -> QuestionSection:
    questions = [_question(name, homes[name]) for name in section.ask]
    for place, field in enumerate(section.fields, start=1):
        questions.append(_field(f"{section.number}.{place}", section, field, form, homes))
    return QuestionSection(section.number, section.title, tuple(questions), section.annex)


def _question(name: str, home: SheetForm) -> Question:
    written = home.questions[name]
    return _made(name, written.ask, _clause(written, home), written, home)


def _field(
    name: str,
    section: SectionForm,
    field: FieldForm,
    form: SheetForm,
    homes: Mapping[str, SheetForm],
) -> Question:
    if field.asks:
        home = homes[field.asks[0]]
        clause = _clause(home.questions[field.asks[0]], home)
    else:
        about = "Provider of a general-purpose model"
        clause = Clause(
            f"Template, section {section.number}",
            about,
            next(iter(form.dates.values())),
            Reading.SOURCE,
        )
    return _made(name, field.title, clause, field, form, field.asks, field.kind)


def _made(
    name: str,
    ask: str,
    clause: Clause,
    asking: Asking,
    home: SheetForm,
    asks: tuple[str, ...] = (),
    field: FieldKind | None = None,
) -> Question:
    block = asking.block
    return Question(
        id=name,
        ask=ask,
        clause=clause,
        needs=asking.needs,
        one_of=asking.one_of,
        also=asking.also,
        absent=asking.absent,
        when=home.conditions[asking.when] if asking.when else None,
        blocks=home.conditions[block] if isinstance(block, str) else block,
        is_red=asking.red,
        is_optional=asking.optional,
        asks=asks,
        field=field,
    )


def _clause(written: QuestionForm, home: SheetForm) -> Clause:
    since = home.dates[written.applies_from]
    return Clause(written.clause, written.applies_to, since, written.seen)


def _tests(condition: Condition | bool | None) -> tuple[FactTest, ...]:
    return condition.any if isinstance(condition, Condition) else ()
