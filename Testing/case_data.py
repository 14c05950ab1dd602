"""The patients that tests of whole cases run on: real ones, or phantoms that stand in for them.

The stand-in has the layout, the formats and the names of the real data's `open/` folder; it is
small, and what is known of it comes from the ellipsoids that it is made of, not from the library.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from .dicom_maker import write_rtstruct, write_seg, write_series


@dataclass(frozen=True)
class CaseData:
    """A folder of cases; `real` where it holds patients, of whom numbers are documented."""

    folder: Path
    real: bool

    def __truediv__(self, name: str) -> Path:
        return self.folder / name


@dataclass(frozen=True)
class Facts:
    """What SimpleITK counts in a label map: voxels, mL, and the centre of mass in LPS mm."""

    voxels: int
    ml: float
    centre: tuple[float, ...]


def facts(label_map: Path) -> Facts:
    """Of the label map beside a case."""
    image = sitk.ReadImage(str(label_map)) != 0
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(image)
    voxels = shapes.GetNumberOfPixels(1)
    return Facts(voxels, voxels * float(np.prod(image.GetSpacing())) / 1000, shapes.GetCentroid(1))


@dataclass(frozen=True)
class Chest:
    """Noisy lung in a wall, with an ellipsoid of tumour: places and radii in LPS mm, off voxels."""

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    centre: tuple[float, float, float]
    radii: tuple[float, float, float]

    def axes(self) -> list[np.ndarray]:
        """LPS mm of the voxels' centres along x, y and z."""
        places = zip(self.size, self.spacing, self.origin, strict=True)
        return [start + np.arange(count) * step for count, step, start in places]

    def hu(self) -> np.ndarray:
        """HU (z, y, x)."""
        x, y, z = self.axes()
        parts = zip((x, y[:, None], z[:, None, None]), self.centre, self.radii, strict=True)
        tumour = sum(((place - c) / r) ** 2 for place, c, r in parts) < 1
        noise = np.random.default_rng(5).normal(0, 15, self.size[::-1])
        hu = np.where(tumour, 40, -820) + noise
        hu[:, -4:] = 60 + noise[:, -4:]
        return np.rint(hu).astype(np.int16)

    def contours(self) -> list[np.ndarray]:
        """Polygons (N, 3) round the tumour, one on each slice that it crosses."""
        x, y, z = self.centre
        turn = np.linspace(0, 2 * np.pi, 61)[:-1] + 0.013
        found = []
        for height in self.axes()[2]:
            share = 1 - ((height - z) / self.radii[2]) ** 2
            if share > 0.02:
                wide, deep = (r * np.sqrt(share) for r in self.radii[:2])
                ring = (x + wide * np.cos(turn), y + deep * np.sin(turn), np.full(60, height))
                found.append(np.round(np.column_stack(ring), 3))
        return found

    def label_map(self) -> np.ndarray:
        """Voxels (z, y, x) whose centres the contours enclose, counted edge by edge (even-odd)."""
        x, y, z = self.axes()
        mask = np.zeros(self.size[::-1], np.uint8)
        for ring in self.contours():
            crossings = np.zeros((len(y), len(x)), int)
            for (ax, ay, _), (bx, by, _) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
                if ay != by:
                    passes = ((ay > y) != (by > y))[:, None]
                    crossings += passes & (x < (ax + (bx - ax) * (y - ay) / (by - ay))[:, None])
            mask[np.abs(z - ring[0, 2]).argmin()] |= (crossings % 2).astype(np.uint8)
        return mask

    def image(self, array: np.ndarray) -> sitk.Image:
        """A SimpleITK image on the chest's grid."""
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        return image


CHESTS = {
    "4dlung_113": Chest(
        (52, 50, 24), (1.953, 1.953, 5.0), (10.2, 90.3, -1000.5), (60.37, 138.21, -944.07),
        (17.3, 20.1, 24.2),
    ),
    "lidc_0314": Chest(
        (96, 96, 60), (0.781, 0.781, 1.0), (-94.1, 94.3, -550.0), (-57.12, 131.32, -520.36),
        (8.3, 9.1, 8.7),
    ),
    "lidc_0001": Chest(
        (100, 100, 16), (0.703, 0.703, 2.5), (21.3, 51.7, -135.0), (56.37, 86.32, -115.99),
        (11.2, 12.3, 10.4),
    ),
    "r01_001": Chest(
        (100, 100, 66), (0.693, 0.693, 1.0), (-130.2, -179.6, -99.0), (-95.69, -144.98, -66.12),
        (8.2, 8.6, 8.9),
    ),
}  # fmt: skip


def write_stand_in(folder: Path) -> Path:
    """Write the cases of `open/`, a few seconds' work; the folder."""
    home = folder / "open"
    syntaxes = {"lidc_0314": RLELossless, "lidc_0001": ExplicitVRLittleEndian}
    for name, chest in CHESTS.items():
        syntax = syntaxes.get(name, JPEG2000Lossless)
        signed = name == "lidc_0001"
        write_series(
            home / name / "CT", chest.hu(), spacing=chest.spacing, origin=chest.origin,
            syntax=syntax, signed=signed,
        )  # fmt: skip
    masks = {name: chest.label_map() for name, chest in CHESTS.items()}
    for name, file in (
        ("4dlung_113", "mask_Tumor_c40_full.nrrd"),
        ("lidc_0314", "mask_consensus.nrrd"),
        ("lidc_0001", "mask_consensus.nrrd"),
        ("r01_001", "mask_DERIVED_threshold.nrrd"),
    ):
        sitk.WriteImage(CHESTS[name].image(masks[name]), str(home / name / file), True)
    for name, segment in (("lidc_0314", "Nodule"), ("lidc_0001", "Nodule 1")):
        (home / name / "SEG").mkdir()
        write_seg(home / name / "SEG/seg.dcm", home / name / "CT", masks[name], (segment,))
    _write_structures(home)
    seed = " ".join(f"{value:.6f}" for value in CHESTS["r01_001"].centre)
    (home / "r01_001/seed_LPS.txt").write_text(f"# tumour centroid (LPS mm)\n{seed}\n")
    _write_slicers(home / "slicer_ctchest")
    _write_three_slices(home / "dcmqi_ct3slice")
    return folder


def _write_structures(home: Path) -> None:
    for name, tumour, others in (
        ("4dlung_113", "Tumor_c40", ("LN_c40", "Carina_c40", "Vertebra_c40")),
        ("lidc_0001", "GTV-1", ()),
    ):
        chest = CHESTS[name]
        rois = {tumour: chest.contours()}
        corner = np.array(chest.origin) + 4 * np.array(chest.spacing) + 0.011
        square = np.array([(0, 0, 0), (9, 0, 0), (9, 9, 0), (0, 9, 0)], float)
        for other in others:
            heights = (0, chest.spacing[2])
            rois[other] = [corner - (0, 0, 0.011) + square + (0, 0, up) for up in heights]
        (home / name / "RTSTRUCT").mkdir()
        write_rtstruct(home / name / "RTSTRUCT/rs.dcm", home / name / "CT", rois)


def _write_slicers(folder: Path) -> None:
    """3D Slicer's own segmentation files: three segments in one layer, and in two."""
    folder.mkdir()
    size, step = (40, 36, 20), 3.047
    z, y, x = np.indices(size[::-1])
    hu = np.random.default_rng(8).integers(-900, 100, size[::-1]).astype(np.int16)
    ct = sitk.GetImageFromArray(hu)
    ct.SetSpacing((step, step, 9.7))
    ct.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    ct.SetOrigin((60.0, 50.0, -340.0))
    sitk.WriteImage(ct, str(folder / "CTChest4.nrrd"), True)
    right, left = (x > 22) & (x < 34) & (y > 8), (x > 4) & (x < 16) & (y > 8)
    spine = (abs(x - 19) < 3) & (y < 7)
    flat = (right * 1 + left * 2 + spine * 3).astype(np.uint8)
    body = (z > 2) & (x > 2)
    layers = np.stack([flat, np.where(body, 1, 0)], -1).astype(np.uint8)
    names = ("right lung", "left lung", "spine")
    one = [(name, label, 0) for label, name in enumerate(names, 1)]
    _write_segmentation(folder / "Segmentation.seg.nrrd", flat, one)
    two = [*one, ("body", 1, 1)]
    _write_segmentation(folder / "SegmentationOverlapping.seg.nrrd", layers, two)


def _write_segmentation(path: Path, labels: np.ndarray, segments: list) -> None:
    """A `.seg.nrrd` as Slicer writes it; labels (z, y, x) or (z, y, x, layer)."""
    z, y, x, *layers = labels.shape
    before, kind = (f"{layers[0]} ", ("none ", "list ")) if layers else ("", ("", ""))
    lines = [
        "NRRD0004",
        "type: unsigned char",
        f"dimension: {labels.ndim}",
        "space: left-posterior-superior",
        f"sizes: {before}{x} {y} {z}",
        f"space directions: {kind[0]}(-3.047,0,0) (0,-3.047,0) (0,0,9.7)",
        f"kinds: {kind[1]}domain domain domain",
        "encoding: gzip",
        "space origin: (60,50,-340)",
        "Segmentation_MasterRepresentation:=Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset:=0 0 0",
    ]
    for number, (name, label, layer) in enumerate(segments):
        lines += [
            f"Segment{number}_Color:=0.5 0.5 0.{number + 1}",
            f"Segment{number}_Extent:=0 {x - 1} 0 {y - 1} 0 {z - 1}",
            f"Segment{number}_ID:=Segment_{number + 1}",
            f"Segment{number}_LabelValue:={label}",
            f"Segment{number}_Layer:={layer}",
            f"Segment{number}_Name:={name}",
        ]
    head = ("\n".join(lines) + "\n\n").encode()
    path.write_bytes(head + gzip.compress(labels.tobytes()))


def _write_three_slices(folder: Path) -> None:
    chest = Chest((48, 40, 3), (0.9, 0.9, 3.0), (-20.0, -15.0, 100.0), (1.3, 2.4, 103.0), (9, 8, 7))
    write_series(folder / "ct-3slice", chest.hu(), spacing=chest.spacing, origin=chest.origin)
    mask = chest.label_map()
    write_seg(folder / "liver.dcm", folder / "ct-3slice", mask, ("liver",))
    sitk.WriteImage(chest.image(mask), str(folder / "liver_seg.nrrd"), True)
    sitk.WriteImage(chest.image(mask * 5), str(folder / "spine_seg_label5.nrrd"), True)
