"""A patient's expression profile and a model of tables in, an answer out."""

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
from ..data.tables.profile import Profile, read_profile
from ..errors import InputError, ModelError
from ..files import sha256_of_file
from ..imaging.crop import crop
from ..imaging.ct import CT
from ..imaging.flags import Flag
from ..imaging.geometry import Point
from ..imaging.masks import Mask
from ..imaging.tumour_features import tumour_features
from ..models.card import Card
from ..models.catalogue import available
from ..models.file import Model, read_model_file
from ..models.inputs import Source
from ..networks.devices import chosen_device, float64_of, on_device
from ..networks.seeded_dropout import Position, SeededDropout, mixed, seed_dropouts
from .attribution import integrated_gradients
from .classifier import answers, check_seed
from .out_of_distribution import novelty, novelty_flags
from .prediction import (
    LEVEL,
    NO_PROOF,
    Interval,
    ModelUsed,
    Novelty,
    described,
    interval_of,
    probabilities,
    rounded,
)
from .table_input import Row, row_of

__all__ = ["Contribution", "ProfilePrediction", "predict_profile", "read_profile"]

PASSES = 200
LEAST_DROPPED = 0.1  # of the genes, in each pass
MOST_CONTRIBUTIONS = 20
CONTRIBUTIONS = (
    "Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) of the log odds of the "
    "answer, from the training patients' means to this patient: above 0 speaks for the answer. All "
    "columns' add up to how far the answer's log odds lie from those of an average patient. They "
    "explain the network, not the disease."
)


@dataclass(frozen=True)
class Contribution:
    """How far one column moved the log odds of the answer."""

    source: str
    column: str
    value: float


@dataclass(frozen=True)
class ProfilePrediction:
    """A model's answer about a patient from tables: expression, with features of an image or not.

    `probabilities` follow the card's classes; `interval` is about its positive class.
    `contributions` are the largest, largest first. `place` is where the patient lies in an
    autoencoder's latent space; None of others. `sources` are those that were known.
    """

    model: ModelUsed
    profile: Profile
    sources: tuple[str, ...]
    left_out: tuple[str, ...]
    probabilities: tuple[float, ...]
    interval: Interval
    novelty: Novelty | None
    contributions: tuple[Contribution, ...]
    place: tuple[float, ...] | None
    flags: tuple[Flag, ...]
    parameters: dict[str, Any]

    @property
    def made_from(self) -> str:
        """ "molecules", or "both" where an image was used too."""
        images = {one.name for one in self.model.card.table.sources if one.kind == "image"}
        return "both" if images & set(self.sources) else "molecules"

    def to_dict(self) -> dict[str, Any]:
        """As `Prediction.to_dict`, with the profile in place of the crop."""
        return {
            **described(
                self.model,
                self.probabilities,
                self.interval,
                novelty=self.novelty,
                flags=self.flags,
                parameters=self.parameters,
            ),
            "made_from": self.made_from,
            "profile": self.profile.to_dict(),
            "sources": list(self.sources),
            "sources_left_out": list(self.left_out),
            "contributions": [
                {**asdict(one), "value": rounded(one.value)} for one in self.contributions
            ],
            "contributions_explanation": CONTRIBUTIONS,
            "place": None if self.place is None else [rounded(one) for one in self.place],
        }


def predict_profile(
    model: Model,
    profile: Profile,
    *,
    features: Mapping[str, Mapping[str, float]] | None = None,
    device: str = "auto",
    seed: int = 0,
) -> ProfilePrediction:
    """What a model of tables says of a patient, how sure that is, and which genes moved it.

    The same inputs, seed, device and number of threads give the same numbers.

    Args:
        model: an integrator, or an autoencoder with groups; as `read_model_file` gives it.
        profile: the patient's expression.
        features: of the model's other sources, those of the image say: for the name of each a
            number for each of its columns. Those that are not given are left out.
        device: "auto", "cpu", "cuda" or "mps".
        seed: of the dropout that the interval is drawn from.

    Raises:
        InputError: the model takes no expression, or the profile does not fit it: it lacks more
            than half of its genes, or is on another scale.
        ModelError: the model takes images.
    """
    check_seed(seed)
    card, place = model.card, chosen_device(device)
    if not (card.table and card.classes):
        raise InputError(f"No groups were found with the model '{card.name}': it has no answers.")
    network = model.network.to(place)
    mean, sd = (float64_of(one) for one in (network.scale.mean, network.scale.sd))
    row = row_of(card, profile, features or {}, mean=mean, sd=sd)
    x = on_device(row.values[None], place)
    with torch.no_grad():
        logits = float64_of(network(x).logits)[0]
        samples = float64_of(_dropping(network, seed)(_drawn(x, row, seed)).logits)
        code = network.encode(x).mean[0].tolist() if card.kind == "autoencoder" else None
        seen = None
        if model.reference is not None:
            seen = novelty(float64_of(network(x).features)[0], model.reference)
    answer = probabilities(logits, card)
    moved = integrated_gradients(
        network, row.values[None], positive=int(logits.argmax()), temperature=card.temperature
    )
    return ProfilePrediction(
        ModelUsed(card, model.sha256),
        profile,
        row.used,
        row.left_out,
        tuple(answer.tolist()),
        _interval(probabilities(samples, card), answer, row, card),
        seen,
        tuple(_largest(card, moved[0])),
        None if code is None else tuple(code),
        (*row.flags(), *novelty_flags(seen, "patient")),
        {
            "device": str(place),
            "seed": seed,
            "passes": PASSES,
            "genes_dropped": round(_share_dropped(row), 4),
            "lungsquad": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    )


def _dropping(network: Any, seed: int) -> Any:
    """A copy of a network whose dropouts are at work, each row's of a batch drawn by itself."""
    copy = deepcopy(network)
    seed_dropouts(copy, Position(seed, total=PASSES))
    for layer in copy.modules():
        if isinstance(layer, SeededDropout):
            layer.train()
    return copy


def _share_dropped(row: Row) -> float:
    return max(row.missing / len(row.genes), LEAST_DROPPED)


def _drawn(x: Tensor, row: Row, seed: int) -> Tensor:
    """The row (1, D) many times, each without some of its genes."""
    generator = torch.Generator().manual_seed(mixed(seed, len(row.genes)))
    drawn = torch.rand((PASSES, len(row.genes)), generator=generator)
    rows = x.repeat(PASSES, 1)
    genes = torch.from_numpy(row.genes).to(x.device)
    dropped = (drawn < _share_dropped(row)).to(x.device)
    rows[:, genes] = rows[:, genes].masked_fill(dropped, torch.nan)
    return rows


def _interval(samples: np.ndarray, answer: np.ndarray, row: Row, card: Card) -> Interval:
    layers = " and parts of the network's layers" if card.kind == "integrator" else ""
    explanation = (
        f"{LEVEL:.0%} of {PASSES} answers lie in it: each time {_share_dropped(row):.0%} of the "
        f"genes{layers} were left out at random. {NO_PROOF}"
    )
    return interval_of(samples[:, card.positive], float(answer[card.positive]), explanation)


def _largest(card: Card, values: np.ndarray) -> Iterator[Contribution]:
    names = [(source.name, name) for source in card.table.sources for name in source.columns]
    for number in np.argsort(-np.abs(values), kind="stable")[:MOST_CONTRIBUTIONS]:
        if values[number]:
            source, column = names[number]
            yield Contribution(source, column, float(values[number]))


def predict_molecular(
    model: Model,
    profile: Profile,
    image: tuple[CT, Mask] | None = None,
    *,
    among: Sequence[Model] = (),
    device: str = "auto",
    seed: int = 0,
    centre_lps: Point | None = None,
) -> list[ProfilePrediction]:
    """What a model says of the profile alone and, where it takes images too, of both together.

    Args:
        model: an integrator or an autoencoder.
        profile: the patient's expression.
        image: the same patient's CT and tumour.
        among: models to look among for the one whose features it takes; then those of the machine.
        device: "auto", "cpu", "cuda" or "mps".
        seed: of the dropout that the intervals are drawn from.
        centre_lps: of the crop, LPS mm, where it is not the mask's centre of mass.

    Returns:
        One answer, or two. Where the model whose features it takes is not on this machine, a flag
        of the one answer says so.

    Raises:
        InputError, ModelError: as `predict_profile`.
    """
    alone = predict_profile(model, profile, device=device, seed=seed)
    sources = [source for source in model.card.table.sources if source.kind == "image"]
    if image is None or not sources:
        return [alone]
    try:
        features = {
            source.name: _features(source, image, among, device, centre_lps) for source in sources
        }
    except ModelError as error:
        flag = Flag("image_not_used", "warning", str(error))
        return [replace(alone, flags=(*alone.flags, flag))]
    both = predict_profile(model, profile, features=features, device=device, seed=seed)
    return [alone, both]


def _features(
    source: Source,
    image: tuple[CT, Mask],
    among: Iterable[Model],
    device: str,
    centre_lps: Point | None,
) -> dict[str, float]:
    """One image source's columns of a patient, made as a store's are."""
    ct, mask = image
    if source.cube is not None:
        size, spacing = source.cube.size, source.cube.spacing
        cut = crop(ct, mask, size=size, spacing=spacing, centre_lps=centre_lps)
        hu, tumour = (sitk.GetArrayFromImage(one) for one in (cut.ct, cut.mask))
        found = tumour_features(hu, tumour, spacing_mm=spacing)
        return _chosen(source, {"volume_ml": cut.mask_volume_ml, **found})
    if source.extractor is None:
        raise ModelError(
            "The image is not used: the model does not say in which crops of the CT the features "
            f"of its source '{source.name}' were measured. Train it again from a store."
        )
    extractor = _extractor(source, among)
    spec = extractor.card.image
    cut = crop(ct, mask, size=spec.size, spacing=spec.spacing, centre_lps=centre_lps)
    network = extractor.network.to(chosen_device(device))
    _, features = answers(network, spec, [sitk.GetArrayFromImage(cut.ct)])
    known = {f"feature {n}": value for n, value in enumerate(features[0].tolist(), 1)}
    return _chosen(source, known)


def _chosen(source: Source, known: Mapping[str, float]) -> dict[str, float]:
    unknown = [column for column in source.columns if column not in known]
    if unknown:
        raise ModelError(
            f"The image is not used: the source '{source.name}' has {len(unknown)} columns that "
            "this LungSquad does not know how to make."
        )
    return {column: known[column] for column in source.columns}


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
        of_images = entry.card is not None and entry.card.kind == "classifier"
        if of_images and sha256_of_file(entry.path) == sha256:
            yield read_model_file(entry.path)
