"""Copies are found, honest generators are not accused, and patients are what counts."""

import numpy as np
import pytest
from scipy import stats

from LungSquadLib.statistics.memorisation import embedding, memorisation, nearest

SLICES = 3  # of a patient


def slices(patients, *, seed=0, d=12):
    """Points of slices, alike within a patient, and whose each is."""
    random = np.random.default_rng(seed)
    centres = np.repeat(random.normal(size=(patients, d)), SLICES, 0)
    names = np.array([f"{seed}-{n}" for n in range(patients)])
    return centres + 0.4 * random.normal(size=centres.shape), np.repeat(names, SLICES)


def found_in(fakes, training=20, held_out=10, *, seed=0, n=499):
    known, _ = slices(training, seed=10_000 + seed)
    unknown, names = slices(held_out, seed=20_000 + seed)
    return memorisation(known, unknown, fakes(known), held_out_patients=names, n=n, seed=seed)


def noisy(known, n=90, *, of=8, noise=0.2, seed=5):
    random = np.random.default_rng(seed)
    chosen = known[::SLICES][random.integers(of, size=n)]
    return chosen + noise * random.normal(size=chosen.shape)


def test_statistic_of_meehan_is_that_of_mann_and_whitney():
    known, unknown, fakes = (slices(n, seed=n)[0] for n in (5, 6, 7))
    found = memorisation(known, unknown, fakes, held_out_patients=np.arange(len(unknown)), n=1)
    distances = (nearest(one, known)[1] for one in (unknown, fakes))
    expected = stats.mannwhitneyu(
        *distances, alternative="greater", use_continuity=False, method="asymptotic"
    )
    assert found.z == pytest.approx(stats.norm.isf(expected.pvalue))


def test_an_honest_generator_is_rarely_accused():
    """Of 200 honest ones, each of 60 patients that nobody has seen."""
    found = [found_in(lambda _, n=n: slices(60, seed=n)[0], seed=n) for n in range(200)]
    p = np.array([one.p for one in found])
    assert 2 <= (p < 0.05).sum() <= 20
    assert (p < 0.01).sum() <= 7
    assert not any(one.flagged for one in found)
    assert np.mean([one.closer_fraction for one in found]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([one.distance_ratio for one in found]) == pytest.approx(1, abs=0.03)
    # Slices taken for independent accuse more often than they say.
    assert np.mean([one.z > 1.645 for one in found]) > 0.08


def test_images_without_detail_are_no_copies():
    """They lie near to all real ones, seen or not."""
    found = [found_in(lambda _, n=n: 0.5 * slices(60, seed=n)[0], seed=n) for n in range(20)]
    assert min(one.z for one in found) > 1.645  # which alone would accuse all of them
    assert not any(one.flagged for one in found)


@pytest.mark.parametrize("noise", [0.0, 0.2, 0.5])
def test_a_generator_of_its_training_images_is_found(noise):
    found = found_in(lambda known: noisy(known, noise=noise))
    assert found.flagged
    assert found.closer_fraction > 0.95
    assert found.distance_ratio < 0.6
    assert found.p < 0.01


def test_a_generator_that_barely_interpolates_is_found():
    def between(known):
        one, other = noisy(known, noise=0, seed=1), noisy(known, noise=0, seed=2)
        return 0.85 * one + 0.15 * other

    assert found_in(between).flagged


def test_single_copies_are_counted():
    def few(known):
        return np.concatenate([slices(60, seed=3)[0], known[:5]])

    found = found_in(few)
    assert 5 <= found.memorised <= 10
    assert not found.flagged


def test_few_patients_cannot_tell():
    found = found_in(noisy, held_out=5)
    assert found.least_p == pytest.approx(1 / 32)
    assert found.closer_fraction > 0.95
    assert not found.flagged


def test_what_cannot_be_tested_is_refused():
    known, names = slices(4)
    for training, fakes, patients in (
        (known[:0], known, names),
        (known, known[:0], names),
        (known, known, np.zeros(len(known))),
    ):
        with pytest.raises(ValueError, match="two held-out patients"):
            memorisation(training, known, fakes, held_out_patients=patients)


def test_noise_on_single_pixels_hardly_moves_an_image():
    random = np.random.default_rng(0)
    image = random.uniform(-1, 1, (1, 2, 64, 64))
    noise = random.normal(0, 0.2, image.shape)
    apart = nearest(embedding(image), embedding(image + noise))[1]
    assert apart == pytest.approx(0.2 / 4, rel=0.1)
    small = image[:, :, :16, :16]
    assert embedding(np.kron(small, np.ones((4, 4)))) == pytest.approx(embedding(small))
