"""docker-compose.yml and Dockerfile are held to the program they run, and to good order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.deployment import known_commands, known_settings
from tests.house.tree import project_file, read

COMPOSE: dict[str, Any] = yaml.safe_load(read(Path("docker-compose.yml")))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
DOCKERFILE = read(Path("Dockerfile"))
# `${NAME:?message}`: compose refuses to start without it.
DEMANDED = re.compile(r"\$\{[A-Z_]+:\?[^}]+\}")
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|MASTER_KEY")

every_service = pytest.mark.parametrize("name", SERVICES)
every_own_service = pytest.mark.parametrize("name", OURS)


def is_one_shot(service: dict[str, Any]) -> bool:
    return bool(service.get("restart") == "no")


def environment(service: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in service.get("environment", {}).items()}


def test_the_services_are_those_the_documents_promise() -> None:
    assert set(SERVICES) == {"proxy", "registry", "worker", "upgrade", "database", "objects"}
    assert set(OURS) == {"registry", "worker", "upgrade"}


@every_service
def test_a_service_has_a_health_check_or_runs_once(name: str) -> None:
    service = SERVICES[name]
    assert ("healthcheck" in service) != is_one_shot(service)


@every_service
def test_an_image_is_pinned(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].rpartition(":")
    assert image, "an image without a tag is `latest`"
    assert tag == "local" if name in OURS else re.match(r"\d+\.\d+", tag)


@every_service
def test_a_service_waits_for_what_it_needs(name: str) -> None:
    """Waiting for `started` is waiting for nothing, and a one-shot service is never healthy."""
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        completed = is_one_shot(SERVICES[needed])
        expected = "service_completed_successfully" if completed else "service_healthy"
        assert how["condition"] == expected


@every_service
def test_volumes_are_named_and_declared(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source, target, *_ = volume.split(":")
        assert source in COMPOSE["volumes"]
        assert target.startswith("/")


def test_every_declared_volume_is_used_and_every_store_has_one() -> None:
    used = {v.split(":")[0] for service in SERVICES.values() for v in service.get("volumes", [])}
    assert used == set(COMPOSE["volumes"])
    assert all(SERVICES[name].get("volumes") for name in ("database", "objects", "registry"))


@every_service
def test_a_secret_comes_from_outside(name: str) -> None:
    for variable, value in environment(SERVICES[name]).items():
        if SECRET_NAME.search(variable) and not variable.endswith("_FILE"):
            assert DEMANDED.fullmatch(value), variable
        assert not re.search(r"://[^/@]*:[^/@]+@", value), f"{variable} holds a password"


def test_nothing_taken_from_outside_may_be_missing() -> None:
    text = "\n".join(
        line
        for line in read(Path("docker-compose.yml")).splitlines()
        if not line.lstrip().startswith("#")
    )
    taken = re.findall(r"\$\{[^}]*\}|\$[A-Za-z_]\w*", text)
    assert len(taken) >= 4
    assert [each for each in taken if not DEMANDED.fullmatch(each)] == []


def test_what_must_be_set_is_said_at_the_top() -> None:
    text = read(Path("docker-compose.yml"))
    head = text.partition("\nname:")[0]
    demanded = set(re.findall(r"\$\{([A-Z_]+):\?", text))
    assert set(re.findall(r"^#   ([A-Z_]+)\b", head, flags=re.M)) == demanded


@every_own_service
def test_only_settings_that_exist_are_set(name: str) -> None:
    ours = {each for each in environment(OURS[name]) if each.startswith("REGISTRY_")}
    assert ours
    assert ours <= known_settings()


@every_own_service
def test_only_commands_that_exist_are_run(name: str) -> None:
    words = [str(word) for word in OURS[name]["command"]]
    options = [word for word in words if word.startswith("--")]
    commands = known_commands()
    matching = [known for known in commands if tuple(words[: len(known)]) == known]
    assert matching, words
    assert set(options) <= commands[max(matching, key=len)]


@every_own_service
def test_our_services_run_with_few_rights(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "privileged" not in service


def test_only_the_proxy_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]


def test_the_stores_are_on_a_network_without_a_way_out() -> None:
    assert COMPOSE["networks"]["back"]["internal"] is True
    assert SERVICES["database"]["networks"] == SERVICES["objects"]["networks"] == ["back"]
    assert SERVICES["proxy"]["networks"] == ["front"]


def test_the_proxy_leads_to_the_port_that_is_served() -> None:
    command = SERVICES["registry"]["command"]
    port = command[command.index("--port") + 1]
    assert f"reverse_proxy registry:{port}" in COMPOSE["configs"]["caddyfile"]["content"]
    assert f"http://127.0.0.1:{port}/readyz" in str(SERVICES["registry"]["healthcheck"])
    assert f"EXPOSE {port}" in DOCKERFILE


def test_the_image_is_pinned_and_does_not_run_as_root() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.M)
    assert set(bases) == {"python:3.12-slim-bookworm"}
    users = re.findall(r"^USER (\S+)", DOCKERFILE, flags=re.M)
    assert users == ["registry"]


def test_the_image_installs_what_is_locked_and_hashed() -> None:
    assert "--require-hashes" in DOCKERFILE
    assert "--constraint requirements.lock" in DOCKERFILE


def test_the_image_is_given_all_that_the_wheel_is_made_of() -> None:
    wheel = project_file()["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = set(" ".join(re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, flags=re.M)).split())
    needed = {*wheel["packages"], *wheel["force-include"], project_file()["project"]["readme"]}
    assert needed <= copied
    allowed = set(re.findall(r"^!(\S+)$", read(Path(".dockerignore")), flags=re.M))
    assert allowed == copied
