"""The pretrained network that the training of a classifier starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from ...errors import InputError
from ...models.card import Card, Seen
from ...models.catalogue import check_kind, read_model
from ...models.file import Model
from ...models.inputs import InputSpec
from ...models.keras_import import import_keras


@dataclass(frozen=True)
class Start:
    """The network that a training starts from."""

    card: Card | None
    network: nn.Module | None
    sha256: str | None

    @property
    def seen(self) -> Seen | None:
        """The cases it was trained on; None if its card does not say."""
        return self.card.training.seen if self.card is not None else None


def input_on(card: Card, size: int) -> InputSpec:
    """Return the input of a network on the trunk of a model; HU are clipped, but of an encoder.

    Args:
        card: of the model.
        size: voxels along each axis.

    Raises:
        InputError: the model is an encoder of cubes of another size.
    """
    spec = card.image
    if card.kind != "encoder":
        return replace(spec, size=size, clip=True)
    if size != spec.size:
        raise InputError(
            f"The encoder '{card.name}' was trained on cubes of {spec}: add --size {spec.size}."
        )
    return spec


def read_start(init: str | None) -> Start:
    """Read the network of a model (classifier, descriptor, encoder), or Keras weights (.h5)."""
    if init is None:
        return Start(None, None, None)
    if Path(init).suffix.lower() in (".h5", ".hdf5"):
        network, card = import_keras(init)
        digest = (card.training.fingerprint or "").rsplit(" ", 1)[-1]
        return Start(card, network, digest)
    model: Model = read_model(init)
    if model.card.kind not in ("descriptor", "encoder"):
        check_kind(model.card, "classifier")
    return Start(model.card, model.trainable(), model.sha256)
