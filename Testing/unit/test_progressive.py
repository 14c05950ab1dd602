"""The progressive GAN's networks are the paper's: sizes, layers, constants, fading."""

import math

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional

from LungSquadLib.networks import build, checked_arguments
from LungSquadLib.networks.progressive import (
    Critic,
    Equalised,
    Generator,
    MinibatchDeviation,
    PixelNoise,
    PixelNorm,
    downsampled,
    feature_maps,
    noise_keys,
)

SMALL = {"channels": 2, "base": 64, "most": 8}


def small(resolution=32, classes=0):
    torch.manual_seed(0)
    generator = Generator(resolution, latent=6, classes=classes, **SMALL)
    critic = Critic(resolution, classes=classes, **SMALL)
    with torch.no_grad():  # as after some training: no bias is nought
        for network in (generator, critic):
            for layer in network.modules():
                if isinstance(layer, Equalised):
                    layer.bias.normal_(std=0.1)
    return generator, critic


@pytest.fixture
def latents():
    return torch.randn(8, 6, generator=torch.Generator().manual_seed(1))


def test_both_networks_have_the_papers_23_1_million_parameters_at_1024():
    with torch.device("meta"):
        networks = Generator(1024), Critic(1024)
    counts = [sum(weight.numel() for weight in network.parameters()) for network in networks]
    assert counts == [23_079_115, 23_087_249]


def test_feature_maps_are_those_of_table_2():
    assert [feature_maps(level, 8192, 512) for level in range(1, 10)] == [
        512, 512, 512, 512, 256, 128, 64, 32, 16,
    ]  # fmt: skip


def test_layers_are_those_of_table_2():
    with torch.device("meta"):
        generator, critic = Generator(64), Critic(64)
    made = [tuple(w.shape) for n, w in generator.blocks.named_parameters() if "weight" in n]
    assert made == [
        (512, 512, 4, 4), (512, 512, 3, 3),
        (512, 512, 3, 3), (512, 512, 3, 3),
        (512, 512, 3, 3), (512, 512, 3, 3),
        (512, 512, 3, 3), (512, 512, 3, 3),
        (256, 512, 3, 3), (256, 256, 3, 3),
    ]  # fmt: skip
    judged = [tuple(w.shape) for n, w in critic.blocks.named_parameters() if "weight" in n]
    assert judged[:2] == [(512, 513, 3, 3), (512, 512, 4, 4)]
    assert judged[-2:] == [(256, 256, 3, 3), (512, 256, 3, 3)]
    assert critic.score.weight.shape == (1, 512, 1, 1)


def test_weights_are_drawn_from_n01_and_scaled_when_used():
    torch.manual_seed(0)
    layer = Equalised(50, 40, 3, padding=1)
    assert layer.weight.std().item() == pytest.approx(1, abs=0.02)
    assert layer.scale == math.sqrt(2 / (50 * 9))  # He's constant
    assert Equalised(7, 3, 1, gain=1).scale == math.sqrt(1 / 7)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.fill_(0.25)
    middle = layer(torch.ones(1, 50, 3, 3))[0, :, 1, 1]
    torch.testing.assert_close(middle, torch.full((40,), 450 * math.sqrt(2 / 450) + 0.25))


def test_layers_that_no_leaky_relu_follows_have_a_gain_of_1():
    generator, critic = small(classes=3)
    ends = {id(layer) for layer in (*generator.to_image, critic.score, critic.codes)}
    for network in (generator, critic):
        for name, layer in network.named_modules():
            if isinstance(layer, Equalised):
                gain = 1 if id(layer) in ends else math.sqrt(2)
                fan_in = layer.weight[0].numel()
                assert layer.scale == pytest.approx(gain / math.sqrt(fan_in)), name


def test_pixel_norm_brings_every_pixel_to_unit_mean_square():
    x = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1)
    expected = torch.tensor([3.0, 4.0]) / math.sqrt(12.5)
    torch.testing.assert_close(PixelNorm()(x).flatten(), expected)


def test_the_minibatch_statistic_is_the_mean_deviation_of_a_group():
    x = torch.zeros(8, 2, 1, 2)
    x[:4, 0, 0, 0] = torch.tensor([0.0, 0.0, 2.0, 2.0])  # deviation 1
    x[:4, 1, 0, 1] = torch.tensor([0.0, 6.0, 6.0, 0.0])  # deviation 3; two others have none
    out = MinibatchDeviation()(x)
    assert out.shape == (8, 3, 1, 2)
    torch.testing.assert_close(out[:, :2], x)
    torch.testing.assert_close(out[:4, 2], torch.ones(4, 1, 2), atol=1e-3, rtol=0)
    torch.testing.assert_close(out[4:, 2], torch.zeros(4, 1, 2), atol=1e-3, rtol=0)
    three = MinibatchDeviation()(x[:3])  # one group: deviations of (0, 0, 2) and (0, 6, 6)
    expected = (math.sqrt(8 / 9) + math.sqrt(8)) / 4
    torch.testing.assert_close(three[:, 2], torch.full((3, 1, 2), expected), atol=1e-3, rtol=0)


@pytest.mark.parametrize("level", [2, 3, 4])
def test_a_level_fades_in_from_the_one_before(latents, level):
    generator, critic = small()
    before = generator(latents, level=level - 1)
    doubled = functional.interpolate(before, scale_factor=2.0)
    torch.testing.assert_close(generator(latents, level=level, alpha=0.0), doubled)
    images = torch.randn(8, 2, 2 << level, 2 << level)
    averaged = critic(functional.avg_pool2d(images, 2), level=level - 1)
    torch.testing.assert_close(critic(images, level=level, alpha=0.0), averaged)


@pytest.mark.parametrize("level", [2, 3, 4])
def test_fading_is_linear_and_ends_at_the_level_itself(latents, level):
    generator, critic = small()
    ends = [generator(latents, level=level, alpha=alpha) for alpha in (0.0, 1.0)]
    torch.testing.assert_close(generator(latents, level=level, alpha=0.3), torch.lerp(*ends, 0.3))
    torch.testing.assert_close(generator(latents, level=level, alpha=1 - 1e-7), ends[1])
    almost = critic(ends[1], level=level, alpha=1 - 1e-7)
    torch.testing.assert_close(almost, critic(ends[1], level=level), atol=1e-4, rtol=0)


def test_real_images_are_downsampled_to_what_the_generator_can_make():
    images = torch.randn(2, 2, 16, 16)
    quarter = functional.avg_pool2d(images, 4)
    torch.testing.assert_close(downsampled(images, 1, 1.0, levels=3), quarter)
    blurred = downsampled(images, 2, 0.0, levels=3)
    torch.testing.assert_close(blurred, functional.interpolate(quarter, scale_factor=2.0))
    torch.testing.assert_close(downsampled(images, 3, 1.0, levels=3), images)


@pytest.mark.parametrize(("resolution", "classes"), [(4, 0), (16, 3), (64, 0)])
def test_the_network_for_inference_makes_the_same_images(resolution, classes, latents):
    generator = small(resolution, classes)[0].double()  # norms of small numbers magnify rounding
    labels, latents = torch.arange(8) % classes if classes else None, latents.double()
    fast = generator.for_inference()
    torch.testing.assert_close(fast(latents, labels), generator(latents, labels).detach())
    assert not any(weight.requires_grad for weight in fast.parameters())
    assert generator.blocks[0][0].scale != 1.0  # the original is as it was


def noisy(strength=0.5):
    generator = Generator(16, channels=2, latent=6, base=256, most=32, noise=True)
    with torch.no_grad():
        for layer in generator.modules():
            if isinstance(layer, PixelNoise):
                layer.strength.fill_(strength)
    return generator.double()


def test_noise_is_normal_and_of_a_pixel_a_layer_and_a_latent_alone():
    keys = noise_keys(torch.randn(50, 32, generator=torch.Generator().manual_seed(1)))
    first, second = (PixelNoise(1, number) for number in (3, 4))
    with torch.no_grad():
        for layer in (first, second):
            layer.strength.fill_(1.0)
        a, b = (layer(torch.zeros(50, 1, 32, 32), keys)[:, 0] for layer in (first, second))
    # Of 51,200 numbers a mean is 0 and a product of independent ones is 0, to 0.0044 (one sd).
    products = [a[1:] * a[:-1], a[:, 1:] * a[:, :-1], a[:, :, 1:] * a[:, :, :-1], a * b]
    for values in (a, *products):
        assert abs(float(values.mean())) < 0.02
    assert float(a.std()) == pytest.approx(1, abs=0.02)
    # Of a sum of four uniform numbers the kurtosis is 3 - 6/5/4.
    assert float(a.pow(4).mean()) == pytest.approx(2.7, abs=0.15)


def test_the_same_latent_has_the_same_noise_in_any_batch_and_for_inference(latents):
    generator, latents = noisy(), latents.double()
    images = generator(latents)
    torch.testing.assert_close(generator(latents[5:6]), images[5:6])
    torch.testing.assert_close(generator.for_inference()(latents), images.detach())
    assert not torch.allclose(images, noisy(0.0).requires_grad_(False)(latents))


def test_without_strength_noise_changes_nothing(latents):
    torch.manual_seed(3)
    plain = Generator(16, channels=2, latent=6, base=256, most=32)
    generator = Generator(16, channels=2, latent=6, base=256, most=32, noise=True)
    strengths = {n: w for n, w in generator.state_dict().items() if n.endswith("strength")}
    weights = [w for n, w in generator.state_dict().items() if n not in strengths]
    assert len(strengths) == 2 * generator.levels
    plain.load_state_dict(dict(zip(plain.state_dict(), weights, strict=True)))
    torch.testing.assert_close(generator(latents), plain(latents))


def test_conditions_matter_to_both_networks_and_have_to_be_given(latents):
    generator, critic = small(16, classes=2)
    labels = torch.zeros(8, dtype=torch.long)
    images = generator(latents, labels)
    assert not torch.allclose(images, generator(latents, 1 - labels))
    assert not torch.allclose(critic(images, labels), critic(images, 1 - labels))
    with pytest.raises(ValueError, match="one for each image"):
        generator(latents)
    with pytest.raises(ValueError, match="one for each image"):
        critic(images, labels[:3])


def test_the_registry_builds_it_and_checks_its_arguments():
    network = build("progressive", {"resolution": 16, "channels": 2, "base": 64})
    assert isinstance(network, Generator)
    for wrong in ({"resolution": 48}, {"resolution": 2048}, {"latent": 0}, {"classes": -1}):
        with pytest.raises(ValueError, match="must be"):
            checked_arguments("progressive", wrong)
