"""Made-up patients whose truth is known, as joined tables."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from LungSquadLib.data.tables.matrix import Joined, Matrix
from LungSquadLib.phantom.tables import CLINICAL, EXPRESSION, TRUTH, Simulation, write_simulated
from LungSquadLib.pipeline.sources import read_sources


def matrix(name, values, *, kind="expression", patients=None, columns=None, scale="numbers"):
    """A source with names for its patients and columns."""
    count, width = values.shape
    return Matrix(
        name,
        kind,
        patients or tuple(f"LS-{n:04d}" for n in range(count)),
        columns or tuple(f"{name}{n}" for n in range(width)),
        np.asarray(values, np.float32),
        scale,
    )


def joined(sources, facts):
    """Sources of the same patients."""
    return Joined(sources[0].patients, tuple(sources), facts, ())


def cohort(patients=120, *, genes=60, seed=0, effect=1.5, missing=0.2, noise=False):
    """One gene module drives histology, another T stage; image features carry a third of it.

    Sources are missing at random. With `noise` nothing drives anything.
    """
    draws = np.random.default_rng(seed)
    histology, stage = draws.integers(2, size=patients), draws.integers(4, size=patients)
    x, image = draws.normal(size=(patients, genes)), draws.normal(size=(patients, 8))
    if not noise:
        x[:, :8] += effect * (histology[:, None] - 0.5)
        x[:, 8:16] += effect * (stage[:, None] - 1.5) / 1.5
        image[:, :3] += effect * (histology[:, None] - 0.5)
    for values, rate in ((x, missing / 2), (image, missing)):
        values[draws.random(patients) < rate] = np.nan
    x[draws.random(x.shape) < 0.03] = np.nan
    nobody = np.isnan(x).all(axis=1) & np.isnan(image).all(axis=1)
    x[nobody] = draws.normal(size=(nobody.sum(), genes))
    facts = {
        "histology": tuple(np.array(["LUAD", "LUSC"])[histology].tolist()),
        "t_stage": tuple(f"T{n + 1}" for n in stage.tolist()),
        "sex": tuple(np.array(["female", "male"])[draws.integers(2, size=patients)].tolist()),
        "age": tuple(str(age) for age in draws.integers(40, 85, size=patients).tolist()),
    }
    return joined([matrix("expression", x), matrix("image", image, kind="image")], facts)


def simulated(**asked):
    """Expression and facts of `lungsquad tables simulate`, and its modules of genes."""
    with tempfile.TemporaryDirectory() as folder:
        place = write_simulated(Path(folder) / "it", Simulation(**asked))
        names = {"expression": EXPRESSION, "clinical": CLINICAL}
        texts = [f"{name}={place / file}" for name, file in names.items()]
        truth = json.loads((place / TRUTH).read_text(encoding="utf-8"))
        return read_sources(texts, keep_ids=True), truth["modules"]


def some(tables, rows):
    """Some of the patients of joined tables."""

    def cut(values):
        return tuple(np.array(values, object)[rows].tolist())

    patients = cut(tables.patients)
    sources = tuple(
        replace(one, patients=patients, values=one.values[rows]) for one in tables.sources
    )
    facts = {name: cut(values) for name, values in tables.facts.items()}
    return replace(tables, patients=patients, sources=sources, facts=facts)
