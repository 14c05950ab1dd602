"""The prognosis and transfer networks are those of the paper."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from LungSquadLib.networks import MAX_PARAMETERS, build, checked_arguments
from LungSquadLib.networks.prognosis import PrognosisNetwork, TransferNetwork
from Testing.model_samples import crops, randomise


def sizes_and_channels(network, size):
    """What each convolution and pooling of trunk and head gives: (channels, size)."""
    seen = [size]
    hooks = [
        layer.register_forward_hook(lambda _l, _i, y: seen.append(y.shape[-1]))
        for layer in network.modules()
        if isinstance(layer, (nn.Conv3d, nn.MaxPool3d))
    ]
    with torch.no_grad():
        network.to("meta")(torch.zeros(1, 1, size, size, size, device="meta"))
    for hook in hooks:
        hook.remove()
    return seen


def parameters(network):
    return sum(weight.numel() for weight in network.parameters())


def test_paper_network_has_the_parameters_and_sizes_of_the_paper():
    network = PrognosisNetwork().eval()
    convolutions = (
        64 * (125 + 1) + 128 * (64 * 27 + 1) + 256 * (128 * 27 + 1) + 512 * (256 * 27 + 1)
    )
    dense = 512 * (13824 + 1) + 256 * (512 + 1) + 2 * (256 + 1)
    norms = 2 * (64 + 128 + 256 + 512 + 512 + 256 + 2)
    assert parameters(network) == convolutions + dense + norms == 11_867_526
    assert sizes_and_channels(network, 50) == [50, 46, 44, 14, 12, 10, 3]
    assert network.grid.size == 10
    assert network.feature_count == 256


def test_layers_come_in_the_order_of_the_paper():
    network = PrognosisNetwork()
    kinds = [type(layer).__name__ for layer in [*network.trunk, *network.head.before]]
    block = ["Conv3d", "BatchNorm3d", "LeakyReLU"]
    assert kinds == [
        *(*block, "Dropout"),
        *(*block, "MaxPool3d", "Dropout"),
        *(*block, "Dropout"),
        *(*block, "MaxPool3d", "Dropout", "Flatten"),
        *("Linear", "BatchNorm1d", "LeakyReLU", "Dropout", "Linear"),
    ]
    after = [type(layer).__name__ for layer in network.head.after]
    assert after == ["BatchNorm1d", "LeakyReLU", "Dropout", "Linear", "BatchNorm1d"]
    drops = [layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)]
    assert drops == [0.25, 0.25, 0.25, 0.25, 0.5, 0.5]
    for layer in network.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            assert (layer.eps, layer.momentum) == (1e-3, 0.01)
        if isinstance(layer, nn.LeakyReLU):
            assert layer.negative_slope == 0.1


def test_weights_start_glorot_uniform_and_biases_at_zero():
    weight = PrognosisNetwork(0.5).trunk.conv2.weight.detach()
    limit = (6 / (27 * (32 + 64))) ** 0.5
    assert 0.98 * limit < weight.abs().max() <= limit
    assert float(weight.std()) == pytest.approx(limit / 3**0.5, rel=0.02)
    assert not PrognosisNetwork(0.1).head.before.dense1.bias.any()


@pytest.mark.parametrize(("width", "channels"), [(0.25, 128), (0.001, 1), (1.0, 512)])
def test_width_scales_every_count(width, channels):
    with torch.device("meta"):
        network = PrognosisNetwork(width, classes=3)
    assert network.trunk.conv4.out_channels == channels
    assert network.head.after.dense3.out_features == 3
    assert network.head.after.norm7.num_features == 3


def test_transfer_network_has_512_channels_of_15_at_64():
    network = TransferNetwork().eval()
    assert sizes_and_channels(network, 64) == [64, 60, 58, 19, 17, 15]
    assert network.trunk.conv4.out_channels == 512
    assert network.grid.size == 15
    assert network.head.before.dense1.in_features == 1024


@pytest.mark.parametrize("hidden", [(), (7,), (9, 5)])
def test_transfer_features_are_the_input_of_the_last_layer(hidden):
    network = randomise(TransferNetwork(0.05, classes=3, input_size=32, hidden=hidden))
    output = network.forward_with_features(crops(2, 32))
    assert output.features.shape == (2, network.feature_count) == (2, (hidden or (52,))[-1])
    torch.testing.assert_close(network.head.after.logits(output.features), output.logits)


def test_transfer_pools_means_and_maxima():
    network = randomise(TransferNetwork(0.05, input_size=32, hidden=()))
    activations = network.trunk(crops(2, 32))
    features = network.head(activations).features
    count = activations.shape[1]
    torch.testing.assert_close(features[:, :count], activations.flatten(2).mean(2))
    torch.testing.assert_close(features[:, count:], activations.flatten(2).max(2).values)


def test_trunk_and_head_apart_give_what_the_network_gives():
    network = randomise(PrognosisNetwork(0.06, input_size=32))
    x = crops(3, 32)
    output = network.head(network.trunk(x))
    torch.testing.assert_close(output.logits, network(x), rtol=0, atol=0)
    torch.testing.assert_close(output.features, network.features(x), rtol=0, atol=0)
    assert not torch.equal(output.logits[0], output.logits[1])


@pytest.mark.parametrize(("size", "voxel"), [(50, 0), (50, 9), (32, 2)])
def test_activation_voxels_have_the_receptive_fields_of_the_grid(size, voxel):
    network = randomise(PrognosisNetwork(0.25, input_size=size))
    x = crops(1, size).requires_grad_()
    network.trunk(x)[..., voxel, voxel, voxel].sum().backward()
    seen = x.grad[0, 0].nonzero()
    centre, half = network.grid.centre(voxel), (network.grid.field - 1) / 2
    assert seen.min(0).values.tolist() == [centre - half] * 3
    assert seen.max(0).values.tolist() == [centre + half] * 3
    assert (network.grid.stride, network.grid.offset, network.grid.field) == (3, 10, 21)


def test_head_samples_follow_the_seed_and_centre_on_the_plain_output():
    network = randomise(PrognosisNetwork(0.1, input_size=32))
    activations = network.trunk(crops(2, 32))

    def sample(seed, n=4):
        return network.head.sample(activations, n=n, generator=torch.Generator().manual_seed(seed))

    assert sample(1).shape == (4, 2, 2)
    assert torch.equal(sample(1), sample(1))
    assert not torch.equal(sample(1), sample(2))
    many = sample(1, n=2000)
    assert (many.std(0) > 0).all()
    plain = network.head(activations).logits
    assert ((many.mean(0) - plain).abs() < 0.5 * many.std(0)).all()


def test_head_samples_equal_passes_with_torchs_own_dropout():
    network = randomise(PrognosisNetwork(0.1, input_size=32))
    activations = network.trunk(crops(1, 32))
    actual = network.head.sample(activations, n=4000, generator=torch.Generator().manual_seed(0))
    for layer in network.head.modules():
        if isinstance(layer, nn.Dropout):
            layer.train()
    with torch.no_grad():
        expected = network.head(activations.expand(4000, -1, -1, -1, -1)).logits
    spread = actual[:, 0].std(0)
    assert ((actual[:, 0].mean(0) - expected.mean(0)).abs() < 0.1 * spread).all()
    torch.testing.assert_close(spread, expected.std(0), rtol=0.08, atol=0)


def test_head_samples_are_ordered_by_pass_then_case():
    network = randomise(PrognosisNetwork(0.1, input_size=32))
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    activations = network.trunk(crops(3, 32)) * torch.tensor([1.0, 3.0, -2.0]).view(3, 1, 1, 1, 1)
    samples = network.head.sample(activations, n=4, generator=torch.Generator())
    plain = network.head(activations).logits
    torch.testing.assert_close(samples, plain.expand(4, 3, 2))


def test_head_is_not_sampled_in_training_mode():
    network = PrognosisNetwork(0.1, input_size=32)
    with pytest.raises(RuntimeError, match="eval"):
        network.head.sample(torch.zeros(1, 51, 4, 4, 4), n=2, generator=torch.Generator())


def test_build_gives_the_named_network():
    network = build("transfer", {"width": 0.05, "classes": 4, "input_size": 40, "hidden": [6]})
    assert isinstance(network, TransferNetwork)
    assert (network.classes, network.input_size, network.feature_count) == (4, 40, 6)
    assert isinstance(build("prognosis", {"width": 0.05}), PrognosisNetwork)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("resnet", {}),
        ("__class__", {}),
        ("prognosis", {"depth": 3}),
        ("prognosis", {"hidden": [3]}),
        ("prognosis", {"width": 0}),
        ("prognosis", {"width": 4.01}),
        ("prognosis", {"width": float("nan")}),
        ("prognosis", {"width": float("inf")}),
        ("prognosis", {"width": "1"}),
        ("prognosis", {"width": True}),
        ("prognosis", {"width": None}),
        ("prognosis", {"classes": 1}),
        ("prognosis", {"classes": 33}),
        ("prognosis", {"classes": 2.0}),
        ("prognosis", {"input_size": 31}),
        ("prognosis", {"input_size": 129}),
        ("prognosis", {"input_size": 10**30}),
        ("transfer", {"hidden": [0]}),
        ("transfer", {"hidden": [4097]}),
        ("transfer", {"hidden": [8] * 5}),
        ("transfer", {"hidden": 8}),
        ("transfer", {"hidden": "88"}),
        ("transfer", {"hidden": [True]}),
        ("transfer", {"dropout": 1}),
        ("transfer", {"dropout": -0.1}),
    ],
)
def test_build_refuses_what_is_out_of_range(name, arguments):
    with pytest.raises(ValueError):
        checked_arguments(name, arguments)
    with pytest.raises(ValueError):
        build(name, arguments)


def test_build_refuses_a_network_too_large_to_hold():
    with pytest.raises(ValueError, match=str(MAX_PARAMETERS)):
        build("prognosis", {"width": 4, "input_size": 128})
