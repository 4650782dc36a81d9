"""Governance and lineage registry for AI training data."""

__version__ = "0.1.0"
