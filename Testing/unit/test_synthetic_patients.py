"""Synthetic patients of the integration network: of the fold's training patients alone."""

import csv
import hashlib
from dataclasses import replace

import numpy as np
import pytest

from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.models.file import read_model_file
from LungSquadLib.pipeline.sources import read_sources, training_images
from LungSquadLib.progress import Silent
from LungSquadLib.training.integration import task as integration
from LungSquadLib.training.integration.data import set_up
from LungSquadLib.training.integration.experiment import outer_fits, train_integration
from LungSquadLib.training.integration.options import IntegrationOptions
from LungSquadLib.training.integration.synthetic_rows import pairs_of, synthetic_rows
from Testing.ball_cohort import ball_store
from Testing.inpainters import write_inpainter

pytest.importorskip("sklearn")
pytestmark = pytest.mark.usefixtures("one_thread")


class Stopping(Silent):
    """Progress that cancels when so much is done."""

    def __init__(self, at):
        self.at, self.cancelled = at, False

    def report(self, fraction, message):
        self.cancelled = fraction >= self.at


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Sources of a store and a table of two genes; their images; options."""
    folder = tmp_path_factory.mktemp("balls")
    store = ball_store(folder, 20)
    write_inpainter(folder / "inpainter.safetensors", classes=("LUAD", "LUSC"))
    draws = np.random.default_rng(0)
    with (folder / "genes.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["patient", "EGFR", "KRAS"])
        table.writerows([case.patient, *draws.normal(size=2)] for case in store.cases)
    texts = [f"image={folder / 'store'}", f"expression={folder / 'genes.csv'}"]
    options = IntegrationOptions(
        "histology",
        folds=2,
        seeds=1,
        inner_folds=2,
        epochs=1,
        allow_leakage=True,
        synthetic=str(folder / "inpainter.safetensors"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(integration, "SETTINGS", (integration.Setting(10, 0.3),))
        yield read_sources(texts), training_images(texts), options


def content(folder):
    names = ("model.safetensors", "predictions.csv", "splits.csv", "run.json")
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def test_rows_are_made_of_the_folds_training_patients(cohort, tmp_path):
    joined, images, options = cohort
    setup = set_up(joined, options, images=images)
    for fit in outer_fits(setup):
        made = synthetic_rows(setup, fit, tmp_path, Silent())
        training = setup.indices(fit.parts.train)
        assert len(made.rows) == len(pairs_of(setup, fit)) > 2
        assert np.isin(made.made_of, training).all()
        hosts, tumours = made.made_of.T
        assert (hosts != tumours).all()
        assert (setup.y[hosts] == made.rows.y).all()
        real = setup.rows.x[tumours]
        assert np.array_equal(made.rows.x[:, -2:], real[:, -2:])  # the genes
        names = list(setup.sources[0].columns)
        volume = names.index("volume_ml")
        assert made.rows.x[:, volume] == pytest.approx(real[:, volume])
        assert not np.isclose(made.rows.x[:, : len(names)], real[:, : len(names)]).all(1).any()
        some = made.of(training[: len(training) // 2], slice(None))
        inside = np.isin(made.made_of, training[: len(training) // 2]).all(1)
        assert np.array_equal(some.x, made.rows.x[inside])


@pytest.mark.slow
def test_a_stopped_run_ends_with_the_same_bytes_and_says_what_it_used(cohort, tmp_path):
    joined, images, options = cohort
    whole = train_integration(joined, tmp_path / "whole", options, images=images)
    with pytest.raises(CancelledError):
        train_integration(joined, tmp_path / "run", options, images=images, progress=Stopping(0.5))
    train_integration(joined, tmp_path / "run", options, images=images)
    assert content(tmp_path / "run") == content(tmp_path / "whole")
    card = read_model_file(whole.folder / "model.safetensors").card
    assert "synthetic samples as well" in card.training.data
    with (whole.folder / "predictions.csv").open() as file:
        patients = {row["patient"] for row in csv.DictReader(file)}
    assert patients == {patient.case for patient in whole.setup.patients}
    with pytest.raises(InputError, match="another synthetic"):
        train_integration(joined, tmp_path / "run", replace(options, synthetic=None))


@pytest.mark.slow
def test_the_regressions_do_without_and_the_network_does_not(cohort, tmp_path):
    joined, images, options = cohort
    columns = {}
    for name, synthetic in (("with", options.synthetic), ("without", None)):
        finished = train_integration(
            joined, tmp_path / name, replace(options, synthetic=synthetic), images=images
        )
        with (finished.folder / "predictions.csv").open() as file:
            columns[name] = [*csv.DictReader(file)]
    for column, same in (("logistic", True), ("expression alone", True), ("score", False)):
        values = [[row[column] for row in rows] for rows in columns.values()]
        assert (values[0] == values[1]) == same, column


def test_synthetic_without_images_is_refused(cohort):
    joined, _, options = cohort
    with pytest.raises(InputError, match="name their store among --sources"):
        set_up(joined, options)
