"""An audit says what is good and what is bad, and leaves out what cannot be measured."""

import functools
import json
import re
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from LungSquadLib.data.overlap import seen
from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.evaluation.generator import audit as audit_module
from LungSquadLib.evaluation.generator.audit import _class_fractions, audit_images
from LungSquadLib.evaluation.generator.compare import (
    _interval,
    histogram_distance,
    measure_slices,
    noise_texture,
    single_set,
)
from LungSquadLib.evaluation.generator.findings import findings
from LungSquadLib.evaluation.generator.image_set import ImageSet, split
from LungSquadLib.evaluation.generator.results import ImageSetMeasure
from LungSquadLib.inference.generator import Images, sample
from LungSquadLib.inference.segmenter import train_segmenter
from LungSquadLib.models.card import Seen
from LungSquadLib.report.generator import _tiled, audit_page, metrics
from LungSquadLib.statistics.intervals import Estimate
from Testing.slice_samples import disc_set, disc_slices, write_generator

pytestmark = pytest.mark.usefixtures("one_thread")
TRAINED, IMAGES, SIDE = 24, 64, 16


@pytest.fixture(scope="module")
def slices(tmp_path_factory):
    return disc_set(tmp_path_factory.mktemp("slices"), 36)


@pytest.fixture(scope="module")
def known(slices):
    return seen(slices.cases[:TRAINED])


@pytest.fixture(scope="module", autouse=True)
def quick_segmenter(one_thread):
    with pytest.MonkeyPatch.context() as patch:
        quick = functools.partial(train_segmenter, updates=60)
        patch.setattr(audit_module, "train_segmenter", quick)
        yield


def honest(slices):
    return lambda n, seed: Images(*disc_slices(n, slices.slicing, seed=10**6 + seed), 4.0, None)


def memorising(slices):
    """Eight training slices, with noise."""
    pairs = [slices.content(case) for case in slices.cases[:8]]
    hu, mask = (np.stack([pair[which][0] for pair in pairs]) for which in (0, 1))

    def draw(n, seed):
        random = np.random.default_rng(seed)
        chosen = random.integers(8, size=n)
        noise = random.normal(0, 15, (n, SIDE, SIDE))
        return Images((hu[chosen] + noise).astype(np.int16), mask[chosen], 4.0, None)

    return draw


def nonsense(n, seed):
    """Noise, with masks that have nothing to do with it, some of them empty."""
    random = np.random.default_rng(seed)
    mask = np.zeros((n, SIDE, SIDE), np.uint8)
    mask[n // 4 :, 2:5, 9:14] = 1
    return Images(random.integers(-1300, 100, mask.shape).astype(np.int16), mask, 4.0, None)


@pytest.fixture(scope="module")
def good(slices, known):
    return audit_images(
        honest(slices), slices, seen=known, untrained=nonsense, images=IMAGES, seeds=2
    )


@pytest.fixture(scope="module")
def copied(slices):
    return audit_images(
        memorising(slices), slices, seen=seen(slices.cases[:8]), images=IMAGES, seeds=2
    )


@pytest.fixture(scope="module")
def bad(slices, known):
    return audit_images(nonsense, slices, seen=known, images=IMAGES, seeds=2)


def test_an_honest_generator_is_called_good(good):
    swd, dice = good.measure("swd_mean"), good.measure("dice")
    assert 3 * swd.generated.value < swd.untrained.value
    assert swd.generated.value < swd.gaussian.value
    assert swd.reference.value < swd.gaussian.value
    assert dice.generated.low > 0.7
    assert dice.reference.value > 0.7
    histogram, each = good.measure("histogram"), good.measure("noise_texture")
    assert 5 * histogram.generated.value < histogram.untrained.value
    assert each.generated.value == pytest.approx(each.reference.value, rel=0.1)
    assert not good.memorisation.flagged
    told = " ".join(good.findings)
    for phrase in (
        "No sign",
        "masks match the tumours",
        "are as in real slices",
        "vary as much as real",
    ):
        assert phrase in told
    assert good.counts.compared == 60  # what is held out


def test_a_memorising_generator_is_flagged(copied):
    assert copied.memorisation.flagged
    assert copied.findings[0].startswith("The generator has memorised training slices")
    gallery = copied.gallery
    assert (np.diff(gallery.distances) >= 0).all()
    for number in range(len(gallery.distances)):
        assert (gallery.nearest.mask[number] == gallery.neighbours.mask[number]).all()


def test_what_is_near_but_no_copy_is_said_to_be_near(copied):
    near = replace(copied, memorisation=replace(copied.memorisation, distance_ratio=0.9))
    assert not near.memorisation.flagged
    said = findings(near)[0]
    assert said.startswith("The generated slices are nearer to training slices than real ones are")


def test_nonsense_is_called_bad(bad):
    told = " ".join(bad.findings)
    assert bad.measure("empty").generated == Estimate(0.25, 0.25, 0.25)
    for phrase in (
        "25% of the generated slices have an empty mask",
        "hardly resemble real",
        "often do not match the tumours",
        "differ from real slices",
    ):
        assert phrase in told
    assert bad.measure("precision_network").generated.high < 0.2
    assert bad.measure("swd_mean").untrained is None


@pytest.mark.slow
def test_where_everybody_was_seen_only_the_images_themselves_are_measured(slices):
    for whom in (seen(slices.cases), None):
        found = audit_images(honest(slices), slices, seen=whom, images=IMAGES, seeds=2)
        assert [one.name for one in found.measures] == ["noise_texture", "ms_ssim", "dice", "empty"]
        assert all(one.reference is None for one in found.measures)
        assert found.memorisation is None
        assert found.counts.held_out_slices == found.counts.compared == 0
        said = "does not list" if whom is None else "Every patient of this set was in"
        assert said in found.cautions[0]
        assert "<svg" in audit_page(found)
        assert metrics(found)["dice"].where == "generated slices only, 2 seeds"


def test_where_nobody_was_seen_nothing_is_said_of_copies(slices):
    found = audit_images(honest(slices), slices, seen=Seen(), images=IMAGES, seeds=2)
    names = {one.name for one in found.measures}
    assert {"swd_mean", "kid_shape"} <= names
    assert not names & {"dice", "kid_network"}
    swd = found.measure("swd_mean")
    assert swd.reference is None
    assert swd.gaussian is not None
    assert found.memorisation is None
    assert "No patient of this set was in" in " ".join(found.cautions)
    assert "nearest to a training slice" not in audit_page(found)


def test_a_patient_is_on_one_side(slices, known):
    training, held_out = split(slices, known)
    assert (training.patients, held_out.patients) == (TRAINED, 12)
    assert not set(training.patient) & set(held_out.patient)
    hu, mask = slices.content(slices.cases[3])
    here = training.patient == slices.cases[3].patient
    assert (training.hu[here] == hu).all()
    assert (training.mask[here] == mask).all()


def test_numbers_are_the_same_every_time_and_fit_into_json(good, slices, known):
    again = audit_images(
        honest(slices), slices, seen=known, untrained=nonsense, images=IMAGES, seeds=2
    )
    text = json.dumps(good.to_dict(), allow_nan=False)
    assert json.dumps(again.to_dict()) == text
    assert good.to_dict()["measures"]["dice"]["generated"]["value"] > 0.7
    assert good.to_dict()["memorisation"]["flagged"] is False
    assert not any(case.patient in text for case in slices.cases)


def test_the_page_needs_nothing_else_and_names_nobody(good, slices):
    page = audit_page(good)
    assert "Research software, not a medical device." in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert page.count("<svg") >= 3
    for sentence in (*good.findings, *good.cautions):
        assert sentence.replace("'", "&#x27;") in page
    assert not any(case.patient in page or case.case in page for case in slices.cases)


def test_metrics_fit_into_a_card(good):
    told = metrics(good)
    assert set(told) == {one.name for one in good.measures} | {"memorisation_p"}
    assert all(one.low <= one.value <= one.high for one in told.values())
    assert told["dice"].where == "12 held-out patients, 2 seeds"


@pytest.mark.parametrize(
    ("baseline", "said"),
    [
        (31.0, "The slices resemble real ones: the distance of each baseline is at least 3.1"),
        (29.0, "hardly resemble real ones"),
    ],
)
def test_likeness_is_held_against_the_better_baseline(good, baseline, said):
    def even(value):
        return Estimate(value, value, value)

    swd = ImageSetMeasure("swd_mean", even(10.0), untrained=even(100.0), gaussian=even(baseline))
    (sentence,) = (one for one in findings(replace(good, measures=(swd,))) if "sliced" in one)
    assert said in sentence


def test_the_texture_of_noise_is_what_its_deviation_says_and_of_a_slope_nothing():
    noise = np.random.default_rng(0).normal(-800, 40, (3, 64, 64))
    # The quartile of a normal distribution is 0.6745; the mean of four adds a quarter of variance.
    assert noise_texture(noise) == pytest.approx(np.full(3, 40 * 0.6745 * np.sqrt(1.25)), rel=0.05)
    y, x = np.mgrid[:16, :16]
    assert noise_texture((3 * x + 5 * y)[None]) == pytest.approx([0])


def test_the_texture_of_a_set_is_the_mean_over_its_slices(slices):
    """Within the window: what lies above and below it is cut off, as in generated slices."""
    hu, mask = disc_slices(40, slices.slicing, seed=1)
    hu = hu.copy()
    hu[:20] = -600 + np.random.default_rng(0).normal(0, 60, hu[:20].shape)
    measured = measure_slices(ImageSet(hu, mask, np.arange(40)), slices.slicing, None)
    low, high = slices.slicing.hu_low, slices.slicing.hu_high
    texture = [float(noise_texture(np.clip(each, low, high)[None])[0]) for each in hu]
    assert np.ptp(texture) > 10
    assert single_set(measured, seed=0)["noise_texture"] == pytest.approx(np.mean(texture))


def test_the_distance_of_histograms_is_how_far_pixels_are_shifted():
    reals = np.random.default_rng(1).uniform(-1, 0.5, (4, 2, 16, 16))
    shifted = reals + np.array([0.2, 5.0])[:, None, None]  # the masks do not matter
    assert histogram_distance(shifted, reals) == pytest.approx(0.1)  # of the window, 2 wide
    turned = reals[:, :, ::-1]
    assert histogram_distance(turned, reals) == 0


def test_each_condition_is_generated_as_often_as_the_slices_have_it(slices, tmp_path):
    columns = [{"histology": code} for code in ["LUAD"] * 27 + ["LUSC"] * 9]
    cases = [replace(case, columns=c) for case, c in zip(slices.cases, columns, strict=True)]
    model = write_generator(tmp_path / "model.safetensors", conditions=("LUAD", "LUSC"))
    shares = _class_fractions(model.card, replace(slices, cases=tuple(cases)), "histology")
    assert shares == (0.75, 0.25)
    labels = sample(model, 200, class_fractions=shares).labels
    assert labels.mean() == pytest.approx(0.25, abs=0.09)  # three standard deviations
    assert sample(model, 200).labels.mean() == pytest.approx(0.5, abs=0.11)
    assert sample(model, 5, class_fractions=shares).labels.tolist() == labels[:5].tolist()
    with pytest.raises(InputError, match="have no column 'stage'"):
        _class_fractions(model.card, slices, "stage")
    with pytest.raises(InputError, match="has none of the conditions of the model"):
        _class_fractions(model.card, slices, "age")


def test_intervals_are_students():
    found = _interval([1.0, 2.0, 3.0], "swd_mean")
    assert found.value == 2
    assert found.high == pytest.approx(2 + 4.3027 / np.sqrt(3), abs=1e-3)
    assert found.low == 0
    assert _interval([-1.0, 1.0], "kid_shape").low < -8
    assert _interval([0.9, 1.0], "dice").high == 1


def test_tiles_lie_in_reading_order():
    tiles = _tiled(np.arange(1, 4)[:, None, None] * np.ones((1, 2, 2), int), 2)
    assert tiles[2:4, 2:4].tolist() == [[1, 1], [1, 1]]
    assert tiles[2:4, 6:8].tolist() == [[2, 2], [2, 2]]
    assert tiles[6:8, 2:4].tolist() == [[3, 3], [3, 3]]
    assert tiles.sum() == 4 * 6


def test_numbers_out_of_their_range_are_refused(slices):
    for numbers in ({"images": 15}, {"images": 2001}, {"seeds": 1}, {"seeds": 11}):
        with pytest.raises(InputError, match="must be"):
            audit_images(nonsense, slices, seen=None, **numbers)


def test_it_can_be_cancelled(slices):
    class Stopped:
        cancelled = True

        def report(self, fraction, message):
            raise AssertionError("nothing is reported once it is cancelled")

    with pytest.raises(CancelledError):
        audit_images(nonsense, slices, seen=None, progress=Stopped())
