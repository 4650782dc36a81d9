"""What logs people in, piece by piece: groups, throttles, passwords, settings."""

from __future__ import annotations

from datetime import timedelta

import pytest

from registry.actors.group_roles import groups_in, read_group_roles, roles_of_groups
from registry.actors.passwords import Passwords, check_new_password
from registry.actors.tables import Role
from registry.actors.throttle import wait_after
from registry.errors import InvalidInputError, SettingsError
from registry.settings import Settings, load_settings


def test_groups_give_the_roles_of_their_rules() -> None:
    rules = read_group_roles(
        [
            "auditor@speech=CN=audit;OU=x=y",
            " viewer@* = everybody ",
            "steward@default=everybody",
        ]
    )
    assert roles_of_groups(rules, ["everybody", "else"]) == {
        ("*", Role.VIEWER),
        ("default", Role.STEWARD),
    }
    assert roles_of_groups(rules, ["CN=audit;OU=x=y"]) == {("speech", Role.AUDITOR)}
    assert roles_of_groups(rules, []) == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "auditor",
        "auditor@speech",
        "auditor=group",
        "@speech=group",
        "auditor@=group",
        "auditor@speech=",
        "root@speech=group",
        "Auditor@speech=group",
    ],
)
def test_a_rule_that_is_none_stops_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match="REGISTRY_OIDC_GROUPS"):
        read_group_roles([text])


def test_a_claim_of_groups_is_a_list_or_one_text() -> None:
    assert groups_in(["a", 5, None, "b"]) == ("a", "b")
    assert groups_in("a") == ("a",)
    assert [groups_in(none) for none in (None, 5, {"a": 1}, [])] == [(), (), (), ()]


def test_failures_are_free_first_then_cost_twice_as_much_each_up_to_a_limit() -> None:
    waits = [wait_after(failures, 5).total_seconds() for failures in range(5, 18)]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]
    assert wait_after(4, 5) == timedelta()
    assert wait_after(10**9, 5) == timedelta(minutes=15)


def test_a_password_is_known_by_its_hash_alone() -> None:
    passwords = Passwords()
    encoded = passwords.encode("ﬁve Wörds")
    assert passwords.matches(encoded, "five Wörds")  # NFKC: however it was typed
    assert not passwords.matches(encoded, "five Words")
    assert not passwords.matches(None, "five Wörds")
    assert not passwords.matches("no hash", "five Wörds")
    assert passwords.encode("five Wörds") != encoded


def test_half_a_character_is_no_password() -> None:
    with pytest.raises(InvalidInputError, match="half of a character"):
        check_new_password("four words \ud800 of none", name="x")


PROVIDER = {"REGISTRY_OIDC_ISSUER": "https://id.test", "REGISTRY_OIDC_CLIENT_ID": "registry"}


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"REGISTRY_TLS_CERTIFICATE": "x"}, "TLS needs a certificate and its key"),
        ({"REGISTRY_TLS_KEY": "x"}, "TLS needs a certificate and its key"),
        ({"REGISTRY_TRUSTED_PROXIES": "10.0.0.1,proxy"}, "no address or network"),
        ({"REGISTRY_ALLOW_PLAIN_HTTP": "perhaps"}, "a bool is needed"),
        ({"REGISTRY_SESSION_HOURS": "0"}, "must be above zero"),
        (PROVIDER | {"REGISTRY_OIDC_ISSUER": "http://id.test"}, "not https"),
        (PROVIDER | {"REGISTRY_OIDC_ISSUER": "id.test"}, "not https"),
        ({"REGISTRY_OIDC_ISSUER": "https://id.test"}, "CLIENT_ID is not"),
        (PROVIDER | {"REGISTRY_OIDC_ALGORITHMS": "RS256,none"}, "names none"),
        (PROVIDER | {"REGISTRY_OIDC_ALGORITHMS": "HS256"}, "names HS256"),
    ],
)
def test_a_setting_that_cannot_be_stops_the_start(
    environment: dict[str, str], complaint: str
) -> None:
    with pytest.raises(SettingsError, match=complaint):
        load_settings(environment)


def test_settings_of_a_provider_are_read() -> None:
    settings: Settings = load_settings(
        PROVIDER
        | {
            "REGISTRY_OIDC_GROUPS": "viewer@default=a, steward@default=b",
            "REGISTRY_TRUSTED_PROXIES": "10.0.0.0/24,::1",
        }
    )
    assert settings.oidc_groups == ("viewer@default=a", "steward@default=b")
    assert settings.trusted_proxies == ("10.0.0.0/24", "::1")
