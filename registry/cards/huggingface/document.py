"""A version as a dataset card of the Hugging Face Hub: front matter, and the template's sections.

Rules (huggingface_hub's datasetcard_template.md):
1. The front matter is `registry.cards.huggingface.front`, written by a YAML emitter; characters
   that nobody sees are escapes in it.
2. Each section has the facts that answer it, in words: a value, or why there is none. None is left
   blank, and none says *more information needed* without saying who has it.
3. Everything recorded goes through `render.markdown`. A table has at most `ROWS_HERE` rows here.
4. The same facts give the same bytes, whenever they were read. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from registry.cards.catalogue import CATALOGUE
from registry.cards.huggingface.front import front_matter
from registry.cards.huggingface.vocabulary import Vocabulary
from registry.cards.known import fact_of
from registry.cards.values import CardFacts, Fact, State, Table
from registry.cards.wording import column_words, row_words, state_words, words_of
from registry.render import markdown

ROWS_HERE: Final = 50
# Bidirectional marks and separators, which PyYAML takes for letters or for plain line ends.
_UNSEEN = re.compile(
    "[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)


@dataclass(frozen=True, slots=True)
class _Part:
    """A heading of the template with the facts under it."""

    heading: str
    facts: tuple[str, ...] = ()


def _part(heading: str, facts: str = "") -> _Part:
    return _Part(heading, tuple(facts.split()))


_PARTS: Final = (
    _part("## Dataset Details"),
    _part(
        "### Dataset Description",
        "statement.description identity.description identity.owners controller.name provider.name "
        "quantity.by_language rights.licenses",
    ),
    _part("## Uses"),
    _part(
        "### Direct Use",
        "statement.intended_use purposes.asserted purposes.decisions system.intended_purpose",
    ),
    _part("### Out-of-Scope Use", "statement.out_of_scope_use rights.effective_terms"),
    _part(
        "## Dataset Structure",
        "identity.schema quantity.examples quantity.bytes quantity.tokens quantity.by_split "
        "quantity.by_modality identity.storage statement.assumptions quality.missing",
    ),
    _part("## Dataset Creation"),
    _part("### Curation Rationale", "statement.design_choices statement.selection"),
    _part("### Source Data"),
    _part(
        "#### Data Collection and Processing",
        "statement.collection origin.collected_from origin.collected_until origin.kinds "
        "origin.sources preparation.steps statement.cleaning rights.opt_out",
    ),
    _part(
        "#### Who are the source data producers?",
        "statement.traits origin.services synthetic.generators",
    ),
    _part("### Annotations"),
    _part(
        "#### Annotation process",
        "statement.annotation annotation.guideline annotation.labels_per_item "
        "annotation.agreement annotation.labels",
    ),
    _part("#### Who are the annotators?", "statement.annotators annotation.workforce"),
    _part(
        "#### Personal and Sensitive Information",
        "personal.pii personal.classes statement.personal_data_none rights.special_conditions "
        "statement.pseudonymisation statement.reuse_limits rights.consent_coverage",
    ),
    _part(
        "## Bias, Risks, and Limitations",
        "statement.bias_assessment bias.slices lineage.feedback_loops statement.known_gaps "
        "statement.representativeness statement.social_impact",
    ),
    _part("### Recommendations", "statement.bias_mitigation statement.deployer_information"),
    _part("## Citation", "statement.citation"),
    _part(
        "## More Information",
        "statement.maintenance retention.rules quantity.erased erasure.requests statement.comments",
    ),
    _part("## Dataset Card Contact", "provider.contact"),
)


def as_huggingface(facts: CardFacts, words: Vocabulary) -> bytes:
    """The card's `README.md` in UTF-8. Cost: about 30 ms."""
    front = yaml_text(front_matter(facts, words))
    return f"---\n{front}---\n\n{''.join(_body(facts))}".encode()


def yaml_text(document: dict[str, object]) -> str:
    """A mapping as block YAML (rule 1), which any reader of YAML 1.1 reads back as it is."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes texts with unseen characters in double quotes, and no aliases."""

        def ignore_aliases(self, _data: Any) -> bool:
            return True

    def represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        style = '"' if _UNSEEN.search(text) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, represent)
    written = yaml.dump(
        document, Dumper=Dumper, allow_unicode=True, sort_keys=False, default_flow_style=False
    )
    # Only texts in double quotes hold any, and there this is how they are written.
    return _UNSEEN.sub(lambda found: _escape(found.group()), written)


def _escape(letter: str) -> str:
    number = ord(letter)
    return f"\\u{number:04X}" if number < 0x10000 else f"\\U{number:08X}"


def _body(facts: CardFacts) -> Iterator[str]:
    about = facts.about
    yield f"# Dataset Card for {markdown(about.name)}\n\n"
    yield (
        f"Version {about.version} of {markdown(about.namespace)} {markdown(about.name)}, content "
        f"{markdown(about.content_digest)}. Written from the facts {facts.digest} of a lineage "
        "registry.\n\n"
    )
    for part in _PARTS:
        yield f"{part.heading}\n\n"
        for name in part.facts:
            yield from _told(fact_of(facts, name))
    yield from _gaps(facts)


def _told(fact: Fact) -> Iterator[str]:
    kind = CATALOGUE[fact.name]
    title = f"**{markdown(kind.title)}:**"
    value = fact.value
    if fact.state is State.KNOWN and isinstance(value, Table) and value.rows:
        yield f"{title}\n\n"
        yield from _table(value)
    else:
        yield f"{title} {markdown(words_of(fact, kind))}\n\n"


def _table(table: Table) -> Iterator[str]:
    yield _line([column_words(column) for column in table.columns])
    yield f"|{' --- |' * len(table.columns)}\n"
    for row in table.rows[:ROWS_HERE]:
        yield _line(row_words(table.columns, row))
    more = table.count - min(len(table.rows), ROWS_HERE)
    yield f"\nAnd {more:,} more rows, of {table.count:,}.\n\n" if more > 0 else "\n"


def _gaps(facts: CardFacts) -> Iterator[str]:
    """What the card has no answer to, and who has it (rule 2)."""
    names = dict.fromkeys(name for part in _PARTS for name in part.facts)
    missing = [fact for name in names if not (fact := fact_of(facts, name)).state.is_answer]
    if not missing:
        return
    yield "## What is not known\n\n"
    yield _line(["What", "Why", "Supplied by"])
    yield "| --- | --- | --- |\n"
    for fact in missing:
        kind = CATALOGUE[fact.name]
        yield _line([kind.title, state_words(fact.state), kind.supplied_by])


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(markdown(each) for each in cells)} |\n"
