"""Import of the published weights of Hosny et al. 2018 from their Keras 1.2.2 file.

HDF5 can point to other files and objects, and can declare arrays of any size. Everything that the
Keras layout has no use for is refused before any array is read.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import MissingPackageError, ModelError
from ..fields import is_plain, printable, quoted_path, reason
from ..files import sha256_of_file
from .card import Card, ClassLabel, NetworkSpec, Training
from .inputs import InputSpec

if TYPE_CHECKING:
    from torch import nn

    from ..networks.prognosis import PrognosisNetwork

DOI = "10.1371/journal.pmed.1002711"

# What h5py raises for a broken file.
H5_ERRORS = (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError)
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MAX_FILE = 1 << 31
_MAX_LAYERS = 300
_MAX_ARRAYS = 16
_MAX_NAME = 200
_FILTERS = {1, 2, 3}  # deflate, shuffle, Fletcher's checksum

Shape = tuple[int, ...]


def import_keras(
    path: str | os.PathLike[str],
    *,
    name: str = "hosny-2018",
    licence: str = "That of the imported weights; see where they came from.",
    intended_use: str = "Research, within what the authors of the weights allow.",
    trained_on: str = "That of the authors of the weights; converted from a Keras file.",
    width: float = 1.0,
) -> tuple[PrognosisNetwork, Card]:
    """Import the weights of a Keras 1.2.2 file into the prognosis network, with a card.

    Layers are identified by order and shape, not by name. Check the result with
    `LungSquadLib.models.verify.verify` against outputs of the original.

    Args:
        path: HDF5 file of `save_weights` or `model.save`.
        name: of the new model.
        licence: of the weights, for the card.
        intended_use: for the card.
        trained_on: the training data, for the card.
        width: 1 for the paper's network.

    Returns:
        The network in eval mode, and the card to pass to `write_model_file` with it.

    Raises:
        ModelError: says what is wrong with the file.
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
            f"The Keras file {quoted_path(path)} cannot be imported: {reason(error)}."
        ) from error
    spec = NetworkSpec("prognosis", {"width": width})
    training = Training(data=trained_on, fingerprint=f"sha256 of the Keras file: {sha256}")
    return network, _card(spec, training, name=name, licence=licence, intended_use=intended_use)


def _load(network: PrognosisNetwork, path: Path) -> None:
    """Copy a file's arrays into the network after all their shapes have been checked."""
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
    """Return the layers with weights, in the order of the paper."""
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
    """Copy Keras's arrays into a layer: their last axis is the output, channels flatten last."""
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
    """Reorder the rows of a dense layer after Keras's flatten to torch's order."""
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


def _card(
    network: NetworkSpec, training: Training, *, name: str, licence: str, intended_use: str
) -> Card:
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
        training=training,
        licence=licence,
        intended_use=intended_use,
        must_not=(
            "Do not use it to diagnose, to choose a treatment or to give a patient a prognosis.",
            "Do not use it for other patients than those with non-small-cell lung cancer.",
        ),
        doi=DOI,
    )
    return Card.from_json(card.to_json())


@dataclass(frozen=True)
class KerasLayer:
    """A layer with weights: its name and its arrays' shapes, in the order of the file."""

    name: str
    shapes: tuple[tuple[int, ...], ...]


class KerasFile:
    """The layers with weights of an open Keras file, in order; `with` closes it.

    Reads files of `save_weights` and of `model.save`. Errors are `ValueError`s with a clause, and
    what h5py raises for broken files (see `H5_ERRORS`).
    """

    def __init__(self, path: Path) -> None:
        try:
            import h5py
        except ImportError as error:
            raise MissingPackageError("h5py", "Importing Keras weights", "keras") from error
        _check_file(path)
        self._h5py = h5py
        self._file = h5py.File(path, "r")
        try:
            self._datasets = self._layers_with_weights()
        except BaseException:
            self._file.close()
            raise
        self.layers = [
            KerasLayer(name, tuple(dataset.shape for dataset in datasets))
            for name, datasets in self._datasets
        ]

    def __enter__(self) -> KerasFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def arrays(self, layer: int) -> list[np.ndarray]:
        """Read the arrays of one of `layers`, whose shapes must have been checked."""
        return [np.asarray(dataset[()], np.float32) for dataset in self._datasets[layer][1]]

    def _layers_with_weights(self) -> list[tuple[str, list[Any]]]:
        root: Any = self._file
        if "layer_names" not in root.attrs:
            if "model_weights" not in root:
                raise ValueError(
                    "it has neither 'layer_names' nor 'model_weights', as Keras writes"
                )
            root = self._member(root, "model_weights", self._h5py.Group)
        result = []
        for name in self._names(root, "layer_names", _MAX_LAYERS):
            group = self._member(root, name, self._h5py.Group)
            datasets = [
                self._dataset(group, weight)
                for weight in self._names(group, "weight_names", _MAX_ARRAYS)
            ]
            if datasets:
                result.append((name, datasets))
        return result

    def _member(self, group: Any, name: str, kind: type) -> Any:
        """Return a member of `group`, which must lie in this file itself."""
        what = f"'{name}' in {quoted_path(group.name)}"
        link = group.get(name, getlink=True)
        if link is None:
            raise ValueError(f"{what} is missing")
        if not isinstance(link, self._h5py.HardLink):
            raise ValueError(f"{what} points elsewhere, which Keras files never do")
        if group.get(name, getclass=True) is not kind:
            raise ValueError(f"{what} is not a {kind.__name__.lower()}")
        return group[name]

    def _names(self, group: Any, attribute: str, most: int) -> list[str]:
        """Read a list of names from an attribute, which Keras stores as texts of fixed length."""
        what = f"the list '{attribute}' of {quoted_path(group.name)}"
        if attribute not in group.attrs:
            raise ValueError(f"{what} is missing")
        stored = group.attrs.get_id(attribute)
        if stored.shape is None or stored.shape == (0,):
            return []
        if len(stored.shape) != 1 or stored.shape[0] > most:
            raise ValueError(f"{what} is not a list of at most {most} names")
        if stored.dtype.kind != "S" or stored.dtype.itemsize > _MAX_NAME:
            raise ValueError(f"{what} does not hold short texts of fixed length")
        names = [bytes(name).decode("utf-8") for name in group.attrs[attribute]]
        for name in names:
            if not name or not is_plain(name) or "/" in name or name == ".":
                raise ValueError(f"{what} holds {printable(name)}, which is not a name")
        return names

    def _dataset(self, group: Any, name: str) -> Any:
        """Return a dataset of plain float32 numbers in this file."""
        dataset = self._member(group, name, self._h5py.Dataset)
        what = f"the array '{name}'"
        if dataset.dtype.kind != "f" or dataset.dtype.itemsize != 4 or dataset.dtype.subdtype:
            raise ValueError(f"{what} does not hold float32 numbers")
        if dataset.is_virtual or dataset.external:
            raise ValueError(f"{what} lies in another file, which Keras files never do")
        if dataset.shape is None or math.prod(dataset.shape) * 4 > _MAX_FILE:
            raise ValueError(f"{what} is empty or absurdly large")
        if dataset.chunks and math.prod(dataset.chunks) > 2 * math.prod(dataset.shape) + 1024:
            raise ValueError(f"{what} is stored in chunks larger than itself")
        properties = dataset.id.get_create_plist()
        filters = {properties.get_filter(i)[0] for i in range(properties.get_nfilters())}
        if filters - _FILTERS:
            raise ValueError(f"{what} is packed in a way that Keras does not use")
        return dataset


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise ValueError("it is a folder; name the '.h5' file itself")
    if not path.exists():
        raise ValueError("there is no such file")
    if not path.is_file():
        raise ValueError("it is not a regular file")
    with path.open("rb") as file:
        if file.read(len(_SIGNATURE)) != _SIGNATURE:
            raise ValueError("it is not an HDF5 file (Keras weights end in '.h5')")
        if file.seek(0, 2) > _MAX_FILE:
            raise ValueError(f"it is larger than {_MAX_FILE >> 30} GiB")
