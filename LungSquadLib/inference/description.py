"""Description of a nodule as radiologists give it: ratings, their intervals and their spread.

It is an impression from the image, learnt from radiologists' ratings, and no pathology.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor

from ..imaging.crop import Crop, crop
from ..imaging.ct import CT, as_ct
from ..imaging.diameter import axial_diameter
from ..imaging.flags import Flag, merged
from ..imaging.masks import Mask, as_mask
from ..models.catalogue import check_kind
from ..models.characteristics import Characteristic
from ..models.file import Model
from ..networks.description import DescriptionNetwork, size_inputs
from ..networks.devices import chosen_device, device_of, float64_of
from ..statistics.agreement import central_range, mean_and_sd, tempered
from .out_of_distribution import ood_flags, ood_score
from .prediction import ModelUsed, OODScore

INTERVAL = 0.8  # share of readers' ratings that an interval holds
IMPRESSION = "An impression as radiologists rate it, learnt from their ratings; it is no pathology."
MALIGNANCY = "malignancy"
REPORTED = ("kappa", "readers_kappa", "AUC", "volume_AUC")  # metrics of the card beside a rating


@dataclass(frozen=True)
class Rating:
    """A characteristic of a nodule on the readers' scale.

    Attributes:
        value: the rating; see `Characteristic.scaling`.
        low, high: the interval that holds at least `INTERVAL` of single readers' ratings, and the
            rounded value.
        sd: standard deviation of readers in training nodules of the rounded value.
        expected_sd: standard deviation of readers that the network expects for this nodule.
        abstains: whether the rating should not be used: readers would disagree too much, or the
            nodule is out of distribution.
        by_volume: the rating that the volume alone suggests.
        probabilities: of each value of the scale, for one reader.
    """

    scale: Characteristic
    value: float
    low: int
    high: int
    sd: float
    expected_sd: float
    abstains: bool
    by_volume: float
    probabilities: tuple[float, ...]

    @property
    def rounded(self) -> int:
        """The nearest value of the scale."""
        return self.scale.rounded(self.value)

    @property
    def word(self) -> str:
        """The word of the nearest value."""
        return self.scale.words[self.rounded - self.scale.lowest]

    def to_dict(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return {
            "value": round(self.value, 3),
            "rounded": self.rounded,
            "word": self.word,
            "interval": {"low": self.low, "high": self.high, "level": INTERVAL},
            "readers_sd": round(self.sd, 3),
            "expected_sd": round(self.expected_sd, 3),
            "abstains": self.abstains,
            "by_volume": round(self.by_volume, 3),
            "scale": {str(v): w for v, w in zip(self.scale.values, self.scale.words, strict=True)},
            "probabilities": {
                str(value): round(p, 6)
                for value, p in zip(self.scale.values, self.probabilities, strict=True)
            },
        }


@dataclass(frozen=True)
class Description:
    """The description of one nodule."""

    model: ModelUsed
    crop: Crop
    diameter_mm: float
    ratings: Mapping[str, Rating]
    ood: OODScore | None
    flags: tuple[Flag, ...]

    @property
    def sentence(self) -> str:
        """The description in words, of what the model does not abstain from."""
        words = [*self._words(), f"{self.diameter_mm:.0f} mm"]
        text = ", ".join(words)
        malignancy = self.ratings.get(MALIGNANCY)
        if malignancy is None:
            return text
        if malignancy.abstains:
            return f"{text}; suspicion not rated"
        most = malignancy.scale.values[-1]
        return (
            f"{text}; suspicion {malignancy.rounded} of {most} "
            f"(readers' spread {malignancy.sd:.1f})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything but voxels, for JSON."""
        card = self.model.card
        return {
            "sentence": self.sentence,
            "impression": IMPRESSION,
            "diameter_mm": round(self.diameter_mm, 2),
            "volume_ml": round(self.crop.mask_volume_ml, 5),
            "ratings": {name: rating.to_dict() for name, rating in self.ratings.items()},
            "out_of_distribution": None if self.ood is None else asdict(self.ood),
            "flags": [flag.to_dict() for flag in self.flags],
            "notice": card.notice,
            "model": {
                "name": card.name,
                "title": card.title,
                "sha256": self.model.sha256,
                "training_data": card.training.data,
                "licence": card.licence,
                "intended_use": card.intended_use,
                "must_not": list(card.must_not),
                "metrics": {
                    name: asdict(metric)
                    for name, metric in card.metrics.items()
                    if name.partition(".")[2] in REPORTED
                },
            },
            "crop": self.crop.to_dict(),
        }

    def _words(self) -> Iterator[str]:
        """Yield what a radiologist would mention."""
        known = {name: rating for name, rating in self.ratings.items() if not rating.abstains}
        if "texture" in known:
            yield known["texture"].word
        for name, adjective in (("spiculation", "spiculated"), ("lobulation", "lobulated")):
            if name in known and known[name].rounded >= 3:
                yield f"markedly {adjective}" if known[name].rounded == 5 else adjective
        if "margin" in known and known["margin"].rounded <= 2:
            yield "poorly defined"
        if "calcification" in known and known["calcification"].rounded <= 5:
            yield "calcified"


def describe(
    model: Model, ct: CT | sitk.Image, mask: Mask | sitk.Image, *, device: str = "auto"
) -> Description:
    """Describe a nodule as radiologists would.

    The network sees the CT in the mask's axial slices, close to the mask (see `InputSpec.visible`).

    Args:
        model: a descriptor.
        ct: the CT.
        mask: the nodule, on any grid that overlaps the CT.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        InputError: as `crop`, or the device does not exist.
        ModelError: the model is no descriptor.
    """
    check_kind(model.card, "descriptor")
    card, torch_device = model.card, chosen_device(device)
    ct = as_ct(ct)
    mask = as_mask(mask, ct)
    spec = card.image
    cut = crop(ct, mask, size=spec.size, spacing=spec.spacing)
    near = sitk.GetArrayViewFromImage(cut.mask)
    hu = spec.visible(sitk.GetArrayFromImage(cut.ct), near)
    diameter = diameter_mm(near, spec.spacing)
    x = torch.from_numpy(spec.scaled(hu))[None, None]
    sizes = torch.tensor([size_inputs(cut.mask_volume_ml, diameter)])
    output, features = log_probabilities(model.network.to(torch_device), [(x, sizes)])
    ood = None if model.reference is None else ood_score(features[0], model.reference)
    outside = ood is not None and bool(ood.out_of_distribution)
    ratings = {
        scale.name: _rating(scale, columns, cut.mask_volume_ml, outside)
        for scale, columns in by_characteristic(card.characteristics, output[0])
    }
    flags = merged((*cut.flags, *ood_flags(ood, "nodule")))
    return Description(ModelUsed(card, model.sha256), cut, diameter, ratings, ood, flags)


def by_characteristic(
    characteristics: Iterable[Characteristic], output: np.ndarray
) -> Iterator[tuple[Characteristic, np.ndarray]]:
    """Yield each characteristic with its columns of the network's output (..., sum of levels)."""
    start = 0
    for scale in characteristics:
        yield scale, output[..., start : start + len(scale.words)]
        start += len(scale.words)


def _rating(scale: Characteristic, columns: np.ndarray, volume_ml: float, outside: bool) -> Rating:
    probabilities = tempered(columns, scale.temperature)
    expected, sd = mean_and_sd(probabilities, scale.lowest)
    low, high = central_range(probabilities, scale.lowest, level=INTERVAL)
    value = float(scale.rating(expected))
    rounded = scale.rounded(value)
    return Rating(
        scale,
        value,
        min(int(low), rounded),
        max(int(high), rounded),
        scale.sd[rounded - scale.lowest],
        float(sd),
        outside or float(sd) > scale.most_sd,
        scale.by_volume(volume_ml),
        tuple(probabilities.tolist()),
    )


def diameter_mm(mask: np.ndarray, spacing: float) -> float:
    """Return the largest axial diameter of a mask (z, y, x) of a crop, in mm."""
    image = sitk.GetImageFromArray(mask)
    image.SetSpacing((spacing,) * 3)
    return axial_diameter(image).mm


@torch.no_grad()
def log_probabilities(
    network: DescriptionNetwork, batches: Iterable[tuple[Tensor, Tensor]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return log probabilities (N, sum of levels) and features (N, D), float64.

    Both are means over eight orientations: a nodule has none of its own.

    Args:
        network: on any device.
        batches: crops (n, 1, z, y, x) and size inputs (n, 2).
    """
    network.eval()
    device = device_of(network)
    outputs, features = [], []
    for x, sizes in batches:
        views = [
            network.forward_with_features(view, sizes.to(device)) for view in _views(x.to(device))
        ]
        features.append(float64_of(torch.stack([view.features for view in views]).mean(0)))
        outputs.append(float64_of(torch.stack([view.logits for view in views]).mean(0)))
    return np.concatenate(outputs), np.concatenate(features)


def _views(x: Tensor) -> Iterator[Tensor]:
    """Yield crops (N, 1, z, y, x) turned by quarter turns about z, and their mirror images."""
    for turns in range(4):
        turned = x.rot90(turns, (3, 4))
        yield from (turned, turned.flip(2))
