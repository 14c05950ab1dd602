"""Search for the DICOM series in a folder, and choice of the CT."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ...errors import InputError, one_line
from ...progress import Progress, Silent, step
from . import header as tags
from .header import CT_IMAGE, DICOMDIR, ENHANCED_CT, Header, read_header


@dataclass(frozen=True)
class Series:
    """The files of one DICOM series, by header only."""

    uid: str
    headers: tuple[Header, ...]

    @property
    def modality(self) -> str:
        return self.headers[0].text(tags.MODALITY)

    @property
    def description(self) -> str:
        return self.headers[0].decoded(tags.SERIES_DESCRIPTION)

    @cached_property
    def ct_images(self) -> tuple[Header, ...]:
        """The headers that are CT images and not localizers (scouts, topograms)."""
        return tuple(header for header in self.headers if _is_ct_image(header))

    @property
    def frames(self) -> int:
        """CT slices, over all files."""
        return sum(header.frames for header in self.ct_images)

    def summary(self) -> str:
        """Return a line for the user who chooses a series."""
        header = (self.ct_images or self.headers)[0]
        size = f"{header.number(tags.COLUMNS)} x {header.number(tags.ROWS)}"
        thickness = header.decimals(tags.SLICE_THICKNESS)
        parts = [f"{self.frames} slices", size]
        if thickness:
            parts.append(f"{thickness[0]:g} mm")
        if self.description:
            parts.append(f"'{self.description}'")
        return f"{self.uid}  {', '.join(parts)}"


@dataclass
class SeriesSearch:
    """The contents of a folder: its series, the number of other files, and unreadable files."""

    path: Path
    series: list[Series] = field(default_factory=list)
    other_files: int = 0
    unreadable: list[str] = field(default_factory=list)


def find_series(path: str | os.PathLike[str], progress: Progress | None = None) -> SeriesSearch:
    """Find all DICOM series of a folder and its sub-folders, or of the single file `path`.

    Links to folders are not followed, so a loop of links ends. A file that cannot be read is
    listed in `unreadable`; the search goes on.

    Raises:
        InputError: there is no such file or folder.
    """
    search = SeriesSearch(Path(path))
    if not search.path.exists():
        raise InputError(f"There is no file or folder '{path}'.")
    if not (search.path.is_file() or search.path.is_dir()):  # a pipe, or a device that never ends
        raise InputError(f"'{path}' is neither a file nor a folder.")
    by_uid: dict[str, list[Header]] = {}
    no_dicom: list[str] = []
    for count, name in enumerate(_files(search)):
        if count % 64 == 0:
            step(progress or Silent(), 0.0, f"Reading headers ({count} files)")
        try:
            header = read_header(name)
        except (OSError, InputError) as error:
            reason = getattr(error, "strerror", "") or error
            search.unreadable.append(one_line(f"{Path(name).name}: {reason}"))
            continue
        if header is None:
            no_dicom.append(name)
        elif header.text(tags.MEDIA_SOP_CLASS) == DICOMDIR:
            search.other_files += 1
        elif tags.SERIES_UID not in header.elements:
            reason = "it belongs to no series; is it cut short?"
            search.unreadable.append(one_line(f"{Path(name).name}: {reason}"))
        else:
            by_uid.setdefault(header.text(tags.SERIES_UID), []).append(header)
    search.series = [Series(uid, tuple(headers)) for uid, headers in sorted(by_uid.items())]
    names = {_pattern(header.path) for series in search.series for header in series.headers}
    for name in no_dicom:
        if _pattern(name) in names:
            what = "it is no DICOM file" if os.stat(name).st_size else "it is empty"
            search.unreadable.append(one_line(f"{Path(name).name}: {what}; copy it again"))
        else:
            search.other_files += 1
    return search


def _pattern(path: str) -> tuple[str, str]:
    """Return a file's folder and its name with # for numbers, equal for all slices of a series.

    Of names that end in .dcm or .ima only the ending counts.
    """
    folder, name = os.path.split(path)
    name = name.lower()
    return folder, name[-4:] if name.endswith((".dcm", ".ima")) else re.sub(r"\d+", "#", name)


def choose_ct(search: SeriesSearch, uid: str | None = None) -> Series:
    """Return the CT series with the UID `uid`, or the only one.

    Raises:
        InputError: no CT series, or several and no `uid`; the message lists them.
    """
    candidates = [series for series in search.series if series.ct_images]
    if uid is not None:
        chosen = [series for series in candidates if series.uid == uid]
        if chosen:
            return chosen[0]
        listed = _listed(candidates) or "\n  (no CT series at all)"
        named = one_line(uid, most=64)  # the longest there is
        raise InputError(
            f"'{search.path}' holds no CT series with the UID {named}. It holds:{listed}"
        )
    volumes = [series for series in candidates if series.frames > 1] or candidates
    if len(volumes) == 1:
        return volumes[0]
    if volumes:
        raise InputError(
            f"'{search.path}' holds {len(volumes)} CT series; "
            f"choose one with --series UID:{_listed(volumes)}"
        )
    raise InputError(f"'{search.path}' holds no CT series: {_what_there_is(search)}.")


def _files(search: SeriesSearch) -> Iterator[str]:
    if search.path.is_file():
        yield os.fspath(search.path)
        return

    def remember(error: OSError) -> None:
        search.unreadable.append(one_line(f"{Path(error.filename).name}: {error.strerror}"))

    for folder, subfolders, names in os.walk(search.path, onerror=remember):
        subfolders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)  # noqa: PTH118 - three times faster, and there are many
            if os.path.isfile(path):  # noqa: PTH113
                yield path
            else:
                search.other_files += 1


def _is_ct_image(header: Header) -> bool:
    if header.text(tags.SOP_CLASS) not in (CT_IMAGE, *ENHANCED_CT):
        return False
    return "LOCALIZER" not in header.text(tags.IMAGE_TYPE).upper().split("\\")


def _listed(series: list[Series]) -> str:
    return "".join(f"\n  {candidate.summary()}" for candidate in series)


def _what_there_is(search: SeriesSearch) -> str:
    counted = Counter(series.modality or "unknown" for series in search.series)
    parts = [f"{count} {modality} series" for modality, count in sorted(counted.items())]
    parts += [f"{search.other_files} files that are not DICOM"] if search.other_files else []
    parts += (
        [f"{len(search.unreadable)} unreadable ({search.unreadable[0]})"]
        if search.unreadable
        else []
    )
    return "there are " + " and ".join(parts) if parts else "it is empty"
