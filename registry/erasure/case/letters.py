"""Letters to a person who asked: acknowledgement, extension, refusal, completion. Pure.

Rules:
1. A letter is rendered from one frozen dataclass, which holds all that may be in it. The
   acknowledgement has no field that could tell whether anything is held about the person, so that
   before identity is verified it is the same either way (case 11).
2. Extension: inside the first term, with reasons (GDPR Art. 12(3); CCPA §1798.130(a)(2)(A)).
3. Refusal: reasons, the authority to complain to, and the courts (GDPR Art. 12(4)); under the CCPA
   what is kept and on which exception (11 CCR §7022(f)). So without a reason there is no letter.
4. Completion says what was erased, and just as plainly what was not: withheld, not searched, in
   backups until when, and that a suppression entry is kept (CCPA: 11 CCR §7022(e)).
5. A name that a template uses and its letter lacks is an error; no letter goes out with a gap.

Templates: `templates/letters/*.txt`, plain text in English. Whoever sends them may change them.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, fields
from datetime import date
from typing import ClassVar, TypeAlias

from registry.erasure.certificate.facts import Disposition, Outcome, Regime, Right
from registry.errors import InvalidInputError
from registry.render import text_environment

WIDTH = 78
_RIGHTS = {
    Right.ERASURE: "erasure of your personal data",
    Right.RESTRICTION: "restriction of the processing of your personal data",
    Right.OBJECTION: "objection to the processing of your personal data",
    Right.ACCESS: "access to your personal data",
}


@dataclass(frozen=True, slots=True)
class Sender:
    """Who answers. `contact`: where to write back; `officer`: of the data protection officer."""

    name: str
    contact: str
    officer: str | None


@dataclass(frozen=True, slots=True)
class Head:
    """What every letter begins with. `reference`: what to name in an answer; no identifier."""

    sender: Sender
    reference: str
    written_on: date
    received_on: date
    right: Right
    regime: Regime


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The request arrived (rule 1).

    `identity_question`: what the person must answer first; None where the channel knew them.
    """

    template: ClassVar[str] = "letters/acknowledgement.txt"
    head: Head
    due_on: date
    identity_question: str | None


@dataclass(frozen=True, slots=True)
class ExtensionLetter:
    """It takes longer (rule 2). `reasons`: sentences, one at least."""

    template: ClassVar[str] = "letters/extension.txt"
    head: Head
    due_on: date
    until: date
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Authority:
    """Where to complain: the authority's name, and its address, where it is known."""

    name: str
    address: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """It is not done, or not for all of the data (rule 3). `reasons`: sentences, one at least.

    `justification`: the code of the refusal in the case record. `in_part`: the rest is done.
    """

    template: ClassVar[str] = "letters/refusal.txt"
    head: Head
    justification: str
    reasons: tuple[str, ...]
    in_part: bool
    authority: Authority


@dataclass(frozen=True, slots=True)
class Kept:
    """Examples that are withheld, and the ground in words."""

    examples: int
    ground: str


@dataclass(frozen=True, slots=True)
class ModelNote:
    """What is done about how many models, until when (None: no day is set yet)."""

    models: int
    disposition: Disposition
    until: date | None


@dataclass(frozen=True, slots=True)
class Completion:
    """What was done, and what was not (rule 4).

    `not_searched`: batches. `backups_until`: the last day on which a backup holds the data, None if
    none does. `recipients`: how many were told. `suppression_basis`: on what the suppression entry
    stands and how long, None where none is kept. `authority`: needed where something is withheld.
    """

    template: ClassVar[str] = "letters/completion.txt"
    head: Head
    outcome: Outcome
    certificate: int
    examples: int
    datasets: int
    kept: tuple[Kept, ...]
    pending: int
    not_searched: int
    backups_until: date | None
    recipients: int
    unreachable: int
    models: tuple[ModelNote, ...]
    suppression_basis: str | None
    authority: Authority | None


Letter: TypeAlias = Acknowledgement | ExtensionLetter | Refusal | Completion


def render_letter(letter: Letter) -> str:
    """The letter as plain text, lines of at most 78 characters where words allow it.

    Raises InvalidInputError for a letter that the law does not allow (rules 2 to 4).
    """
    _check(letter)
    values = {item.name: getattr(letter, item.name) for item in fields(letter)}
    right = _RIGHTS[letter.head.right]
    text = text_environment().get_template(letter.template).render(values, right=right)
    return _wrapped(text)


def _check(letter: Letter) -> None:
    match letter:
        case Acknowledgement():
            return
        case ExtensionLetter():
            if letter.until <= letter.due_on:
                raise _refused(
                    f"an extension to {letter.until} is none: the answer is due on {letter.due_on}"
                )
            if letter.head.written_on > letter.due_on:
                raise _refused(
                    f"an extension is told by {letter.due_on}, and this is {letter.head.written_on}"
                )
            _require_reasons(letter.reasons)
        case Refusal():
            _require_reasons(letter.reasons)
        case Completion():
            if letter.outcome is Outcome.DENIED:
                raise _refused("a denied request is not completed: write a refusal")
            left = (letter.kept, letter.pending, letter.not_searched, letter.backups_until)
            if letter.outcome is Outcome.FULFILLED and any(left):
                raise _refused("it says fulfilled, and something is left")
            if letter.kept and letter.authority is None:
                raise _refused("data is withheld, and it names no authority to complain to")


def _require_reasons(reasons: tuple[str, ...]) -> None:
    if not any(reason.strip() for reason in reasons):
        raise _refused("it gives no reason")


def _refused(why: str) -> InvalidInputError:
    return InvalidInputError(
        f"This letter cannot be written: {why}.", remedy="Correct what it is made of."
    )


def _wrapped(text: str) -> str:
    """Long lines folded; what is indented or a list item stays so; never two empty lines."""
    lines: list[str] = []
    for line in text.strip().splitlines():
        mark = "  " if line.startswith("* ") else " " * (len(line) - len(line.lstrip()))
        folded = textwrap.wrap(
            line, WIDTH, subsequent_indent=mark, break_long_words=False, break_on_hyphens=False
        )
        if folded or (lines and lines[-1]):
            lines += folded or [""]
    return "\n".join(lines) + "\n"
