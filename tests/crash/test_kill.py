"""`kill -9` in the middle of the work: what was answered 2xx is there, and nothing is half."""

from __future__ import annotations

import random

from tests.crash.conftest import Site, check_whole, groups_of_events
from tests.crash.load import Load

RUNS = 100


def test_what_was_answered_outlives_a_kill_at_any_moment(site: Site) -> None:
    chance = random.Random(20260201)
    kills = 4 if site.settings.embedded else 2
    taken: set[bytes] = set()
    for kill in range(kills):
        serving = site.serve()
        fatal = chance.randint(1, RUNS)

        def fall(count: int, fatal: int = fatal) -> None:
            if count >= fatal:
                serving.kill()  # noqa: B023 - called before the loop goes on

        groups = groups_of_events(RUNS, first=kill * RUNS)
        load = Load(serving.url, site.token, groups, on_answer=fall).start()
        serving.end(kindly=False)
        load.stop()
        assert fatal <= len(load.taken) < 2 * RUNS
        taken |= load.taken
        check_whole(site.settings, taken)
    # Whatever nobody got an answer for is sent again, as clients do: now all is there, once.
    serving = site.serve()
    lost = [group for group in groups_of_events(kills * RUNS) if not taken.issuperset(group)]
    load = Load(serving.url, site.token, lost).start()
    load.join()
    serving.end()
    assert load.refusals == []
    assert len(taken | load.taken) == 2 * kills * RUNS
    check_whole(site.settings, taken | load.taken)
