"""The published weights of Hosny et al. 2018, from their Keras 1.2.2 file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MissingPackageError, ModelError
from ..fields import reason, shown_path
from ..files import sha256_of_file
from .card import Card, ClassLabel, NetworkSpec, Training
from .hdf5 import H5_ERRORS, KerasFile, KerasLayer
from .inputs import InputSpec

if TYPE_CHECKING:
    from torch import nn

    from ..networks.prognosis import PrognosisNetwork

DOI = "10.1371/journal.pmed.1002711"

Shape = tuple[int, ...]


def import_keras(
    path: str | os.PathLike[str],
    *,
    name: str = "hosny-2018",
    licence: str = "That of the imported weights; see where they came from.",
    intended_use: str = "Research, within what the authors of the weights allow.",
    width: float = 1.0,
) -> tuple[PrognosisNetwork, Card]:
    """The prognosis network with the weights of a Keras 1.2.2 file, and a card for it.

    Layers are told by their order and shapes, not by their names. Check the result with
    `LungSquadLib.models.verify.verify` against outputs of the original.

    Args:
        path: HDF5 file of `save_weights` or `model.save`.
        name: the new model's name.
        licence: what the card is to say of the weights.
        intended_use: likewise.
        width: 1 for the paper's network.

    Returns:
        The network in eval mode, and the card to pass to `write_bundle` with it.

    Raises:
        ModelError: with a sentence that says what is wrong with the file.
        MissingPackageError: h5py or torch is not installed.
    """
    try:
        from ..networks.prognosis import PrognosisNetwork
    except ImportError as error:
        raise MissingPackageError("torch", "Importing Keras weights", "networks") from error
    network = PrognosisNetwork(width).eval()
    try:
        _load(network, Path(path))
        sha256 = sha256_of_file(path)
    except H5_ERRORS as error:
        raise ModelError(
            f"The Keras file {shown_path(path)} cannot be imported: {reason(error)}."
        ) from error
    spec = NetworkSpec("prognosis", {"width": width})
    return network, _card(spec, sha256, name=name, licence=licence, intended_use=intended_use)


def _load(network: PrognosisNetwork, path: Path) -> None:
    """Copy a file's arrays into the network, once all their shapes are known to be right."""
    modules = _weighted(network)
    with KerasFile(path) as file:
        if len(file.layers) != len(modules):
            raise ValueError(
                f"it has {len(file.layers)} layers with weights, and the network of "
                f"Hosny et al. 2018 has {len(modules)}"
            )
        for number, (layer, module) in enumerate(zip(file.layers, modules, strict=True), start=1):
            _check_shapes(number, layer, _keras_shapes(module))
        for index, module in enumerate(modules):
            arrays = file.arrays(index)
            _check_numbers(file.layers[index], module, arrays)
            _copy(network, module, arrays)


def _weighted(network: PrognosisNetwork) -> list[nn.Module]:
    """The layers with weights, in the order of the paper."""
    head = network.head
    layers = [*network.trunk, *head.before, *head.after]
    return [layer for layer in layers if any(True for _ in layer.parameters())]


def _keras_shapes(module: nn.Module) -> list[Shape]:
    from torch import nn

    if isinstance(module, nn.Conv3d):
        return [
            (*module.kernel_size, module.in_channels, module.out_channels),
            (module.out_channels,),
        ]
    if isinstance(module, nn.Linear):
        return [(module.in_features, module.out_features), (module.out_features,)]
    return [tuple(module.get_parameter("weight").shape)] * 4


def _copy(network: PrognosisNetwork, module: nn.Module, arrays: Sequence[np.ndarray]) -> None:
    """Keras's arrays into one layer: their last axis is out, and channels are flattened last."""
    import torch
    from torch import nn

    if isinstance(module, nn.Conv3d):
        kernel, bias = arrays
        weights = {"weight": kernel.transpose(4, 3, 0, 1, 2), "bias": bias}
    elif isinstance(module, nn.Linear):
        matrix, bias = arrays
        if module is network.head.before.dense1:
            matrix = _channels_first(matrix, network.trunk.get_parameter("conv4.bias").numel())
        weights = {"weight": matrix.T, "bias": bias}
    else:  # Keras calls the running variance running_std
        weights = dict(zip(("weight", "bias", "running_mean", "running_var"), arrays, strict=True))
    state = {name: torch.from_numpy(array.copy()) for name, array in weights.items()}
    module.load_state_dict(state, strict=False)


def _channels_first(matrix: np.ndarray, channels: int) -> np.ndarray:
    """The rows of a dense layer behind Keras's flatten, in the order of torch's."""
    inputs, outputs = matrix.shape
    side = round((inputs // channels) ** (1 / 3))
    blocks = matrix.reshape(side, side, side, channels, outputs)
    return blocks.transpose(3, 0, 1, 2, 4).reshape(inputs, outputs)


def _check_shapes(number: int, layer: KerasLayer, expected: Sequence[Shape]) -> None:
    if list(layer.shapes) != list(expected):
        raise ValueError(
            f"its layer {number} with weights, '{layer.name}', holds arrays of "
            f"{_text(layer.shapes)}, where the network of Hosny et al. 2018 has {_text(expected)}"
        )


def _check_numbers(layer: KerasLayer, module: nn.Module, arrays: Sequence[np.ndarray]) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(f"its layer '{layer.name}' holds a number that is not finite")
    if hasattr(module, "running_var") and (arrays[3] < 0).any():
        raise ValueError(f"its layer '{layer.name}' holds a negative variance")


def _text(shapes: Sequence[Shape]) -> str:
    return " and ".join("x".join(map(str, shape)) or "one number" for shape in shapes)


def _card(network: NetworkSpec, sha256: str, *, name: str, licence: str, intended_use: str) -> Card:
    card = Card(
        name=name,
        title="Hosny et al. 2018",
        task="survival2y",
        question="Is the patient alive two years after the start of treatment?",
        classes=(ClassLabel("deceased", "deceased"), ClassLabel("alive", "alive")),
        network=network,
        input=InputSpec(
            size=50, spacing=1.0, hu_low=-1024.0, hu_high=3071.0, clip=False, axes="LPS"
        ),
        positive=1,
        training=Training(
            data="That of the authors of the weights; converted from a Keras file.",
            fingerprint=f"sha256 of the Keras file: {sha256}",
        ),
        licence=licence,
        intended_use=intended_use,
        must_not=(
            "Do not use it to diagnose, to choose a treatment or to tell a patient a prognosis.",
            "Do not use it on patients unlike those it was trained on: non-small-cell lung cancer.",
        ),
        doi=DOI,
    )
    return Card.from_json(card.to_json())
