"""Every fact that a card may state, by name.

The questions of `policies/cards/` name facts by these names, and the formats read them. A name is
never reused for another meaning. Pure.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from registry.cards.fact_kinds import SHARES, STATEMENTS, FactKind, Form


def _text(name: str, title: str, by: str) -> FactKind:
    return FactKind(name, title, Form.TEXT, supplied_by=by)


def _count(name: str, title: str, by: str) -> FactKind:
    return FactKind(name, title, Form.COUNT, supplied_by=by)


def _table(name: str, title: str, columns: str, by: str) -> FactKind:
    return FactKind(name, title, Form.TABLE, tuple(columns.split()), supplied_by=by)


def _shares(name: str, title: str, by: str) -> FactKind:
    return FactKind(name, title, Form.TABLE, SHARES, supplied_by=by)


def _of(name: str, title: str, form: Form, by: str) -> FactKind:
    return FactKind(name, title, form, supplied_by=by)


_COLUMN = "the examples object, column "
_BATCH = "facet registry_batch, "
_QUALITY = "facet registry_quality, "
_SYSTEM = "registry ai-system set, "
_REGISTER = "registry register, "

_IDENTITY = (
    _text("identity.description", "Description", "facet documentation"),
    _text("identity.content_digest", "Content digest", "computed"),
    _of("identity.created_at", "Recorded as a version", Form.MOMENT, "computed"),
    _text("identity.external_version", "Version in its own store", "facet version"),
    _text("identity.mode", "How the version was written", "facet registry_batch, mode"),
    _count("identity.base_version", "Version it was written upon", "computed"),
    _table("identity.schema", "Fields", "field type description", "facet schema"),
    _table("identity.owners", "Owners", "name type", "facet ownership"),
    _of("identity.tags", "Tags", Form.LIST, "facet tags"),
    _table(
        "identity.storage", "Where it lies", "scheme region files examples", "facet batch files"
    ),
    _text("identity.availability", "Availability", "facet lifecycleStateChange"),
    _count("identity.newer_version", "Latest version", "computed"),
)
_PEOPLE = (
    _text("controller.name", "Controller", _REGISTER + "controller"),
    _table(
        "controller.activities",
        "Records of processing",
        "id name legal_basis purposes "
        "subject_categories data_categories recipients transfers time_limits security dpia",
        _REGISTER + "activity",
    ),
    _text("provider.name", "Provider", _SYSTEM + "provider"),
    _text("provider.contact", "Contact of the provider", _SYSTEM + "contact"),
    _text("provider.representative", "Authorised representative", _SYSTEM + "representative"),
    _text("provider.size_class", "Size of the provider", _SYSTEM + "size_class"),
    _of(
        "provider.code_of_practice",
        "Signed the code of practice",
        Form.FLAG,
        _SYSTEM + "code_of_practice",
    ),
    _text("provider.copyright_policy", "Copyright policy", _SYSTEM + "copyright_policy"),
    _table(
        "system.systems",
        "Systems and models that use it",
        "id name version role market_date base_model",
        "registry ai-system use",
    ),
    _text(
        "system.intended_purpose", "Intended purpose of the system", _SYSTEM + "intended_purpose"
    ),
    _text("system.setting", "Setting of use", _SYSTEM + "setting"),
    _of("system.market_date", "Placed on the Union market", Form.DAY, _SYSTEM + "market_dates"),
    _of("system.keep_until", "Documentation is kept until", Form.DAY, "computed"),
    _of(
        "system.continuous_training",
        "Trained on after release",
        Form.FLAG,
        _SYSTEM + "continuous_training",
    ),
    _of("system.is_open", "Released under a free and open licence", Form.FLAG, _SYSTEM + "is_open"),
    _table(
        "system.training_runs",
        "Training runs that read it",
        "job run model model_version purpose at manifest",
        "facet registry_training",
    ),
)
_PURPOSES = (
    _of(
        "purposes.asserted",
        "Purposes its batches were collected for",
        Form.LIST,
        _BATCH + "purposes",
    ),
    _table(
        "purposes.decisions",
        "What its use was decided to be, by purpose",
        "purpose decision at policy",
        "registry decide",
    ),
)
_ORIGIN = (
    _table(
        "origin.batches",
        "Batches",
        "batch job run kind uri collected_from collected_until "
        "region legal_basis license classification personal_data examples",
        "facet registry_batch",
    ),
    _shares("origin.kinds", "Kinds of source", _BATCH + "origin.kind"),
    _table(
        "origin.sources",
        "Upstream sources",
        "dataset kind uri name publicly_known license examples share modality bytes tokens",
        "input datasets and " + _BATCH + "origin",
    ),
    _table(
        "origin.unresolved",
        "Where lineage ends without an origin",
        "dataset job reason",
        _BATCH + "origin; facet registry_rowMaps",
    ),
    _of("origin.collected_from", "Collected from", Form.DAY, _BATCH + "origin.collectedFrom"),
    _of("origin.collected_until", "Collected until", Form.DAY, _BATCH + "origin.collectedUntil"),
    _table(
        "origin.crawls",
        "Crawls",
        "batch job user_agent collected_from collected_until",
        "origin.kind crawled; facet jobType or processing_engine",
    ),
    _table(
        "origin.domains",
        "Domains by size",
        "domain modality examples bytes tokens",
        _COLUMN + "source_uri",
    ),
    _table(
        "origin.services",
        "Services whose users' data is in it",
        "dataset kind examples",
        _BATCH + "origin.kind user_model or user_service",
    ),
)
_RIGHTS = (
    _shares("rights.licenses", "Licences", _BATCH + "license, or " + _COLUMN + "license"),
    _table(
        "rights.effective_terms",
        "Terms in force over everything upstream",
        "permission outcome licenses grade",
        "computed from the licences",
    ),
    _table("rights.conflicts", "Conflicts of terms", "first second reason", "computed"),
    _table(
        "rights.opt_out",
        "Reservations looked for",
        "dataset protocol seen_at reserved",
        "facet registry_rights, optOut",
    ),
    _shares("rights.legal_bases", "Legal bases", _BATCH + "legalBasis"),
    _table(
        "rights.consent",
        "Consent by purpose and status",
        "purpose status subjects",
        "registry consent import",
    ),
    _of(
        "rights.consent_coverage",
        "Share of subjects whose consent is in force",
        Form.SHARE,
        "registry consent import",
    ),
    _table("rights.notices", "Notices given", "notice first last subjects", "consents, notice"),
    _of(
        "rights.special_conditions",
        "Conditions for special categories",
        Form.LIST,
        _BATCH + "specialCategoryCondition",
    ),
    _table("rights.contracts", "Contracts", "dataset contract", "facet registry_rights, contract"),
    _table("rights.holds", "Duties to keep", "ground matter until items", "registry hold place"),
    _table("rights.violations", "Open violations", "kind count oldest", "registry violations"),
)
_PREPARATION = (
    _table(
        "preparation.steps",
        "Steps, first to last",
        "position dataset job run at code roles rows_in rows_out dropped",
        "events with registry_rowMaps",
    ),
    _table(
        "preparation.unrecorded",
        "Steps without a record of their rows",
        "dataset job reason",
        "facet registry_rowMaps",
    ),
    _table(
        "preparation.filters",
        "Rows left out by a step",
        "job rows_in rows_out dropped",
        "facet registry_rowMaps",
    ),
)
_ANNOTATION = (
    _text("annotation.guideline", "Guideline", _QUALITY + "annotation.guideline"),
    _of("annotation.labels_per_item", "Labels per item", Form.TEXT, _QUALITY + "labelsPerItem"),
    _table("annotation.agreement", "Agreement", "dataset measure value", _QUALITY + "agreement"),
    _text("annotation.workforce", "Workforce", _QUALITY + "workforce"),
    _shares("annotation.labels", "Labels", _COLUMN + "label"),
)
_QUANTITY = (
    _count("quantity.examples", "Examples", "computed"),
    _count("quantity.erased", "Examples erased from it since", "computed"),
    _count("quantity.bytes", "Bytes", _COLUMN + "bytes"),
    _count("quantity.tokens", "Tokens", _COLUMN + "tokens"),
    _of("quantity.hours", "Hours", Form.COUNT, _COLUMN + "duration_seconds"),
    _shares("quantity.by_split", "Splits", _COLUMN + "split"),
    _shares("quantity.by_modality", "Modalities", _COLUMN + "modality"),
    _shares("quantity.by_language", "Languages", _COLUMN + "language"),
    _table("quantity.batches", "Batches and files", "batches files", "computed"),
)
_QUALITY_FACTS = (
    _table(
        "quality.metrics",
        "Quality measures",
        "dataset name value slice n method",
        _QUALITY + "metrics",
    ),
    _table(
        "quality.assertions",
        "Checks",
        "dataset assertion column success",
        "facet dataQualityAssertions",
    ),
    _table(
        "quality.missing",
        "Missing values",
        "dataset column nulls rows share",
        "facet dataQualityMetrics",
    ),
    _table(
        "quality.statistics",
        "Statistics of columns",
        "dataset column distinct minimum maximum mean",
        "facet dataQualityMetrics",
    ),
    _of(
        "quality.duplicate_share",
        "Share of rows dropped as duplicates",
        Form.SHARE,
        "row maps of role duplicate_of",
    ),
    _table(
        "quality.split_overlap",
        "Examples that two splits share",
        "first second examples",
        "digests in the examples object",
    ),
    _table(
        "bias.slices",
        "Groups examined",
        "dataset name value slice n method",
        _QUALITY + "metrics with a slice",
    ),
    _of(
        "synthetic.share",
        "Synthetic share of the examples",
        Form.SHARE,
        "computed from origins and roles",
    ),
    _table(
        "synthetic.generators",
        "Generators",
        "job model model_version examples",
        "inputs of type MODEL",
    ),
)
_PERSONAL = (
    _shares("personal.pii", "Personal data found by scans", _COLUMN + "pii"),
    _table(
        "personal.coverage",
        "How persons can be found in it",
        "coverage batches examples",
        _BATCH + "subjectCoverage",
    ),
    _shares(
        "personal.classes", "What batches are said to hold of persons", _BATCH + "personalData"
    ),
    _count("personal.subjects", "Links from examples to persons", _COLUMN + "subjects"),
    _table("access.roles", "Who may read it, by role", "role accounts", "registry access"),
    _count("access.denied", "Reads refused", "computed from the audit log"),
    _table(
        "access.recipients",
        "Recipients",
        "name kind country region purpose shared_at terms",
        "registry register share",
    ),
    _table(
        "retention.rules",
        "Limits of retention",
        "rule subject period basis",
        "policies/retention.yaml",
    ),
    _of("retention.expires_at", "First batch is due", Form.MOMENT, "computed from the rules"),
    _count("retention.overdue", "Batches past their limit", "computed"),
    _text("retention.logs", "How long logs are kept", "policies/retention.yaml"),
    _table(
        "erasure.requests",
        "Requests that concerned it",
        "right outcome requests examples",
        "registry erasure",
    ),
    _of("erasure.median_days", "Median days to an outcome", Form.COUNT, "computed"),
    _table(
        "erasure.propagated",
        "Other datasets and models that held erased rows",
        "dataset version kind disposition",
        "computed",
    ),
    _count("erasure.notified", "Recipients told", "computed"),
)
_LINEAGE = (
    _table(
        "lineage.upstream", "Datasets it is made of", "dataset versions examples", "input datasets"
    ),
    _table("lineage.downstream", "Datasets made of it", "dataset versions", "output datasets"),
    _table("lineage.models", "Models trained on it", "model versions state", "datasetType MODEL"),
    _table(
        "lineage.feedback_loops", "Models whose output is in it", "model path examples", "computed"
    ),
    _of("audit.first_at", "First audit entry", Form.MOMENT, "computed"),
    _count("audit.entries", "Entries in the audit log", "computed"),
    _text("audit.head", "Head of the audit log", "computed"),
    _table("audit.controls", "Integrity of what it rests on", "control holds of", "computed"),
    _text("policy.digest", "Policies in force", "computed"),
)
CATALOGUE: Final = MappingProxyType(
    {
        kind.name: kind
        for group in (
            _IDENTITY,
            _PEOPLE,
            _PURPOSES,
            _ORIGIN,
            _RIGHTS,
            _PREPARATION,
            _ANNOTATION,
            _QUANTITY,
            _QUALITY_FACTS,
            _PERSONAL,
            _LINEAGE,
            STATEMENTS,
        )
        for kind in group
    }
)
