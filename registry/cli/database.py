"""`registry db …`: the schema, the projection, and whether both are whole."""

from __future__ import annotations

import typer

from registry.cli.edge import Refused
from registry.cli.home import held_home, require_registry
from registry.cli.output import JsonOption, note, say, show_facts, show_json, show_table
from registry.cli.progress import shown_bar
from registry.settings import load_settings

group = typer.Typer(
    name="db", help="Upgrade, rebuild and check the database.", no_args_is_help=True
)


@group.command()
def upgrade(as_json: JsonOption = False) -> None:
    """Bring the schema to this program's; on an empty database make the first token."""
    from registry.app import prepare_database

    settings = load_settings()
    with held_home(settings, "registry db upgrade"):
        done = prepare_database(settings)
    if as_json:
        show_json({"before": done.before, "after": done.after, "token": done.secret})
        return
    show_facts([("Before", done.before or "empty"), ("Now", done.after)])
    if done.secret is not None:
        say(f"The first administrator token is {done.secret}")
        note("Keep it: it is not shown again. It makes others: registry token create.")


@group.command()
def rebuild(as_json: JsonOption = False) -> None:
    """Project the catalog again from the kept events; what was allotted stays."""
    from registry.app import open_house
    from registry.clock import system_clock
    from registry.lineage.reproject import rebuild as project_everything
    from registry.policy.actions import Action
    from registry.request import require_here
    from registry.storage.home import local_token

    settings = load_settings()
    with held_home(settings, "registry db rebuild"):
        house = open_house(settings)
        try:
            actor = house.tokens.authenticate(local_token(settings))
            require_here(house, actor, Action.ADMINISTER, at="registry db rebuild")
            with shown_bar("projecting events") as bar:

                def count(done: int, total: int) -> None:
                    bar.advance(done, total, f"{done:,} of {total:,} events")

                events = project_everything(
                    house.database, clock=system_clock, actor=actor.account_id, progress=count
                )
        finally:
            house.database.close()
    if as_json:
        show_json({"events": events})
        return
    say(f"{events:,} events were projected again.")


@group.command()
def check(as_json: JsonOption = False) -> None:
    """Look whether database and ledger are whole; exit 1 where they are not."""
    from registry.app import check_everything

    settings = load_settings()
    require_registry(settings)
    findings = check_everything(settings)
    whole = not any(finding.problems for finding in findings)
    if as_json:
        checks = [{"subject": f.subject, "problems": f.problems} for f in findings]
        show_json({"whole": whole, "checks": checks})
    else:
        show_table(
            ["CHECKED", "FOUND"],
            [
                (finding.subject, problem)
                for finding in findings
                for problem in finding.problems or ("whole",)
            ],
            empty="Nothing was checked.",
        )
    if not whole:
        raise Refused
