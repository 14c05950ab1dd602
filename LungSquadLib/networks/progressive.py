"""The progressive GAN of Karras et al. 2017 (arXiv:1710.10196); sections refer to the paper.

Levels count from 1 (4x4 pixels), and each doubles the resolution. Both networks are built whole; at
a level below the last one only a part of them is used. While a level fades in, `alpha` rises
from 0 to 1 (section 2, figure 2).

For inference the scales of the equalised learning rate go into the weights; doubling the pixels and
convolving with a 3x3 kernel is one transposed convolution with a 4x4 kernel and stride 2, at half
the cost; LeakyReLU and pixel norm work in place; arrays have their channels last in memory.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUP = 4  # images of one minibatch standard deviation


class Equalised(nn.Module):
    """A convolution whose weights are N(0, 1), scaled by He's constant at run time (section 4.1).

    A step of Adam then changes every weight by the same part of its range.

    Args:
        inputs, outputs: channels.
        kernel: pixels a side; 1 serves for dense layers too.
        gain: squared, over the fan-in, is the variance of a scaled weight; 1 where no LeakyReLU
            follows.
        padding: zeros on every side.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        gain: float = math.sqrt(2),
        padding: int = 0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = gain / math.sqrt(inputs * kernel * kernel)
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


class PixelNorm(nn.Module):
    """Normalise each pixel's channels (section 4.2); of (N, C, y, x) or latents (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


class PixelNoise(nn.Module):
    """Add noise to every pixel, each channel as strong as it has learnt (Karras et al. 2018).

    Section 3.2 of arXiv:1812.04948: an image's own noise need not be made out of its latent. Here
    it is drawn from the latent's bits by integer arithmetic: the same latent has the same noise,
    in any batch and on any machine, and the least change of it has other noise.

    Args:
        channels: of the images.
        number: of the layer: no two layers have the same noise.
    """

    def __init__(self, channels: int, number: int) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(channels))
        self.number = number

    def forward(self, x: Tensor, key: Tensor) -> Tensor:
        """Add the noise of images with such `noise_keys` (N,) to their features (N, C, y, x)."""
        height, width = x.shape[-2:]
        pixels = torch.arange(height * width, device=x.device) + (self.number << 32)
        bits = _mixed(key[:, None] + pixels * _GOLDEN)
        # The sum of four uniform numbers of 16 bits is near enough to a normal one.
        total = torch.stack([(bits >> shift) & 0xFFFF for shift in (0, 16, 32, 48)]).sum(dim=0)
        noise = (total - 2 * 0xFFFF).to(x.dtype) * (math.sqrt(3) / 0xFFFF)
        return x + self.strength[:, None, None] * noise.view(-1, 1, height, width)


_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)  # the constants of SplitMix64, as signed numbers
_FACTORS = (0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64))


def _mixed(values: Tensor) -> Tensor:
    """Return int64 of which every bit depends on all bits of the value."""
    for factor in _FACTORS:
        values = (values ^ _shifted(values)) * factor
    return values ^ _shifted(values)


def _shifted(values: Tensor) -> Tensor:
    return (values >> 30) & ((1 << 34) - 1)  # without copies of the sign


def noise_keys(z: Tensor) -> Tensor:
    """Return a number, int64 (N,), of all bits of each latent (N, latent)."""
    bits = z.detach().float().contiguous().view(torch.int32).long()
    positions = torch.arange(1, bits.shape[1] + 1, device=z.device)
    return _mixed(_mixed(bits + positions * _GOLDEN).sum(dim=1))


class MinibatchDeviation(nn.Module):
    """Append the minibatch standard deviation as one more channel (section 3).

    The standard deviation over the group, of every feature at every pixel, averaged to one number.
    A group is `GROUP` consecutive images, so that a minibatch shared by several processes has the
    same statistics. A minibatch that cannot be divided so is one group.
    """

    def forward(self, x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        size = GROUP if n % GROUP == 0 else n
        groups = x.reshape(n // size, size, channels, height, width)
        deviation = (groups.var(dim=1, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
        statistic = deviation.repeat_interleave(size)[:, None, None, None]
        return torch.cat([x, statistic.expand(n, 1, height, width)], dim=1)


def feature_maps(level: int, base: int, most: int) -> int:
    """Return the feature maps of a level (table 2): `base` / 2^level, `most` at most."""
    return max(min(base >> level, most), 1)


def level_of(resolution: int) -> int:
    """Return the level whose images have this many pixels a side."""
    return resolution.bit_length() - 2


class Generator(nn.Module):
    """From latents to images (table 2, left).

    Args:
        resolution: pixels a side, 4 to 1024, a power of two.
        channels: of the images; they lie about between -1 and 1.
        classes: conditions, whose one-hot code is joined to the latent; 0: none.
        latent: length of a latent.
        base, most: see `feature_maps`; 8192 and 512 in the paper.
        noise: whether each layer has `PixelNoise`, which the paper's have not.
    """

    def __init__(
        self,
        resolution: int = 1024,
        *,
        channels: int = 3,
        classes: int = 0,
        latent: int = 512,
        base: int = 8192,
        most: int = 512,
        noise: bool = False,
    ) -> None:
        super().__init__()
        self.resolution, self.channels = resolution, channels
        self.classes, self.latent = classes, latent
        self.noise = noise
        self.levels = level_of(resolution)
        maps = [feature_maps(level, base, most) for level in range(1, self.levels + 1)]
        self.norm = PixelNorm()
        first = Equalised(latent + classes, maps[0], 4, padding=3)
        self.blocks = nn.ModuleList(
            [nn.Sequential(first, *self._end(maps[0], 0), *self._layer(maps[0], maps[0], 1))]
        )
        for number, (before, after) in enumerate(itertools.pairwise(maps), 1):
            self.blocks.append(
                nn.Sequential(
                    *self._layer(before, after, 2 * number),
                    *self._layer(after, after, 2 * number + 1),
                )
            )
        self.to_image = nn.ModuleList(Equalised(n, channels, 1, gain=1) for n in maps)

    def _layer(self, before: int, after: int, number: int) -> list[nn.Module]:
        return [Equalised(before, after, 3, padding=1), *self._end(after, number)]

    def _end(self, channels: int, number: int) -> list[nn.Module]:
        noise = [PixelNoise(channels, number)] if self.noise else []
        return [*noise, nn.LeakyReLU(0.2), PixelNorm()]

    def forward(
        self,
        z: Tensor,
        labels: Tensor | None = None,
        *,
        level: int | None = None,
        alpha: float = 1.0,
    ) -> Tensor:
        """Generate images from latents.

        Args:
            z: (N, latent), of any norm: they are projected onto the hypersphere.
            labels: (N,) conditions, if there are `classes`.
            level: of the images; the last one by default.
            alpha: how far that level has faded in, 0 to 1.

        Returns:
            (N, channels, y, x).
        """
        level = self.levels if level is None else level
        x = self.norm(with_code(z, labels, self.classes))[:, :, None, None]
        before, keys = x, noise_keys(z) if self.noise else None
        for number, block in enumerate(self.blocks[:level]):
            before = x
            x = _through(block.children(), _doubled(x) if number else x, keys)
        image: Tensor = self.to_image[level - 1](x)
        if alpha < 1 and level > 1:
            image = torch.lerp(_doubled(self.to_image[level - 2](before)), image, alpha)
        return image

    def for_inference(self) -> nn.Module:
        """Return a faster network for the last level only."""
        return FastGenerator(self)


class Critic(nn.Module):
    """From images to scores, high for real ones (table 2, right); mirrors the generator.

    Conditions are compared with the image's features (projection, Miyato and Koyama 2018,
    arXiv:1802.05637).

    Args:
        resolution, channels, classes, base, most: those of the generator.
    """

    def __init__(
        self,
        resolution: int = 1024,
        *,
        channels: int = 3,
        classes: int = 0,
        base: int = 8192,
        most: int = 512,
    ) -> None:
        super().__init__()
        self.levels = level_of(resolution)
        maps = [feature_maps(level, base, most) for level in range(1, self.levels + 1)]
        self.from_image = nn.ModuleList(
            nn.Sequential(Equalised(channels, n, 1), nn.LeakyReLU(0.2)) for n in maps
        )
        last = nn.Sequential(
            MinibatchDeviation(),
            Equalised(maps[0] + 1, maps[0], 3, padding=1),
            nn.LeakyReLU(0.2),
            Equalised(maps[0], maps[0], 4),
            nn.LeakyReLU(0.2),
        )
        self.blocks = nn.ModuleList([last])
        for before, after in itertools.pairwise(maps):
            self.blocks.append(
                nn.Sequential(
                    Equalised(after, after, 3, padding=1),
                    nn.LeakyReLU(0.2),
                    Equalised(after, before, 3, padding=1),
                    nn.LeakyReLU(0.2),
                    nn.AvgPool2d(2),
                )
            )
        self.score = Equalised(maps[0], 1, 1, gain=1)
        self.codes = Equalised(classes, maps[0], 1, gain=1) if classes else None

    def forward(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        *,
        level: int | None = None,
        alpha: float = 1.0,
    ) -> Tensor:
        """Scores (N,) of images (N, channels, y, x) of a level; see `Generator.forward`."""
        level = self.levels if level is None else level
        x = self.from_image[level - 1](images)
        for number in reversed(range(level)):
            x = self.blocks[number](x)
            if number == level - 1 and alpha < 1 and level > 1:
                before = self.from_image[level - 2](functional.avg_pool2d(images, 2))
                x = torch.lerp(before, x, alpha)
        scores: Tensor = self.score(x)[:, 0, 0, 0]
        if self.codes is not None:
            code = _code(labels, self.codes.weight.shape[1], images)
            scores = scores + (self.codes(code[:, :, None, None]) * x).sum(dim=(1, 2, 3))
        return scores


def downsampled(images: Tensor, level: int, alpha: float, *, levels: int) -> Tensor:
    """Bring real images to a level: averaged down and, while the level fades in, blurred."""
    images = functional.avg_pool2d(images, 1 << (levels - level)) if level < levels else images
    if alpha < 1 and level > 1:
        images = torch.lerp(_doubled(functional.avg_pool2d(images, 2)), images, alpha)
    return images


def _through(layers: Iterable[nn.Module], x: Tensor, keys: Tensor | None) -> Tensor:
    """Return what layers, one after another, make of features; noise is that of the keys."""
    for layer in layers:
        x = layer(x, keys) if isinstance(layer, PixelNoise) else layer(x)
    return x


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def with_code(z: Tensor, labels: Tensor | None, classes: int) -> Tensor:
    """Join latents with the one-hot codes of their conditions, if there are any."""
    return torch.cat([z, _code(labels, classes, z)], dim=1) if classes else z


def _code(labels: Tensor | None, classes: int, like: Tensor) -> Tensor:
    """One-hot codes (N, classes) of conditions, of the device and type of `like`."""
    if labels is None or len(labels) != len(like):
        raise ValueError(f"a network of {classes} conditions needs one for each image")
    return functional.one_hot(labels.to(like.device), classes).to(like.dtype)


class FastGenerator(nn.Module):
    """A generator folded for inference: the last level, the same images to rounding.

    Args:
        generator: is not changed.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.resolution, self.channels = generator.resolution, generator.channels
        self.classes, self.latent = generator.classes, generator.latent
        self.noise = generator.noise
        layers: list[nn.Module] = []
        for number, block in enumerate(generator.blocks):
            for layer in block.children():
                if isinstance(layer, Equalised):
                    doubles = number and layer is next(block.children())
                    layers.append(_doubling(layer) if doubles else _plain(layer))
                elif isinstance(layer, PixelNoise):
                    layers.append(copy.deepcopy(layer))
                elif isinstance(layer, PixelNorm):  # after LeakyReLU
                    layers.append(_LeakyPixelNorm())
        layers += [
            _plain(layer) for layer in generator.to_image[-1:] if isinstance(layer, Equalised)
        ]
        self.norm = generator.norm
        self.layers = nn.Sequential(*layers)
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """As `Generator.forward`."""
        x = self.norm(with_code(z, labels, self.classes))[:, :, None, None]
        return _through(self.layers, x, noise_keys(z) if self.noise else None)


class _LeakyPixelNorm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x = functional.leaky_relu_(x, 0.2)
        length = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        return x.mul_((length.square_() / x.shape[1] + 1e-8).rsqrt_())


def _plain(layer: Equalised) -> nn.Module:
    """The convolution with its scale folded into its weights."""
    outputs, inputs, kernel, _ = layer.weight.shape
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=layer.padding)
    return _with_weights(convolution, layer.weight * layer.scale, layer.bias)


def _doubling(layer: Equalised) -> nn.Module:
    """Upsampling by 2 and the convolution after it as one transposed convolution.

    An output pixel sees each input pixel through those taps of the 3x3 kernel that fall on its
    two copies: the kernel summed over every 2x2 neighbourhood.
    """
    padded = functional.pad(layer.weight * layer.scale, (1, 1, 1, 1))
    rows = padded[:, :, 1:] + padded[:, :, :-1]
    summed = rows[..., 1:] + rows[..., :-1]
    outputs, inputs = summed.shape[:2]
    convolution = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
    return _with_weights(convolution, summed.flip(2, 3).transpose(0, 1), layer.bias)


def _with_weights(layer: nn.Conv2d | nn.ConvTranspose2d, weight: Tensor, bias: Tensor) -> nn.Module:
    weight = weight.detach().contiguous(memory_format=torch.channels_last)
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias.detach().clone())
    return layer
