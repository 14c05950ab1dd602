"""Painted tumours are trained on and nothing else, and the same ones come whatever stops a run."""

import csv
import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from LungSquadLib.data.case_file import read_unknown, write_content
from LungSquadLib.data.overlap import seen
from LungSquadLib.data.store import open_store
from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.evaluation.classifier.compare import compare_runs
from LungSquadLib.imaging.blending import distance_mm
from LungSquadLib.inference.inpainting import BAND_MM
from LungSquadLib.models.card import Training
from LungSquadLib.models.file import read_model_file, write_model_file
from LungSquadLib.progress import Silent
from LungSquadLib.training.augment import Augmentation
from LungSquadLib.training.card import CardText
from LungSquadLib.training.classifier import fit as fitting
from LungSquadLib.training.classifier.data import set_up
from LungSquadLib.training.classifier.experiment import ClassifierExperiment, train_classifier
from LungSquadLib.training.classifier.fit import pairs_of, synthetic_samples
from LungSquadLib.training.classifier.options import ClassifierOptions
from LungSquadLib.training.classifier.task import Classifier
from LungSquadLib.training.distributed import DistributedContext
from LungSquadLib.training.experiment import Session
from LungSquadLib.training.synthetic import SourcePair, read_synthesis, source_pairs
from Testing.ball_cohort import ball_store
from Testing.inpainters import write_inpainter
from Testing.samples import write_model
from Testing.stored_cases import stored_case
from Testing.unit.test_training_run import StopAt, content

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("balls")
    ball_store(folder, 20)
    write_model(folder / "start.safetensors")
    write_inpainter(folder / "painter.safetensors", classes=("LUAD", "LUSC"))
    return folder


@pytest.fixture(scope="module")
def head(place):
    """Options of a small transfer with a synthetic sample for two cases each."""
    return ClassifierOptions(
        "histology",
        init=str(place / "start.safetensors"),
        freeze="trunk",
        folds=2,
        seeds=1,
        size=32,
        hidden=(4,),
        views=2,
        learning_curve=(4,),
        synthetic=str(place / "painter.safetensors"),
        augmentation=Augmentation(),
        epochs=2,
    )


@pytest.fixture(scope="module")
def finished(place, head):
    return train_classifier(place / "store", place / "finished", head).folder


def known(place, name, cases):
    """The painter, which says that it was trained on some cases."""
    model = read_model_file(place / "painter.safetensors")
    card = replace(model.card, training=Training("Them.", seen=seen(cases)))
    write_model_file(place / f"{name}.safetensors", model.trainable(), card=card)
    return str(place / f"{name}.safetensors")


def expected(setup, names):
    """How many samples half of the named cases make, in each class half of them."""
    return sum(
        round(n / 2)
        for n in Counter(setup.labels([setup.by_name[name] for name in names]).tolist()).values()
    )


def two_classes(patients, cases_each=1):
    """Patients of two classes by turns."""
    return [
        stored_case(f"c{n}-{k}", patient=f"P{n}", columns={"kind": "AB"[n % 2]})
        for n in range(patients)
        for k in range(cases_each)
    ]


@pytest.mark.parametrize("fraction", [0.1, 0.5, 1, 2.5, 10])
def test_pairs_are_of_one_class_and_two_patients_in_the_classes_proportion(fraction):
    cases = [*two_classes(10, 2), *(stored_case(f"x{n}", columns={"kind": "A"}) for n in range(6))]
    by_name = {case.case: case for case in cases}
    pairs = source_pairs(cases, "kind", fraction=fraction, seed=(0, 0))
    assert len(set(pairs)) == len(pairs)
    for pair in pairs:
        ct, tumour = by_name[pair.ct], by_name[pair.tumour]
        assert ct.columns == tumour.columns
        assert ct.patient != tumour.patient
    counts = Counter(by_name[pair.ct].columns["kind"] for pair in pairs)
    assert counts == {"A": round(16 * fraction), "B": round(10 * fraction)}


def test_every_ct_and_every_tumour_is_used_as_often():
    cases = two_classes(10)
    pairs = source_pairs(cases, "kind", fraction=6, seed=(0, 0))
    assert set(Counter(pair.ct for pair in pairs).values()) == {6}
    assert set(Counter(pair.tumour for pair in pairs).values()) == {6}
    assert max(Counter((pair.ct, pair.tumour) for pair in pairs).values()) == 2  # four others


def test_pairs_hang_on_seed_and_content_alone():
    cases = two_classes(20, 2)
    pairs = source_pairs(cases, "kind", fraction=1, seed=(0, 0))
    assert source_pairs(cases[::-1], "kind", fraction=1, seed=(0, 0)) == pairs
    assert {*source_pairs(cases, "kind", fraction=1, seed=(0, 1))} != {*pairs}
    fewer = source_pairs(cases[4:], "kind", fraction=1, seed=(0, 0))
    assert len({*fewer} & {*pairs}) == 32  # but those of the two that went, and of their successors


def test_a_class_of_one_patient_has_no_pair():
    with pytest.raises(InputError, match="one patient of the class 'B'"):
        source_pairs(two_classes(3, 2), "kind", fraction=1, seed=(0, 0))


def test_a_sample_is_the_one_ones_ct_with_the_other_ones_tumour(place, head, tmp_path):
    setup = set_up(place / "store", head)
    solid = [case for case in setup.cases if case.columns["histology"] == "LUSC"]
    tumour, *_, ct = (case.case for case in sorted(solid, key=lambda case: case.volume_ml))
    store = setup.store
    (made,) = synthetic_samples(setup, [SourcePair(ct, tumour)], tmp_path / "fits", Silent()).cases
    sample = synthetic_samples(
        setup, [SourcePair(ct, tumour)], tmp_path / "fits", Silent()
    ).content(made)
    host, giver = (store.content(setup.by_name[name]) for name in (ct, tumour))
    assert made.case == f"{tumour} in {ct}"
    assert setup.labels([made]) == setup.labels([setup.by_name[tumour]])
    assert np.array_equal(sample.mask, giver.mask)
    inside, own = giver.mask != 0, host.mask != 0
    assert sample.hu[inside].mean() == pytest.approx(giver.hu[inside].mean(), abs=25)
    changed = distance_mm(inside | own, (1.0, 1.0, 1.0)) < BAND_MM
    assert np.array_equal(sample.hu[~changed], host.hu[~changed])
    gone = own & ~inside  # this painter, which is untrained, paints lung beyond the tumour
    assert gone.sum() > 50
    assert host.hu[gone].mean() > -100
    assert sample.hu[gone].mean() < -700


def test_a_crop_without_its_tumour_is_named(place, head, tmp_path):
    store = Path(shutil.copytree(place / "store", tmp_path / "store"))
    path = store / "cases" / "c007.npz"
    whole, _ = read_unknown(path, 40)
    digest = write_content(path, replace(whole, mask=np.zeros_like(whole.mask)))
    index = json.loads((store / "index.json").read_text())
    index["cases"][7]["sha256"] = digest
    (store / "index.json").write_text(json.dumps(index))
    setup = set_up(store, head)
    with pytest.raises(InputError, match="'c007' has no voxel of its tumour"):
        synthetic_samples(setup, [SourcePair("c003", "c007")], tmp_path / "fits", Silent())
    synthetic_samples(setup, [SourcePair("c007", "c003")], tmp_path / "fits", Silent())


def test_a_painter_that_knows_some_classes_only_is_told_none(place, tmp_path):
    painter = str(place / "painter.safetensors")
    assert read_synthesis(painter, ("LUSC", "LUAD"), fraction=1.0).conditions == {
        "LUSC": 1,
        "LUAD": 0,
    }
    assert read_synthesis(painter, ("LUSC", "SCLC"), fraction=1.0).conditions == {
        "LUSC": -1,
        "SCLC": -1,
    }


def test_samples_are_made_of_the_folds_training_cases_and_are_in_no_other_part(finished, head):
    setup = set_up(finished.parent / "store", head)
    with (finished / "splits.csv").open() as file:
        rows = list(csv.DictReader(file))
    for number in range(2):
        fold = setup.splits[0, number]
        own = [
            row["case"] for row in rows if row["part"] == "synthetic" and row["fold"] == f"{number}"
        ]
        assert len(own) == expected(setup, fold.train)
        for name in own:
            assert {*name.split(" in ")} <= {*fold.train}
    assert sum(row["part"] != "synthetic" for row in rows) == 2 * len(setup.cases)
    answers = list(csv.DictReader((finished / "predictions.csv").open()))
    assert {row["case"] for row in answers} == {case.case for case in setup.cases}


@pytest.mark.parametrize(
    ("freeze", "kind"),
    [("none", "main"), ("trunk", "permuted labels"), ("trunk", "learning curve")],
)
def test_samples_are_trained_on_with_their_tumours_label(
    freeze, kind, place, head, tmp_path, monkeypatch
):
    """And neither the temperature nor the choice of the epoch sees them."""
    given = {}

    class Spy(Classifier):
        def __init__(self, *arguments, **named):
            given.update(named)
            super().__init__(*arguments, **named)

        def predict(self, chosen, **named):
            assert (chosen < 20).all()
            return super().predict(chosen, **named)

    monkeypatch.setattr(fitting, "Classifier", Spy)
    changed = {"permuted_labels": True, "freeze": freeze, "width": 0.05}
    setup = set_up(place / "store", replace(head, **changed))
    experiment = ClassifierExperiment(setup, CardText())
    job = next(fit for fit in experiment.fits() if fit.kind == kind)
    experiment.fit(job, Session(tmp_path, DistributedContext(), Silent()))
    pairs = pairs_of(setup, job)
    names = [case.case for case in setup.cases]
    real = [names.index(name) for name in job.parts.train]
    assert given["training"].tolist() == [*real, *range(20, 20 + len(pairs))]
    assert len(pairs) == expected(setup, job.parts.train)
    tumours = [names.index(pair.tumour) for pair in pairs]
    assert given["labels"][20:].tolist() == given["labels"][tumours].tolist()
    assert {setup.by_name[pair.ct].case for pair in pairs} <= {*job.parts.train}
    unlike = given["samples"].plain(np.arange(20, 20 + len(pairs)))
    for n, x in enumerate(unlike):
        assert not any(
            np.allclose(x, given["samples"].plain(np.array([k]))[0]) for k in range(20)
        ), n


def test_the_card_says_what_was_painted_and_by_whom(place, finished, head):
    setup, painter = set_up(place / "store", head), read_model_file(head.synthetic)
    training = read_model_file(finished / "model.safetensors").card.training
    final = ClassifierExperiment(setup, CardText()).final_fit()
    count = len(pairs_of(setup, final))
    assert f"on {count} synthetic samples as well" in training.data
    assert f"'{painter.card.name}' (SHA-256 {painter.sha256})" in training.data
    assert training.seen == seen(setup.cases)


def test_a_run_that_was_stopped_or_damaged_goes_on_to_the_same_bytes(
    place, head, finished, tmp_path
):
    for stop in (4, 60):
        with pytest.raises(CancelledError):
            train_classifier(place / "store", tmp_path / "run", head, progress=StopAt(stop))
    (first, second, *_) = sorted((tmp_path / "run" / "synthetic" / "cases").iterdir())
    first.unlink()
    data = bytearray(second.read_bytes())
    data[len(data) // 2] ^= 1
    second.write_bytes(data)
    (tmp_path / "run" / "synthetic" / "cases" / ".lungsquad-left.npz").write_bytes(b"half")
    train_classifier(place / "store", tmp_path / "run", head)
    assert content(tmp_path / "run") == content(finished)


def test_torchrun_paints_the_same_samples(place, head, finished, tmp_path):
    arguments = [
        "train", "classifier", place / "store", "--label", "histology", "--size", "32",
        "--init", head.init, "--hidden", "4", "--folds", "2", "--seeds", "1", "--epochs", "2",
        "--views", "2", "--learning-curve", "4", "--synthetic", head.synthetic,
        "--device", "cpu", "-o", tmp_path / "two",
    ]  # fmt: skip
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    words = [*torchrun, "-m", "LungSquadLib", *map(str, arguments)]
    subprocess.run(words, check=True, cwd=ROOT, capture_output=True)
    one, two = content(finished), content(tmp_path / "two")
    painted = {name for name in one if name.startswith("synthetic")}
    assert len(painted) > 20
    assert {name: two[name] for name in painted} == {name: one[name] for name in painted}
    assert two["splits.csv"] == one["splits.csv"]
    for name in ("predictions.csv", "controls.csv"):
        scores = [
            [float(row.get("score") or row["AUC"]) for row in csv.DictReader(text.splitlines())]
            for text in (one[name].decode(), two[name].decode())
        ]
        assert scores[1] == pytest.approx(scores[0], abs=1e-5)


def test_a_painter_that_has_seen_the_held_out_patients_is_refused_or_marked(place, head, tmp_path):
    cases = open_store(place / "store").cases
    parts = [("test", "validation", "train", "train", "train")[n // 2 % 5] for n in range(20)]
    split = tmp_path / "split.csv"
    rows = [f"{case.case},{part}" for case, part in zip(cases, parts, strict=True)]
    split.write_text("\n".join(["case,part", *rows]))
    own = replace(head, split=str(split), folds=1, learning_curve=())
    stranger = stored_case("stranger")
    for part in ("test", "validation"):
        case = cases[parts.index(part)]
        saw = replace(own, synthetic=known(place, f"saw-{part}", [case, stranger]))
        with pytest.raises(InputError, match=f"validated or tested on shares 1 .*{case.case}"):
            set_up(place / "store", saw)
    allowed = replace(saw, allow_overlap=True)
    done = train_classifier(place / "store", tmp_path / "run", allowed)
    card = read_model_file(done.folder / "model.safetensors").card
    assert "the model of --synthetic" in card.training.overlap_allowed
    assert "its own test set" in card.notice
    used = [case for case, part in zip(cases, parts, strict=True) if part != "test"]
    assert card.training.seen == seen([*used, stranger])
    learner = cases[parts.index("train")]
    saw = replace(own, synthetic=known(place, "saw-training", [learner]))
    assert set_up(place / "store", saw).overlaps == ()


def test_with_and_without_are_compared_on_the_same_patients(place, head, finished):
    done = train_classifier(place / "store", place / "without", replace(head, synthetic=None))
    assert not (done.folder / "synthetic").exists()
    comparison = compare_runs([done.folder, finished])
    assert [point.patients for point in comparison.points] == [4, 0]
    for point in comparison.points:
        (difference,) = point.differences
        assert difference.low <= difference.value <= difference.high
    assert comparison.tested == 20
