"""What is made of a descriptor's output: ratings, sentence, and how good they are."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from LungSquadLib.inference.description import describe, log_probabilities
from LungSquadLib.models.characteristics import Characteristic
from LungSquadLib.models.file import Reference
from LungSquadLib.statistics.agreement import central_range
from LungSquadLib.training.description.data import SCALES, NoduleInput, Nodules
from LungSquadLib.training.description.quality import description_metrics
from Testing.descriptors import write_descriptor
from Testing.samples import ball_images

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def described(tmp_path):
    """Describe the ball by a descriptor with these ratings."""

    def describe_ball(**arguments):
        model = write_descriptor(tmp_path / "descriptor.safetensors", **arguments)
        return describe(model, *ball_images(), device="cpu")

    return describe_ball


@pytest.mark.parametrize(
    ("ratings", "abstains", "sentence"),
    [
        ({"texture": 1, "malignancy": 2}, (), "ground glass, 19 mm; suspicion 2 of 5"),
        (
            {"texture": 3, "malignancy": 5},
            ("malignancy",),
            "part-solid, 19 mm; suspicion not rated",
        ),
        ({"spiculation": 2, "lobulation": 3}, (), "lobulated, 19 mm"),
        ({"spiculation": 5, "lobulation": 2}, (), "markedly spiculated, 19 mm"),
        ({"spiculation": 4, "lobulation": 5}, ("lobulation",), "spiculated, 19 mm"),
        ({"margin": 2, "calcification": 6}, (), "poorly defined, 19 mm"),
        ({"margin": 3, "calcification": 5}, (), "calcified, 19 mm"),
        ({"subtlety": 1, "sphericity": 1}, (), "19 mm"),
    ],
)
def test_the_sentence_is_what_a_radiologist_mentions(ratings, abstains, sentence, described):
    text = described(ratings=ratings, abstains=abstains).sentence
    assert text.removesuffix(" (readers' spread 0.7)") == sentence


def test_a_rating_is_scaled_and_lies_in_its_interval_beside_the_spread_of_its_readers(described):
    """The network is sure of 3; scaled it is 3.6, and the readers' spread is that of a 4."""
    ratings = described(
        ratings={"margin": 3}, abstains=(), scaling=(-0.9, 1.5), spread=(0.1, 0.2, 0.3, 0.4, 0.5)
    ).ratings
    rating = ratings["margin"]
    assert rating.value == pytest.approx(3.6, abs=0.01)
    assert (rating.rounded, rating.word) == (4, "near sharp")
    assert (rating.low, rating.high) == (3, 4)
    assert rating.sd == 0.4
    assert rating.expected_sd < 0.1
    assert rating.by_volume == 3.0
    assert not rating.abstains


@pytest.mark.parametrize("away", [0.0, 1e4])
def test_nothing_is_rated_of_a_nodule_out_of_distribution(away, described):
    mean = np.full(4, away)
    reference = Reference(mean, np.eye(4) * 1e-6, np.linspace(0.5, 1, 200))
    description = described(abstains=(), reference=reference)
    assert description.ood.out_of_distribution == (away > 0)
    assert {rating.abstains for rating in description.ratings.values()} == {away > 0}
    codes = {flag.code for flag in description.flags}
    assert ("out_of_distribution" in codes) == (away > 0)


def test_a_nodule_has_no_orientation(tmp_path):
    network = write_descriptor(tmp_path / "descriptor.safetensors").network
    torch.nn.init.normal_(network.last.weight, generator=torch.Generator().manual_seed(0))
    x = torch.rand(1, 1, 32, 32, 32, generator=torch.Generator().manual_seed(1))
    sizes = torch.zeros(1, 2)
    output, features = log_probabilities(network, [(x, sizes)])
    for turned in (x.flip(2), x.rot90(1, (3, 4)), x.flip(3).flip(4)):
        same, alike = log_probabilities(network, [(turned, sizes)])
        assert same == pytest.approx(output, abs=1e-4)
        assert alike == pytest.approx(features, abs=1e-4)
    other, _ = log_probabilities(network, [(x.roll(5, 2), sizes)])
    assert np.abs(other - output).max() > 0.01


# How good ratings are


LIMIT = 0.6  # standard deviation from which the model abstains


@pytest.fixture(scope="module")
def rated():
    """Sixty nodules of 30 patients with three readers, and what a network gives."""
    random = np.random.default_rng(0)
    true = random.integers(1, 6, 60)
    readers = np.clip(true[:, None] + random.integers(-1, 2, (60, 3)), 1, 5)
    logits = -((np.arange(1, 6) - true[:, None] - random.normal(0, 0.8, (60, 1))) ** 2)
    logits *= random.uniform(0.3, 1.5, (60, 1))
    output = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    diameters = np.linspace(4, 16, 60)
    cases = tuple(
        SimpleNamespace(patient=f"P{number // 2}", volume_ml=float(volume))
        for number, volume in enumerate(np.exp(true + random.normal(0, 2, 60)))
    )
    ratings = tuple(tuple(map(int, row)) for row in readers)
    texture = tuple((5,) if number % 3 else (2, 3) for number in range(60))
    nodules = Nodules(
        store=None,
        cases=cases,
        names=("malignancy", "texture"),
        ratings=(ratings, texture),
        spec=None,
        _read={n: NoduleInput(None, (0.0, 0.0), diameter) for n, diameter in enumerate(diameters)},
    )
    scale = Characteristic(
        "malignancy",
        1,
        SCALES["malignancy"].words,
        scaling=(0.0, 1.0),
        temperature=1.0,
        most_sd=LIMIT,
        sd=(0.5,) * 5,
        groups=(2.0, 4.0),
        volume=(0.5, 0.7),
    )
    metrics = description_metrics(nodules, np.arange(60), output, [scale], where="here")
    return SimpleNamespace(
        metrics={name: metric.value for name, metric in metrics.items()},
        counts={name: metric.n for name, metric in metrics.items()},
        readers=readers,
        truth=readers.mean(1),
        probabilities=np.exp(output),
        log_volume=np.log([case.volume_ml for case in cases]),
        diameters=diameters,
    )


def kappa(truth, other):
    truth, other = (np.clip(np.floor(x + 0.5), 1, 5).astype(int) for x in (truth, other))
    return cohen_kappa_score(truth, other, weights="quadratic", labels=range(1, 6))


def test_agreement_and_errors_are_those_of_scikit_learn(rated):
    metrics, truth = rated.metrics, rated.truth
    values = np.arange(1, 6)
    expected = rated.probabilities @ values
    sd = np.sqrt(rated.probabilities @ values**2 - expected**2)
    kept = sd <= LIMIT
    assert 10 < kept.sum() < 50
    assert metrics["malignancy.kappa"] == pytest.approx(kappa(truth, expected))
    assert metrics["malignancy.error"] == pytest.approx(np.abs(truth - expected).mean())
    assert metrics["malignancy.kept"] == pytest.approx(kept.mean())
    assert metrics["malignancy.kept_error"] == pytest.approx(np.abs(truth - expected)[kept].mean())
    assert metrics["malignancy.kept_kappa"] == pytest.approx(kappa(truth[kept], expected[kept]))
    by_volume = np.clip(0.5 + 0.7 * rated.log_volume, 1, 5)
    assert metrics["malignancy.volume_kappa"] == pytest.approx(kappa(truth, by_volume))
    alone = rated.readers.ravel()
    others = np.stack([np.delete(rated.readers, k, 1).mean(1) for k in range(3)], 1).ravel()
    assert metrics["malignancy.readers_kappa"] == pytest.approx(kappa(alone, others))


def test_discrimination_is_between_low_and_high_means_beside_the_volume(rated):
    metrics, truth = rated.metrics, rated.truth
    chosen = (truth <= 2) | (truth >= 4)
    y, expected = truth[chosen] >= 4, rated.probabilities @ np.arange(1, 6)
    network = roc_auc_score(y, expected[chosen])
    volume = roc_auc_score(y, rated.log_volume[chosen])
    assert metrics["malignancy.AUC"] == pytest.approx(network)
    assert metrics["malignancy.volume_AUC"] == pytest.approx(volume)
    assert metrics["malignancy.AUC_gain"] == pytest.approx(network - volume)
    assert network > volume + 0.05
    assert rated.counts["malignancy.AUC"] == chosen.sum()


def test_coverage_is_of_single_readers_both_ends_included(rated):
    low, high = central_range(rated.probabilities, 1, level=0.8)
    inside = (rated.readers >= low[:, None]) & (rated.readers <= high[:, None])
    assert rated.metrics["malignancy.coverage"] == pytest.approx(inside.mean())
    assert rated.counts["malignancy.coverage"] == 180


def test_sizes_and_textures_have_figures_of_their_own(rated):
    counts = {name.rpartition(".")[2]: n for name, n in rated.counts.items() if ".kappa." in name}
    diameters = rated.diameters
    assert counts == {
        "below-6-mm": (diameters < 6).sum(),
        "6-to-10-mm": ((diameters >= 6) & (diameters <= 10)).sum(),
        "above-10-mm": (diameters > 10).sum(),
        "solid": 40,
        "subsolid": 20,
    }
