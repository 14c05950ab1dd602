"""The U-Net: on the grid that it is given, without hanging on the batch, in two and three axes."""

import pytest
import torch

from LungSquadLib.networks.unet import UNet, instance_norm

pytestmark = pytest.mark.usefixtures("one_thread")


def net(dimensions, **changes):
    torch.manual_seed(0)
    return UNet(dimensions, **{"inputs": 2, "outputs": 3, "width": 4, "depth": 3} | changes)


def images(dimensions, n=2, side=16):
    generator = torch.Generator().manual_seed(1)
    return torch.randn((n, 2, *(side,) * dimensions), generator=generator)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_what_comes_out_is_as_large_as_what_goes_in(dimensions):
    network, x = net(dimensions), images(dimensions)
    assert network(x).shape == (2, 3, *(16,) * dimensions)
    assert network.encode(x).shape == (2, network.features, *(16 // network.step,) * dimensions)
    assert (network.step, network.features) == (4, 16)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_output_for_an_image_does_not_depend_on_the_batch(dimensions):
    network, x = net(dimensions), images(dimensions)
    assert torch.allclose(network(x)[1:], network(x[1:]), atol=1e-4)


def test_each_level_has_twice_the_channels_of_the_one_above():
    network = net(2, width=3, depth=5)
    seen = [level.shape for level in network._levels(images(2))]
    assert [tuple(shape[1:]) for shape in seen] == [
        (3, 16, 16), (6, 8, 8), (12, 4, 4), (24, 2, 2), (48, 1, 1),
    ]  # fmt: skip


def test_the_norm_is_of_each_channel_of_each_image():
    x = images(3) * torch.tensor([1.0, 30.0]).view(1, 2, 1, 1, 1) + 5
    expected = torch.nn.functional.instance_norm(x)  # which has no weights
    torch.testing.assert_close(instance_norm(2)(x), expected)


def test_every_weight_is_of_use():
    network = net(3)
    network(images(3)).square().sum().backward()
    for name, weight in network.named_parameters():
        assert weight.grad.abs().sum() > 0, name
