"""The token cache answers without the database, and never for longer than a second."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from registry.actors.accounts import list_tokens, revoke_token
from registry.actors.tables import Role, Token
from registry.actors.token_cache import TokenCache
from registry.errors import StorageUnavailableError, UnauthenticatedError
from registry.request import House
from registry.storage.columns import table_of
from tests.clock import FrozenClock
from tests.conftest import TokenMaker

_token = table_of(Token)


def count_queries(house: House) -> list[str]:
    seen: list[str] = []

    @event.listens_for(house.database.engine, "before_cursor_execute")
    def note(_c: object, _cu: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    return seen


def test_a_token_is_looked_up_once_a_second(
    house: House, make_token: TokenMaker, frozen_clock: FrozenClock
) -> None:
    secret = make_token(Role.PIPELINE)
    queries = count_queries(house)
    actor = house.tokens.authenticate(secret)
    asked = len(queries)
    assert house.tokens.authenticate(secret) == actor == house.tokens.cached(secret)
    assert len(queries) == asked
    frozen_clock.advance(seconds=1)
    assert house.tokens.cached(secret) is None
    assert house.tokens.authenticate(secret) == actor
    assert len(queries) > asked


def test_a_revoked_token_is_refused_within_a_second(
    house: House, make_token: TokenMaker, frozen_clock: FrozenClock
) -> None:
    secret = make_token(Role.PIPELINE)
    actor = house.tokens.authenticate(secret)
    with house.database.write() as session:
        revoke_token(session, actor.token_id, actor="someone", now=frozen_clock())
    frozen_clock.advance(seconds=1)
    with pytest.raises(UnauthenticatedError):
        house.tokens.authenticate(secret)


def test_a_cleared_cache_asks_again(house: House, make_token: TokenMaker) -> None:
    secret = make_token(Role.PIPELINE)
    actor = house.tokens.authenticate(secret)
    with house.database.write() as session:
        revoke_token(session, actor.token_id, actor="someone", now=house.clock())
    house.tokens.clear()
    with pytest.raises(UnauthenticatedError):
        house.tokens.authenticate(secret)


def test_a_clock_that_was_set_back_keeps_no_answer_alive(
    house: House, make_token: TokenMaker, frozen_clock: FrozenClock
) -> None:
    secret = make_token(Role.PIPELINE)
    house.tokens.authenticate(secret)
    frozen_clock.advance(hours=-1)
    assert house.tokens.cached(secret) is None


def test_a_new_token_works_at_once_after_a_failure(house: House, make_token: TokenMaker) -> None:
    with pytest.raises(UnauthenticatedError):
        house.tokens.authenticate("reg_unknown")
    house.tokens.authenticate(make_token(Role.PIPELINE))


def test_the_cache_holds_no_more_than_its_limit(house: House, make_token: TokenMaker) -> None:
    cache = TokenCache(house.database, house.clock, limit=2)
    secrets = [make_token(Role.VIEWER, name=f"account {number}") for number in range(3)]
    for secret in secrets:
        cache.authenticate(secret)
    assert [cache.cached(secret) is not None for secret in secrets] == [False, True, True]


def test_the_last_use_is_written_at_most_once_a_minute(
    house: House, make_token: TokenMaker, frozen_clock: FrozenClock
) -> None:
    secret = make_token(Role.VIEWER)
    token_id = house.tokens.authenticate(secret).token_id

    def last_used() -> object:
        with house.database.read() as session:
            return session.execute(
                select(_token.c.last_used_at).where(_token.c.id == token_id)
            ).scalar_one()

    assert last_used() is None
    house.tokens.write_uses()
    first = frozen_clock()
    assert last_used() == first
    for seconds, expected in ((59, first), (2, first + timedelta(seconds=61))):
        frozen_clock.advance(seconds=seconds)
        house.tokens.authenticate(secret)
        house.tokens.write_uses()
        assert last_used() == expected


def test_uses_that_could_not_be_written_are_written_later(
    house: House, make_token: TokenMaker
) -> None:
    cache = TokenCache(house.database, house.clock)
    cache.authenticate(make_token(Role.VIEWER, name="late"))

    @event.listens_for(house.database.engine, "before_cursor_execute", retval=False)
    def refuse(_c: object, _cu: object, statement: str, *_rest: object) -> None:
        if statement.startswith("UPDATE token"):
            raise StorageUnavailableError("Gone.", remedy="Wait.")

    with pytest.raises(StorageUnavailableError):
        cache.write_uses()
    event.remove(house.database.engine, "before_cursor_execute", refuse)
    cache.write_uses()
    with house.database.read() as session:
        used = {view.account: view.last_used_at for view in list_tokens(session, now=house.clock())}
    assert used["late"] == house.clock()


def test_many_threads_get_one_answer(house: House, make_token: TokenMaker) -> None:
    secrets = [make_token(Role.VIEWER, name=f"account {number}") for number in range(4)]
    with ThreadPoolExecutor(8) as pool:
        actors = list(pool.map(house.tokens.authenticate, secrets * 50))
    assert [actor.name for actor in actors] == [f"account {n}" for n in range(4)] * 50
