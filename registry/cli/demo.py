"""`registry demo`: a real pipeline, told of to a registry, and where its model came from."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli.output import JsonOption, note, say, show_json, show_table, show_tree
from registry.cli.progress import Bar, shown_bar

if TYPE_CHECKING:
    from registry.demo.cards import Cards
    from registry.demo.consent import Trainable
    from registry.demo.erasure import Erased
    from registry.demo.proof import EventProof
    from registry.demo.questions import OneExample
    from registry.demo.story import BatchFacts, Story

SOURCES_SHOWN = 5
_ENDED = frozenset({"verified", "not_present", "acknowledged", "impossible", "disposed"})
# What to try next, on the demo's home: arguments of this program.
NEXT: tuple[tuple[str, ...], ...] = (
    ("lineage", "file://demo docstrings/raw", "--downstream"),
    ("datasets", "show", "file://demo docstrings/train"),
    ("version", "show", "file://demo docstrings/raw", "--version", "1"),
    ("runs", "list", "demo train"),
    ("trace", "file://demo docstrings/train", "all:1"),
    ("sample", "file://demo docstrings/validation", "--size", "3"),
    ("locate", "email", "generated.ada.ashby@example.org"),
    ("version", "verify", "file://demo docstrings/train"),
    ("manifest", "file://demo docstrings/train"),
    ("policy", "explain", "file://demo docstrings/train"),
    ("card", "--model", "file://demo models/module-classifier", "--gaps"),
    ("db", "check"),
    ("serve",),
)


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    home: Annotated[
        Path | None, typer.Option(help="Folder of the demo. Default: registry-demo.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a pipeline on Python's own standard library, and say where its model came from.

    No network. An earlier demo in the same folder is deleted; anything else there is left alone.
    """
    from registry.demo.home import DEFAULT
    from registry.demo.story import tell

    began = time.monotonic()
    with ExitStack() as stack:
        stage = _Stage(stack, note if as_json else say)
        story = tell(home or DEFAULT, stage)
    seconds = round(time.monotonic() - began, 3)
    if as_json:
        facts = {"home": str(story.home.absolute()), "steps": stage.steps, "seconds": seconds}
        answers = {"lineage": story.lineage, "sample": story.sample}
        example = {"trace": story.example.backward, "forward": story.example.forward}
        proof = {"event": story.proof.event, "index": story.proof.index, "size": story.proof.size}
        asked = {"before": story.trainable.before.about, "after": story.trainable.after.about}
        answers = {**answers, "example": example, "proof": proof, "trainable": asked}
        erased = {"plan": story.erased.plan, "request": story.erased.request}
        erased["rows"] = {"before": story.erased.rows_before, "after": story.erased.rows_after}
        answers |= {"erased": {**erased, "certificate": str(story.erased.certificate)}}
        answers |= {"cards": _cards_facts(story.cards)}
        show_json({**facts, "files": story.files_read, **answers})
        return
    _show(story, seconds)


class _Stage:
    """Shows each step: a bar while it runs, one line when it is done."""

    def __init__(self, stack: ExitStack, tell: Callable[[str], None]) -> None:
        self._stack, self._tell = stack, tell
        self._bar: Bar | None = None
        self._step, self._began, self._done, self._parts = "", 0.0, 0, 0
        self.steps: list[dict[str, Any]] = []

    def note(self, text: str) -> None:
        """Something to know."""
        self._tell(text)

    def begin(self, step: str, parts: int) -> None:
        """A step begins."""
        self._step, self._began, self._done, self._parts = step, time.monotonic(), 0, parts
        self._bar = self._stack.enter_context(shown_bar(step))

    def advance(self) -> None:
        """One part of the step is done."""
        self._done += 1
        if self._bar is not None:
            self._bar.advance(self._done, self._parts, self._step)

    def end(self, outcome: str) -> None:
        """The step is done; its bar goes, so that the line stands where it was."""
        self._stack.close()
        seconds = time.monotonic() - self._began
        self.steps.append({"step": self._step, "outcome": outcome, "seconds": round(seconds, 3)})
        self._tell(f"  {self._step:<12} {seconds:5.1f} s  {outcome}")


def _show(story: Story, seconds: float) -> None:
    from registry.cli.lineage import grown_tree
    from registry.demo.home import DATA
    from registry.demo.story import MODEL_NODE

    remarks = {node: _batches_text(batches) for node, batches in story.batches.items()}
    tree, _ = grown_tree(story.lineage, MODEL_NODE, ["upstream"], remarks)
    say("")
    show_tree(tree)
    say("")
    sources = [batch for batches in story.batches.values() for batch in batches if batch.origin]
    sources.sort(key=lambda batch: (-(batch.examples or 0), batch.name))
    say(f"Its {len(sources)} sources, the largest first, each a batch with origin and licence:")
    rows = [(b.name, b.examples, b.license, b.origin) for b in sources[:SOURCES_SHOWN]]
    show_table(["BATCH", "EXAMPLES", "LICENCE", "ORIGIN"], rows, empty="", right=["EXAMPLES"])
    say("")
    _show_example(story.example)
    _show_sample(story.sample)
    _show_proof(story.proof)
    _show_trainable(story.trainable)
    say(f"All {story.files_read:,} files were read again: each has the digest that is recorded.")
    say("")
    _show_erased(story.erased)
    _show_cards(story.cards)
    say(f"Done in {seconds:.1f} s. All of it is in {story.home}; look around:")
    say("")
    say(f"  export REGISTRY_HOME={shlex.quote(str(story.home))}")
    say(f"  export REGISTRY_FILE_ROOTS={shlex.quote(str(story.home / DATA))}")
    for arguments in NEXT:
        say(f"  {_program()} {' '.join(_quoted(argument) for argument in arguments)}")


def _show_example(example: OneExample) -> None:
    from registry.cli.example_trees import backward_tree, show_forward, show_notes

    say("The first example that it was trained on, back to where it came from:")
    say("")
    show_tree(backward_tree(example.backward))
    show_notes(example.backward)
    say("")
    say(f"{example.code.path}, line {example.code.first}, in the copy that is installed here:")
    say("")
    for number, line in enumerate(example.code.lines, example.code.first):
        say(f"  {number:>5}  {line}".rstrip())
    say("")
    say("The same example forward, from where it came in to the model that saw it:")
    say("")
    show_forward(example.forward)
    say("")


def _show_sample(sample: dict[str, Any]) -> None:
    from registry.cli.example_trees import show_sample

    say("As an auditor works: a few examples drawn by a seed, and their file rows read again.")
    say("")
    show_sample(sample)
    say("")


def _show_proof(proof: EventProof) -> None:
    place = f"entry {proof.index:,} of the audit log, which has {proof.size:,}"
    say(f"The event that made the model is {place}:")
    say("")
    say(f"  log    {proof.origin}")
    say(f"  event  {proof.event}")
    say(f"  leaf   {proof.leaf}")
    say(f"  root   {proof.root}  (signed; {len(proof.hashes)} hashes lead to it, checked here)")
    say("")


def _show_trainable(trainable: Trainable) -> None:
    before, after = trainable.before, trainable.after
    gone = before.allowed - after.allowed
    say(f"May the model be trained on it? {before.allowed:,} examples, as everybody agreed.")
    say(f"{trainable.contributor.name}, who is generated, withdraws. Asked again:")
    say("")
    why = ", ".join(after.withheld)
    say(f"  trainable  {after.allowed:,} examples, {gone:,} fewer; withheld for: {why}")
    say(f"  manifest   {after.digest}")
    say("")


def _show_erased(erased: Erased) -> None:
    plan, request = erased.plan, erased.request
    say(f"{erased.contributor.name} asks to be erased. The plan, approved by somebody else:")
    say("")
    for group in plan["erase"]["by_dataset"]:
        say(f"  erase      {group['examples']:>3} of {group['namespace']} {group['name']}")
    for group in plan["review"]:
        count = "some" if group["examples"] is None else group["examples"]
        say(f"  to decide  {count:>3} for the reason {group['reason'].replace('_', ' ')}")
    for each in plan["decided"]:
        why = each["why"]
        say(f"  decided    {each['reason'].replace('_', ' ')}: {each['decision']} ({why})")
    left = [task for task in request["tasks"] if task["state"] not in _ENDED]
    kinds = sorted({task["kind"].replace("_", " ") for task in left})
    say("")
    own = next(task for task in request["tasks"] if task["target"] == "ledger")
    say(f"Located before: {erased.before:,} examples; afterwards: {erased.after:,}.")
    say(
        f"Taken out of the index, its old versions, objects and sums: {own['erased']:,} of "
        f"{own['expected']:,}; read back, {own['verified']:,} are looked for and not found."
    )
    files = [task for task in request["tasks"] if task["kind"] == "file"]
    rows = sum(task["verified"] or 0 for task in files)
    say(f"Taken out of {len(files):,} Parquet files: {rows:,} rows. All files were read again:")
    say(f"rows of theirs before: {erased.rows_before:,}; afterwards: {erased.rows_after:,}.")
    for task in request["tasks"]:
        if task["kind"] == "model":
            said = f"{task['disposition']} by {task['due_on']}"
            say(f"What is done about {task['target'].rpartition(' ')[0]}: {said}.")
    say(f"The outcome is {request['state'].replace('_', ' ')}, due on {request['due']['date']}.")
    if left:
        say(f"Left to be done: {len(left):,} tasks ({', '.join(kinds)}).")
    say(f"Certificate {request['certificates'][-1]['number']} says so, and verifies:")
    say("")
    keys = erased.certificate.with_name("public-keys.txt")
    arguments = ("certificate", "verify", str(erased.certificate), "--key", str(keys))
    say(f"  {_program()} {' '.join(_quoted(each) for each in arguments)}")
    say("")


def _show_cards(cards: Cards) -> None:
    say(f"The cards of its training data and of its model are {len(cards.files)} files in")
    say(f"{cards.folder}. What nobody recorded stands in them as a gap, with who can close it:")
    say("")
    rows = [(each.what, each.kind, each.answered, each.gaps) for each in cards.counts]
    columns = ["CARD OF THE", "KIND", "ANSWERED", "GAPS"]
    show_table(columns, rows, empty="", right=["ANSWERED", "GAPS"])
    say("")


def _cards_facts(cards: Cards) -> dict[str, Any]:
    names = ("what", "kind", "asked", "answered", "gaps", "blocking")
    counts = [{name: getattr(each, name) for name in names} for each in cards.counts]
    return {"files": [str(file) for file in cards.files], "counts": counts}


def _batches_text(batches: list[BatchFacts]) -> str:
    """`175 batches, 6,859 examples`; a model's batch has no examples."""
    counts = [batch.examples for batch in batches if batch.examples is not None]
    if not counts:
        return ""
    number = "1 batch" if len(batches) == 1 else f"{len(batches)} batches"
    return f"{number}, {sum(counts):,} examples"


def _quoted(argument: str) -> str:
    return f'"{argument}"' if " " in argument else argument


def _program() -> str:
    """How this program was called, as it can be called again from here."""
    path = Path(sys.argv[0])
    if path.name == "__main__.py":
        return f"{Path(sys.executable).name} -m registry"
    found = shutil.which("registry")
    if found is not None and Path(found).resolve() == path.resolve():
        return "registry"
    return os.path.relpath(path)
