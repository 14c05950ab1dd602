"""Patient identity stays in the input: outputs carry a hash of it."""

from __future__ import annotations

from typing import Any

from ..identity import pseudonym
from ..imaging.ct import CT


def patient_of(ct: CT, *, keep: bool) -> str:
    """Return the patient of a CT as outputs name them: the ID only if it is kept."""
    if ct.dicom is None:
        return pseudonym(ct.sha256)
    return ct.dicom.patient_id if keep else pseudonym(ct.dicom.patient_id)


def identity_of(ct: CT, *, keep: bool) -> dict[str, Any]:
    """The `identity` of a case's JSON; nothing where it is not to be kept, or is not known."""
    if not keep or ct.dicom is None:
        return {}
    ids = {"Patient ID": ct.dicom.patient_id, "Series Instance UID": ct.dicom.series_uid}
    return {"identity": ids}
