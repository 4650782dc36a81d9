"""The words of a dataset card of the Hugging Face Hub, and whether a front matter keeps to them.

Rules:
1. The words are data (`policies/cards/huggingface.yaml`): a file that cannot be used is refused
   with what is wrong in it, and one that the operator's folder lacks is the shipped one.
2. A front matter is held to them without the network: each field has its type, each of its values
   is a word, `license: other` has a name, and every finding has its path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from registry.cards.croissant.check import Finding
from registry.policy.policy_set import policy_path
from registry.policy.yaml_file import read_form, refuse

FILE: Final = "cards/huggingface.yaml"
_SPLIT = re.compile(r"\w+(\.\w+)*")
_LINK = re.compile(r"https?://\S+|LICENSE(\.md|\.txt)?|README\.md")


class _Size(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"begins": "from"}):
    band: str
    begins: int


class _Form(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    sizes: list[_Size]
    annotations_creators: list[str]
    workforce: dict[str, str]
    licenses: str
    spdx: dict[str, str]
    task_categories: str
    task_ids: str
    languages: str


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What each field may say. `sizes`: bands with the number of examples each begins at.

    `workforce`: recorded words and the creator each is. `spdx`: lower-case SPDX identifiers that
    are called otherwise.
    """

    sizes: tuple[tuple[str, int], ...]
    annotations_creators: frozenset[str]
    workforce: Mapping[str, str]
    licenses: frozenset[str]
    spdx: Mapping[str, str]
    task_categories: frozenset[str]
    task_ids: frozenset[str]
    languages: frozenset[str]

    def size_of(self, examples: int) -> str:
        """The band of a number of examples."""
        return [band for band, begins in self.sizes if examples >= begins][-1]

    def license_of(self, expression: str) -> str | None:
        """What the Hub calls a licence; None for one that it has no word for."""
        lower = expression.lower()
        for form in (lower, re.sub(r"(\+|-or-later|-only)$", "", lower)):
            found = self.spdx.get(form, form)
            if found in self.licenses and found not in ("other", "unknown"):
                return found
        return None


def load_vocabulary(folder: Path | None = None) -> Vocabulary:
    """The words of a folder of policies, or the shipped ones.

    Raises PolicyError (rule 1). Cost: about 50 ms, of YAML.
    """
    form = read_form(policy_path(folder, FILE), _Form)
    begins = [each.begins for each in form.sizes]
    if not begins or begins != sorted(set(begins)) or begins[0] != 0:
        raise refuse(FILE, "sizes do not rise from 0.", "Put the bands in order, the first at 0.")
    made = Vocabulary(
        tuple((each.band, each.begins) for each in form.sizes),
        frozenset(form.annotations_creators),
        form.workforce,
        frozenset(form.licenses.split()),
        form.spdx,
        frozenset(form.task_categories.split()),
        frozenset(form.task_ids.split()),
        frozenset(form.languages.split()),
    )
    for name, known, words in (
        ("workforce", made.annotations_creators, form.workforce),
        ("spdx", made.licenses, form.spdx),
    ):
        strange = sorted({*words.values()} - known)
        if strange:
            raise refuse(FILE, f"{name} names {strange[0]!r}.", "Name a word that is listed.")
    return made


def check_front_matter(document: object, words: Vocabulary) -> tuple[Finding, ...]:
    """What is wrong with a front matter, as decoded YAML (rule 2); nothing for a good one."""
    if not isinstance(document, dict):
        return (Finding("$", "The front matter is no mapping."),)
    fields: Mapping[str, Callable[[str], bool]] = {
        "language": words.languages.__contains__,
        "license": words.licenses.__contains__,
        "size_categories": {band for band, _ in words.sizes}.__contains__,
        "annotations_creators": words.annotations_creators.__contains__,
        "task_categories": words.task_categories.__contains__,
        "task_ids": words.task_ids.__contains__,
        "source_datasets": _is_source,
        "tags": lambda text: bool(text.strip()),
    }
    found: list[Finding] = []
    for name, is_word in fields.items():
        found += _words(document.get(name), f"$.{name}", is_word)
    return (*found, *_license(document), *_texts(document), *_info(document))


def is_split_name(name: str) -> bool:
    """Whether the datasets library takes it as the name of a split."""
    return _SPLIT.fullmatch(name) is not None


def _is_source(text: str) -> bool:
    return text == "original" or re.fullmatch(r"[\w.-]+(/[\w.-]+)?", text) is not None


def _words(value: object, path: str, is_word: Callable[[str], bool]) -> Iterator[Finding]:
    for at, each in _listed(value, path):
        if not isinstance(each, str):
            yield Finding(at, f"{each!r} is no text.")
        elif not is_word(each):
            yield Finding(at, f"{each[:80]!r} is no word that the Hub has here.")


def _license(document: Mapping[str, object]) -> Iterator[Finding]:
    is_other = "other" in [each for _, each in _listed(document.get("license"), "")]
    if is_other and not document.get("license_name"):
        yield Finding("$.license_name", "A licence that is `other` needs a name.")
    if not is_other and "license_name" in document:
        yield Finding("$.license_name", "A name goes with the licence `other` alone.")
    link = document.get("license_link")
    if link is not None and not (isinstance(link, str) and _LINK.fullmatch(link)):
        yield Finding("$.license_link", "It is neither an address nor a file of the repository.")


def _texts(document: Mapping[str, object]) -> Iterator[Finding]:
    for name in ("pretty_name", "license_name"):
        value = document.get(name)
        if value is not None and not (isinstance(value, str) and value.strip()):
            yield Finding(f"$.{name}", "It is no text.")


def _info(document: Mapping[str, object]) -> Iterator[Finding]:
    info = document.get("dataset_info")
    if info is None:
        return
    if not isinstance(info, dict):
        yield Finding("$.dataset_info", "It is no mapping.")
        return
    for at, split in _listed(info.get("splits"), "$.dataset_info.splits"):
        members = split if isinstance(split, dict) else {}
        name = members.get("name")
        if not isinstance(name, str) or not is_split_name(name):
            yield Finding(f"{at}.name", "It is no name of a split.")
        elif not all(isinstance(members.get(each), int) for each in ("num_bytes", "num_examples")):
            yield Finding(at, "A split has num_bytes and num_examples.")
    for at, field in _listed(info.get("features"), "$.dataset_info.features"):
        if not isinstance(field, dict) or not isinstance(field.get("name"), str):
            yield Finding(f"{at}.name", "A feature has a name.")


def _listed(value: object, path: str) -> Sequence[tuple[str, object]]:
    if value is None:
        return ()
    if isinstance(value, list):
        return [(f"{path}[{at}]", each) for at, each in enumerate(value)]
    return [(path, value)]
