"""Writing of volumes and pictures; each file is whole or absent."""

from __future__ import annotations

import errno
import os
import struct
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ...errors import InputError
from ...files import whole_file

VOLUME_SUFFIXES = (".nrrd", ".nii.gz", ".nii", ".mha")
_PNG_HEADER = 33  # bytes of the signature and the first chunk, after which texts may stand
_NIFTI_HEADER = 352  # bytes of the header that ITK writes
_PNG_END = b"IEND\xaeB`\x82"


def check_volume_name(path: str | os.PathLike[str]) -> None:
    """Refuse a file name without a known suffix, before work is done for it."""
    if not os.fspath(path).lower().endswith(VOLUME_SUFFIXES):
        listed = ", ".join(VOLUME_SUFFIXES)
        raise InputError(f"'{path}' must end in one of {listed}.")


def check_distinct(
    outputs: Sequence[str | os.PathLike[str]], inputs: Sequence[str | os.PathLike[str]]
) -> None:
    """Refuse outputs that would replace one another or an input."""
    used = {os.path.realpath(path) for path in inputs}  # realpath accepts circular links
    for path in outputs:
        target = os.path.realpath(path)
        if target in used:
            raise InputError(f"'{path}' is an input or another output; give another name.")
        used.add(target)


def write_volumes(images: Mapping[str | os.PathLike[str], sitk.Image]) -> None:
    """Write volumes as NRRD, NIfTI or MHA, by their suffix, compressed: all of them or none.

    Raises:
        InputError: the suffix is unknown.
        OSError: a file cannot be written.
    """
    with ExitStack() as all_or_none:
        for path, image in images.items():
            check_volume_name(path)
            temporary = all_or_none.enter_context(whole_file(path))
            _write(image, temporary, path)
            if not _complete_nifti(temporary, image):
                raise _disk_full(path)


def write_png(
    path: str | os.PathLike[str], pixels: np.ndarray, *, description: str | None = None
) -> None:
    """Write grey (y, x) or colour (y, x, 3 or 4) pixels, uint8, as PNG.

    Args:
        path: of the file, which is whole or absent.
        pixels: the picture.
        description: ASCII text that the file carries (PNG specification, section 11.3.3).
    """
    with whole_file(path) as temporary:
        _write(sitk.GetImageFromArray(pixels, isVector=pixels.ndim == 3), temporary, path)
        data = temporary.read_bytes()
        if not data.endswith(_PNG_END):
            raise _disk_full(path)
        if description is not None:
            text = _png_chunk(b"tEXt", b"Description\0" + description.encode("ascii"))
            temporary.write_bytes(data[:_PNG_HEADER] + text + data[_PNG_HEADER:])


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png_bytes(pixels: np.ndarray) -> bytes:
    """Return pixels as a PNG file in memory."""
    with tempfile.TemporaryDirectory(prefix="lungsquad-") as folder:
        path = Path(folder) / "picture.png"
        write_png(path, pixels)
        return path.read_bytes()


def _write(image: sitk.Image, to: Path, path: str | os.PathLike[str]) -> None:
    try:
        sitk.WriteImage(image, os.fspath(to), True)
    except RuntimeError as error:  # how ITK reports errors of the system
        raise _disk_full(path) from error


def _complete_nifti(path: Path, image: sitk.Image) -> bool:
    """Whether a NIfTI file has its full length: on a full disk ITK writes less, without an error.

    A gzip file ends with the length of its content (RFC 1952). Other formats raise errors.
    """
    expected = _NIFTI_HEADER + sitk.GetArrayViewFromImage(image).nbytes
    if path.suffix == ".nii":
        return path.stat().st_size == expected
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 4, 0))
        return path.suffix != ".gz" or file.read() == (expected % (1 << 32)).to_bytes(4, "little")


def _disk_full(path: str | os.PathLike[str]) -> OSError:
    return OSError(errno.EIO, "could not be written (is the disk full?)", str(path))
