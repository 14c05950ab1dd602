"""Model files: weights and card in one `.safetensors` file, read without trusting it."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..errors import MissingPackageError, ModelError
from ..fields import printable, quoted_path, reason
from ..files import sha256_of_file, whole_file
from ..networks import build
from .card import Card, NetworkSpec, checked_card
from .container import open_regular, read_header, write_safetensors

if TYPE_CHECKING:
    from torch import Tensor, nn

T = TypeVar("T")

SUFFIX = ".safetensors"

_NETWORK, _REFERENCE = "network.", "reference."
_REFERENCES = tuple(_REFERENCE + name for name in ("mean", "precision", "distances"))
_DTYPES = {"F32": "<f4", "F64": "<f8"}
_MAX_DISTANCES = 10**6


@dataclass(frozen=True, eq=False)
class Reference:
    """The network's features on reference cases, for the out-of-distribution score.

    Attributes:
        mean: (D,); precision: (D, D), the inverse covariance; both of the reference cases.
        distances: (M,), sorted Mahalanobis distances of held-out cases (of a split, or out of
            fold), which neither the network nor `mean` and `precision` depend on.
    """

    mean: np.ndarray
    precision: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True, eq=False)
class Model:
    """A model file that has been read and checked.

    Attributes:
        path: of the file.
        card: the model's card.
        sha256: of the bytes that were read.
        reference: statistics of reference cases, if the file has them.
        weights: by their names in the network's `state_dict`; must not be changed.
    """

    path: Path
    card: Card
    sha256: str
    reference: Reference | None
    weights: Mapping[str, np.ndarray]

    @cached_property
    def network(self) -> Any:
        """The network for inference: folded, in eval mode, built at first use."""
        from ..networks.folding import folded

        network = self.trainable()
        return folded(network) if self.card.kind == "classifier" else network.for_inference()

    def trainable(self) -> Any:
        """Build the unfolded network with a copy of the weights, in eval mode."""
        import torch

        network = _without_weights(self.card.network)
        weights = {name: torch.from_numpy(array.copy()) for name, array in self.weights.items()}
        # Not `to_empty`: it loads torch's symbolic shapes, which takes as long as a prediction.
        network.load_state_dict(weights, strict=False, assign=True)  # names were checked before
        return network.eval()


def read_card(path: str | os.PathLike[str]) -> Card:
    """Read the card of a model file; needs no torch.

    Raises:
        ModelError: says what is wrong with the file.
    """
    return _reading(path, _read_card)


def read_model_file(path: str | os.PathLike[str]) -> Model:
    """Read a model file and check its header, card, weights and reference.

    Raises:
        ModelError: says what is wrong with the file.
        MissingPackageError: torch is not installed.
    """
    return _reading(path, _read_model)


def write_model_file(
    path: str | os.PathLike[str],
    network: nn.Module,
    *,
    card: Card,
    reference: Reference | None = None,
) -> str:
    """Write a model file, whole or not at all.

    Args:
        path: ends in ".safetensors".
        network: of `card.network`, not folded.
        card: checked as on reading.
        reference: given if and only if `card.reference` is.

    Returns:
        The file's SHA-256.

    Raises:
        ModelError: the card is not valid, or does not match the weights.
        MissingPackageError: safetensors is not installed.
    """
    target = Path(path)
    if target.suffix != SUFFIX:
        raise ModelError(f"A model's file name ends in '{SUFFIX}', which '{target.name}' does not.")
    card = Card.from_json(card.to_json())
    arrays = {_NETWORK + name: _array(name, value) for name, value in network.state_dict().items()}
    if reference is not None:
        for name in _REFERENCES:
            arrays[name] = np.ascontiguousarray(
                getattr(reference, name.removeprefix(_REFERENCE)), np.float64
            )
    try:
        _check_tensors(card, {name: (_dtype(a), a.shape) for name, a in arrays.items()})
        _check_values(arrays)
    except ValueError as error:
        raise ModelError(f"The model '{target.name}' was not written: {error}.") from error
    with whole_file(target) as temporary:
        write_safetensors(temporary, arrays, card.to_json())
        return sha256_of_file(temporary)


def _reading(path: str | os.PathLike[str], read: Callable[[Path, BufferedReader], T]) -> T:
    """Open and read a file; every failure becomes a sentence that names it."""
    file_path = Path(path)
    try:
        with open_regular(file_path) as file:
            return read(file_path, file)
    except OSError as error:
        why = f"it cannot be read ({error.strerror or error})"
    except ValueError as error:
        why = reason(error)
    raise ModelError(f"The model {quoted_path(file_path)} cannot be used: {why}.")


def _read_card(_path: Path, file: BufferedReader) -> Card:
    return checked_card(read_header(file).card)


def _read_model(path: Path, file: BufferedReader) -> Model:
    header = read_header(file)
    card = checked_card(header.card)
    _check_tensors(card, {name: (e.dtype, e.shape) for name, e in header.tensors.items()})
    start = file.tell()
    data = bytearray(header.size - start)
    if file.readinto(data) != len(data):
        raise ValueError("it changed while it was read; try again")
    file.seek(0)
    digest = hashlib.sha256(file.read(start))
    digest.update(data)
    arrays = {
        name: np.frombuffer(
            data, _DTYPES[entry.dtype], count=math.prod(entry.shape), offset=entry.start
        ).reshape(entry.shape)
        for name, entry in header.tensors.items()
    }
    _check_values(arrays)
    weights = {
        name.removeprefix(_NETWORK): array
        for name, array in arrays.items()
        if name.startswith(_NETWORK)
    }
    reference = None
    if card.reference is not None:
        reference = Reference(*(arrays[name].astype(np.float64) for name in _REFERENCES))
    return Model(path, card, digest.hexdigest(), reference, weights)


def _without_weights(spec: NetworkSpec) -> Any:
    """Build the network on the meta device: nothing is allocated."""
    try:
        import torch
    except ImportError as error:
        raise MissingPackageError("torch", "Running a network", "networks") from error
    with torch.device("meta"):
        return build(spec.name, spec.arguments)


def _check_tensors(card: Card, tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> None:
    """Refuse tensors other than those of the card's network and reference."""
    network = _without_weights(card.network)
    expected = {_NETWORK + name: tuple(value.shape) for name, value in network.state_dict().items()}
    if card.reference is not None:
        count = network.feature_count
        shapes = [(count,), (count, count), tensors.get(_REFERENCES[2], ("", ()))[1]]
        expected |= dict(zip(_REFERENCES, shapes, strict=True))
        if len(shapes[2]) != 1 or not 1 <= shapes[2][0] <= _MAX_DISTANCES:
            raise ValueError(f"it has no proper '{_REFERENCES[2]}' of its reference cases")
    for name, shape in expected.items():
        if name not in tensors:
            raise ValueError(f"the tensor '{name}' is missing from its weights")
        dtype, actual = tensors[name]
        if actual != shape:
            raise ValueError(f"its tensor '{name}' has the shape {list(actual)}, not {list(shape)}")
        if dtype != "F32" and not name.startswith(_REFERENCE):
            raise ValueError(f"its tensor '{name}' has the type {dtype}, not F32")
    for name in tensors:
        if name not in expected:
            raise ValueError(
                f"its tensor {printable(name, most=80)} belongs to nothing in its card"
            )


def _check_values(arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse values that no training produces."""
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"its tensor '{name}' holds a number that is not finite")
        if name.endswith(".running_var") and (array < 0).any():
            raise ValueError(f"its tensor '{name}' holds a negative variance")
    if _REFERENCES[0] not in arrays:
        return
    precision, distances = (arrays[name].astype(np.float64) for name in _REFERENCES[1:])
    if (np.diff(distances) < 0).any() or distances[0] < 0:
        raise ValueError(f"its '{_REFERENCES[2]}' are not sorted distances")
    if not _is_precision(precision):
        raise ValueError(f"its '{_REFERENCES[1]}' is not the inverse of a covariance")


def _is_precision(matrix: np.ndarray) -> bool:
    """Whether a matrix is symmetric and positive definite, to single precision."""
    largest = np.abs(matrix).max()
    if not np.allclose(matrix, matrix.T, rtol=0, atol=1e-5 * largest):
        return False
    try:
        np.linalg.cholesky(matrix + 1e-6 * largest * np.eye(len(matrix)))
    except np.linalg.LinAlgError:
        return False
    return bool(largest > 0)


def _array(name: str, value: Tensor) -> np.ndarray:
    if str(value.dtype) != "torch.float32":
        raise ModelError(f"The weights '{name}' are {value.dtype}, and models hold float32 only.")
    return np.ascontiguousarray(value.detach().cpu().numpy())


def _dtype(array: np.ndarray) -> str:
    names = {np.dtype(code): name for name, code in _DTYPES.items()}
    return names.get(array.dtype, str(array.dtype))
