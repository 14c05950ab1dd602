"""Many cases: manifests, resumable runs."""
