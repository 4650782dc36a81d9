"""Asks the API, and holds the answer to what is documented."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter
from starlette.testclient import TestClient

API = "/api/v1"


def get(client: TestClient, path: str, shape: Any = None, **params: Any) -> Any:
    """The JSON of a 200, which has the documented shape."""
    answer = client.get(API + path, params=params)
    assert answer.status_code == 200, answer.text
    if shape is not None:
        TypeAdapter(shape).validate_json(answer.content)
    return answer.json()


def refused(client: TestClient, path: str, status: int, **params: Any) -> dict[str, Any]:
    """The problem document of a refusal, with all its members."""
    answer = client.get(API + path, params=params)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["code"]
    assert problem["detail"]
    assert problem["remedy"]
    return dict(problem)


def at(*names: str) -> str:
    """A path of percent-encoded names."""
    return "/".join(quote(name, safe="") for name in names)
