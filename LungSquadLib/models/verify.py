"""Comparison of a model's outputs with those of the network that it was imported from."""

from __future__ import annotations

import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ModelError
from ..fields import printable, quoted_path, reason
from .file import Model

if TYPE_CHECKING:
    from ..networks.trunk_and_head import TrunkAndHead

_MAX_BYTES = 1 << 30
_MAX_ENTRIES = 64
_OUTPUTS: tuple[str, ...] = ("softmax", "features", "logits")

# What zipfile, zlib and numpy raise of broken files.
_BROKEN = (
    *(OSError, ValueError, EOFError, RuntimeError, KeyError, OverflowError, MemoryError),
    *(SyntaxError, zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError),
)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class VerifyResult:
    """Largest absolute differences of a model's outputs from the expected ones.

    Attributes:
        differences: by output: "softmax" and, if they were given, "features" and "logits".
        cases: number of inputs.
        tolerance: largest difference that `passed` allows.
    """

    differences: Mapping[str, float]
    cases: int
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether every output agrees within the tolerance."""
        return all(difference <= self.tolerance for difference in self.differences.values())


def verify(model: Model, path: str | os.PathLike[str], *, tolerance: float = 1e-5) -> VerifyResult:
    """Compare a model's outputs with those in an `.npz` file.

    Args:
        model: its folded network is compared, without temperature.
        path: `.npz` with the input `x` (N, z, y, x, 1), already scaled, `softmax` (N, classes)
            and optionally `features` (N, D) and `logits` (N, classes).
        tolerance: largest absolute difference that passes.

    Raises:
        ModelError: says what is wrong with the file or the tolerance.
    """
    if not 0 <= tolerance < math.inf:
        raise ModelError(f"The tolerance must be a number from 0 up, not {tolerance}.")
    try:
        expected = _read(Path(path), model.network)
    except _BROKEN as error:
        raise ModelError(
            f"The expected outputs {quoted_path(path)} cannot be used: {reason(error)}."
        ) from error
    actual = outputs(model.network, expected.pop("x")[..., 0])
    differences = {
        name: float(np.abs(actual[name] - array).max()) for name, array in expected.items()
    }
    return VerifyResult(differences, len(expected["softmax"]), tolerance)


def outputs(network: TrunkAndHead, x: np.ndarray) -> dict[str, np.ndarray]:
    """Compute features, logits and softmax of inputs (N, z, y, x), one by one."""
    import torch

    with torch.inference_mode():
        outputs = [network.forward_with_features(torch.from_numpy(case)[None, None]) for case in x]
        logits = torch.cat([output.logits for output in outputs])
        return {
            "features": torch.cat([output.features for output in outputs]).numpy(),
            "logits": logits.numpy(),
            "softmax": torch.softmax(logits, 1).numpy(),
        }


def _read(path: Path, network: TrunkAndHead) -> dict[str, np.ndarray]:
    """Read the arrays of the file; their declared shapes are checked before decompression."""
    if not path.is_file():
        raise ValueError("there is no such file" if not path.exists() else "it is not a file")
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > _MAX_ENTRIES:
            raise ValueError(f"it holds more than {_MAX_ENTRIES} arrays")
        names = {entry.filename.removesuffix(".npy"): entry for entry in entries}
        shapes = {
            name: _declared(archive, names[name]) for name in ("x", *_OUTPUTS) if name in names
        }
        _check(shapes, network)
        return {name: _array(archive, names[name], shape) for name, shape in shapes.items()}


def _check(shapes: Mapping[str, Shape], network: TrunkAndHead) -> None:
    for name in ("x", "softmax"):
        if name not in shapes:
            raise ValueError(f"it has no array '{name}'")
    if not shapes["x"] or shapes["x"][0] < 1:
        raise ValueError("its array 'x' holds no case")
    cases, side = shapes["x"][0], network.input_size
    expected = {
        "x": (cases, side, side, side, 1),
        "softmax": (cases, network.classes),
        "logits": (cases, network.classes),
        "features": (cases, network.feature_count),
    }
    for name, shape in shapes.items():
        if shape != expected[name]:
            raise ValueError(
                f"its array '{name}' has the shape {list(shape)}, not {list(expected[name])}"
            )


def _declared(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Shape:
    """Return an array's shape from its header, if it is float32 and of the declared size."""
    name = printable(entry.filename)
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        if version not in {(1, 0), (2, 0)}:
            raise ValueError(f"its array {name} is of an unknown version")
        read = np.lib.format.read_array_header_1_0
        shape, _, dtype = (read if version == (1, 0) else np.lib.format.read_array_header_2_0)(file)
        start = file.tell()
    if dtype != np.float32:
        raise ValueError(f"its array {name} does not hold float32 numbers")
    size = math.prod(shape) * dtype.itemsize
    if size > _MAX_BYTES:
        raise ValueError(f"its array {name} is larger than {_MAX_BYTES >> 30} GiB")
    if entry.file_size != start + size:
        raise ValueError(f"its array {name} is not as large as it says")
    return tuple(int(n) for n in shape)


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, shape: Shape) -> np.ndarray:
    with archive.open(entry) as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"its array {printable(entry.filename)} holds a number that is not finite")
    return np.ascontiguousarray(array)
