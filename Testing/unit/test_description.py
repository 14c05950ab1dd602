"""The network that describes nodules: what it sees, what it learns, what it says."""

import csv
import html
import json

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from LungSquadLib.cli import main
from LungSquadLib.data.build import build_cohort
from LungSquadLib.data.store import Preprocessing, open_store
from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.inference.classifier import predict
from LungSquadLib.inference.description import describe
from LungSquadLib.models.file import read_model_file
from LungSquadLib.models.inputs import InputSpec
from LungSquadLib.networks import build
from LungSquadLib.networks.description import DescriptionNetwork
from LungSquadLib.training.classifier.experiment import train_classifier
from LungSquadLib.training.classifier.options import ClassifierOptions
from LungSquadLib.training.description.data import SCALES
from LungSquadLib.training.description.experiment import train_description
from LungSquadLib.training.description.options import DescriptionOptions
from Testing.ball_cohort import ball_volumes
from Testing.unit.test_training_run import StopAt

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
OPTIONS = DescriptionOptions(
    size=32, width=0.25, epochs=2, batch=4, margin_mm=4.0, fold_column="fold", test_fold="3"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A store of balls in four folds: the solid ones are rated 5 and 4, the others 1 and 2."""
    folder = tmp_path_factory.mktemp("rated")
    manifest = ball_volumes(folder / "volumes", 24)
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        solid = row["histology"] == "LUSC"
        row |= {f"{name}_readers": "5 4" if solid else "1 2" for name in SCALES}
        row |= {"fold": str(number // 2 % 4), "set": "one" if number < 22 else "another"}
        if number == 0:
            row["texture_readers"] = ""
    with manifest.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    build_cohort(manifest, folder / "store", preprocessing=Preprocessing(32, 8))
    return folder


@pytest.fixture(scope="module")
def finished(place):
    train_description(place / "store", place / "run", OPTIONS)
    return place / "run" / "model.safetensors"


def test_a_stopped_training_ends_with_the_same_bytes(place, finished, tmp_path):
    with pytest.raises(CancelledError):
        train_description(place / "store", tmp_path / "run", OPTIONS, progress=StopAt(7))
    train_description(place / "store", tmp_path / "run", OPTIONS)
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == finished.read_bytes()


def test_the_network_sees_its_own_slices_near_the_mask_alone():
    spec = InputSpec(32, 1.0, -1000.0, 500.0, True, margin_mm=3.0)
    hu, mask = np.zeros((9, 32, 32), np.int16), np.zeros((9, 32, 32), np.uint8)
    mask[3, 16, 16] = mask[5, 10, 10] = 1
    visible = spec.visible(hu, mask) == 0
    z, y, x = np.nonzero(visible)
    distance = np.where(z == 3, np.hypot(y - 16, x - 16), np.hypot(y - 10, x - 10))
    assert set(z.tolist()) == {3, 5}
    assert 3 <= distance.max() < 3.5
    assert np.count_nonzero(visible) >= 2 * 25  # nearly all of two discs of radius 3
    assert (spec.visible(hu, mask)[~visible] == -1024).all()


def test_a_network_without_a_margin_sees_everything():
    hu = np.zeros((9, 32, 32), np.int16)
    spec = InputSpec(32, 1.0, -1000.0, 500.0, True)
    assert (spec.visible(hu, np.zeros_like(hu)) == hu).all()


def test_probabilities_are_those_of_the_cumulative_logit_model():
    torch.manual_seed(0)
    network = build("description", {"levels": [5, 3], "width": 0.25, "input_size": 32}).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.05 * torch.randn(weight.shape))
        features = torch.randn(4, 64)
        output = network.head(features).exp()
        location, scale = network.last(features)[:, 1], network.last(features)[:, 3].exp()
        first, gap = network.thresholds[1].detach()
        second = first + torch.log1p(gap.exp())
    for row in range(4):
        at_most = [
            1 / (1 + np.exp(-float((t - location[row]) / scale[row]))) for t in (first, second)
        ]
        expected = np.diff([0, *at_most, 1])
        assert output[row, 5:].numpy() == pytest.approx(expected, abs=1e-5)
    assert output[:, :5].sum(1).numpy() == pytest.approx(np.ones(4), abs=1e-5)


def test_the_card_says_what_was_measured_and_on_whom(finished):
    card = read_model_file(finished).card
    assert card.kind == "descriptor"
    assert card.image.margin_mm == 4
    assert [scale.name for scale in card.characteristics] == list(SCALES)
    assert "no pathology" in card.notice
    # Every nodule has two readers one apart: their standard deviation is sqrt(1/2).
    assert card.characteristics[0].sd == pytest.approx([np.sqrt(0.5)] * 5)
    assert "never saw" in next(iter(card.metrics.values())).where if card.metrics else True


@pytest.fixture(scope="module")
def learnt(place):
    """A model that has had the time to learn."""
    options = DescriptionOptions(
        size=32,
        width=0.25,
        epochs=25,
        batch=4,
        learning_rate=3e-3,
        margin_mm=4.0,
        fold_column="fold",
        test_fold="3",
    )
    train_description(place / "store", place / "longer", options)
    return place / "longer" / "model.safetensors"


def test_it_learns_what_readers_rate(place, learnt):
    model = read_model_file(learnt)
    ratings = []
    for number in (4, 5):  # a ground-glass and a solid ball of the training
        ct, mask = (
            sitk.ReadImage(str(place / "volumes" / f"{name}{number}.nrrd"))
            for name in ("ct", "mask")
        )
        ratings.append(describe(model, ct, mask, device="cpu").ratings["malignancy"])
    low, high = ratings
    assert low.value < 2.5 < 3.5 < high.value
    assert high.low <= high.rounded <= high.high
    assert sum(high.probabilities) == pytest.approx(1)


def test_what_lies_beyond_the_margin_changes_nothing(place, finished):
    model = read_model_file(finished)
    ct, mask = (sitk.ReadImage(str(place / "volumes" / f"{name}4.nrrd")) for name in ("ct", "mask"))
    hu, near = sitk.GetArrayFromImage(ct), sitk.GetArrayFromImage(mask)
    z = np.flatnonzero(near.any((1, 2)))
    hu[: z[0] - 1], hu[z[-1] + 2 :], hu[:, :2], hu[..., -2:] = 300, 300, 300, 300
    other = sitk.GetImageFromArray(hu)
    other.CopyInformation(ct)
    first, second = (describe(model, image, mask, device="cpu") for image in (ct, other))
    assert first.to_dict()["ratings"] == second.to_dict()["ratings"]


def test_an_abstention_is_not_in_the_sentence(place, finished):
    model = read_model_file(finished)
    ct, mask = (sitk.ReadImage(str(place / "volumes" / f"{name}5.nrrd")) for name in ("ct", "mask"))
    description = describe(model, ct, mask, device="cpu")
    for name, rating in description.ratings.items():
        expected = rating.expected_sd > rating.scale.most_sd
        outside = description.ood is not None and bool(description.ood.out_of_distribution)
        assert rating.abstains == (expected or outside), name
        if rating.abstains and name == "texture":
            assert rating.word not in description.sentence
    assert f"{description.diameter_mm:.0f} mm" in description.sentence


def test_the_command_describes_and_validates(place, finished, tmp_path, capsys):
    volumes = place / "volumes"
    files = [str(volumes / "ct5.nrrd"), str(volumes / "mask5.nrrd"), "--model", str(finished)]
    assert main(["describe", *files, "--device", "cpu"]) == 0
    text = capsys.readouterr().out
    assert "no pathology" in text
    assert "spiculation" in text
    assert main(["describe", *files, "--device", "cpu", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["ratings"]) == set(SCALES)
    validate = ["validate", str(finished), str(place / "store"), "--device", "cpu"]
    assert main([*validate, "-o", str(tmp_path / "refused")]) == 2
    assert "--allow-overlap" in capsys.readouterr().err
    assert main([*validate, "-o", str(tmp_path / "out"), "--allow-overlap"]) == 0
    assert "kappa" in capsys.readouterr().out
    with (tmp_path / "out" / "ratings.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    assert [row["texture_readers"] for row in rows[:2]] == ["", "4.5"]


def test_validation_of_the_test_fold_gives_the_figures_of_the_card(place, finished, tmp_path):
    from LungSquadLib.pipeline.validate_nodules import validate_nodules

    model = read_model_file(finished)
    result = validate_nodules(model, place / "store", tmp_path / "out", fold="3")
    known, again = model.card.metrics, result.metrics
    assert known.keys() == again.keys()
    assert all(again[name].value == pytest.approx(known[name].value, abs=1e-6) for name in known)


def test_its_trunk_starts_a_classifier_that_sees_as_little(place, finished, tmp_path):
    options = {"hidden": (), "folds": 2, "seeds": 1, "epochs": 2, "views": 2, "size": 32}
    for freeze in ("trunk", "gradual"):
        chosen = ClassifierOptions(
            label="histology", init=str(finished), freeze=freeze, allow_overlap=True, **options
        )
        train_classifier(place / "store", tmp_path / freeze, chosen)
        model = read_model_file(tmp_path / freeze / "model.safetensors")
        assert model.card.image.margin_mm == 4
        assert model.card.network.arguments["trunk"] == "description"
        weights = read_model_file(finished).weights["trunk.conv5.weight"]
        assert np.array_equal(model.weights["trunk.conv5.weight"], weights) == (freeze == "trunk")
        ct, mask = (
            sitk.ReadImage(str(place / "volumes" / f"{name}4.nrrd")) for name in ("ct", "mask")
        )
        hu, near = sitk.GetArrayFromImage(ct), sitk.GetArrayFromImage(mask)
        hu[~near.any((1, 2))] = 300
        other = sitk.GetImageFromArray(hu)
        other.CopyInformation(ct)
        first, second = (predict(image, mask, model, device="cpu") for image in (ct, other))
        assert first.probabilities == pytest.approx(second.probabilities, abs=1e-3)


def test_a_store_without_ratings_is_refused_before_anything_is_written(tmp_path, place):
    plain = tmp_path / "plain"
    manifest = ball_volumes(plain / "volumes", 4)
    build_cohort(manifest, plain / "store", preprocessing=Preprocessing(32, 4))
    with pytest.raises(InputError, match="malignancy_readers"):
        train_description(plain / "store", tmp_path / "run", OPTIONS)
    options = DescriptionOptions(size=32, fold_column="fold", test_fold="9")
    with pytest.raises(InputError, match="fold '9'"):
        train_description(place / "store", tmp_path / "run", options)
    assert not (tmp_path / "run").exists()
    assert open_store(place / "store").rows == 24
    assert isinstance(build("description", {}), DescriptionNetwork)


def test_the_report_and_the_case_have_the_description(place, finished, tmp_path, capsys):
    volumes = place / "volumes"
    case = ["predict", str(volumes / "ct5.nrrd"), str(volumes / "mask5.nrrd"), "--device", "cpu"]
    assert main([*case, "--model", str(finished), "-o", str(tmp_path / "case")]) == 0
    printed = capsys.readouterr().out
    described = json.loads((tmp_path / "case" / "prediction.json").read_text(encoding="utf-8"))
    (description,) = described["descriptions"]
    page = (tmp_path / "case" / "report.html").read_text(encoding="utf-8")
    for text in (printed, page):
        assert html.escape(description["sentence"], quote=False) in html.unescape(text)
        assert "no pathology" in text
    assert "Spread: the standard deviation of radiologists' ratings" in html.unescape(page)
    assert description["model"]["sha256"] in page
