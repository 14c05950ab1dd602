"""Keras 1.2.2 weights give the outputs that Keras gave."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch

from LungSquadLib.errors import ModelError
from LungSquadLib.models.file import read_model_file, write_model_file
from LungSquadLib.models.keras_import import import_keras
from LungSquadLib.models.verify import outputs, verify
from Testing import model_samples as samples

WEIGHTS, OUTPUTS = "oracle/keras122_random_weights.h5", "oracle/keras122_outputs.npz"


@pytest.fixture(scope="session")
def imported(shared_data):
    return import_keras(shared_data / WEIGHTS)


@pytest.fixture(scope="session")
def model(imported, tmp_path_factory):
    network, card = imported
    path = tmp_path_factory.mktemp("keras") / "hosny.safetensors"
    write_model_file(path, network, card=card)
    return read_model_file(path)


def test_imported_network_has_the_outputs_of_keras(imported, shared_data):
    expected = np.load(shared_data / OUTPUTS, allow_pickle=False)
    actual = outputs(imported[0], expected["x"][..., 0])
    for name in ("features", "logits", "softmax"):
        assert np.abs(actual[name] - expected[name]).max() < 1e-5


def test_folded_model_file_has_the_outputs_of_keras(model, shared_data):
    result = verify(model, shared_data / OUTPUTS)
    assert result.passed
    assert result.cases == 3
    assert set(result.differences) == {"features", "logits", "softmax"}
    assert max(result.differences.values()) < 1e-5


def test_verification_fails_for_other_weights(imported, model, shared_data, tmp_path):
    card = imported[1]
    changed = model.trainable()
    for norm in (changed.trunk.norm2, changed.trunk.norm3):
        norm.running_var.mul_(1.01)
    write_model_file(tmp_path / "m.safetensors", changed, card=card)
    with np.load(shared_data / OUTPUTS, allow_pickle=False) as expected:
        np.savez(tmp_path / "one.npz", **{name: expected[name][:1] for name in expected})
    result = verify(read_model_file(tmp_path / "m.safetensors"), tmp_path / "one.npz")
    assert (result.passed, result.cases) == (False, 1)


def test_card_matches_the_paper(imported):
    card = imported[1]
    assert [label.code for label in card.classes] == ["deceased", "alive"]
    assert (card.positive, card.doi) == (1, "10.1371/journal.pmed.1002711")
    hu = np.array([-1024, 3071, 4000], np.int16)
    np.testing.assert_allclose(card.image.scaled(hu), [0, 1, 5024 / 4095], rtol=1e-6)
    assert (card.image.size, card.image.spacing) == (50, 1.0)


@pytest.fixture(scope="module")
def original():
    return samples.network(input_size=50)


@pytest.mark.parametrize("inside", [None, "model_weights"])
def test_weights_and_whole_model_files_are_read(tmp_path, original, inside):
    path = samples.keras_file(tmp_path / "poids é.h5", original, inside=inside)
    network, card = import_keras(path, width=0.02, name="mine", licence="MIT")
    x = samples.crops(1, 50)
    torch.testing.assert_close(network(x), original(x), rtol=0, atol=0)
    assert (card.name, card.licence) == ("mine", "MIT")


def replaced(group, name, array):
    del group[name]
    group.create_dataset(name, data=array)


def test_mismatches_name_the_layer_and_both_shapes(tmp_path, original):
    path = samples.keras_file(tmp_path / "w.h5", original)
    with h5py.File(path, "r+") as file:
        replaced(file["dense_2"], "dense_2_W:0", np.zeros((9, 5), np.float32))
    words = r"layer 11 .* 'dense_2', holds arrays of 9x5 and 5, .* has 10x5 and 5"
    with pytest.raises(ModelError, match=words):
        import_keras(path, width=0.02)
    with pytest.raises(ModelError, match=r"'convolution3d_1', .* 5x5x5x1x1 .* 5x5x5x1x64"):
        import_keras(path)


@pytest.mark.parametrize(
    ("array", "words"),
    [(np.full(3, -1, np.float32), "negative variance"), (np.full(3, np.inf, np.float32), "finite")],
)
def test_impossible_numbers_are_refused(tmp_path, original, array, words):
    path = samples.keras_file(tmp_path / "w.h5", original)
    with h5py.File(path, "r+") as file:
        replaced(file["batchnormalization_2"], "batchnormalization_2_running_std:0", array)
    with pytest.raises(ModelError, match=f"'batchnormalization_2' .*{words}"):
        import_keras(path, width=0.02)
