"""Prediction from tables: a patient's expression profile, alone and together with an image."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor

from .. import __version__
from ..data.tables.profile import Profile
from ..errors import InputError, ModelError
from ..files import sha256_of_file
from ..imaging.crop import crop
from ..imaging.ct import CT
from ..imaging.features import tumour_features
from ..imaging.flags import Flag
from ..imaging.geometry import Point
from ..imaging.masks import Mask
from ..models.card import Card
from ..models.catalogue import available
from ..models.file import Model, read_model_file
from ..models.inputs import Source
from ..networks.devices import chosen_device, float64_of, on_device
from ..networks.seeded_dropout import Position, SeededDropout, mixed, seed_dropouts
from .attribution import integrated_gradients
from .classifier import check_seed, logits_and_features
from .out_of_distribution import ood_flags, ood_score
from .prediction import (
    LEVEL,
    NO_PROOF,
    Interval,
    ModelUsed,
    OODScore,
    calibrated_probabilities,
    interval_of,
    prediction_dict,
    rounded,
)
from .table_input import Row, row_of

PASSES = 200
LEAST_DROPPED = 0.1  # of the genes, in each pass
MOST_CONTRIBUTIONS = 20
MOLECULAR, MULTIMODAL = "molecular", "multimodal"
CONTRIBUTIONS = (
    "Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) of the log odds of the "
    "predicted class, from the training patients' means to this patient: values above 0 support "
    "it. The sum over all columns is the difference in log odds from an average patient. They "
    "explain the network, not the disease."
)


@dataclass(frozen=True)
class Contribution:
    """The contribution of one column to the log odds of the predicted class."""

    source: str
    column: str
    value: float


@dataclass(frozen=True)
class ProfilePrediction:
    """A model's prediction from tables: expression, with or without image features.

    `probabilities` follow the card's classes; `interval` is about its positive class.
    `contributions` are the largest, largest first. `latent_position` is the patient's position in
    an autoencoder's latent space; None for other models. `sources` are those with values.
    """

    model: ModelUsed
    profile: Profile
    sources: tuple[str, ...]
    missing_sources: tuple[str, ...]
    probabilities: tuple[float, ...]
    interval: Interval
    ood: OODScore | None
    contributions: tuple[Contribution, ...]
    latent_position: tuple[float, ...] | None
    flags: tuple[Flag, ...]
    parameters: dict[str, Any]

    @property
    def modality(self) -> str:
        """MOLECULAR, or MULTIMODAL where an image was used too."""
        sources = self.model.card.table.sources
        images = {source.name for source in sources if source.kind == "image"}
        return MULTIMODAL if images & set(self.sources) else MOLECULAR

    def to_dict(self) -> dict[str, Any]:
        """As `Prediction.to_dict`, with the profile in place of the crop."""
        position = self.latent_position
        return {
            **prediction_dict(
                self.model,
                self.probabilities,
                self.interval,
                ood=self.ood,
                flags=self.flags,
                parameters=self.parameters,
            ),
            "modality": self.modality,
            "profile": self.profile.to_dict(),
            "sources": list(self.sources),
            "missing_sources": list(self.missing_sources),
            "contributions": [
                {**asdict(each), "value": rounded(each.value)} for each in self.contributions
            ],
            "contributions_explanation": CONTRIBUTIONS,
            "latent_position": None if position is None else [rounded(z) for z in position],
        }


def predict_profile(
    model: Model,
    profile: Profile,
    *,
    features: Mapping[str, Mapping[str, float]] | None = None,
    device: str = "auto",
    seed: int = 0,
) -> ProfilePrediction:
    """Predict the classes of a patient from tables, with interval, OOD score and contributions.

    The same inputs, seed, device and number of threads give the same numbers.

    Args:
        model: an integrator, or an autoencoder with groups; as `read_model_file` returns it.
        profile: the patient's expression.
        features: of the model's other sources (an image, for example): for the name of each a
            value for each of its columns. Sources without values are left out.
        device: "auto", "cpu", "cuda" or "mps".
        seed: of the dropout behind the interval.

    Raises:
        InputError: the model takes no expression, or the profile does not fit it: it lacks more
            than half of its genes, or is on another scale.
        ModelError: the model takes images.
    """
    check_seed(seed)
    card, torch_device = model.card, chosen_device(device)
    if not (card.table and card.classes):
        raise InputError(f"The model '{card.name}' has no groups, so it cannot predict one.")
    network = model.network.to(torch_device)
    mean, sd = float64_of(network.scale.mean), float64_of(network.scale.sd)
    row = row_of(card, profile, features or {}, mean=mean, sd=sd)
    x = on_device(row.values[None], torch_device)
    with torch.no_grad():
        logits = float64_of(network(x).logits)[0]
        samples = float64_of(_with_dropout(network, seed)(_sampled_rows(x, row, seed)).logits)
        position = network.encode(x).mean[0].tolist() if card.kind == "autoencoder" else None
        ood = None
        if model.reference is not None:
            ood = ood_score(float64_of(network(x).features)[0], model.reference)
    probabilities = calibrated_probabilities(logits, card)
    contributions = integrated_gradients(
        network, row.values[None], positive=int(logits.argmax()), temperature=card.temperature
    )
    return ProfilePrediction(
        ModelUsed(card, model.sha256),
        profile,
        row.used,
        row.left_out,
        tuple(probabilities.tolist()),
        _interval(calibrated_probabilities(samples, card), probabilities, row, card),
        ood,
        tuple(_largest(card, contributions[0])),
        None if position is None else tuple(position),
        (*row.flags(), *ood_flags(ood, "patient")),
        {
            "device": str(torch_device),
            "seed": seed,
            "passes": PASSES,
            "genes_dropped": round(_share_dropped(row), 4),
            "lungsquad": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    )


def predict_multimodal(
    model: Model,
    profile: Profile,
    image: tuple[CT, Mask] | None = None,
    *,
    among: Sequence[Model] = (),
    device: str = "auto",
    seed: int = 0,
    centre_lps: Point | None = None,
) -> list[ProfilePrediction]:
    """Predict from the profile and, if the model takes image features, from both together.

    Args:
        model: an integrator or an autoencoder.
        profile: the patient's expression.
        image: the same patient's CT and tumour.
        among: models to search for the one that extracts the features; then this machine's.
        device: "auto", "cpu", "cuda" or "mps".
        seed: of the dropout behind the intervals.
        centre_lps: of the crop, LPS mm; the mask's centre of mass by default.

    Returns:
        One prediction, or two. Where the feature extractor is not on this machine, a flag of the
        one prediction says so.

    Raises:
        InputError, ModelError: as `predict_profile`.
    """
    molecular = predict_profile(model, profile, device=device, seed=seed)
    sources = [source for source in model.card.table.sources if source.kind == "image"]
    if image is None or not sources:
        return [molecular]
    try:
        features = {
            source.name: _features(source, image, among, device, centre_lps) for source in sources
        }
    except ModelError as error:
        flag = Flag("image_not_used", "warning", str(error))
        return [replace(molecular, flags=(*molecular.flags, flag))]
    multimodal = predict_profile(model, profile, features=features, device=device, seed=seed)
    return [molecular, multimodal]


def _with_dropout(network: Any, seed: int) -> Any:
    """A copy of a network with dropout at work, drawn for each row of a batch."""
    copy = deepcopy(network)
    seed_dropouts(copy, Position(seed, total=PASSES))
    for layer in copy.modules():
        if isinstance(layer, SeededDropout):
            layer.train()
    return copy


def _share_dropped(row: Row) -> float:
    return max(row.missing / len(row.genes), LEAST_DROPPED)


def _sampled_rows(x: Tensor, row: Row, seed: int) -> Tensor:
    """The row (1, D) as (PASSES, D), each without a random share of its genes."""
    generator = torch.Generator().manual_seed(mixed(seed, len(row.genes)))
    drawn = torch.rand((PASSES, len(row.genes)), generator=generator)
    rows = x.repeat(PASSES, 1)
    genes = torch.from_numpy(row.genes).to(x.device)
    dropped = (drawn < _share_dropped(row)).to(x.device)
    rows[:, genes] = rows[:, genes].masked_fill(dropped, torch.nan)
    return rows


def _interval(samples: np.ndarray, probabilities: np.ndarray, row: Row, card: Card) -> Interval:
    layers = " and parts of the network's layers" if card.kind == "integrator" else ""
    explanation = (
        f"It holds {LEVEL:.0%} of {PASSES} predictions: each time {_share_dropped(row):.0%} of the "
        f"genes{layers} were left out at random. {NO_PROOF}"
    )
    positive = card.positive
    return interval_of(samples[:, positive], float(probabilities[positive]), explanation)


def _largest(card: Card, values: np.ndarray) -> Iterator[Contribution]:
    names = [(source.name, name) for source in card.table.sources for name in source.columns]
    for number in np.argsort(-np.abs(values), kind="stable")[:MOST_CONTRIBUTIONS]:
        if values[number]:
            source, column = names[number]
            yield Contribution(source, column, float(values[number]))


def _features(
    source: Source,
    image: tuple[CT, Mask],
    among: Iterable[Model],
    device: str,
    centre_lps: Point | None,
) -> dict[str, float]:
    """The columns of an image source for a patient, computed as for a store's cases."""
    ct, mask = image
    if source.cube is not None:
        size, spacing = source.cube.size, source.cube.spacing
        cut = crop(ct, mask, size=size, spacing=spacing, centre_lps=centre_lps)
        hu, tumour = (sitk.GetArrayFromImage(volume) for volume in (cut.ct, cut.mask))
        features = tumour_features(hu, tumour, spacing_mm=spacing)
        return _selected(source, {"volume_ml": cut.mask_volume_ml, **features})
    if source.extractor is None:
        raise ModelError(
            "The image is not used: the model does not say in which crops of the CT the features "
            f"of its source '{source.name}' were measured. Train it again from a store."
        )
    extractor = _extractor(source, among)
    spec = extractor.card.image
    cut = crop(ct, mask, size=spec.size, spacing=spec.spacing, centre_lps=centre_lps)
    network = extractor.network.to(chosen_device(device))
    hu, tumour = (sitk.GetArrayFromImage(volume) for volume in (cut.ct, cut.mask))
    _, values = logits_and_features(network, spec, [spec.visible(hu, tumour)])
    return _selected(source, {f"feature {n}": v for n, v in enumerate(values[0].tolist(), 1)})


def _selected(source: Source, features: Mapping[str, float]) -> dict[str, float]:
    unknown = [column for column in source.columns if column not in features]
    if unknown:
        raise ModelError(
            f"The image is not used: this LungSquad cannot compute {len(unknown)} columns of the "
            f"source '{source.name}'. Update LungSquad."
        )
    return {column: features[column] for column in source.columns}


def _extractor(source: Source, among: Iterable[Model]) -> Model:
    for model in (*among, *_on_this_machine(source.extractor)):
        if model.sha256 == source.extractor:
            return model
    raise ModelError(
        f"The image is not used: the source '{source.name}' holds features of the model with the "
        f"SHA-256 {source.extractor}, which is not on this machine. Put its file among the models."
    )


def _on_this_machine(sha256: str | None) -> Iterator[Model]:
    for entry in available():
        is_classifier = entry.card is not None and entry.card.kind == "classifier"
        if is_classifier and sha256_of_file(entry.path) == sha256:
            yield read_model_file(entry.path)
