"""Shape and first-order features of the masks of a store, and its radiomics."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from ...errors import InputError
from ...imaging.features import TUMOUR_FEATURES, tumour_features
from ...models.inputs import Cube
from ...progress import Progress, Silent, step
from ...radiomics.extract import radiomic_features
from ..store import Store
from .layouts import Layout
from .matrix import Matrix
from .patient_facts import facts_of_patients
from .patients import one_row_per_patient


def mask_features(
    store: Store,
    *,
    name: str = "image",
    keep: Collection[str] = (),
    progress: Progress | None = None,
) -> Matrix:
    """Compute `TUMOUR_FEATURES` of every case of a store, and the volume of the whole tumour.

    Args:
        store: of `cohort.build`.
        name: of the source.
        keep: columns of the store to keep though they identify the patients.
        progress: receives the progress; may cancel.

    Raises:
        InputError: a file of the store is damaged, or there is no case.
        CancelledError: `progress` was cancelled.
    """
    progress, rows = progress or Silent(), []
    for number, case in enumerate(store.cases):
        step(progress, number / len(store.cases), "Features of the masks")
        content = store.content(case)
        features = tumour_features(content.hu, content.mask, spacing_mm=store.preprocessing.spacing)
        rows.append([case.volume_ml, *features.values()])
    values = np.array(rows, np.float32).reshape(-1, 1 + len(TUMOUR_FEATURES))
    return image_matrix(
        store,
        ("volume_ml", *TUMOUR_FEATURES),
        values,
        name=name,
        scale="as measured in the mask: mL, mm, mm², HU",
        cube=Cube(store.preprocessing.side, store.preprocessing.spacing),
        keep=keep,
    )


def radiomics_matrix(
    store: Store,
    *,
    name: str = "radiomics",
    keep: Collection[str] = (),
    progress: Progress | None = None,
) -> Matrix:
    """Compute the radiomic features of every case of a store, with the default settings.

    Patients whose features cannot be computed, for no voxel of the tumour can be used, say, are
    left out. Args, Raises: as `mask_features`.
    """
    progress, known, reason = progress or Silent(), {}, ""
    for number, case in enumerate(store.cases):
        step(progress, number / len(store.cases), "Radiomics of the store")
        try:
            known[number] = radiomic_features(*store.volume(case))
        except InputError as error:
            reason = f"case '{case.case}': {error}"
    if not known:
        raise InputError(f"The store '{store.folder}' has no case with radiomics ({reason}).")
    columns = tuple(next(iter(known.values())))
    values = np.full((len(store.cases), len(columns)), np.nan, np.float32)
    for number, features in known.items():
        values[number] = [*features.values()]
    matrix = image_matrix(
        store,
        columns,
        values,
        name=name,
        scale="radiomics of the IBSI standard: mm, HU",
        keep=keep,
    )
    return replace(matrix, kind="features")


def image_matrix(
    store: Store,
    columns: tuple[str, ...],
    values: np.ndarray,
    *,
    name: str,
    scale: str,
    extractor: str | None = None,
    cube: Cube | None = None,
    keep: Collection[str] = (),
) -> Matrix:
    """Return a row for each patient from a row for each case; see `one_row_per_patient`.

    The columns of its manifest and the site are the patients' facts.

    Args:
        store: whose N cases, in its order, the rows are.
        columns: D names.
        values: (N, D) float32.
        name: of the source.
        scale: of the numbers, in words.
        extractor: SHA-256 of the model that computed them, or None.
        cube: the crop in which they were measured, or None.
        keep: columns of the store to keep though they identify the patients.

    Raises:
        InputError: there is no patient with a row.
    """
    chosen = one_row_per_patient([case.patient for case in store.cases], values, name)
    if not chosen.rows:
        raise InputError(f"The store '{store.folder}' has no case whose features can be used.")
    rows = list(chosen.rows.values())
    cases = [store.cases[n] for n in rows]
    cells = {column: [case.value(column) for case in cases] for column in cases[0].columns}
    if any(case.site for case in cases):
        cells["site"] = [case.site for case in cases]
    layout = Layout("a store", "", {})
    facts = facts_of_patients(
        [case.patient for case in cases], cells, layout, source=name, keep=keep
    )
    return Matrix(
        name,
        "image",
        tuple(chosen.rows),
        columns,
        values[rows],
        scale,
        extractor,
        cube,
        facts.columns,
        (*chosen.dropped, *facts.dropped),
        (*chosen.notes, *facts.notes),
    )
