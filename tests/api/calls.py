"""One request for every route: what the authorization matrix asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.api.town import event, run_of

DIGEST = "ab" * 32
SPEECH = "/api/v1/namespaces/s3%3A%2F%2Fspeech"
CLEAN = {"namespace": "s3://speech", "name": "clean"}
NODE = "dataset:s3://speech:clean"

# Routes that everybody may ask, then everybody who is known, and why that is so.
EXEMPT = {
    "GET /healthz": "says that the process answers, and nothing else",
    "GET /readyz": "says that the database answers, and nothing else",
    "POST /api/v1/erasure-acknowledgements": "the secret of a notice is what is asked for",
    "POST /api/v1/erasure-acknowledgements/{task_id}": "is signed by the system that was told",
    "POST /api/v1/erasure-requests/tickets": "is signed, which stands for an account that may file",
}

FOR_EVERYBODY_KNOWN = {
    "GET /openapi.json": "says what the server speaks, and nothing of what it holds",
    "POST /api/v1/access-requests": "who holds no role yet may ask for one",
    "GET /api/v1/access-requests": "lists what the asker filed",
    "GET /api/v1/access-requests/{request_id}": "shows what the asker filed",
}


@dataclass(frozen=True)
class Call:
    """A request to a route; of a path with `{digest}` the held event's digest takes the place."""

    route: str
    path: str
    json: Any = None
    params: dict[str, Any] | None = None
    content: bytes | None = None

    @property
    def method(self) -> str:
        return self.route.split()[0]

    def ask(self, town: Any, who: str | None, **values: str) -> Any:
        """The answer to it."""
        options = {"json": self.json, "params": self.params, "content": self.content}
        given = {name: value for name, value in options.items() if value is not None}
        return town.ask(who, self.method, self.path.format(**values), **given)


def get(path: str, ask: str | None = None, **params: Any) -> Call:
    """A GET of a route, by another path where the route has parameters."""
    return Call(f"GET /api/v1{path}", ask or f"/api/v1{path}", params=params or None)


def post(path: str, body: Any, ask: str | None = None, method: str = "POST") -> Call:
    """A POST of a route."""
    return Call(f"{method} /api/v1{path}", ask or f"/api/v1{path}", json=body)


_IN = "/namespaces/{namespace}"
_OF = _IN + "/datasets/{dataset}"
_JOB = _IN + "/jobs/{job}"
_REFINE = "/api/v1/namespaces/jobs/jobs/refine"
_ROLE = {"role": "viewer", "why": "to look", "for": "P1D"}

_ABSENT = "0197a0e2-0000-7000-8000-000000000001"
_HOLD = {"matter": "Case", "owner": "legal", "reason": "court", "ground": "17_3_e"}
_ADA = {"scheme": "email", "value": "ada@example.org"}
_FILE = "sha256:" + DIGEST
_GIVEN = {"purpose": "research", "status": "given", "at": "2026-01-01T00:00:00Z"}
_FACT = {"fact": "license", "evidence": _FILE, "batch": 1}

RIGHTS: tuple[Call, ...] = (
    post("/consents", {"subject": _ADA, **_GIVEN}),
    post("/consents/standing", {"subject": _ADA, "purpose": "research"}),
    post("/consents/receipts", {"subject": _ADA}),
    get("/consents/imports", file=_FILE),
    Call("POST /api/v1/consents/imports", f"/api/v1/consents/imports?file={_FILE}", content=b"x"),
    post("/holds", {"items": [CLEAN], **_HOLD}),
    get("/holds"),
    post("/holds/{hold_id}/lift", {"reason": "done"}, f"/api/v1/holds/{_ABSENT}/lift"),
    post("/holds/{hold_id}/lift/approve", None, f"/api/v1/holds/{_ABSENT}/lift/approve"),
    post("/holds/{hold_id}/lift/refuse", None, f"/api/v1/holds/{_ABSENT}/lift/refuse"),
    get("/restrictions"),
    post("/restrictions", {"items": [{**CLEAN, "batch": 1}], "reason": "contested"}),
    post(
        "/restrictions/{restriction_id}/lift",
        {"reason": "over"},
        f"/api/v1/restrictions/{_ABSENT}/lift",
    ),
    get("/suppressions"),
    post(
        "/suppressions/{suppression_id}/lift",
        {"reason": "agreed"},
        f"/api/v1/suppressions/{_ABSENT}/lift",
    ),
    get("/violations"),
    get("/violations/feed"),
    get("/violations/{violation_id}", f"/api/v1/violations/{_ABSENT}"),
    *(
        post(f"/violations/{{violation_id}}/{verb}", body, f"/api/v1/violations/{_ABSENT}/{verb}")
        for verb, body in (
            ("acknowledge", None),
            ("resolve", {"why": "mended"}),
            ("accept", {"why": "known", "until": "2027-01-01T00:00:00Z"}),
        )
    ),
    get("/register/activities"),
    get("/register/activities/{entry_id}", "/api/v1/register/activities/none"),
    post("/register/activities/{entry_id}", {}, "/api/v1/register/activities/a", method="PUT"),
    get("/register/recipients"),
    get("/register/recipients/{entry_id}", "/api/v1/register/recipients/none"),
    post("/register/recipients/{entry_id}", {}, "/api/v1/register/recipients/a", method="PUT"),
    post("/register/shares", {**CLEAN, "version": 1, "recipient": "nobody"}),
    get("/register/shares"),
    get("/rights/sources", **CLEAN),
    get("/rights/terms", **CLEAN),
    post("/rights/verifications", {**CLEAN, **_FACT}),
)
_SYSTEMS = "/api/v1/ai-systems"
_REVISIONS = "/cards/revisions/{revision_id}"
_PUBLISHED = f"/api/v1/cards/revisions/{_ABSENT}"
CARDS: tuple[Call, ...] = (
    get("/cards", **CLEAN, format="json"),
    get("/cards/gaps", **CLEAN),
    post("/cards", {**CLEAN, "kind": "birthday", "publish": True}),
    get("/cards/revisions", **CLEAN),
    Call(
        "POST /api/v1/cards/imports",
        "/api/v1/cards/imports",
        params=CLEAN,
        content=b"neither the one nor the other",
    ),
    get(_REVISIONS, _PUBLISHED),
    get(f"{_REVISIONS}/envelope", f"{_PUBLISHED}/envelope"),
    get(f"{_REVISIONS}/diff", f"{_PUBLISHED}/diff"),
    post("/statements", {**CLEAN, "kind": "weather"}),
    get("/statements", **CLEAN),
    get("/statements/{statement_id}", f"/api/v1/statements/{_ABSENT}"),
    get("/statements/{statement_id}/envelope", f"/api/v1/statements/{_ABSENT}/envelope"),
    post(
        "/statements/{statement_id}/withdraw",
        {"reason": "over"},
        f"/api/v1/statements/{_ABSENT}/withdraw",
    ),
    get("/ai-systems"),
    get("/ai-systems/{system_id}", f"{_SYSTEMS}/none"),
    post("/ai-systems/{system_id}", {}, f"{_SYSTEMS}/none", method="PUT"),
    post("/ai-systems/{system_id}/uses", {**CLEAN, "role": "train"}, f"{_SYSTEMS}/none/uses"),
)
_TARGET = {**CLEAN, "uri": "/lake/clean", "executor": "files"}
TARGETS: tuple[Call, ...] = (
    post("/erasure-targets", _TARGET),
    get("/erasure-targets"),
    Call("DELETE /api/v1/erasure-targets/{target_id}", f"/api/v1/erasure-targets/{_ABSENT}"),
    post("/erasure-targets/{target_id}/check", None, f"/api/v1/erasure-targets/{_ABSENT}/check"),
)
_ASKED = {"dataset": CLEAN, "purpose": "research"}
POLICY: tuple[Call, ...] = (
    get("/policies"),
    post("/decisions", _ASKED),
    post("/decisions/explain", _ASKED),
    post("/manifests", _ASKED),
    post("/vettings", {"dataset": CLEAN}),
    get("/retention/due"),
    post("/violations/judge", None),
)
_REQUESTS = "/erasure-requests"
_REQUEST = f"{_REQUESTS}/{{request_id}}"
_ASKS = {"right": "erasure", "regime": "gdpr", "subjects": [_ADA], "channel": "portal"}
ERASURE: tuple[Call, ...] = (
    post(_REQUESTS, _ASKS),
    get(_REQUESTS),
    get(f"{_REQUESTS}/status"),
    post(f"{_REQUESTS}/approvals", [{"id": _ABSENT, "plan": _FILE}]),
    get(_REQUEST, f"/api/v1{_REQUESTS}/{_ABSENT}"),
    get(f"{_REQUEST}/letters", f"/api/v1{_REQUESTS}/{_ABSENT}/letters"),
    get(f"{_REQUEST}/certificate", f"/api/v1{_REQUESTS}/{_ABSENT}/certificate"),
    *(
        post(f"{_REQUEST}/{verb}", body, f"/api/v1{_REQUESTS}/{_ABSENT}/{verb}")
        for verb, body in (
            ("verify-identity", {"method": "in person"}),
            ("ask", {"question": "Which one?"}),
            ("answer", {"answer": "This one."}),
            ("approve", {"plan": _FILE}),
            ("deny", {"justification": "ProcessExcessive", "reasons": "again"}),
            ("extend", {"reasons": "many copies"}),
            ("cancel", {"reasons": "withdrawn"}),
            ("shred", None),
            ("plan", {}),
            ("explain", {"batch": 1, "ordinal": 0}),
            ("execute", None),
        )
    ),
    get(f"{_REQUEST}/members", f"/api/v1{_REQUESTS}/{_ABSENT}/members?batch=1"),
    *(
        post(
            f"{_REQUEST}/tasks/{{task_id}}/{verb}",
            body,
            f"/api/v1{_REQUESTS}/{_ABSENT}/tasks/{_ABSENT}/{verb}",
        )
        for verb, body in (
            (
                "dispose",
                {"disposition": "none", "owner": "ml", "due_on": "2027-01-01", "reason": "tiny"},
            ),
            ("record", {"state": "verified", "evidence": "seen"}),
            ("notice", None),
        )
    ),
)
CALLS: tuple[Call, ...] = (
    Call("GET /metrics", "/metrics"),
    Call("GET /openapi.json", "/openapi.json"),
    *(
        Call(f"POST {base}", base, json=event("told", writes=("s3://speech told",)))
        for base in ("/api/v1/lineage", "/v1/lineage", "/lineage", "/")
    ),
    *(
        Call(f"POST {base}/batch", f"{base}/batch", json=[event("t2", writes=("s3://speech t2",))])
        for base in ("/api/v1/lineage", "/v1/lineage", "/lineage")
    ),
    get("/events/quarantine"),
    post("/events/quarantine/{digest}/release", None, "/api/v1/events/quarantine/{digest}/release"),
    post("/events/quarantine/{digest}/reject", None, "/api/v1/events/quarantine/{digest}/reject"),
    get("/backups"),
    post(
        "/backups",
        {
            "id": "b",
            "kind": "data",
            "made_at": "2026-03-01T00:00:00Z",
            "digest": f"sha256:{DIGEST}",
            "size_bytes": 1,
        },
    ),
    get("/tokens"),
    post("/tokens", {"name": "", "roles": ["viewer"]}),
    post("/tokens/{token_id}/revoke", None, "/api/v1/tokens/none/revoke"),
    post("/setup-links", {}),
    get("/projects"),
    post("/projects", {"name": ""}),
    get("/projects/{project}", "/api/v1/projects/speech"),
    post("/projects/{project}", {}, "/api/v1/projects/speech", method="PATCH"),
    post("/projects/{project}/claims", {"namespace": ""}, "/api/v1/projects/speech/claims"),
    Call(
        "DELETE /api/v1/projects/{project}/claims/{claim_id}", "/api/v1/projects/speech/claims/999"
    ),
    get("/bindings"),
    post("/bindings", {"account": "nobody", "role": "viewer"}),
    Call("DELETE /api/v1/bindings/{binding_id}", "/api/v1/bindings/none"),
    get("/access-requests"),
    post("/access-requests", {**_ROLE, "why": " "}),
    get("/access-requests/{request_id}", "/api/v1/access-requests/none"),
    post("/access-requests/{request_id}/approve", None, "/api/v1/access-requests/none/approve"),
    post("/access-requests/{request_id}/deny", {"why": "no"}, "/api/v1/access-requests/none/deny"),
    Call(
        "PUT /api/v1/ledger/objects/{sha256}",
        f"/api/v1/ledger/objects/{DIGEST}?kind=examples",
        content=b"{}",
    ),
    get("/audit/checkpoint"),
    post("/audit/checkpoint", None),
    get("/audit/entries"),
    get("/audit/proofs/inclusion", index=10**9),
    get("/audit/proofs/consistency", first=10**9),
    post("/trace", {"dataset": CLEAN, "example_id": "none"}),
    post("/samples", {"dataset": CLEAN, "size": 1, "seed": 1}),
    post("/subjects/locate", {"subject": {"scheme": "email", "value": "a@example.org"}}),
    post("/versions/recipe", {"dataset": CLEAN}),
    post("/versions/verify", {"dataset": CLEAN}),
    get("/namespaces"),
    get(_IN, SPEECH),
    get(_IN + "/datasets", f"{SPEECH}/datasets"),
    get(_OF, f"{SPEECH}/datasets/clean"),
    get(_OF + "/versions", f"{SPEECH}/datasets/clean/versions"),
    get(_OF + "/versions/{version}", f"{SPEECH}/datasets/clean/versions/1"),
    get(_OF + "/batches", f"{SPEECH}/datasets/clean/batches"),
    get("/jobs"),
    get(_IN + "/jobs", "/api/v1/namespaces/jobs/jobs"),
    get(_JOB, _REFINE),
    get(_JOB + "/runs", f"{_REFINE}/runs"),
    get("/jobs/runs/{run_id}", f"/api/v1/jobs/runs/{run_of('refine')}"),
    get("/jobs/runs/{run_id}/facets", f"/api/v1/jobs/runs/{run_of('refine')}/facets", type="run"),
    get("/lineage", nodeId=NODE),
    get("/column-lineage", nodeId=NODE),
    get("/runlineage/upstream", runId=run_of("refine")),
    get("/search", q="e"),
    get("/tags"),
    get("/events/lineage"),
    get("/events"),
    get("/events/{namespace:path}", "/api/v1/events/jobs"),
    *RIGHTS,
    *CARDS,
    *POLICY,
    *ERASURE,
    *TARGETS,
)
