"""What a dataset card of the Hugging Face Hub says in statements: front matter and sections. Pure.

Rules:
1. The front matter is plain YAML without anchors, aliases and tags (`rights.policy_file`), so that
   a small file never becomes a large value.
2. A section is the text under a heading up to the next one. Comments, and what templates leave for
   people to fill in, are nothing. A heading is known by its words, whatever its level.
3. Fields of the front matter, and sections that no statement answers, are kept whole.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from registry.cards.fact_kinds import STATEMENT_KINDS
from registry.cards.importing.imported import ImportedStatement, Said, joined, require_whole
from registry.errors import InvalidInputError, PolicyError
from registry.rights.policy_file import Node, parse_policy

FRONT_LIMIT_BYTES: Final = 256 * 2**10
# PyYAML looks at up to 1,024 open brackets for each token.
_BRACKETS: Final = 5_000
_FILE: Final = "README.md"
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+")
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_KINDS: Final = {
    "dataset summary": "description",
    "dataset description": "description",
    "direct use": "intended_use",
    "out-of-scope use": "out_of_scope_use",
    "curation rationale": "design_choices",
    "data collection and processing": "collection",
    "initial data collection and normalization": "collection",
    "annotation process": "annotation",
    "who are the annotators?": "annotators",
    "bias, risks, and limitations": "bias_assessment",
    "discussion of biases": "bias_assessment",
    "other known limitations": "known_gaps",
    "recommendations": "bias_mitigation",
    "social impact of dataset": "social_impact",
    "citation": "citation",
    "citation information": "citation",
    "more information": "comments",
}
_TO_FILL_IN: Final = (
    "[more information needed]",
    "[needs more information]",
    "users should be made aware of the risks, biases and limitations of the dataset. more "
    "information needed for further recommendations.",
)
_FIELD_LINE = re.compile(r"[-*] \*\*[^*]{1,60}:\*\*|\*\*[^*]{1,60}:\*\*")
_TEMPLATE_FIELD = re.compile(
    r"- \*\*(?:Curated by|Funded by|Shared by|Language\(s\)|License|Repository|Paper|Demo)"
    r"[^*]{0,40}:\*\*"
)


@dataclass(frozen=True, slots=True)
class _Section:
    """`heading` as it stands, with its marks; empty for what stands before the first one."""

    heading: str
    text: str

    @property
    def kind(self) -> str | None:
        """The statement that it answers."""
        words = self.heading.lstrip("# ").lower().replace("[optional]", "").strip()
        return _KINDS.get(words)

    @property
    def words(self) -> str:
        """The text without the lines that are fields of the template, as its licence."""
        lines = (line for line in self.text.split("\n") if not _TEMPLATE_FIELD.match(line))
        return "\n".join(lines).strip()

    @property
    def fields(self) -> str:
        """The lines that are fields of the template."""
        return "\n".join(line for line in self.text.split("\n") if _TEMPLATE_FIELD.match(line))


def read_huggingface(text: str) -> tuple[list[ImportedStatement], dict[str, object]]:
    """Statements and rest: `front_matter`, and `sections` with `heading` and `text`.

    Raises InvalidInputError with the line, or the field, of what is wrong.
    """
    written, body = _taken_apart(text)
    front = _front(written)
    sections = list(_sections(body))
    ours = _ours(front)
    if ours is not None:
        said, left_out = ours, sections
    else:
        said = [*_flags(front), *(_said(each) for each in sections if each.kind and each.words)]
        fields = (_Section(each.heading, each.fields) for each in sections if each.kind)
        left_out = [each for each in sections if each.kind is None]
        left_out += [each for each in fields if each.text]
    statements, too_long = joined(said)
    sources = {each.source for each in too_long}
    left_out += [each for each in sections if each.heading in sources]
    rest: dict[str, object] = {"front_matter": front}
    if left_out:
        rest["sections"] = [{"heading": each.heading, "text": each.text} for each in left_out]
    return statements, rest


def _taken_apart(text: str) -> tuple[str, str]:
    lines = text.splitlines(keepends=True)
    ends = (at for at, line in enumerate(lines) if at and line.rstrip() == "---")
    end = next(ends, None)
    if lines[0].rstrip() != "---" or end is None:
        _refuse("The front matter does not end.", "End it with a line of ---.", f"{_FILE}, line 1")
    # The first line counts too, so that lines are told as they are in the file.
    return "#\n" + "".join(lines[1:end]), "".join(lines[end + 1 :])


def _front(written: str) -> dict[str, object]:
    size = len(written.encode("utf-8", "surrogatepass"))
    if size > FRONT_LIMIT_BYTES:
        _refuse(
            f"The front matter has {size} bytes, and {FRONT_LIMIT_BYTES} may be.",
            "Leave out generated fields, as dataset_info.",
            f"{_FILE}, line 1",
        )
    if sum(map(written.count, "[{")) > _BRACKETS:
        _refuse(
            f"The front matter has over {_BRACKETS} brackets.",
            "Write lists and mappings in lines of their own.",
            f"{_FILE}, line 1",
        )
    if not written.removeprefix("#\n").strip():
        return {}
    try:
        root = parse_policy(written, _FILE)
    except PolicyError as error:
        place, _, detail = error.detail.partition(": ")
        raise InvalidInputError(
            f"The front matter is no YAML that is read here: {detail or error.detail}",
            remedy=error.remedy,
            path=place if detail else _FILE,
        ) from error
    if not isinstance(root.value, dict):
        _refuse("The front matter is no mapping.", "Write `name: value` lines.", _place(root))
    front = {name: _plain(each) for name, each in root.value.items()}
    require_whole(front)
    return front


def _plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {name: _plain(each) for name, each in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(each) for each in node.value]
    is_finite = not isinstance(node.value, float) or math.isfinite(node.value)
    return node.value if is_finite else str(node.value)


def _ours(front: dict[str, object]) -> list[Said] | None:
    """The statements of a card that this registry wrote; None for any other card."""
    registry = front.get("registry")
    if not isinstance(registry, dict) or "facts_digest" not in registry:
        return None
    stated = registry.get("statements", {})
    if not isinstance(stated, dict):
        _refuse("The statements are no mapping.", "Write `kind: text`.", "$.registry.statements")
    said = []
    for kind, value in stated.items():
        path = f"$.registry.statements.{kind}"
        if not isinstance(value, str | bool):
            _refuse("A statement is no text.", "Write a text, in quotes where in doubt.", path)
        if kind in STATEMENT_KINDS:
            said.append(Said(kind, value, path))
    return said


def _flags(front: dict[str, object]) -> Iterator[Said]:
    creators = front.get("annotations_creators")
    if creators in ("no-annotation", ["no-annotation"]):
        yield Said("labels_none", True, "$.annotations_creators")


def _said(section: _Section) -> Said:
    return Said(section.kind or "", section.words, section.heading)


def _sections(body: str) -> Iterator[_Section]:
    heading, held, fence = "", list[str](), ""
    for line in _without_comments(body).splitlines():
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1][:3]
        elif mark and mark[1].startswith(fence):
            fence = ""
        found = None if fence else _HEADING.match(line)
        if found is None:
            held.append(line)
            continue
        yield from _section(heading, held)
        words = line[found.end() :].rstrip().rstrip("#").rstrip()
        heading, held = f"{found[1]} {words}", []
    yield from _section(heading, held)


def _section(heading: str, lines: list[str]) -> Iterator[_Section]:
    text = "\n".join(line.rstrip() for line in lines if not _is_to_fill_in(line)).strip()
    if text:
        yield _Section(heading, text)


def _is_to_fill_in(line: str) -> bool:
    """Whether nobody wrote this line: what a template has there, with or without its label."""
    said = _FIELD_LINE.sub("", line.strip(), count=1).strip().lower()
    is_label = not said and _FIELD_LINE.fullmatch(line.strip()) is not None
    return said in _TO_FILL_IN or is_label


def _without_comments(text: str) -> str:
    """The text without HTML comments; one that does not end goes to the end."""
    kept, at = list[str](), 0
    while (start := text.find("<!--", at)) >= 0:
        kept.append(text[at:start])
        end = text.find("-->", start + 4)
        if end < 0:
            return "".join(kept)
        at = end + 3
    kept.append(text[at:])
    return "".join(kept)


def _place(node: Node) -> str:
    return f"{node.file}, line {node.line}"


def _refuse(detail: str, remedy: str, path: str) -> NoReturn:
    raise InvalidInputError(detail, remedy=remedy, path=path)
