"""`lungsquad inspect`."""

from __future__ import annotations

import argparse
from typing import Any

from .output import add_common, bar, print_flags, print_json, print_table, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inspect`."""
    parser.add_argument("path", metavar="PATH", help="DICOM folder or file, or a volume file")
    add_common(parser, "--json")


def run(arguments: argparse.Namespace) -> None:
    """Print the series, volumes, ROIs and segments of a folder or file."""
    from ..imaging.inspect import inspect

    with bar() as progress:
        contents = inspect(arguments.path, progress)
    if arguments.json:
        print_json(contents)
        return
    for row in contents.get("series", [contents]):
        _show(row)
    if contents.get("other_files"):
        print(f"{contents['other_files']} other files that are not DICOM")
    for line in contents.get("unreadable", []):
        print(printable(f"unreadable: {line}"))


def _show(row: dict[str, Any]) -> None:
    title = [row.get("modality") or "volume"]
    if "size" in row:
        spacing = " x ".join(f"{value:.4g}" for value in row["spacing_mm"])
        title.append(f"{' x '.join(map(str, row['size']))} voxels of {spacing} mm")
    title += [row["syntax"]] if "syntax" in row else []
    title += [f"'{row['description']}'"] if row.get("description") else []
    print(printable(", ".join(title)))
    if "uid" in row:
        print(printable(f"  series {row['uid']}, {row['files']} files"))
    if "problem" in row:
        print(printable(f"  problem: {row['problem']}"))
    print_flags(row.get("flags", []))
    lists = (row.get(name) for name in ("rois", "segments", "labels", "boxes"))
    parts: list[dict[str, Any]] = next(filter(None, lists), [])
    print_table([_part(part) for part in parts], indent="  ") if parts else None


def _part(part: dict[str, Any]) -> tuple[str, str, str]:
    name = str(part.get("name") or f"label {part.get('label', part.get('number'))}")
    volume = f"{part['volume_ml']:.2f} mL" if "volume_ml" in part else ""
    if "size_mm" in part:
        size, centre = (
            [f"{value:.0f}" for value in part[key]] for key in ("size_mm", "centre_lps")
        )
        where = f"centre {', '.join(centre)} mm (LPS){', ' * bool(part['site'])}{part['site']}"
        return name, f"{' x '.join(size)} mm", where
    if "count" in part:
        return name, str(part["count"]), ""
    voxels = f"{part['voxels']} voxels" if "voxels" in part else str(part.get("problem", ""))
    return name, volume, voxels
