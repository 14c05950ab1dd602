"""The U-Net: on the grid that it is given, without hanging on the batch, in two and three axes."""

import pytest
import torch

from LungSquadLib.networks.unet import UNet

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
def test_the_answer_about_one_image_does_not_hang_on_the_others(dimensions):
    network, x = net(dimensions), images(dimensions)
    assert torch.allclose(network(x)[1:], network(x[1:]), atol=1e-4)


def test_every_weight_is_of_use():
    network = net(3)
    network(images(3)).square().sum().backward()
    for name, weight in network.named_parameters():
        assert weight.grad.abs().sum() > 0, name
