"""What is masked in an event, where, and what it costs an event that has no secret."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from registry.pii.secret_shapes import SecretKind
from registry.pii.secrets import MASK, Masking, mask_secrets, may_hold_secrets
from tests.pii.events import FACET, clean_events, run_event, wordy_event
from tests.pii.tokens import AWS_SECRET, TOKENS

ASSIGNED = SecretKind.ASSIGNED_SECRET
NAMED = SecretKind.NAMED_SECRET
VARIABLE = SecretKind.ENVIRONMENT_VARIABLE
CLEAN_EVENTS = dict(clean_events())


def body_of(event: Any) -> bytes:
    return json.dumps(event).encode()


@pytest.mark.parametrize("name", CLEAN_EVENTS)
def test_an_event_without_secrets_stays_and_is_not_even_walked(name: str) -> None:
    body = CLEAN_EVENTS[name]
    event = json.loads(body)
    assert not may_hold_secrets(body)
    assert mask_secrets(event) == []
    assert event == json.loads(body)


def test_an_event_that_only_speaks_of_secrets_stays() -> None:
    event = wordy_event()
    assert mask_secrets(event) == []
    assert event == wordy_event()


# Sentence, a run facet, what becomes of it, path within the facet and kind of each masking.
FACETS: list[tuple[str, Any, Any, list[tuple[str, SecretKind]]]] = [
    (
        "secret environment variables lose their value, others nothing",
        {
            "environmentVariables": [
                {"name": "DB_PASSWORD", "value": "hunter2"},
                {"name": "FERNET_KEY", "value": "abc"},
                {"value": "s3", "name": "SERVICE_PASS"},
                {"name": "PARTITION_KEY", "value": "day"},
                {"name": "PWD", "value": "/home/ann"},
                {"name": "DATABASE_URL", "value": "postgres://ann:pw@db/x"},
            ]
        },
        {
            "environmentVariables": [
                {"name": "DB_PASSWORD", "value": MASK},
                {"name": "FERNET_KEY", "value": MASK},
                {"value": MASK, "name": "SERVICE_PASS"},
                {"name": "PARTITION_KEY", "value": "day"},
                {"name": "PWD", "value": "/home/ann"},
                {"name": "DATABASE_URL", "value": "postgres://ann:***@db/x"},
            ]
        },
        [
            (".environmentVariables[0].value", VARIABLE),
            (".environmentVariables[1].value", VARIABLE),
            (".environmentVariables[2].value", VARIABLE),
            (".environmentVariables[5].value", SecretKind.URL_PASSWORD),
        ],
    ),
    (
        "a member with a secret name loses its text, a number and an object stay",
        {"config": {"apiKey": "x y z", "token": 12, "password": {"from": "vault"}, "user": "a"}},
        {"config": {"apiKey": MASK, "token": 12, "password": {"from": "vault"}, "user": "a"}},
        [(".config.apiKey", NAMED)],
    ),
    (
        "a list under a secret name loses its texts",
        {"secrets": ["one", "two", 3]},
        {"secrets": [MASK, MASK, 3]},
        [(".secrets[0]", NAMED), (".secrets[1]", NAMED)],
    ),
    (
        "a member whose name has points is found by its path",
        {"properties": {"fs.s3a.secret.key": AWS_SECRET, "it's": "password=x1"}},
        {"properties": {"fs.s3a.secret.key": MASK, "it's": "password=***"}},
        [(".properties['fs.s3a.secret.key']", NAMED), (".properties['it\\'s']", ASSIGNED)],
    ),
    (
        "a pair of name and value loses the value",
        {"settings": [{"key": "db.password", "since": {"v": 1}, "value": "hunter2"}]},
        {"settings": [{"key": "db.password", "since": {"v": 1}, "value": MASK}]},
        [(".settings[0].value", NAMED)],
    ),
    (
        "the argument after a secret option is masked",
        {"command": ["run", "--password", "hunter2", "--token", "--verbose", "--user", "ann"]},
        {"command": ["run", "--password", MASK, "--token", "--verbose", "--user", "ann"]},
        [(".command[2]", NAMED)],
    ),
    (
        "an error message loses the password of its URL",
        {"message": "cannot reach postgres://ann:hunter2@db/x: timeout"},
        {"message": "cannot reach postgres://ann:***@db/x: timeout"},
        [(".message", SecretKind.URL_PASSWORD)],
    ),
    (
        "a header loses its whole value",
        {"headers": {"Authorization": "Bearer abc"}},
        {"headers": {"Authorization": MASK}},
        [(".headers.Authorization", NAMED)],
    ),
    (
        "a key that is a URL with a password is renamed, and another of that name told apart",
        {"seen": {"postgres://a:pw1@db/x": 1, "postgres://a:pw2@db/x": 2, "y": 3}},
        {"seen": {"postgres://a:***@db/x": 1, "(2) postgres://a:***@db/x": 2, "y": 3}},
        [
            (".seen['postgres://a:***@db/x']", SecretKind.URL_PASSWORD),
            (".seen['(2) postgres://a:***@db/x']", SecretKind.URL_PASSWORD),
        ],
    ),
    (
        "two secrets in one text are two maskings",
        {"text": "password=a1 secret=b2"},
        {"text": "password=*** secret=***"},
        [(".text", ASSIGNED), (".text", ASSIGNED)],
    ),
]


@pytest.mark.parametrize(
    ("facet", "expected", "maskings"), [case[1:] for case in FACETS], ids=[c[0] for c in FACETS]
)
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_a_facet_is_masked(
    facet: Any, expected: Any, maskings: list[tuple[str, SecretKind]], ensure_ascii: bool
) -> None:
    event = run_event(run_facets={"ours": {**FACET, **facet}})
    others = run_event(run_facets={"ours": {**FACET, **expected}})
    assert may_hold_secrets(json.dumps(event, ensure_ascii=ensure_ascii).encode())
    masked = copy.deepcopy(event)
    assert mask_secrets(masked) == [
        Masking(f"$.run.facets.ours{path}", kind) for path, kind in maskings
    ]
    assert masked == others
    assert list(json.dumps(masked)) == list(json.dumps(others)), "the order of keys stays"
    assert mask_secrets(masked) == [], "masking is idempotent"


def test_what_identifies_things_loses_only_the_passwords_of_urls() -> None:
    token = TOKENS["a GitHub personal token"][1]
    event = run_event()
    event["job"]["name"] = f"load password=hunter2 {token}"
    event["inputs"][0]["namespace"] = "postgres://ann:hunter2@db.example.org:5432"
    event["outputs"][0]["name"] = "jdbc:sqlserver://h;user=a;password=pw;db=x"
    assert mask_secrets(event) == [
        Masking("$.inputs[0].namespace", SecretKind.URL_PASSWORD),
        Masking("$.outputs[0].name", SecretKind.URL_PASSWORD),
    ]
    assert event["job"]["name"] == f"load password=hunter2 {token}"
    assert event["inputs"][0]["namespace"] == "postgres://ann:***@db.example.org:5432"
    assert event["outputs"][0]["name"] == "jdbc:sqlserver://h;user=a;password=***;db=x"


@pytest.mark.parametrize(
    "body",
    [
        rb'{"x": "pass\u0077ord=hunter2"}',
        rb'{"x": "password\u003dhunter2"}',
        rb'{"\u0070assword": "hunter2"}',
        rb'{"x": "postgres:\/\/ann:hunter2@db"}',
        rb'{"x": "one\npassword=hunter2"}',
        rb'{"x": "one\tghp_' + b"a1" * 18 + rb'"}',
        rb'{"password":"hunter2"}',
        b'{"password"\n:\n"hunter2"}',
        rb'{"x": "{\"password\": \"hunter2\"}"}',
    ],
)
def test_escapes_of_json_hide_nothing(body: bytes) -> None:
    event = json.loads(body)
    assert may_hold_secrets(body)
    assert len(mask_secrets(event)) == 1
    assert b"hunter2" not in body_of(event)


def test_a_deep_event_is_walked_like_any_other() -> None:
    event: dict[str, Any] = {"password": "hunter2"}
    for _ in range(10_000):
        event = {"x": [event]}
    assert mask_secrets(event) == [Masking("$" + ".x[0]" * 10_000 + ".password", NAMED)]


def test_a_lone_surrogate_is_kept() -> None:
    event: dict[str, Any] = {"x": "\ud800 password=hunter2 \udfff"}
    mask_secrets(event)
    assert event == {"x": "\ud800 password=*** \udfff"}
