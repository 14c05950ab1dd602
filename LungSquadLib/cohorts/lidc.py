"""The recipe of LIDC-IDRI: nodules with masks and readers' ratings, from arrays to manifests.

LIDC-IDRI (Armato et al. 2011, doi:10.1118/1.3528204; data doi:10.7937/K9/TCIA.2015.LO9QL9SX, CC BY
3.0) has CT of lung nodules with contours and ratings of up to four readers. The arrays are cut-outs
of its CT. Each nodule becomes a small CT and a mask, which `lungsquad cohort build` and `lungsquad
gan data` take as they take whole CT. What lies beyond a cut-out is not known: a crop has -1024 HU
there, and no voxel of a cut-out is that low.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import InputError, parsing
from ..files import make_folder, sweep, write_csv, write_json
from ..imaging.files.write import write_volumes
from ..imaging.resample import AIR
from ..progress import Progress, Silent, step

SETS = ("cubes51", "voi3d", "stacks72", "slices71")
ABOUT = "lidc.json"
CITATION = (
    "LIDC-IDRI, The Cancer Imaging Archive, CC BY 3.0: Armato et al. 2011, doi:10.1118/1.3528204; "
    "data doi:10.7937/K9/TCIA.2015.LO9QL9SX."
)
CHARACTERISTICS = (
    "malignancy",
    "spiculation",
    "lobulation",
    "margin",
    "sphericity",
    "texture",
    "calcification",
    "subtlety",
)
TEXTURES = {2.5: "ground-glass", 4.5: "part-solid", math.inf: "solid"}  # of mean ratings below
DIAGNOSES = {"1": "benign", "2": "cancer", "3": "cancer"}  # 2: of the lung, 3: a metastasis
MOST_READERS = 4
_KEY = "key"  # of a row: names the same nodule in several sets
_NEIGHBOUR_PX = 8.0  # from the contours' centre: further off, the ratings may be another nodule's
_LARGEST_TABLE = 64 << 20


@dataclass(frozen=True)
class Nodule:
    """One nodule of one set.

    Attributes:
        case: its name.
        patient: the collection's patient ID, which is public.
        hu: int16 (z, y, x), all of it known.
        mask: uint8, of the same shape.
        spacing: mm along x, y and z.
        columns: of the manifest, beside those that every nodule has.
    """

    case: str
    patient: str
    hu: np.ndarray
    mask: np.ndarray
    spacing: tuple[float, float, float]
    columns: Mapping[str, Any]

    @property
    def volume_ml(self) -> float:
        return float(np.count_nonzero(self.mask) * np.prod(self.spacing) / 1000)


def write_lidc(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
) -> Mapping[str, Path]:
    """Write the nodules of LIDC-IDRI as small CT and masks, with manifests.

    Each set has a manifest of its name: `cubes51.csv` (cubes of 51 mm with everything round the
    nodule), `voi3d.csv`, `stacks72.csv` (nothing above and below the nodule) and `slices71.csv`
    (one slice a nodule). `nodules.csv` has each nodule once, from the better of `voi3d` and
    `stacks72`; `volumes.csv` has these and the cubes. The columns are the ratings of each
    characteristic (`malignancy`: the readers' mean; `malignancy_readers`: each one's),
    `texture_class` (solid, part-solid or ground-glass), `diagnosis` (of the patient's largest
    nodule, where the patient has one), `fold` and `set`.

    Args:
        source: folder of the arrays, with `patients.csv` and one folder for each set; sets that are
            not there are left out.
        folder: of the output; the same call continues one that was stopped.
        progress: gets the state of the work; may cancel.

    Returns:
        The manifests by name.

    Raises:
        InputError: there is no such data, or it is damaged; or the output folder holds other files.
    """
    source, target, progress = Path(source), Path(folder).absolute(), progress or Silent()
    folds = {row["patient_id"]: row.get("fold", "") for row in _table(source / "patients.csv")}
    sets = [name for name in SETS if (source / name / "labels.csv").is_file()]
    if not sets:
        raise InputError(f"'{source}' has none of the folders {', '.join(SETS)}.")
    _prepare(target, sets)
    diagnoses = _diagnoses(source)
    ratings = _ratings(source)
    rows: dict[str, list[dict[str, Any]]] = {}
    for number, name in enumerate(sets):
        labels = _table(source / name / "labels.csv")
        rows[name] = []
        for nodule in READERS[name](source / name, labels, ratings):
            done = (number + len(rows[name]) / len(labels)) / len(sets)
            step(progress, done, f"{name}: {len(rows[name])} of {len(labels)} nodules")
            rows[name].append(_write(target, name, nodule, folds))
    manifests = {**_joined(rows), **rows}
    for name, table in manifests.items():
        _diagnose(table, diagnoses)
        for row in table:
            del row[_KEY]
        write_csv(target / f"{name}.csv", tuple(table[0]), table)
    return {name: target / f"{name}.csv" for name in manifests}


def _prepare(folder: Path, sets: Sequence[str]) -> None:
    make_folder(folder)
    sweep(folder)
    about = folder / ABOUT
    if not about.is_file():
        if any(folder.iterdir()):
            raise InputError(f"'{folder}' is not empty; choose another folder.")
        write_json(about, {"citation": CITATION, "licence": "CC BY 3.0", "sets": list(sets)})


def _write(folder: Path, name: str, nodule: Nodule, folds: Mapping[str, str]) -> dict[str, Any]:
    """Write CT and mask of a nodule, unless they are there; return its row of the manifest."""
    ct, mask = f"{name}/{nodule.case}.mha", f"{name}/{nodule.case}-mask.mha"
    make_folder(folder / name)
    if not (folder / mask).is_file():
        write_volumes(
            {
                folder / ct: _image(nodule.hu, nodule.spacing),
                folder / mask: _image(nodule.mask, nodule.spacing),
            }
        )
    return {
        "case": nodule.case,
        "patient_id": nodule.patient,
        "ct": ct,
        "mask": mask,
        "set": name,
        "fold": folds.get(nodule.patient, ""),
        "nodule_ml": round(nodule.volume_ml, 5),
        **nodule.columns,
    }


def _image(array: np.ndarray, spacing: Sequence[float]) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([float(step) for step in spacing])
    return image


def _joined(rows: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Return the manifests over several sets: each nodule once, and all volumes."""
    better = rows.get("voi3d", [])
    known = {row[_KEY] for row in better}
    nodules = [*better, *(row for row in rows.get("stacks72", []) if row[_KEY] not in known)]
    volumes = [*rows.get("cubes51", []), *nodules]
    joined = {"nodules": nodules, "volumes": volumes}
    return {name: [dict(row) for row in table] for name, table in joined.items() if table}


def _diagnose(table: Sequence[dict[str, Any]], diagnoses: Mapping[str, str]) -> None:
    """Give each patient's diagnosis to the largest nodule; `diagnosis` is empty elsewhere."""
    largest: dict[str, dict[str, Any]] = {}
    for row in table:
        row["diagnosis"] = ""
        other = largest.setdefault(row["patient_id"], row)
        if row["nodule_ml"] > other["nodule_ml"]:
            largest[row["patient_id"]] = row
    for patient, row in largest.items():
        row["diagnosis"] = diagnoses.get(patient, "")


def _diagnoses(source: Path) -> dict[str, str]:
    path = source / "pathology.csv"
    rows = _table(path) if path.is_file() else []
    return {
        row["patient_id"]: DIAGNOSES[row["diagnosis_patient"]]
        for row in rows
        if row["diagnosis_patient"] in DIAGNOSES
    }


Labels = Sequence[Mapping[str, str]]  # rows of a table
Ratings = Mapping[str, Mapping[str, Sequence[int]]]  # by nodule, then by characteristic


def _ratings(source: Path) -> Ratings:
    """Return every reader's ratings, by the keys that `voi3d` and `slices71` give a nodule."""
    path = source / "slices71" / "labels.csv"
    ratings: dict[str, dict[str, list[int]]] = {}
    for row in _table(path) if path.is_file() else []:
        values = {
            name: [
                int(float(cell))
                for reader in range(1, MOST_READERS + 1)
                if (cell := row[f"{name.capitalize()}_{reader}"]) and float(cell) > 0
            ]
            for name in CHARACTERISTICS
        }
        for key in (row["voi3d_key"], f"slice {row['noduleID']}"):
            if key:
                ratings[key] = values
    return ratings


def _rated(values: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return the columns of the ratings: mean and each reader's, empty where there are none."""
    columns: dict[str, Any] = {"readers": max((len(v) for v in values.values()), default=0)}
    for name in CHARACTERISTICS:
        given = values.get(name, ())
        columns[name] = round(float(np.mean(given)), 3) if len(given) else ""
        columns[f"{name}_readers"] = " ".join(f"{value:g}" for value in given)
    columns["texture_class"] = texture_class(values.get("texture", ()))
    return columns


def texture_class(ratings: Sequence[float]) -> str:
    """Return the class that is nearest to the mean rating; "" where there is none.

    The scale has names for three of its values only: 1 ground-glass (non-solid), 3 part-solid, 5
    solid. A mean that rounds to 1 or 2 is ground-glass, to 3 or 4 part-solid, to 5 solid.
    """
    if not len(ratings):
        return ""
    mean = float(np.mean(ratings))
    return next(name for limit, name in TEXTURES.items() if mean < limit)


def _known(hu: np.ndarray) -> np.ndarray:
    """Return HU as int16, above what a crop has beyond the CT."""
    return np.maximum(np.rint(hu), AIR + 1).astype(np.int16)


def _cubes(folder: Path, labels: Labels, _: Ratings) -> Iterator[Nodule]:
    data, side = _arrays(folder), 51
    for row in labels:
        at = int(row["index"])
        yield Nodule(
            case=f"cube-{at:04d}",
            patient=row["patient_id"],
            hu=_known(data["u8"][at] * (1600 / 255) - 1200),
            mask=_unpacked(data["mask"][at], (side,) * 3),
            spacing=(1.0, 1.0, 1.0),
            columns={
                _KEY: f"cube {at}",
                **_rated({n: [float(row[n])] for n in CHARACTERISTICS if row.get(n)}),
            },
        )


def _volumes(folder: Path, labels: Labels, ratings: Ratings) -> Iterator[Nodule]:
    data = _arrays(folder)
    for row in labels:
        at = int(row["index"])
        shape = data["shape_zyx"][at]
        z, y, x = data["spacing_zyx"][at]
        hu = data["hu"][data["offset"][at] : data["offset"][at + 1]].reshape(shape)
        packed = data["mask_packed"][data["mask_offset"][at] : data["mask_offset"][at + 1]]
        mask = _unpacked(packed, shape)
        if row["axcodes_xyz"] == "RAS":
            hu, mask = hu[:, ::-1, ::-1], mask[:, ::-1, ::-1]
        key = f"{row['patient_id']}_R_{row['nodule_id']}"
        majority = {n: [float(v)] for n in CHARACTERISTICS if (v := row[f"{n.capitalize()}_value"])}
        yield Nodule(
            case=f"voi-{at:04d}",
            patient=row["patient_id"],
            hu=_known(hu),
            mask=np.ascontiguousarray(mask),
            spacing=(float(x), float(y), float(z)),
            columns={_KEY: key, **_rated(ratings.get(key, majority))},
        )


def _stacks(folder: Path, labels: Labels, ratings: Ratings) -> Iterator[Nodule]:
    """Yield the stacks whose HU are known; the mask is what at least half of the readers drew."""
    data = _arrays(folder)
    for row in labels:
        at, first, count = int(row["index"]), int(row["first"]), int(row["n_slices"])
        if row["calibrated"] != "True":
            continue
        drawn = np.unpackbits(data["mask"][first : first + count], axis=2)
        masks = drawn.reshape(count, MOST_READERS, 72, 72)
        spacing = float(row["PixelSpacing"] or 0)
        readers = int(masks.any(axis=(0, 2, 3)).sum())
        mask = (2 * masks.sum(axis=1) >= max(readers, 1)).astype(np.uint8)
        if not spacing or not mask.any():
            continue
        rated: Mapping[str, Sequence[float]] = {}
        if row["noduleID"] and float(row["centre_offset_px"] or 0) <= _NEIGHBOUR_PX:
            rated = ratings.get(f"slice {int(float(row['noduleID']))}", {})
        yield Nodule(
            case=f"stack-{at:04d}",
            patient=row["patient_id"],
            hu=_known(data["u8"][first : first + count] * (1600 / 255) - 1100),
            mask=mask,
            spacing=(spacing, spacing, float(row["slice_spacing"])),
            columns={_KEY: row["voi3d_key"] or f"stack {at}", **_rated(rated)},
        )


def _slices(folder: Path, labels: Labels, ratings: Ratings) -> Iterator[Nodule]:
    data, side = _arrays(folder), 71
    for row in labels:
        at, spacing = int(row["index"]), float(row["PixelSpacing"])
        yield Nodule(
            case=f"slice-{at:04d}",
            patient=row["patient_id"],
            hu=_known(data["hu"][at : at + 1]),
            mask=_unpacked(data["mask"][at], (1, side, side)),
            spacing=(spacing, spacing, 1.0),
            columns={
                _KEY: row["voi3d_key"] or f"slice {row['noduleID']}",
                **_rated(ratings[f"slice {row['noduleID']}"]),
            },
        )


READERS: Mapping[str, Callable[[Path, Labels, Ratings], Iterator[Nodule]]] = {
    "cubes51": _cubes,
    "voi3d": _volumes,
    "stacks72": _stacks,
    "slices71": _slices,
}


def _unpacked(packed: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return a mask of one bit a voxel as uint8."""
    count = int(np.prod(shape))
    return np.unpackbits(packed.ravel())[:count].reshape(tuple(shape))


def _arrays(folder: Path) -> dict[str, np.ndarray]:
    """Read all arrays of a set, each once: a member is decompressed at every access."""
    path = folder / "data.npz"
    with parsing(path, "an archive of arrays"), np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _table(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise InputError(f"There is no table '{path}': name the folder of the LIDC-IDRI arrays.")
    if path.stat().st_size > _LARGEST_TABLE:
        raise InputError(f"'{path}' is larger than a table of nodules can be.")
    with parsing(path, "a table"), path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
