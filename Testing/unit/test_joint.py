"""The whole way of the joint model: a store, a network's features, training, a new patient."""

import csv

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from LungSquadLib.data.tables.profile import Profile
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.mask_files import read_mask
from LungSquadLib.inference.profile import _features, predict_multimodal
from LungSquadLib.models.file import read_model_file
from LungSquadLib.pipeline.sources import read_sources
from LungSquadLib.training.integration.experiment import train_integration
from LungSquadLib.training.integration.options import IntegrationOptions
from Testing import model_samples
from Testing.ball_cohort import ball_store

N = 24


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("of_network", [False, True])
@pytest.mark.slow
def test_a_patients_features_are_those_of_training(tmp_path, of_network):
    store = ball_store(tmp_path, N)
    model_samples.model_file(tmp_path / "m.safetensors")
    values = 6 + np.random.default_rng(0).normal(size=(N, 30)) + np.arange(N)[:, None] % 2
    with (tmp_path / "e.csv").open("w", newline="") as file:
        head = ["patient", *(f"GENE{n}" for n in range(30))]
        rows = [[case.patient, *row] for case, row in zip(store.cases, values, strict=True)]
        csv.writer(file).writerows([head, *rows])
    image = f"image={store.folder}" + (f":{tmp_path / 'm.safetensors'}" if of_network else "")
    joined = read_sources([f"expression={tmp_path / 'e.csv'}", image])
    options = IntegrationOptions(
        "histology", folds=2, seeds=1, inner_folds=2, epochs=2, allow_leakage=True
    )
    train_integration(joined, tmp_path / "run", options)
    model = read_model_file(tmp_path / "run" / "model.safetensors")
    source = model.card.table.sources[1]
    ct = open_ct(tmp_path / "volumes" / "ct0.nrrd")
    patient = ct, read_mask(tmp_path / "volumes" / "mask0.nrrd", ct)
    extractor = [read_model_file(tmp_path / "m.safetensors")]

    made = _features(source, patient, extractor, "cpu", None)
    (trained_on,) = (one for one in joined.sources if one.name == "image")
    row = trained_on.values[joined.patients.index(store.cases[0].patient)]
    known = dict(zip(trained_on.columns, row.tolist(), strict=True))
    tolerance = 1e-6 if of_network else 0  # networks see eight at a time in training
    assert [np.float32(made[one]) for one in source.columns] == pytest.approx(
        [known[one] for one in source.columns], rel=tolerance, abs=tolerance
    )
    profile = Profile.of(dict(zip(head[1:], values[0].tolist(), strict=True)))
    molecular, both = predict_multimodal(model, profile, patient, among=extractor, device="cpu")
    assert (molecular.modality, both.modality) == ("molecular", "multimodal")
