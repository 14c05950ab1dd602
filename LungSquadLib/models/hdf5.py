"""Arrays of a Keras HDF5 file, read without trusting the file.

HDF5 can point to other files and objects, and can declare arrays of any size. Everything that the
Keras layout has no use for is refused before any array is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MissingPackageError
from ..fields import is_plain, shown, shown_path

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MAX_FILE = 1 << 31
_MAX_LAYERS = 300
_MAX_ARRAYS = 16
_MAX_NAME = 200
_FILTERS = {1, 2, 3}  # deflate, shuffle, Fletcher's checksum


@dataclass(frozen=True)
class KerasLayer:
    """A layer that has weights: its name and its arrays' shapes, in the order of the file."""

    name: str
    shapes: tuple[tuple[int, ...], ...]


class KerasFile:
    """The layers with weights of an open Keras file, in order; `with` closes it.

    Takes files of `save_weights` and of `model.save`. Errors are `ValueError`s with half a
    sentence, and whatever h5py raises of broken files (see `H5_ERRORS`).
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
            self._datasets = self._find()
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
        """The arrays of one of `layers`. Their shapes must have been looked at before."""
        return [np.asarray(dataset[()], np.float32) for dataset in self._datasets[layer][1]]

    def _find(self) -> list[tuple[str, list[Any]]]:
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
        """What `group` holds under `name`, which must lie in this file itself."""
        what = f"'{name}' in {shown_path(group.name)}"
        link = group.get(name, getlink=True)
        if link is None:
            raise ValueError(f"{what} is missing")
        if not isinstance(link, self._h5py.HardLink):
            raise ValueError(f"{what} points elsewhere, which Keras files never do")
        if group.get(name, getclass=True) is not kind:
            raise ValueError(f"{what} is not a {kind.__name__.lower()}")
        return group[name]

    def _names(self, group: Any, attribute: str, most: int) -> list[str]:
        """A list of names in an attribute, as Keras stores them: texts of fixed length."""
        what = f"the list '{attribute}' of {shown_path(group.name)}"
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
                raise ValueError(f"{what} holds {shown(name)}, which is not a name")
        return names

    def _dataset(self, group: Any, name: str) -> Any:
        """A dataset of plain float32 numbers that lie in this file."""
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


# What h5py raises where HDF5 stumbles over a broken file.
H5_ERRORS = (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError)


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
