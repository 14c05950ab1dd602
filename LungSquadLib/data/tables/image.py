"""Shape and first-order features of the masks of a store."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ...errors import InputError
from ...imaging.features import TUMOUR_FEATURES, tumour_features
from ...models.inputs import Cube
from ...progress import Progress, Silent, step
from ..store import Store
from .layouts import Layout
from .matrix import Matrix
from .patient_facts import harmonise
from .patients import one_row_each


def mask_features(
    store: Store,
    *,
    name: str = "image",
    keep: Collection[str] = (),
    progress: Progress | None = None,
) -> Matrix:
    """`TUMOUR_FEATURES` of every case of a store, and the volume of the whole tumour.

    Args:
        store: of `cohort.build`.
        name: of the source.
        keep: columns of the store to keep though they say who the patients are.
        progress: told how it goes; may cancel.

    Raises:
        InputError: a file of the store is damaged, or there is no case.
        CancelledError: `progress` said so.
    """
    progress, rows = progress or Silent(), []
    for number, case in enumerate(store.cases):
        step(progress, number / len(store.cases), "Features of the masks")
        content = store.content(case)
        found = tumour_features(content.hu, content.mask, spacing_mm=store.preprocessing.spacing)
        rows.append([case.volume_ml, *found.values()])
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
    """A row for each patient of a store from a row for each of its cases; see `one_row_each`.

    The columns of its manifest and the site are the patients' facts.

    Args:
        store: whose N cases, in its order, the rows are.
        columns: D names.
        values: (N, D) float32.
        name: of the source.
        scale: what the numbers are.
        extractor: SHA-256 of the model that made them, or None.
        cube: what they were measured in, or None.
        keep: columns of the store to keep though they say who the patients are.

    Raises:
        InputError: there is no patient with a row.
    """
    chosen = one_row_each([case.patient for case in store.cases], values, name)
    if not chosen.rows:
        raise InputError(f"The store '{store.folder}' has no case whose features can be used.")
    rows = list(chosen.rows.values())
    cases = [store.cases[n] for n in rows]
    said = {column: [case.said(column) for case in cases] for column in cases[0].columns}
    if any(case.site for case in cases):
        said["site"] = [case.site for case in cases]
    layout = Layout("a store", "", {})
    facts = harmonise([case.patient for case in cases], said, layout, source=name, keep=keep)
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
