"""Small data in the layouts of LIDC-IDRI: arrays with their tables, and the readers' XML."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from LungSquadLib.cohorts.ratings import CHARACTERISTICS
from LungSquadLib.imaging.contours import outlines

PATIENTS = {"LIDC-IDRI-0001": "0", "LIDC-IDRI-0002": "3"}


def write_table(path: Path, rows: Sequence[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def corner_mask(shape: Sequence[int]) -> np.ndarray:
    """A mask that no flip leaves as it is."""
    mask = np.zeros(shape, np.uint8)
    mask[: (shape[0] + 1) // 2, 1:4, 1:3] = 1
    return mask


def write_arrays(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Write two patients, and return the arrays of each set."""
    random = np.random.default_rng(0)
    first, second = PATIENTS
    write_table(
        folder / "patients.csv", [{"patient_id": p, "fold": fold} for p, fold in PATIENTS.items()]
    )
    write_table(
        folder / "pathology.csv",
        [
            {"patient_id": first, "diagnosis_patient": 2},
            {"patient_id": second, "diagnosis_patient": 1},
            {"patient_id": "X", "diagnosis_patient": 1},
        ],
    )
    arrays = {
        "cubes51": {
            "u8": random.integers(0, 256, (1, 51, 51, 51), np.uint8),
            "mask": np.packbits(corner_mask((51, 51, 51)))[None],
        },
        "voi3d": _volumes([(3, 5, 6), (2, 7, 5)]),
        "stacks72": {
            "u8": random.integers(0, 256, (5, 72, 72), np.uint8),
            "mask": _drawn(),
        },
        "slices71": {
            "hu": random.integers(-1024, 400, (2, 71, 71)).astype(np.int16),
            "mask": np.stack([np.packbits(corner_mask((1, 71, 71)))] * 2),
        },
    }
    ratings = {f"{name.capitalize()}_{k}": 0 for name in CHARACTERISTICS for k in (1, 2, 3, 4)}
    rated = {**ratings, **{f"{name.capitalize()}_1": 4 for name in CHARACTERISTICS}}
    rated |= {"Malignancy_3": 5, "Texture_3": 5}
    majority = {f"{name.capitalize()}_value": 2 for name in CHARACTERISTICS}
    tables = {
        "cubes51": [{"index": 0, "patient_id": second, "malignancy": 1, "texture": 5}],
        "voi3d": [
            {"index": k, "patient_id": p, "nodule_id": 1, "axcodes_xyz": codes, **majority}
            for k, (p, codes) in enumerate(zip(PATIENTS, ("LPS", "RAS"), strict=True))
        ],
        "stacks72": [
            _stack(0, first, 0, 2, noduleID="7.0", voi3d_key=f"{first}_R_1"),
            _stack(1, second, 2, 2, noduleID="8.0", centre_offset_px="9.5"),
            _stack(2, second, 4, 1, calibrated="False", PixelSpacing="", slice_spacing=""),
        ],
        "slices71": [
            {"index": 0, "noduleID": 7, "voi3d_key": f"{first}_R_1", **rated},
            {"index": 1, "noduleID": 8, "voi3d_key": "", **ratings, "Malignancy_2": 2},
        ],
    }
    for row, patient in zip(tables["slices71"], PATIENTS, strict=True):
        row |= {"patient_id": patient, "PixelSpacing": 0.7}
    for name, members in arrays.items():
        write_table(folder / name / "labels.csv", tables[name])
        np.savez(folder / name / "data.npz", **members)
    return arrays


def _volumes(shapes: Sequence[tuple[int, int, int]]) -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    hu = [random.integers(-1100, 800, shape).astype(np.int16) for shape in shapes]
    packed = [np.packbits(corner_mask(shape)) for shape in shapes]
    return {
        "hu": np.concatenate([array.ravel() for array in hu]),
        "offset": np.cumsum([0, *(array.size for array in hu)]),
        "shape_zyx": np.array(shapes, np.int16),
        "spacing_zyx": np.array([[2.5, 0.7, 0.6]] * len(shapes), np.float32),
        "mask_packed": np.concatenate(packed),
        "mask_offset": np.cumsum([0, *map(len, packed)]),
    }


def _drawn() -> np.ndarray:
    """Masks of four readers: three drew the first stack, two the second, one the last."""
    masks = np.zeros((5, 4, 72, 72), np.uint8)
    for reader, columns in enumerate(((10, 14), (12, 16), (13, 20))):
        masks[0, reader, 10, columns[0] : columns[1]] = 1
    masks[1, 0, 10, 10] = 1  # one reader of three: not half
    masks[2:4, 1, 5, 5:7] = 1
    masks[2:4, 3, 5, 6:9] = 1
    masks[4, 0, 3, 3] = 1
    return np.packbits(masks.reshape(5, 4, -1), axis=2)


def _stack(index: int, patient: str, first: int, count: int, **cells: str) -> dict:
    row = {"index": index, "patient_id": patient, "first": first, "n_slices": count}
    row |= {"calibrated": "True", "noduleID": "", "centre_offset_px": "", "voi3d_key": ""}
    return {**row, "PixelSpacing": "0.8", "slice_spacing": "1.25", **cells}


def nodule_xml(rois: Sequence[str], **ratings: int) -> str:
    """A reader's nodule; with no ratings, one of less than 3 mm."""
    rated = "".join(f"<{name}>{value}</{name}>" for name, value in ratings.items())
    head = f"<characteristics>{rated}</characteristics>" if ratings else ""
    return f"<unblindedReadNodule><noduleID>1</noduleID>{head}{''.join(rois)}</unblindedReadNodule>"


def roi_xml(points: np.ndarray, z: float, uid: str = "", *, inclusion: bool = True) -> str:
    edges = "".join(
        f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>" for x, y in points
    )
    return (
        f"<roi><imageZposition>{z}</imageZposition><imageSOP_UID>{uid}</imageSOP_UID>"
        f"<inclusion>{str(inclusion).upper()}</inclusion>{edges}</roi>"
    )


def message_xml(series_uid: str, sessions: Sequence[Sequence[str]], *, head: str = "") -> str:
    """An LidcReadMessage with a reading session for each reader."""
    parts = "".join(f"<readingSession>{''.join(session)}</readingSession>" for session in sessions)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}<LidcReadMessage uid="1" '
        'xmlns="http://www.nih.gov"><ResponseHeader>'
        f"<SeriesInstanceUid>{series_uid}</SeriesInstanceUid></ResponseHeader>{parts}"
        "</LidcReadMessage>"
    )


def rois_of(mask: np.ndarray, z: float, uid: str = "") -> list[str]:
    """The outlines of a slice's mask, on the pixels just outside of it."""
    return [
        roi_xml(_outside(polygon), z, uid, inclusion=_area(polygon) > 0)
        for polygon in outlines(mask)
    ]


def _outside(polygon: np.ndarray) -> np.ndarray:
    """The pixels along a boundary that are not in the mask, which lies at the right hand."""
    points = []
    for start, stop in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        length = int(abs(stop - start).sum())
        dx, dy = (stop - start) / length
        for step in range(length):
            pixel = start + (step + 0.5) * np.array([dx, dy]) + 0.5 * np.array([dy, -dx])
            points.append(np.rint(pixel).astype(int))
    return np.array(points)


def _area(polygon: np.ndarray) -> float:
    """Twice the area, above 0 for a boundary that runs clockwise on a screen."""
    x, y = polygon.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1))
