"""Models of tables asked about one patient: by the profile alone, and with the patient's image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import SimpleITK as sitk

from ..errors import ModelError
from ..files import sha256_of_file
from ..imaging.crop import crop
from ..imaging.ct import CT
from ..imaging.flags import Flag
from ..imaging.geometry import Point
from ..imaging.masks import Mask
from ..imaging.tumour_features import tumour_features
from ..models.catalogue import available
from ..models.file import Model, read_bundle
from ..models.inputs import Source
from ..networks.devices import chosen_device
from .classifier import answers
from .profile import ProfilePrediction, predict_profile
from .profile_file import Profile


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
            yield read_bundle(entry.path)
