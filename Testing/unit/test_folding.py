"""The folded network answers as the network it was made from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from LungSquadLib.networks.folding import DepthTapsConv3d, Trim, folded, stem_and_rest
from LungSquadLib.networks.prognosis import PrognosisNetwork, TransferNetwork
from Testing.model_samples import crops, randomise

CASES = [
    *((PrognosisNetwork, width, {"input_size": size}) for width, size in [(0.02, 32), (0.02, 33)]),
    *((PrognosisNetwork, 0.1, {"input_size": size}) for size in (32, 34, 35, 50)),
    (PrognosisNetwork, 0.3, {"input_size": 32, "classes": 5}),
    *((TransferNetwork, 0.1, {"input_size": 38, "hidden": h}) for h in [(), (12,), (12, 7)]),
    (TransferNetwork, 0.1, {"input_size": 48, "trunk": "description"}),
]


@pytest.mark.parametrize(("network", "width", "arguments"), CASES)
@pytest.mark.parametrize("cases", [1, 3])
def test_folded_network_equals_the_eager_one(network, width, arguments, cases):
    network = randomise(network(width, **arguments), seed=cases)
    fast = folded(network)
    x = crops(cases, network.input_size)
    with torch.inference_mode():
        for actual, expected in [
            (fast.trunk(x), network.trunk(x)),
            (fast.forward_with_features(x).features, network.forward_with_features(x).features),
            (fast.forward_with_features(x).logits, network.forward_with_features(x).logits),
            (fast(x), network(x)),
            (fast.features(x), network.features(x)),
        ]:
            assert actual.shape == expected.shape
            scale = max(1.0, float(expected.abs().max()))
            assert float((actual - expected).abs().max()) < 1e-5 * scale


def test_folded_network_has_no_norm_but_the_one_behind_the_features():
    fast = folded(randomise(PrognosisNetwork(0.1, input_size=32)))
    norms = [
        layer for layer in fast.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)
    ]
    assert norms == [fast.head.after[0]]
    assert not any(isinstance(layer, nn.Dropout) for layer in fast.trunk)
    kinds = [type(layer).__name__ for layer in fast.trunk]
    assert kinds.index("MaxPool3d") == kinds.index("Conv3d") + 1
    assert isinstance(fast.trunk[1], DepthTapsConv3d)


def test_folding_leaves_the_network_as_it_was_and_shares_nothing_with_it():
    network = randomise(PrognosisNetwork(0.1, input_size=32))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fast = folded(network)
    x = crops(1, 32)
    output = fast(x)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
    assert torch.equal(fast(x), output)


def test_folding_takes_the_running_statistics_of_a_network_in_training():
    network = randomise(PrognosisNetwork(0.1, input_size=32))
    expected = network(crops(1, 32))
    fast = folded(network.train())
    assert not any(layer.training for layer in fast.modules())
    torch.testing.assert_close(fast(crops(1, 32)), expected, rtol=1e-5, atol=1e-5)


def test_gradients_reach_the_input_and_the_activations():
    network = randomise(PrognosisNetwork(0.1, input_size=32))
    grads = []
    for each in (network, folded(network)):
        x = crops(1, 32).requires_grad_()
        activations = each.trunk(x)
        activations.retain_grad()
        each.head(activations).logits[0, 1].backward()
        grads.append((x.grad, activations.grad))
    for actual, expected in zip(*grads, strict=True):
        assert expected.abs().max() > 0
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-6)


def test_folded_head_is_sampled_as_the_eager_one():
    network = randomise(PrognosisNetwork(0.1, input_size=32))
    fast = folded(network)
    activations = fast.trunk(crops(2, 32))
    samples = [
        head.sample(activations, n=5, generator=torch.Generator().manual_seed(7))
        for head in (network.head, fast.head)
    ]
    torch.testing.assert_close(*samples, rtol=1e-5, atol=1e-5)


def test_input_of_the_head_is_left_alone():
    fast = folded(randomise(TransferNetwork(0.1, input_size=32, hidden=(5,))))
    activations = fast.trunk(crops(1, 32))
    before = activations.clone()
    fast.head(activations)
    assert torch.equal(activations, before)


@pytest.mark.parametrize(("size", "needed"), [(50, 48), (64, 63), (48, 48), (49, 48), (51, 51)])
def test_trim_leaves_what_the_pooling_reads(size, needed):
    trim = Trim([(5, 1), (3, 1), (3, 3), (3, 1), (3, 1)])
    assert trim(torch.zeros(1, 1, size, size + 1, size + 2)).shape[2] == needed


def test_a_falling_slope_keeps_its_place_before_the_pooling():
    network = randomise(PrognosisNetwork(0.1, input_size=32))
    network.trunk.relu2.negative_slope = -0.5
    x = crops(1, 32)
    torch.testing.assert_close(folded(network)(x), network(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("trunk", "layers"), [("prognosis", 3), ("description", 0)], ids=["strided late", "at once"]
)
def test_the_stem_of_a_block_gives_the_activations_of_every_crop_in_it(trunk, layers):
    network = randomise(TransferNetwork(0.1, input_size=38, hidden=(), trunk=trunk))
    fast = folded(network)
    stem, rest = stem_and_rest(fast.trunk)
    assert len(stem) == layers
    block = crops(1, 43)
    with torch.inference_mode():
        shared = stem(block)
        less = block.shape[-1] - shared.shape[-1]
        for z, y, x in [(0, 0, 0), (5, 4, 3), (1, 0, 5)]:
            crop = block[:, :, z : z + 38, y : y + 38, x : x + 38]
            cut = shared[:, :, z : z + 38 - less, y : y + 38 - less, x : x + 38 - less]
            expected = network.trunk(crop)
            assert torch.allclose(rest(cut), expected, atol=1e-5 * float(expected.abs().max()))


def test_the_text_of_a_folded_convolution_tells_its_stride():
    """Cached features of a prefix are named by its text and its weights."""
    strided, plain = (DepthTapsConv3d(nn.Conv3d(1, 2, 3, stride=stride)) for stride in (2, 1))
    assert str(strided) == "DepthTapsConv3d(taps=3, stride=(2, 2, 2))"
    assert str(plain) != str(strided)
