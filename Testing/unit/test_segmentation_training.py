"""A segmenter learns from cubes and from slices, resumes to the same bytes and is measured."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from LungSquadLib.cli import main
from LungSquadLib.data.slice_set import Slicing, write_index
from LungSquadLib.errors import CancelledError, InputError, ModelError
from LungSquadLib.imaging.resample import AIR
from LungSquadLib.inference.segmentation_cubes import known_voxels
from LungSquadLib.models.catalogue import read_model
from LungSquadLib.models.file import read_card
from LungSquadLib.models.inputs import InputSpec
from LungSquadLib.pipeline.validate_nodules import validate_nodules
from LungSquadLib.training.experiment import read_rows
from LungSquadLib.training.segmentation.data import open_source, set_up
from LungSquadLib.training.segmentation.experiment import train_segmentation
from LungSquadLib.training.segmentation.options import SegmentationOptions
from LungSquadLib.training.segmentation.quality import correction
from LungSquadLib.training.segmentation.samples import CUBES, Samples, kept_region, resampled
from LungSquadLib.training.segmentation.task import segmentation_loss
from Testing.ball_cohort import ball_store
from Testing.segmenters import write_segmenter
from Testing.slice_samples import disc_set
from Testing.unit.test_training_run import StopAt

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
OPTIONS = SegmentationOptions(size=32, width=2, depth=3, epochs=2, learning_rate=0.01)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return ball_store(tmp_path_factory.mktemp("balls"), 10).folder


@pytest.fixture(scope="module")
def finished(store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train_segmentation(store, folder, OPTIONS)
    return folder


def model(folder):
    return (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("reports", [3, 7])
def test_a_cancelled_training_goes_on_to_the_same_bytes(tmp_path, store, finished, reports):
    with pytest.raises(CancelledError):
        train_segmentation(store, tmp_path / "run", OPTIONS, progress=StopAt(reports))
    train_segmentation(store, tmp_path / "run", OPTIONS)
    assert model(tmp_path / "run") == model(finished)


def test_the_card_and_the_tables_have_the_same_figures(finished):
    metrics = read_card(finished / "model.safetensors").metrics
    written = json.loads((finished / "segmentation.json").read_text(encoding="utf-8"))
    median = written["metrics"]["dice_one_click_median"]
    assert metrics["dice_one_click_median"].value == median["value"]
    assert metrics["dice_region_growing_median"].value > 0.6  # balls in noisy lung
    rows = (finished / "segmentation.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + written["cases"]


def test_slices_are_learnt_too(tmp_path):
    slices = disc_set(tmp_path / "slices", 12, slicing=Slicing(32)).folder
    options = replace(OPTIONS, epochs=30, width=4, corrections=0.0)
    metrics = train_segmentation(slices, tmp_path / "run", options)
    assert metrics["dice_one_click_median"].value > 0.8
    assert metrics["dice_no_click_median"].value > 0.7
    assert "dice_region_growing_median" not in metrics
    card = read_card(tmp_path / "run" / "model.safetensors")
    assert (card.kind, card.image.spacing) == ("segmenter", 2.0)


def test_the_test_fold_is_a_column_s(store):
    options = replace(OPTIONS, fold_column="histology", test_fold="LUSC")
    setup = set_up(open_source(store), options)
    of = {case.case: case.columns["histology"] for case in setup.source.cases}
    assert {of[name] for name in setup.fold.test} == {"LUSC"}
    assert {of[name] for name in (*setup.fold.train, *setup.fold.validation)} == {"LUAD"}
    with pytest.raises(InputError, match="no fold 'C' to test on; there are 'LUAD', 'LUSC'"):
        set_up(open_source(store), replace(options, test_fold="C"))
    with pytest.raises(InputError, match="no column 'wing'"):
        set_up(open_source(store), replace(options, fold_column="wing"))
    with pytest.raises(InputError, match="go together"):
        replace(OPTIONS, fold_column="histology")
    with pytest.raises(InputError, match="40 voxels a side, fewer than --size 48"):
        set_up(open_source(store), replace(OPTIONS, size=48))


def test_only_known_voxels_count():
    logits = torch.tensor([[[[3.0, -3.0, 8.0]]]])
    mask, known = torch.tensor([[[[1.0, 0.0, 0.0]]]]), torch.tensor([[[[1.0, 1.0, 0.0]]]])
    p = 1 / (1 + np.exp(-3.0))
    entropy = -np.log(p)  # of both known voxels
    overlap = 1 - (2 * p + 1) / (p + (1 - p) + 1 + 1)
    assert segmentation_loss(logits, mask, known).tolist() == [pytest.approx(entropy + overlap)]


def test_resampling_turns_ct_and_mask_alike_and_invents_nothing():
    side = 40
    z, y, x = np.indices((side,) * 3) - 19.5
    ball = (x - 3) ** 2 + y**2 + z**2 < 36
    hu = np.where(ball, 40, -800)
    hu[:8] = AIR
    for seed in range(8):
        cut, mask = resampled(hu, ball, 24, CUBES, np.random.default_rng(seed))
        known = known_voxels(cut)
        assert set(np.unique(cut[known])) <= set(np.unique(cut[(cut >= -800) & (cut <= 40)]))
        dense = (cut > -380) & known
        assert np.count_nonzero(dense ^ mask) <= 0.1 * np.count_nonzero(mask) + 2


def test_what_is_kept_is_a_box_with_faces_near_the_tumour():
    mask = np.zeros((40, 40, 40), bool)
    mask[15:25, 18:22, 10:30] = True
    cuts = set()
    for seed in range(60):
        kept = kept_region(mask, np.random.default_rng(seed))
        for axis, (first, last) in enumerate(((15, 24), (18, 21), (10, 29))):
            line = np.flatnonzero(kept.any(axis=tuple({0, 1, 2} - {axis})))
            assert line[0] in (0, *range(first - 12, first + 5))
            assert line[-1] in (39, *range(last - 4, last + 13))
            cuts |= {(axis, "low", line[0] > 0), (axis, "high", line[-1] < 39)}
            assert np.count_nonzero(kept.any(axis=tuple({0, 1, 2} - {axis}))) == np.ptp(line) + 1
    assert len(cuts) == 12


def test_clicks_are_where_they_should_be():
    z, y, x = np.indices((32,) * 3) - 15.5
    ball = x * x + y * y + z * z < 49
    hu = np.where(ball, 40.0, -800.0)
    options = SegmentationOptions(without_click=0.0, corrections=1.0)
    spec = InputSpec(32, 1.0, -1000.0, 400.0, True)
    samples = Samples(["a"], lambda *_: (hu, ball), spec, options)
    seen = np.zeros(2)
    for seed in range(40):
        inside, outside = samples._clicks(hu, ball, np.random.default_rng(seed))
        assert all(ball[tuple(click.astype(int))] for click in inside)
        for click in outside:
            assert 7 <= np.linalg.norm(click - 15.5) < 7 + 8 + 1
        seen += len(inside), len(outside)
    assert seen.tolist() == pytest.approx([80, 40], abs=18)
    without = Samples(["a"], samples.read, spec, replace(options, without_click=1.0))
    assert without._clicks(hu, ball, np.random.default_rng(0)) == ([], [])


def test_a_correction_is_in_the_thickest_error():
    truth = np.zeros((20, 20, 20), bool)
    truth[5:15, 5:15, 5:15] = True
    known, missing = np.ones_like(truth), truth.copy()
    missing[5:9] = False
    (click,), outside = correction(missing, truth, known)
    assert truth[tuple(click.astype(int))]
    assert not missing[tuple(click.astype(int))]
    assert outside == []
    excess = truth.copy()
    excess[16:20, 16:20, 16:20] = True
    inside, (click,) = correction(excess, truth, known)
    assert inside == []
    assert excess[tuple(click.astype(int))]
    assert correction(truth, truth, known) == ([], [])


def test_validation_measures_what_the_training_measured(tmp_path, store, finished):
    """The cases that were held out get the same clicks and the same figures."""
    arguments = ["validate", str(finished / "model.safetensors"), str(store)]
    with pytest.raises(InputError, match=r"shares .* patients and .* with the training data"):
        validate_nodules(read_model(arguments[1]), store, tmp_path / "refused")
    out = tmp_path / "validation"
    main([*arguments, "-o", str(out), "--allow-overlap"])
    written, measured = (
        {row["case"]: row for row in read_rows(folder / "segmentation.csv")}
        for folder in (finished, out)
    )
    assert len(measured) == 10
    assert {case: measured[case] for case in written} == written


def test_slices_with_their_own_pixels_train_and_validate_whatever_their_size(tmp_path):
    def native(name, pixel_mm, seed=0):
        slices = disc_set(tmp_path / name, 12, slicing=Slicing(32), seed=seed)
        sizes = np.linspace(0.9, 1.1, len(slices.cases)) * pixel_mm
        cases = [
            replace(case, pixel_mm=float(size))
            for case, size in zip(slices.cases, sizes, strict=True)
        ]
        write_index(slices.folder, replace(slices.slicing, native=True), cases, rows=12)
        return slices.folder

    run = tmp_path / "run"
    train_segmentation(native("slices", 0.7), run, OPTIONS)
    model = read_model(run / "model.safetensors")
    assert model.card.image.spacing == pytest.approx(0.7)
    diameters = [float(row["diameter_mm"]) for row in read_rows(run / "segmentation.csv")]
    assert all(3 < diameter < 32 for diameter in diameters)
    finer = validate_nodules(model, native("finer", 0.5, seed=1), tmp_path / "finer out")
    assert finer.metrics["dice_one_click_median"].n == 12
    with pytest.raises(InputError, match="cut them again"):
        validate_nodules(model, native("coarse", 1.6, seed=2), tmp_path / "coarse out")


def test_data_that_do_not_fit_the_model_are_refused(tmp_path, store, finished):
    model = read_model(finished / "model.safetensors")
    slices = disc_set(tmp_path / "slices", 12, slicing=Slicing(32)).folder
    with pytest.raises(ModelError, match="segments cubes, and a model of slices"):
        validate_nodules(model, slices, tmp_path / "out")
    with pytest.raises(InputError, match="holds a training"):
        validate_nodules(model, store, finished)
    with pytest.raises(InputError, match=r"No case of .* is of these sets and of this fold"):
        validate_nodules(model, store, tmp_path / "out", fold="3")
    finer = write_segmenter(tmp_path / "finer.safetensors", spacing=0.5)
    with pytest.raises(InputError, match="40 voxels of 1 mm a side, and the model 'segmenter'"):
        validate_nodules(finer, store, tmp_path / "out")
