"""A model file gives back what was written, and says in a sentence why it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from LungSquadLib.errors import MissingPackageError, ModelError
from LungSquadLib.files import sha256_of_file
from LungSquadLib.models.card import Card, Metric, ReferenceSpec
from LungSquadLib.models.container import CARD, write_safetensors
from LungSquadLib.models.file import read_card, read_model_file, write_model_file
from LungSquadLib.statistics.intervals import Estimate
from Testing import model_samples as samples


@pytest.mark.parametrize("name", ["prognosis", "transfer"])
def test_model_read_equals_model_written(tmp_path, name):
    arguments = {"hidden": (6,)} if name == "transfer" else {}
    network = samples.network(name, classes=3, **arguments)
    spec = ReferenceSpec(50, between_sd=0.4, icc=Estimate(0.9, 0.8, 0.95))
    card = samples.card(network, reference=spec)
    reference = samples.reference(network)
    path = tmp_path / "Modell ü.safetensors"
    sha256 = write_model_file(path, network, card=card, reference=reference)
    model = read_model_file(path)
    assert model.card == read_card(path)
    written = json.loads(card.to_json())
    read = json.loads(model.card.to_json())
    assert (
        read.pop("network")["arguments"] | written.pop("network")["arguments"]
        == (json.loads(model.card.to_json())["network"]["arguments"])
    )
    assert read == written
    assert model.sha256 == sha256 == sha256_of_file(path)
    x = samples.crops(2, 32)
    torch.testing.assert_close(model.network(x), network(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(model.trainable()(x), network(x), rtol=0, atol=0)
    assert model.network is model.network
    np.testing.assert_array_equal(model.reference.mean, reference.mean)
    np.testing.assert_array_equal(model.reference.precision, reference.precision)
    np.testing.assert_array_equal(model.reference.distances, reference.distances)


def test_trainable_network_has_its_own_weights(tmp_path):
    model = read_model_file(samples.model_file(tmp_path / "m.safetensors"))
    x = samples.crops(2, 32)
    before = model.network(x)
    network = model.trainable().train()
    assert all(weight.requires_grad for weight in network.parameters())
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(1)
    network(x)
    torch.testing.assert_close(model.trainable()(x), before, rtol=1e-5, atol=1e-5)


def test_file_is_readable_by_the_formats_own_library(tmp_path):
    path = samples.model_file(tmp_path / "m.safetensors")
    with safe_open(path, framework="numpy") as file:
        assert list(file.metadata()) == [CARD]
        assert Card.from_json(file.metadata()[CARD]).name == "test-model"
        np.testing.assert_array_equal(
            file.get_tensor("network.trunk.conv2.bias"),
            samples.network().trunk.conv2.bias.detach().numpy(),
        )


def test_card_is_read_without_torch_and_without_the_weights(tmp_path):
    path = samples.model_file(tmp_path / "m.safetensors")
    code = (
        "import sys; from LungSquadLib.models.file import read_card; "
        "from LungSquadLib.models.catalogue import available; "
        f"print(read_card({str(path)!r}).name, 'torch' in sys.modules, 'h5py' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["test-model", "False", "False"]


def test_a_link_to_a_model_is_a_model(tmp_path):
    link = tmp_path / "link.safetensors"
    target = samples.model_file(tmp_path / "m.safetensors")
    try:
        link.symlink_to(target)
    except OSError as error:
        pytest.skip(f"no symbolic links here: {error}")
    assert read_model_file(link).card.name == "test-model"


def test_input_is_scaled_by_the_card():
    spec = samples.card(samples.network()).input
    hu = np.array([-2000, -1000, -300, 400, 3000], np.int16)
    np.testing.assert_allclose(spec.scaled(hu), [0, 0, 0.5, 1, 1])
    assert spec.scaled(hu).dtype == np.float32
    paper = replace(spec, hu_low=-1024, hu_high=3071, clip=False)
    np.testing.assert_allclose(paper.scaled(hu), (hu.astype(float) + 1024) / 4095, rtol=1e-6)


def test_baseline_is_the_logistic_model_of_log_volume():
    baseline = samples.card(samples.network()).baseline
    assert baseline.probability(np.e**2) == pytest.approx(0.5)
    assert baseline.probability(1) == pytest.approx(1 / (1 + np.e))
    assert replace(baseline, slope=1000.0).probability(1e-9) == 0.0
    assert replace(baseline, slope=1000.0).probability(1e9) == 1.0
    with pytest.raises(ValueError, match="above 0"):
        baseline.probability(0)


def test_nothing_is_written_when_card_and_weights_do_not_belong_together(tmp_path):
    network = samples.network()
    card = samples.card(network)
    path = tmp_path / "m.safetensors"

    def refused(words, **arguments):
        with pytest.raises(ModelError, match=words):
            write_model_file(path, **{"network": network, "card": card} | arguments)
        assert not list(tmp_path.iterdir())

    broken = samples.network()
    broken.trunk.conv3.weight.data[0] = float("nan")
    refused("conv3.weight' holds a number that is not finite", network=broken)
    negative = samples.network()
    negative.trunk.norm3.running_var[0] = -1
    refused("negative variance", network=negative)
    refused("shape", network=samples.network(width=0.03))
    refused("missing", network=samples.network("transfer", hidden=()))
    refused("float64", network=samples.network().double())
    refused("bfloat16", network=samples.network().bfloat16())
    refused("belongs to nothing", reference=samples.reference(network))
    refused("reference", card=replace(card, reference=ReferenceSpec(50)))
    refused("interval", card=replace(card, metrics={"auc": Metric(0.9, 0.1, 0.2, 3, "here")}))
    refused("JSON", card=replace(card, temperature=float("nan")))
    with pytest.raises(ModelError, match=r"\.safetensors"):
        write_model_file(tmp_path / "m.pt", network, card=card)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mean": np.zeros(3)}, "mean' has the shape"),
        ({"precision": -np.eye(5)}, "not the inverse of a covariance"),
        ({"precision": np.triu(np.ones((5, 5))) + np.eye(5)}, "not the inverse of a covariance"),
        ({"precision": np.zeros((5, 5))}, "not the inverse of a covariance"),
        ({"distances": np.array([2.0, 1.0])}, "not sorted"),
        ({"distances": np.array([-1.0, 1.0])}, "not sorted"),
        ({"distances": np.array([])}, "no proper"),
        ({"distances": np.array([1.0, np.inf])}, "not finite"),
    ],
)
def test_reference_that_no_cases_give_is_refused(tmp_path, change, words):
    network = samples.network()
    card = samples.card(network, reference=ReferenceSpec(50))
    assert network.feature_count == 5
    path = tmp_path / "m.safetensors"
    reference = replace(samples.reference(network), **change)
    with pytest.raises(ModelError, match=words):
        write_model_file(path, network, card=card, reference=reference)


def test_the_library_of_the_format_reads_what_we_write_and_bytes_repeat(tmp_path):
    random = np.random.default_rng(0)
    arrays = {
        "b": random.normal(size=(2, 3)).astype(np.float32),
        "a": random.normal(size=5),
        "none": np.zeros((0, 2), np.float32),
    }
    paths = [tmp_path / name for name in ("one", "two")]
    for path, order in zip(paths, (arrays, dict(reversed(arrays.items()))), strict=True):
        write_safetensors(path, order, "größer")
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with safe_open(paths[0], "np") as file:
        assert file.metadata() == {CARD: "größer"}
        assert set(file.keys()) == set(arrays)
        for name, array in arrays.items():
            assert np.array_equal(file.get_tensor(name), array)


def test_without_safetensors_models_are_read_and_not_written(tmp_path, monkeypatch):
    path = samples.model_file(tmp_path / "m.safetensors")
    network = samples.network()
    monkeypatch.setitem(sys.modules, "safetensors", None)
    assert read_model_file(path).card.name == "test-model"
    with pytest.raises(
        MissingPackageError, match="Writing a model needs the package 'safetensors'"
    ):
        write_model_file(tmp_path / "new.safetensors", network, card=samples.card(network))
    assert [file.name for file in tmp_path.iterdir()] == ["m.safetensors"]
