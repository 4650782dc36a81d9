"""The words of Croissant that cards write and read: context, namespaces, properties of RAI. Pure.

Rules (Croissant 1.1, appendix 1; Croissant RAI 1.0, "RAI property information"):
1. The names of RAI properties are those of its specification. mlcroissant 1.1.1 reads two of them
   under other names (`rai:dataCollectionTimeFrame`, `rai:dataDataManipulationProtocol`).
2. schema.org is `https://schema.org/`, which mlcroissant and search engines read.
3. What no vocabulary has a word for is said under `reg:`, which is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

CROISSANT: Final = "http://mlcommons.org/croissant/1.1"
CROISSANT_1_0: Final = "http://mlcommons.org/croissant/1.0"
RAI: Final = "http://mlcommons.org/croissant/RAI/1.0"
SCHEMA_ORG: Final = "https://schema.org/"
RAI_NAMESPACE: Final = "http://mlcommons.org/croissant/RAI/"
REG_NAMESPACE: Final = "https://w3id.org/lineage-registry/terms/"
MEDIA_TYPE: Final = f'application/ld+json; profile="{CROISSANT}"'

#: What every dataset must have beside its context and type (1.1, "Dataset-level Information").
REQUIRED: Final = (
    *("name", "description", "conformsTo", "license", "url", "creator", "datePublished"),
    "distribution",
)
_OF_CROISSANT = (
    *("annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty"),
    *("excludes", "extract", "field", "fileObject", "fileProperty", "fileSet", "format"),
    *("includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path"),
    *("readLines", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
    *("sdVersion", "separator", "source", "subField", "transform", "unArchive", "value"),
)
CONTEXT: Final = MappingProxyType(
    {
        "@language": "en",
        "@vocab": SCHEMA_ORG,
        "sc": SCHEMA_ORG,
        "cr": "http://mlcommons.org/croissant/",
        "rai": RAI_NAMESPACE,
        "dct": "http://purl.org/dc/terms/",
        "prov": "http://www.w3.org/ns/prov#",
        "odrl": "http://www.w3.org/ns/odrl/2/",
        "reg": REG_NAMESPACE,
        "conformsTo": "dct:conformsTo",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
        **{term: f"cr:{term}" for term in _OF_CROISSANT},
    }
)


@dataclass(frozen=True, slots=True)
class Property:
    """A property of RAI: whether it takes many texts, and what of a card it says.

    `statements`: kinds, the first of which an imported text of the property becomes.
    `facts`: names of facts whose rows or values are told in sentences beside them.
    """

    name: str
    is_many: bool
    statements: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()


def _one(name: str, statements: str = "", facts: str = "") -> Property:
    return Property(f"rai:{name}", False, tuple(statements.split()), tuple(facts.split()))


def _many(name: str, statements: str = "", facts: str = "") -> Property:
    return Property(f"rai:{name}", True, tuple(statements.split()), tuple(facts.split()))


#: Every property that the specification has.
RAI_PROPERTIES: Final = (
    _one("dataCollection", "collection selection crawlers user_data other_sources"),
    _many("dataCollectionType", facts="origin.kinds"),
    _one("dataCollectionMissingData", facts="quality.missing"),
    _one("dataCollectionRawData", "public_datasets private_datasets", "origin.sources"),
    _many("dataCollectionTimeframe", facts="origin.collected_from origin.collected_until"),
    _one("dataImputationProtocol"),
    _one("dataManipulationProtocol", "pseudonymisation bias_mitigation"),
    _many("dataPreprocessingProtocol", "cleaning illegal_content_measures", "preparation.steps"),
    _one("dataAnnotationProtocol", "annotation", "annotation.guideline annotation.workforce"),
    _many("dataAnnotationPlatform"),
    _many("dataAnnotationAnalysis", facts="annotation.agreement"),
    _many("dataReleaseMaintenancePlan", "maintenance", "retention.rules"),
    _many(
        "personalSensitiveInformation",
        "personal_data_none reuse_limits original_purpose special_category_necessity",
        "personal.pii personal.classes rights.special_conditions",
    ),
    _one("dataSocialImpact", "social_impact"),
    _many("dataBiases", "bias_assessment", "bias.slices lineage.feedback_loops"),
    _many(
        "dataLimitations",
        "known_gaps out_of_scope_use representativeness sufficiency coverage "
        "unavailable_information",
        "quality.split_overlap",
    ),
    _many("dataUseCases", "intended_use deployer_information", "purposes.asserted"),
    _one("annotationsPerItem", facts="annotation.labels_per_item"),
    _many("annotatorDemographics", "annotators"),
    _many("machineAnnotationTools"),
)
#: How tools misspell them, and the name that the specification has (rule 1).
MISNAMED: Final = MappingProxyType(
    {
        "rai:dataCollectionTimeFrame": "rai:dataCollectionTimeframe",
        "rai:dataDataManipulationProtocol": "rai:dataManipulationProtocol",
        "rai:dataReleaseMaintenance": "rai:dataReleaseMaintenancePlan",
        "rai:annotationPlatform": "rai:dataAnnotationPlatform",
        "rai:useCases": "rai:dataUseCases",
    }
)
#: Facts that have a property of their own, beside those of RAI.
OWN_PROPERTIES: Final = MappingProxyType(
    {
        "system.keep_until": "reg:documentationKeepUntil",
        "retention.expires_at": "reg:retentionUntil",
        "retention.logs": "reg:logRetention",
        "rights.consent_coverage": "reg:consentCoverage",
        "synthetic.share": "reg:syntheticShare",
        "quantity.examples": "reg:examples",
        "quantity.bytes": "reg:bytes",
        "quantity.tokens": "reg:tokens",
        "quantity.hours": "reg:hours",
        "quantity.erased": "reg:erasedExamples",
        "identity.external_version": "reg:externalVersion",
        "identity.availability": "reg:availability",
        "policy.digest": "reg:policy",
        "erasure.median_days": "reg:medianDaysToErasure",
        "rights.opt_out": "reg:rightsReservations",
        "access.roles": "reg:accessSummary",
        "erasure.requests": "reg:deletionStatistics",
        "quantity.by_modality": "reg:modalities",
        "identity.storage": "reg:storage",
    }
)
#: Facts that the properties of schema.org and Croissant are made of.
CORE_PROPERTIES: Final = MappingProxyType(
    {
        "statement.description": "description",
        "statement.citation": "citeAs",
        "identity.description": "description",
        "identity.created_at": "datePublished",
        "identity.owners": "creator",
        "controller.name": "creator",
        "provider.name": "publisher",
        "identity.tags": "keywords",
        "identity.schema": "recordSet",
        # Fields say in which files they lie.
        "identity.storage": "distribution recordSet",
        "rights.licenses": "license",
        "rights.effective_terms": "usageInfo",
        "purposes.decisions": "usageInfo",
        "quantity.by_language": "inLanguage",
        "quantity.by_split": "recordSet",
        "origin.sources": "prov:wasDerivedFrom",
        "lineage.upstream": "isBasedOn",
        "preparation.steps": "prov:wasGeneratedBy",
        "origin.crawls": "prov:wasGeneratedBy",
        "synthetic.generators": "prov:wasAttributedTo",
    }
)
