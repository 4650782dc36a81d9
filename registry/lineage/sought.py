"""Finds identifiers of a person and ids of examples in events, and takes them out. Pure.

Rules (DESIGN §1.1, §6; GDPR Art. 17):
1. A text loses what is sought in it: as it was given, in its normal form, and what is recognised as
   an identifier and comes to the same normal form. Where it is part of a longer word it is
   something else and stays; what is shorter than `LEAST_INSIDE` counts as a whole text only.
2. Names stay, because other events and other people's examples hang on them: those of jobs, runs,
   datasets, fields, batches, files and objects. Where one holds what is sought, it is told.
3. Keys of members are texts like any other, but for names of facets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from registry.canonical import Json
from registry.errors import InvalidInputError
from registry.keys.identifiers import Scheme, normal_forms, parse_scheme
from registry.pii.flags import may_hold_identifiers
from registry.pii.identifiers import find_identifiers, subject_of
from registry.pii.patterns import Pattern
from registry.pii.walk import Place, containers, members

ERASED = "[erased]"
LEAST_INSIDE = 6
_WORDS_A_PATTERN = 500
_LEAST_PROBE = 3
_ESCAPED = re.compile(rb"\\u00[0-7]")
_RUNS = re.compile(rb"[0-9A-Za-z]+")
_RECOGNISED = (Scheme.EMAIL, Scheme.PHONE, Scheme.NATIONAL_ID, Scheme.ACCOUNT)
_WORD = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")

# What names things (rule 2): members of an event, and within the facets that name others.
_FACETS = frozenset(("facets", "inputFacets", "outputFacets"))
_TOP = frozenset(("eventType", "eventTime", "producer", "schemaURL"))
_MARKS = frozenset(("_producer", "_schemaURL", "_deleted"))
_NAMING = frozenset(
    ("name", "namespace", "runId", "field", "batch", "version", "datasetVersion", "map", "type")
)
_NAMING_FACETS = frozenset(
    (
        "parent",
        "parentRun",
        "symlinks",
        "lineage",
        "columnLineage",
        "lifecycleStateChange",
        "version",
        "datasetVersion",
        "datasetType",
        "registry_rowMaps",
        "schema",
    )
)
_OF_BATCH = frozenset(("batch", "mode", "partition", "examples", "uri", "url", "sha256"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done to one event: the paths of parts that were replaced, and of names that hold
    what is sought and stay (rule 2).
    """

    replaced: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


class Sought:
    """What is to be taken out of events."""

    def __init__(
        self, identifiers: Iterable[tuple[str, str]] = (), example_ids: Iterable[str] = ()
    ) -> None:
        """`identifiers`: (scheme, value). Raises InvalidInputError for an unknown scheme, or what
        is no identifier of its scheme.
        """
        self._forms: set[tuple[str, str]] = set()
        words: dict[str, str] = {}
        for scheme_text, value in identifiers:
            scheme = parse_scheme(scheme_text)
            forms = {form for _, form in normal_forms(scheme, value)}
            self._forms |= {(scheme.value, form) for form in forms}
            for word in {value.strip(), *forms, *_bare(scheme, forms)} - {""}:
                words[word.casefold() if scheme is Scheme.EMAIL else word] = scheme.value
        for example_id in example_ids:
            if example_id.strip():
                words.setdefault(example_id.strip(), "example")
        self._words = words
        self._patterns = list(_patterns(words))
        self._probes = list(_probe_patterns(words))
        self._recognises = any(scheme in _RECOGNISED for scheme, _ in self._forms)

    def __bool__(self) -> bool:
        return bool(self._words)

    def may_be_in(self, body: bytes) -> bool:
        """Whether the JSON of an event could hold something sought. Cost: a few µs per kB."""
        if any(each.holds(body) for each in self._probes) or _ESCAPED.search(body):
            return True
        return self._recognises and may_hold_identifiers(body)

    def without(self, text: str) -> str:
        """The text without what is sought (rule 1); the same text if there is nothing."""
        whole = text.strip()
        if whole in self._words or self._words.get(whole.casefold()) == Scheme.EMAIL.value:
            return ERASED
        return self._without_words(self._without_recognised(text))

    def _without_recognised(self, text: str) -> str:
        if not self._recognises or len(text) < LEAST_INSIDE:
            return text
        pieces, at = [], 0
        for found in find_identifiers(text):
            subject = subject_of(found)
            if subject is not None and self._is_sought(*subject):
                pieces += [text[at : found.start], ERASED]
                at = found.end
        return "".join((*pieces, text[at:])) if pieces else text

    def _is_sought(self, scheme: str, value: str) -> bool:
        try:
            forms = normal_forms(parse_scheme(scheme), value)
        except InvalidInputError:
            return False
        return any((scheme, form) in self._forms for _, form in forms)

    def _without_words(self, text: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        is_changed = False
        for pattern in self._patterns:
            position = 0
            while (span := pattern.find(data, position)) is not None:
                start, end = span
                if not self._is_word(data, start, end):
                    position = start + 1
                    continue
                data = data[:start] + ERASED.encode() + data[end:]
                position = start + len(ERASED)
                is_changed = True
        return data.decode("utf-8", "surrogatepass") if is_changed else text

    def _is_word(self, data: bytes, start: int, end: int) -> bool:
        """Whether what was found is no part of a longer word, and really what is sought."""
        try:
            word = data[start:end].decode()
        except UnicodeDecodeError:
            return False
        scheme = self._words.get(word, self._words.get(word.casefold()))
        if scheme is None or (word not in self._words and scheme != Scheme.EMAIL.value):
            return False
        before, after = data[:start][-1:], data[end : end + 2]
        if scheme == Scheme.EMAIL.value:
            # Another mailbox, or another domain, that ends or begins like this one.
            if before in (b".", b"+", b"-", b"%", b"'") or after[:1] == b"-":
                return False
            if after[:1] == b"." and after[1:] and after[1] in _WORD:
                return False
        around = before + after[:1]
        return not any(
            each in _WORD or each >= 0x80 or (scheme == "example" and each == 0x2D)
            for each in around
        )

    def take_out(self, content: dict[str, Json]) -> Outcome:
        """Take what is sought out of a decoded event, in place (rules 1 to 3)."""
        outcome = Outcome()
        for place in containers(content):
            steps = place.steps()
            if isinstance(place.container, dict):
                self._take_out_keys(place, place.container, steps, outcome)
            for key, value in list(members(place.container)):
                if not isinstance(value, str):
                    continue
                cleaned = self.without(value)
                if cleaned == value:
                    continue
                if is_name([*steps, key]):
                    outcome.kept.append(place.path(key))
                    continue
                place.container[key] = cleaned  # type: ignore[index]
                outcome.replaced.append(place.path(key))
        return outcome

    def _take_out_keys(
        self, place: Place, container: dict[str, Json], steps: list[str | int], outcome: Outcome
    ) -> None:
        renamed = {key: self.without(key) for key in container}
        if all(new == key for key, new in renamed.items()):
            return
        if not steps or steps[-1] in _FACETS:
            outcome.kept.append(place.path("*"))
            return
        former = list(container.items())
        container.clear()
        for key, value in former:
            new, count = renamed[key], 1
            while new in container:
                count += 1
                new = f"({count}) {renamed[key]}"
            container[new] = value
            if new != key:
                outcome.replaced.append(place.path(new))


def _bare(scheme: Scheme, forms: set[str]) -> set[str]:
    """A national number without its country, which is how most texts have it."""
    if scheme is not Scheme.NATIONAL_ID:
        return set()
    return {form.partition(":")[2] for form in forms}


def _patterns(words: dict[str, str]) -> Iterator[Pattern]:
    long = sorted((w for w in words if len(w) >= LEAST_INSIDE), key=len, reverse=True)
    for at in range(0, len(long), _WORDS_A_PATTERN):
        some = long[at : at + _WORDS_A_PATTERN]
        yield Pattern(b"(?i)" + b"|".join(_literal(word.encode()) for word in some))


def _probe_patterns(words: dict[str, str]) -> Iterator[Pattern]:
    """Patterns of which one matches the raw JSON of every event that holds a word: JSON may escape
    what is no letter and no digit, so the longest run of those stands for the word.
    """
    probes = set()
    for word in words:
        runs = sorted(_RUNS.findall(word.encode("ascii", "replace")), key=len)
        probes.add(runs[-1].lower() if runs and len(runs[-1]) >= _LEAST_PROBE else b"")
    if b"" in probes:
        # Nothing to look for: every event is read.
        yield Pattern(b"")
        return
    listed = sorted(probes)
    for at in range(0, len(listed), _WORDS_A_PATTERN):
        yield Pattern(b"(?i)" + b"|".join(map(_literal, listed[at : at + _WORDS_A_PATTERN])))


def _literal(word: bytes) -> bytes:
    return b"".join(b"%c" % each if each in _WORD else b"\\x%02x" % each for each in word)


def is_name(steps: list[str | int]) -> bool:
    """Whether the value at these steps names something (rule 2)."""
    last = steps[-1]
    if last in _MARKS or (len(steps) == 1 and last in _TOP):
        return True
    if _FACETS.isdisjoint(steps):
        return last in ("name", "namespace", "runId")
    at = next(place for place, step in enumerate(steps) if step in _FACETS)
    facet = str(steps[at + 1]) if at + 1 < len(steps) else ""
    if facet == "registry_batch":
        return last in _OF_BATCH and "origin" not in steps
    return facet in _NAMING_FACETS and (last in _NAMING or isinstance(last, int))
