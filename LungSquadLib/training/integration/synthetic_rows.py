"""Rows of synthetic patients, by their images, for a fit of the integration network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ...data.split_files import SYNTHETIC
from ...data.tables.matrix import Matrix
from ...errors import InputError
from ...progress import Progress
from ..experiment import Fit
from ..synthetic import SourcePair, source_pairs, synthetic_store
from .data import Setup
from .task import SyntheticRows, rows_of


def pairs_of(setup: Setup, fit: Fit) -> tuple[SourcePair, ...]:
    """Return the pairs of training patients that a fit's synthetic patients are made of."""
    if setup.synthetic is None:
        return ()
    cases = setup.synthetic.cases
    return source_pairs(
        [cases[name] for name in fit.parts.train if name in cases],
        setup.options.label,
        fraction=setup.synthetic.synthesis.fraction,
        seed=(setup.options.seed, fit.seed),
    )


def synthetic_rows(
    setup: Setup, fit: Fit, folder: Path, progress: Progress
) -> SyntheticRows | None:
    """Return the synthetic patients of a fit's training; None without --synthetic.

    The samples are in the run's folder, where those that other fits have made are only read.
    """
    if setup.synthetic is None:
        return None
    pairs, images = pairs_of(setup, fit), setup.synthetic.images
    samples = synthetic_store(
        replace(images.store, cases=tuple(setup.synthetic.cases.values())),
        pairs,
        setup.synthetic.synthesis,
        label=setup.options.label,
        folder=folder / SYNTHETIC,
        device=torch.device(images.device),
        progress=progress,
    )
    names = [f"sample-{number}" for number in range(len(pairs))]
    # Tables have a row for each patient.
    single_source = tuple(
        replace(case, patient=name, columns={})
        for case, name in zip(samples.cases, names, strict=True)
    )
    tumours = setup.indices([pair.tumour for pair in pairs])
    sources = []
    for source in setup.sources:
        values = source.values[tumours]
        if source.name in images.features:
            matrix = images.features[source.name](replace(samples, cases=single_source), progress)
            values = _aligned(matrix, names, source)
        sources.append(replace(source, patients=tuple(names), values=values))
    hosts = setup.indices([pair.ct for pair in pairs])
    rows = rows_of(sources, setup.y[tumours])
    return SyntheticRows(rows, np.column_stack([hosts, tumours]))


def _aligned(matrix: Matrix, names: Sequence[str], source: Matrix) -> np.ndarray:
    """Return features (N, D) in the order of the names, with the columns of the source."""
    if (matrix.extractor, matrix.cube) != (source.extractor, source.cube):
        raise InputError(
            f"The features of '{source.name}' were computed differently from those of its "
            "synthetic patients: name the store and the model that they came from."
        )
    row = {name: n for n, name in enumerate(matrix.patients)}
    column = {name: n for n, name in enumerate(matrix.columns)}
    values: np.ndarray = matrix.values[[row[name] for name in names]]
    return values[:, [column[name] for name in source.columns]]
