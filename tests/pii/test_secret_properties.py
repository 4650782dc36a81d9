"""What holds of masking whatever the event: it forgets the secret, and keeps the rest."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from registry.pii.secrets import MASK, mask_secrets, mask_text, may_hold_secrets
from tests.pii.tokens import ALNUM, TOKENS

# Pieces that meet to make what the rules look for, in every wrong order too.
PIECES = st.sampled_from(
    [
        "password", "secret", "token", "api_key", "Authorization", "Cookie", "PWD", "identified by",
        "=", ": ", ":", " = ", "=>", "://", "ann:", "@db", "/", "?", "&", ";", ",", "#12", "]", ")",
        "'", '"', "\\", '\\"', "\n", " ", "{", "}", "Bearer ", "--", "curl -u ", "mysql -p", "***",
        "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "hunter2", "é", "\u2028", "1",
        *(token for _, token in TOKENS.values()),
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=12).map("".join)
KEYS = st.one_of(
    st.sampled_from(["name", "value", "key", "password", "api key", "environmentVariables"]),
    TEXTS,
)
VALUES = st.recursive(
    st.one_of(TEXTS, st.integers(), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
EVENTS = st.dictionaries(KEYS, VALUES, max_size=5)
# A secret nobody could take for a placeholder, a type, a variable or another word.
SECRETS = st.text(ALNUM + "!#%^~_.", min_size=8, max_size=24).map(lambda text: "Zq7" + text + "9x")
CONTEXTS = st.sampled_from(
    [
        "postgres://ann:{}@db.example.org/x",
        "jdbc:postgresql://db/x?user=ann&password={}&ssl=true",
        "run --password={} --verbose",
        "run --password {} --verbose",
        "SELECT 1 WHERE password = '{}' AND a = b",
        "ALTER USER ann PASSWORD '{}'",
        '{{"user": "ann", "client_secret": "{}"}}',
        "Authorization: Bearer {}",
        "export AWS_SECRET_ACCESS_KEY={}\nnext",
        "user: ann\npassword: {}\n",
    ]
)


def escaped(text: str) -> str:
    """The JSON of a text with every character escaped that may be."""
    return '"' + "".join(f"\\u{ord(character):04x}" for character in text) + '"'


@given(TEXTS)
def test_a_masked_text_has_nothing_more_to_mask(text: str) -> None:
    masked, kinds = mask_text(text)
    assert mask_text(masked) == (masked, [])
    assert bool(kinds) == (masked != text)


@given(EVENTS)
def test_a_masked_event_has_nothing_more_to_mask(event: dict[str, Any]) -> None:
    mask_secrets(event)
    masked = copy.deepcopy(event)
    assert mask_secrets(event) == []
    assert event == masked


@given(EVENTS, st.booleans())
def test_a_body_with_something_to_mask_is_never_passed_over(
    event: dict[str, Any], ensure_ascii: bool
) -> None:
    body = json.dumps(event, ensure_ascii=ensure_ascii).encode()
    if mask_secrets(event):
        assert may_hold_secrets(body)


@given(TEXTS)
def test_escaping_every_character_hides_nothing(text: str) -> None:
    body = f'{{"text": {escaped(text)}}}'.encode()
    if mask_secrets(json.loads(body)):
        assert may_hold_secrets(body)


@given(SECRETS, CONTEXTS)
def test_the_secret_is_gone_and_the_rest_is_as_it_was(secret: str, context: str) -> None:
    event: dict[str, Any] = {"run": {"facets": {"x": {"text": context.format(secret), "n": 7}}}}
    maskings = mask_secrets(event)
    assert [masking.path for masking in maskings] == ["$.run.facets.x.text"]
    assert event == {"run": {"facets": {"x": {"text": context.format(MASK), "n": 7}}}}


@given(st.dictionaries(st.sampled_from("abcdef"), st.text(st.sampled_from("abc =:/@.'\n1é"))))
def test_a_text_that_names_no_secret_stays(event: dict[str, Any]) -> None:
    before = copy.deepcopy(event)
    maskings = mask_secrets(event)
    assert [masking for masking in maskings if masking.kind != "url_password"] == []
    assert maskings or event == before
