"""Reads a file of policies: YAML without surprises, each value with its line. Pure.

Rules:
1. At most 1 MiB and 32 levels; no anchors, aliases, tags of another's types, or merge keys: a small
   file must not become a large value, and nothing is ever constructed but texts, numbers, truth
   values, lists and mappings.
2. A key stands once; keys are texts.
3. Whatever is wrong is told with file, line and what to write instead.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from registry.errors import PolicyError

if TYPE_CHECKING:
    import yaml

T = TypeVar("T")
LIMIT_BYTES = 1 << 20
_LIMIT_LEVELS = 32
_TAGS: dict[str, Callable[[str], object]] = {
    "tag:yaml.org,2002:str": str,
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:float": float,
    "tag:yaml.org,2002:bool": lambda text: text.lower() in ("true", "yes", "on"),
    "tag:yaml.org,2002:null": lambda _text: None,
    # A date stays text: what it means is its reader's to say.
    "tag:yaml.org,2002:timestamp": str,
}
_COLLECTIONS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its place. `value`: a text, number, truth value or None, a list of nodes, or a
    dict of nodes.
    """

    value: Any
    file: str
    line: int

    def refuse(self, detail: str, remedy: str) -> NoReturn:
        """Raise PolicyError about this value."""
        raise PolicyError(f"{self.file}, line {self.line}: {detail}", remedy=remedy)

    def mapping(self, what: str) -> dict[str, Node]:
        """The members of a mapping. Raises PolicyError for anything else."""
        if not isinstance(self.value, dict):
            self.refuse(f"{what} is no mapping.", "Write `name: value` lines.")
        return self.value

    def items(self, what: str) -> list[Node]:
        """The elements of a list. Raises PolicyError for anything else."""
        if not isinstance(self.value, list):
            self.refuse(f"{what} is no list.", "Write `[a, b]`, or a line `- a` for each.")
        return self.value

    def text(self, what: str) -> str:
        """A text that is not empty. Raises PolicyError for anything else."""
        if not isinstance(self.value, str) or not self.value.strip():
            self.refuse(f"{what} is no text.", "Write some text, in quotes where in doubt.")
        return str(self.value)

    def one_of(self, what: str, choices: Iterable[str]) -> str:
        """One of some words. Raises PolicyError for anything else."""
        known = list(choices)
        if self.value not in known:
            self.refuse(f"{what} is {self.value!r}.", f"Choose one of: {', '.join(known)}.")
        return str(self.value)

    def only(self, what: str, allowed: Collection[str], needed: Collection[str] = ()) -> None:
        """Raise PolicyError where the mapping has other members, or lacks one."""
        members = self.mapping(what)
        for name, node in members.items():
            if name not in allowed:
                node.refuse(
                    f"{what} has no member {name!r}.", f"Choose from: {', '.join(sorted(allowed))}."
                )
        for name in needed:
            if name not in members:
                self.refuse(f"{what} lacks {name!r}.", f"Add a line `{name}: …`.")


def read_policy_file(path: Path) -> Node:
    """The one document of a file. Raises PolicyError (rules 1 to 3)."""
    try:
        raw = path.read_bytes()
        text = raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(
            f"{path.name} cannot be read: {error}.", remedy="Put it back as UTF-8 text."
        ) from error
    if len(raw) > LIMIT_BYTES:
        raise PolicyError(
            f"{path.name} has {len(raw)} bytes, and {LIMIT_BYTES} may be.", remedy="Shorten it."
        )
    return parse_policy(text, path.name)


def parse_policy(text: str, file: str) -> Node:
    """As `read_policy_file`, of a text. Cost: in proportion to the text."""
    import yaml

    try:
        _refuse_references(text, file)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        said = error.problem or "it is no YAML"
        raise PolicyError(f"{file}, line {line}: {said}.", remedy="Correct the YAML.") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise PolicyError(
            f"{file} is no YAML that is read here.", remedy="Correct the YAML; nest it less."
        ) from error
    if root is None:
        raise PolicyError(f"{file} is empty.", remedy="Put its content back.")
    return _node(root, file, 0)


def _refuse_references(text: str, file: str) -> None:
    """Anchors and aliases, before anything is built of them (rule 1)."""
    import yaml

    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AnchorToken | yaml.AliasToken):
            line = token.start_mark.line + 1
            raise PolicyError(
                f"{file}, line {line}: anchors and aliases are not taken.",
                remedy="Write the value out where it is needed.",
            )


def _node(node: yaml.Node, file: str, level: int) -> Node:
    import yaml

    here = Node(None, file, node.start_mark.line + 1)
    if level > _LIMIT_LEVELS:
        here.refuse(f"it nests over {_LIMIT_LEVELS} levels.", "Nest it less.")
    is_collection = isinstance(node, yaml.CollectionNode)
    if is_collection and node.tag not in _COLLECTIONS:
        here.refuse(f"{node.tag} is not taken.", "Write plain lists and mappings.")
    if isinstance(node, yaml.MappingNode):
        return Node(_members(node, file, level), file, here.line)
    if isinstance(node, yaml.SequenceNode):
        elements = [_node(each, file, level + 1) for each in node.value]
        return Node(elements, file, here.line)
    make = _TAGS.get(node.tag)
    if make is None:
        here.refuse(f"{node.tag} is not taken.", "Write plain texts, numbers, true or false.")
    try:
        return Node(make(node.value), file, here.line)
    except ValueError:
        here.refuse(
            f"{node.value[:40]!r} is no plain number.", "Write digits, or put it in quotes."
        )


def _members(node: yaml.MappingNode, file: str, level: int) -> dict[str, Node]:
    members: dict[str, Node] = {}
    for key, value in node.value:
        name = _node(key, file, level + 1)
        if not isinstance(name.value, str) or name.value == "<<":
            name.refuse(f"{key.value!r} is no name.", "Put the name in quotes.")
        if name.value in members:
            first = members[name.value].line
            name.refuse(f"{name.value!r} stands twice, first in line {first}.", "Keep one.")
        members[name.value] = _node(value, file, level + 1)
    return members
