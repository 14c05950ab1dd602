"""Cohorts: manifests, stores, splits, tables."""
