"""Volumes in NRRD, NIfTI and MetaImage files."""
