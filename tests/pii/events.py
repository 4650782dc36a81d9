"""OpenLineage events of our own making, such as producers send them, and those a folder may add."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PRODUCER = "https://github.com/OpenLineage/OpenLineage/tree/1.40.0/integration/spark"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACET = {"_producer": PRODUCER, "_schemaURL": "https://openlineage.io/spec/facets/1-0-0/X.json"}
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "openlineage" / "events"


def run_event(
    *, run_facets: dict[str, Any] | None = None, job_facets: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A COMPLETE event of a Spark job with an input and an output, with these facets more.

    Its columns have names such as `password`; it has no secret, and no text that speaks of one.
    """
    columns = {
        "id": "long",
        "password": "varchar",
        "token_count": "int",
        "secret_id": "string",
        "token": "string",
        "access_key": "struct<id:string>",
    }
    fields = [{"name": name, "type": kind} for name, kind in columns.items()]
    source = {"namespace": "postgres://db.example.org:5432", "name": "shop.public.users"}
    return {
        "eventType": "COMPLETE",
        "eventTime": "2026-03-01T09:30:00.123456789Z",
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {
            "runId": "01908224-8410-79a2-8de6-4466554400ab",
            "facets": {
                "nominalTime": {**FACET, "nominalStartTime": "2026-03-01T09:00:00+01:00"},
                "processing_engine": {**FACET, "name": "spark", "version": "3.5.1"},
                "spark_properties": {
                    **FACET,
                    "properties": {
                        "spark.app.id": "local-1729156674719",
                        "spark.driver.host": "driver-7.example.org",
                    },
                },
                **(run_facets or {}),
            },
        },
        "job": {
            "namespace": "spark://driver:7077",
            "name": "tokenize.reset_password_mails",
            "facets": {
                "sql": {**FACET, "query": "SELECT password, token FROM users WHERE id > 12"},
                **(job_facets or {}),
            },
        },
        "inputs": [{**source, "facets": {"schema": {**FACET, "fields": fields}, **METRICS}}],
        "outputs": [
            {
                "namespace": "s3://lake",
                "name": "curated/users_v3",
                "facets": {
                    "columnLineage": {
                        **FACET,
                        "fields": {
                            "password": {"inputFields": [{**source, "field": "password"}]},
                            "token": {"inputFields": [{**source, "field": "token"}]},
                        },
                    }
                },
            }
        ],
    }


METRICS = {
    "dataQualityMetrics": {
        **FACET,
        "rowCount": 3,
        "columnMetrics": {
            "password": {"nullCount": 0, "distinctCount": 3},
            "token": {"min": 1.5, "max": 9},
        },
    }
}


def wordy_event() -> dict[str, Any]:
    """An event that speaks of passwords and tokens everywhere, and holds none."""
    return run_event(
        run_facets={
            "tokenizer": {
                **FACET,
                "eos_token": "</s>",
                "pad_token": "<pad>",
                "max_tokens": "4096",
                "token_count": "123456789",
                "credentials.provider": "com.amazonaws.auth.Chain",
                "password": "${DB_PASSWORD}",
            },
            "tags": {**FACET, "tags": [{"key": "secret", "value": "internal", "field": "token"}]},
            "environmentVariables": {
                **FACET,
                "environmentVariables": [
                    {"name": "PWD", "value": "/home/ann"},
                    {"name": "TOKENIZERS_PARALLELISM", "value": "false"},
                ],
            },
        },
        job_facets={
            "sql": {
                **FACET,
                "query": "SELECT a.token, count(*) AS token_count FROM users a JOIN sessions b"
                " ON a.session_token = b.session_token AND a.token=b.token"
                " WHERE password = :password AND secret <> other.secret",
            },
            "sourceCode": {
                **FACET,
                "language": "python",
                "sourceCode": "def log_in(user: str, password: str, token: str | None = None):\n"
                "    secret = get_secret('db/main')\n"
                "    api_key = os.environ['API_KEY']\n"
                "    return connect(user, password=settings.DB_PASSWORD)\n",
            },
            "documentation": {**FACET, "description": "password: Hashed. token: 12 characters."},
        },
    )


def clean_events() -> Iterator[tuple[str, bytes]]:
    """The name and body of events without a secret: ours, and every real one that is at hand."""
    yield "an event of our own", json.dumps(run_event()).encode()
    yield "the same, indented", json.dumps(run_event(), indent=1).encode()
    for path in sorted(SHARED.rglob("*.json")):
        yield path.name, path.read_bytes()
