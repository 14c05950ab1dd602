"""Kept features: the network's own, to the bit, whatever was there before; damaged ones never."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from LungSquadLib.errors import CancelledError, ModelError
from LungSquadLib.imaging.crop import central_cube
from LungSquadLib.models.inputs import InputSpec
from LungSquadLib.progress import Silent
from LungSquadLib.training.augment import Augmentation, apply, draw
from LungSquadLib.training.classifier.features import cached_features, frozen_prefix
from Testing import model_samples
from Testing.stored_cases import content, stored_case

SPEC = InputSpec(32, 1.0, -1000.0, 300.0, True)
VIEWS = 2
CASES = [stored_case(f"c{i}") for i in range(3)]


class MemoryStore:
    """Crops in memory that counts how often one is read."""

    def __init__(self):
        self.preprocessing = SimpleNamespace(hash=content("preprocessing"))
        self.reads = []

    def visible(self, case, spec):
        return self.hu(case)

    def hu(self, case):
        self.reads.append(case.case)
        random = np.random.default_rng(int(case.case[1:]))
        return random.integers(-1000, 400, (56, 56, 56)).astype(np.int16)


def network(seed=0, name="transfer"):
    return model_samples.network(name, seed=seed)


def features(folder, cases=CASES, *, of=None, store=None, **changes):
    arguments = {
        "views": VIEWS,
        "augmentation": Augmentation(),
        "seed": 5,
        "folder": folder,
        "progress": Silent(),
        "spec": SPEC,
        "prefix": frozen_prefix(of or network())[0],
    } | changes
    return cached_features(store or MemoryStore(), cases, **arguments)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    """The files of a first run, and its numbers."""
    folder = tmp_path_factory.mktemp("first")
    return folder, features(folder)


@pytest.fixture
def kept(first_run, tmp_path):
    """A folder of its own with the files of the first run."""
    return shutil.copytree(first_run[0], tmp_path / "kept")


@pytest.fixture
def numbers(first_run):
    return first_run[1]


@pytest.mark.parametrize("name", ["transfer", "prognosis"])
def test_prefix_and_rest_are_the_network(name):
    of = network(name=name)
    prefix, rest = frozen_prefix(of)
    x = model_samples.crops(2, 32)
    with torch.no_grad():
        kept = prefix(x)
        assert kept.ndim == 2
        assert torch.allclose(rest(kept).logits, of(x), atol=1e-5)
        assert torch.allclose(rest(kept).features, of.features(x), atol=1e-5)
    assert not any(weight.requires_grad for weight in prefix.parameters())
    assert not any(isinstance(layer, nn.Dropout) for layer in prefix)


@pytest.mark.parametrize("name", ["transfer", "prognosis"])
def test_the_rest_drops_what_the_head_drops_and_trains_the_networks_own_head(name):
    of = network(name=name)
    _, rest = frozen_prefix(of)
    dropped = [
        [layer.p for layer in head.modules() if isinstance(layer, nn.Dropout)]
        for head in (rest, of.head)
    ]
    assert dropped[0] == dropped[1] != []
    assert {id(weight) for weight in rest.parameters()} == {id(one) for one in of.head.parameters()}


def test_views_are_the_middle_and_the_draws_of_the_content(numbers):
    assert numbers.shape[:2] == (3, VIEWS)
    assert numbers.dtype == np.float32
    hu, (prefix, _) = MemoryStore().hu(CASES[1]), frozen_prefix(network())
    for view in range(VIEWS):
        drawn = draw(Augmentation(), seed=5, epoch=view, case_key=CASES[1].crop)
        crop = apply(hu, drawn, size=32) if view else central_cube(hu, 32)
        with torch.no_grad():
            expected = prefix(torch.from_numpy(SPEC.scaled(crop))[None, None])[0].numpy()
        assert np.array_equal(numbers[1, view], expected)
    assert len(np.unique(numbers[:, :, 0])) == 3 * VIEWS


def test_the_second_run_only_reads_and_gives_the_same_bits(kept, numbers):
    store = MemoryStore()
    assert np.array_equal(features(kept, store=store), numbers)
    assert np.array_equal(features(kept, CASES[::-1], store=store), numbers[::-1])
    assert store.reads == []
    assert len(list(kept.iterdir())) == 3


def test_alone_or_after_others_the_numbers_are_the_same(tmp_path, numbers):
    assert np.array_equal(features(tmp_path, CASES[2:])[0], numbers[2])
    store = MemoryStore()
    assert np.array_equal(features(tmp_path, CASES[1:][::-1], store=store), numbers[1:][::-1])
    assert store.reads == ["c1"]


def test_cancelled_work_keeps_whole_cases_and_goes_on(tmp_path, numbers):
    class Impatient(Silent):
        looks = 0

        @property
        def cancelled(self):
            self.looks += 1
            return self.looks > 5  # between the two views of the second case

    with pytest.raises(CancelledError):
        features(tmp_path, progress=Impatient())
    assert len(list(tmp_path.iterdir())) == 1
    store = MemoryStore()
    assert np.array_equal(features(tmp_path, store=store), numbers)
    assert store.reads == ["c1", "c2"]


@pytest.mark.parametrize(
    "change",
    [
        {"of": {"seed": 1}},
        {"of": {"name": "prognosis"}},
        {"spec": replace(SPEC, hu_low=-900.0)},
        {"augmentation": Augmentation(noise_hu=0)},
        {"seed": 6},
        {"views": 3},
        {"cases": [stored_case("c0", sha256=content("other"))]},
    ],
)
def test_what_the_numbers_depend_on_is_in_the_name(kept, change):
    store = MemoryStore()
    made = {"of": network(**change["of"])} if "of" in change else {}
    features(kept, **{"store": store, "cases": CASES[:1]} | change | made)
    assert store.reads == ["c0"]


def test_how_the_store_was_made_is_in_the_name(kept):
    store = MemoryStore()
    store.preprocessing.hash = content("another")
    features(kept, CASES[:1], store=store)
    assert store.reads == ["c0"]


def test_the_middle_alone_is_computed_once_for_all_seeds(tmp_path):
    store = MemoryStore()
    for seed in range(3):
        features(tmp_path, CASES[:1], store=store, views=1, seed=seed)
    assert store.reads == ["c0"]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda good: good[:-8], id="cut short"),
        pytest.param(lambda good: good + bytes(8), id="longer"),
        pytest.param(lambda good: good[:-1] + bytes([good[-1] ^ 1]), id="one bit"),
        pytest.param(lambda good: bytes(32) + good[32:], id="its checksum"),
    ],
)
def test_a_damaged_file_is_computed_again(tmp_path, numbers, damage):
    features(tmp_path, CASES[:1])
    (path,) = tmp_path.iterdir()
    good = path.read_bytes()
    path.write_bytes(damage(good))
    assert np.array_equal(features(tmp_path, CASES[:1])[0], numbers[0])
    assert path.read_bytes() == good


def test_a_file_under_the_name_of_another_is_not_trusted(kept, numbers):
    one, other, _ = kept.iterdir()
    one.write_bytes(other.read_bytes())
    assert np.array_equal(features(kept), numbers)


def test_numbers_that_are_not_finite_are_a_sentence(tmp_path):
    broken = network()
    with torch.no_grad():
        broken.trunk[0].bias[0] = float("inf")
    with pytest.raises(ModelError, match="not finite for the case 'c0'"):
        features(tmp_path, of=broken)
    assert list(tmp_path.iterdir()) == []
