"""The phantom's anatomy: what differs between patients, surfaces of the organs, vessel trees.

Coordinates are the patient's own: mm, x to the left, y to the back, z to the head, 0 at the carina.
All surfaces are signed distances, negative inside, exact near 0 and approximate further away. They
take coordinates of any shapes that broadcast together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..imaging.geometry import Point
from .canvas import Tubes, cone, ellipsoid, union

LOBES = ("right upper", "right middle", "right lower", "left upper", "left lower")

# Half width and centre of the mediastinum (x) from the abdomen to the neck.
_LEVELS = np.array([-170.0, -60.0, -25.0, -8.0, 8.0, 20.0, 38.0, 55.0, 80.0, 118.0])
_HALF_WIDTH = np.array([22.0, 28.0, 31.0, 34.0, 34.0, 32.0, 37.0, 34.0, 32.0, 40.0])
_MIDDLE = np.array([4.0, 4.0, 2.0, 3.0, 3.0, 1.0, 4.0, 0.0, -2.0, 0.0])

_TWIGS = 256  # ends of the tree of a large lobe; a power of two
_TIP = 0.55  # mm, radius of an end
_AREA = 2.45  # parent radius ** _AREA = sum of the children's (Murray's law has 3 in thin vessels)

# For each of `LOBES`: where artery and vein enter it, and the side of the bronchus.
_ARTERY: tuple[Point, ...] = (
    (-47, 9, -12),
    (-48, 8, -30),
    (-48, 16, -36),
    (49, 9, -2),
    (50, 22, -34),
)
_VEIN: tuple[Point, ...] = (
    (-46, -6, -26),
    (-46, -6, -28),
    (-46, 14, -46),
    (46, -6, -22),
    (46, 18, -44),
)
_ASIDE: tuple[Point, ...] = (
    (0.5, 0.5, 0.7),
    (0.3, 0.9, 0),
    (0.9, -0.4, 0),
    (-0.5, 0.5, 0.7),
    (-0.9, -0.4, 0),
)


@dataclass(frozen=True)
class Body:
    """The traits of a phantom patient, besides position and size."""

    female: bool
    fat: float  # mm under the skin
    muscle: float  # 1 is average
    heart: float
    aorta: float
    diaphragm: float  # mm higher than average
    hump: float  # mm the upper spine lies further back
    lung: float  # HU
    emphysema: float  # 0 none to 1
    blood: float  # HU of the aorta: 45 without, up to 180 with contrast agent
    bone: float  # HU of the spongy part
    couch: bool

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Body:
        """Draw a random patient."""
        enhanced = rng.random() < 0.65
        return cls(
            female=bool(rng.random() < 0.45),
            fat=float(np.clip(rng.gamma(4.0, 3.2), 4, 26)),
            muscle=float(np.clip(rng.normal(1, 0.2), 0.6, 1.5)),
            heart=float(np.clip(rng.normal(1, 0.06), 0.88, 1.14)),
            aorta=float(np.clip(rng.normal(1, 0.1), 0.8, 1.3)),
            diaphragm=float(np.clip(rng.normal(0, 9), -16, 20)),
            hump=float(rng.uniform(2, 14)),
            lung=float(rng.uniform(-875, -800)),
            emphysema=float(max(rng.uniform(-1, 1), 0)),
            blood=float(rng.uniform(90, 180) if enhanced else rng.uniform(40, 50)),
            bone=float(rng.uniform(180, 280)),
            couch=bool(rng.random() < 0.8),
        )


class Anatomy:
    """A patient's surfaces and great vessels."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.body = Body.draw(rng)
        size = 0.93 if self.body.female else 1.0
        self.scale: np.ndarray = size * np.clip(rng.normal(1, 0.035, 3), 0.92, 1.08)
        self.offset: np.ndarray = rng.uniform((-12, -190, -330), (12, -150, -250))
        self._fissure = rng.uniform(-6, 6, 2).tolist()

    def to_lps(self, points: np.ndarray) -> np.ndarray:
        """LPS mm of points (..., 3) in the patient's frame."""
        return points * self.scale + self.offset

    def from_lps(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) in the patient's frame of LPS mm."""
        return (points - self.offset) / self.scale

    def hilum(self, side: int) -> Point:
        """Return the point where bronchi and vessels enter the right (-1) or left (+1) lung."""
        return (-46.0, 9.0, -16.0) if side < 0 else (48.0, 12.0, -10.0)

    def spine_y(self, z: np.ndarray) -> np.ndarray:
        """Return y of the middle of the vertebral bodies."""
        return 50 + self.body.hump * (1 - ((z - 10) * (1 / 130)) ** 2)

    def cage(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The inner chest wall: two tilted ovals that close over the apices of the lungs."""
        up = np.clip(z + 95, 0, None) * (1 / 203)
        dy = (y - (4 + 20 * up * up)) * (1 / 90)
        dx = (np.sqrt(x * x + 200) - (51 - 10 * up)) * (1 / 80) - 0.2 * dy
        return (np.sqrt(dx * dx + dy * dy + up**2.3) - 1) * 84

    def skin(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The body's outline, wider at the shoulders; the arms are raised."""
        fat, muscle = self.body.fat, 12 * self.body.muscle
        shoulder = np.clip((z - 10) * (1 / 90), 0, 1)
        slope = np.clip((z + 50) * (1 / 150), 0, 1)
        width = 1 / (142 + fat + muscle + 12 * shoulder)
        dy = (y - (16 + 14 * slope)) * (1 / (105 + 0.7 * fat + 0.6 * muscle - 16 * slope))
        dx = x * width * (1 - 0.07 * dy)
        dx, dy = dx * dx, dy * dy
        outline = (dx + dy - 0.32 * dx * dy - 1) * 62
        if not self.body.female:
            return outline
        size = 42 + self.body.fat
        for side in (-1, 1):
            breast = ellipsoid((x, y, z), (75 * side, -88, -48), (size, 0.62 * size, 0.9 * size))
            outline = union(outline, breast, 12)
        return outline

    def above_diaphragm(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Height over the diaphragm, roughly across it: a dome on each side."""
        level = self.body.diaphragm
        right = _dome(x, y, (-66, -6), (82, 96), -86 + level)
        left = _dome(x, y, (64, -4), (80, 96), -98 + level)
        middle = -101 + 0.6 * level - 0.0022 * ((x - 8) ** 2 + (y + 18) ** 2)
        recess = -152 + 0.3 * level
        return (z - np.maximum(np.maximum(right, left), np.maximum(middle, recess))) * 0.85

    def heart(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The pericardium: ventricles towards the left front, atria behind and on the right."""
        size = self.body.heart
        right = ellipsoid((x, y, z), (-24, -24, -58), (34 * size, 36 * size, 42 * size))
        back = ellipsoid((x, y, z), (2, 12, -42), (38 * size, 20 * size, 24 * size))
        left = cone((x, y, z), (10, -24, -54), (48 * size, -40, -82), (43 * size, 31 * size))
        return union(union(left, right, 32), back, 8)

    def mediastinum(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """What lies between the lungs: heart, spine, descending aorta and the column above."""
        middle, half = (
            np.interp(z, _LEVELS, of).astype(np.float32) for of in (_MIDDLE, _HALF_WIDTH)
        )
        dx, dy = (x - middle) / half, (y + 14) * (1 / 64)
        column = (np.sqrt(dx * dx + dy * dy) - 1) * 26
        behind = y - self.spine_y(z)
        spine = np.sqrt(x * x + (behind - np.clip(behind, 2, 70)) ** 2) - 22
        wide = 13 * self.body.aorta + 1.5
        aorta = cone((x, y, z), (21, 32, 34), (21, 31, -170), (wide, wide))
        roots = np.sqrt((np.abs(x) - 44) ** 2 + (y - 10) ** 2 + (0.8 * (z + 16)) ** 2) - 13
        upper = union(np.minimum(column, spine), np.minimum(aorta, roots), 10)
        if np.min(z) > 25:  # well above the heart
            return upper
        return union(upper, self.heart(x, y, z) - 2, 8)

    def lung(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Both lungs: inside the cage, above the diaphragm, outside the mediastinum."""
        return np.maximum(self.lung_wall(x, y, z), -self.mediastinum(x, y, z))

    def lung_wall(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The lungs' outer and lower surface, as if there were nothing between them."""
        return np.maximum(self.cage(x, y, z), -self.above_diaphragm(x, y, z))

    def oblique_fissure(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Height over the fissure between the lower lobe (below, behind) and the others."""
        bowl = (np.abs(x) - 70) ** 2 * 0.0035
        return (z - y + 32 + self._fissure[0] - bowl) * 0.7

    def horizontal_fissure(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Height over the fissure between the right upper and middle lobes."""
        return z + 20 + self._fissure[1] + 0.12 * y + (x + 70) ** 2 * 0.002

    def lobe(self, points: np.ndarray) -> np.ndarray:
        """Index into `LOBES` for points (N, 3) within the lungs."""
        x, y, z = points.T
        low = self.oblique_fissure(x, y, z) < 0
        right = np.where(low, 2, np.where(self.horizontal_fissure(x, y, z) < 0, 1, 0))
        return np.where(x < 0, right, np.where(low, 4, 3))

    @cached_property
    def arteries(self) -> Tubes:
        """Aorta with its arch and branches."""
        a = self.body.aorta
        return Tubes.joined(
            [
                Tubes.through(
                    [
                        (0, -24, -42),
                        (-14, -38, -8),
                        (-13, -36, 18),
                        (-4, -22, 37),
                        (12, 8, 42),
                        (21, 30, 32),
                        (24, 39, 8),
                        (23, 37, -60),
                        (12, 24, -175),
                    ],
                    [15 * a, 15 * a, 14 * a, 13.5 * a, 13 * a, 12.5 * a, 12 * a, 11.5 * a, 10 * a],
                ),
                Tubes.through([(-10, -26, 36), (-17, -22, 62), (-26, -14, 118)], [6, 5.5, 4.5]),
                Tubes.through([(3, -12, 42), (10, -10, 75), (16, -6, 118)], [4, 3.8, 3.5]),
                Tubes.through([(14, 8, 44), (22, 8, 75), (36, 6, 118)], [5, 4.8, 4.5]),
            ]
        )

    @cached_property
    def lung_arteries(self) -> Tubes:
        """Pulmonary trunk and main pulmonary arteries up to the hila."""
        right, left = self.hilum(-1), self.hilum(1)
        return Tubes.joined(
            [
                Tubes.through([(12, -48, -38), (19, -40, -18), (22, -24, -6)], [14, 13.5, 13]),
                Tubes.through([(22, -24, -6), (38, -4, 2), (49, 12, -4), left], [12, 11, 10, 7]),
                Tubes.through(
                    [(18, -22, -10), (-10, -14, -14), (-34, -6, -14), right], [11, 10, 9, 7]
                ),
                Tubes.through([right, (-48, 16, -36)], [7, 5.5]),
                Tubes.through([left, (50, 22, -34)], [7, 5.5]),
            ]
        )

    @cached_property
    def veins(self) -> Tubes:
        """Caval and brachiocephalic veins, and the pulmonary veins beside the heart."""
        return Tubes.joined(
            [
                Tubes.through([(-27, -14, -48), (-30, -22, -10), (-29, -28, 40)], [9.5, 9, 8]),
                Tubes.through([(-29, -28, 40), (-34, -30, 75), (-48, -26, 118)], [7, 6.5, 6]),
                Tubes.through(
                    [(-28, -28, 44), (4, -42, 56), (30, -34, 80), (50, -26, 118)], [7] * 4
                ),
                Tubes.through([(-22, 4, -80), (-22, 6, -130)], [12, 12]),
                Tubes.through([(-20, 10, -44), (-46, 14, -46)], [8, 6]),
                Tubes.through([(20, 12, -44), (46, 18, -44)], [8, 6]),
                Tubes.through([(-22, 2, -36), (-46, -6, -26)], [7, 6]),
                Tubes.through([(24, 4, -34), (46, -6, -22)], [7, 6]),
            ]
        )

    @cached_property
    def oesophagus(self) -> Tubes:
        """The gullet, behind the trachea and the heart."""
        return Tubes.through([(4, 24, 118), (4, 26, 10), (8, 28, -60), (16, 16, -125)], [6] * 4)

    @cached_property
    def airways(self) -> Tubes:
        """Trachea, main and lobar bronchi: their lumen."""
        return Tubes.joined(
            [
                Tubes.through([(-2, -2, 125), (0, 6, 40), (0, 12, 4)], [8.5, 8.5, 8.5]),
                Tubes.through([(-1, 12, 2), (-30, 15, -19), (-38, 16, -26)], [7, 6.2, 5]),
                Tubes.through([(-26, 14, -15), (-48, 13, -8), (-60, 12, 4)], [4.8, 4, 3]),
                Tubes.through([(-38, 16, -26), (-43, 18, -44), (-50, 24, -62)], [5, 4.6, 3.2]),
                Tubes.through([(-42, 16, -38), (-56, -4, -52)], [3.4, 2.6]),
                Tubes.through([(1, 12, 2), (36, 19, -22), (44, 21, -30)], [6.4, 5.8, 5]),
                Tubes.through([(38, 19, -22), (56, 8, -16), (62, 2, -4)], [4.6, 3.6, 2.8]),
                Tubes.through([(44, 21, -30), (48, 27, -46), (54, 34, -64)], [5, 4.4, 3.2]),
            ]
        )


def _dome(
    x: np.ndarray, y: np.ndarray, at: tuple[float, float], radii: tuple[float, float], top: float
) -> np.ndarray:
    dx, dy = (x - at[0]) * (1 / radii[0]), (y - at[1]) * (1 / radii[1])
    squared = dx * dx + dy * dy
    return top - 34 * squared * (1 + 0.5 * squared)


@dataclass(frozen=True)
class LungTrees:
    """Vessels and bronchi within the lungs; of the bronchi, the lumen."""

    vessels: Tubes
    bronchi: Tubes

    @classmethod
    def grow(cls, anatomy: Anatomy, rng: np.random.Generator) -> LungTrees:
        """Grow the trees of all lobes; bronchi run beside their arteries."""
        vessels, bronchi = [], []
        for lobe, sites in enumerate(_sites(anatomy, rng)):
            half = len(sites) // 2
            arteries = _tree(np.array(_ARTERY[lobe], float), sites[:half], rng)
            vessels += [arteries, _tree(np.array(_VEIN[lobe], float), sites[half:], rng)]
            bronchi.append(_parallel(arteries, np.array(_ASIDE[lobe])))
        return cls(Tubes.joined(vessels), Tubes.joined(bronchi))


def _sites(anatomy: Anatomy, rng: np.random.Generator) -> list[np.ndarray]:
    """Return for each lobe points (N, 3) all over it, away from its surface and the fissures.

    N is a power of two, and the smaller the lobe, the smaller.
    """
    points = rng.uniform((-135, -95, -135), (135, 110, 105), (14000, 3))
    deep = anatomy.lung(*points.T) < -3.5
    points = points[deep & (np.abs(anatomy.oblique_fissure(*points.T)) > 2.5)]
    lobes = anatomy.lobe(points)
    by_lobe = [points[lobes == lobe] for lobe in range(len(LOBES))]
    return [sites[: min(1 << (len(sites).bit_length() - 1), 2 * _TWIGS)] for sites in by_lobe]


def _tree(root: np.ndarray, sites: np.ndarray, rng: np.random.Generator) -> Tubes:
    """Grow a tree from `root` to all sites: each branch runs towards the mean of its sites.

    At its end it forks, and the sites are halved along their longest extent. (The idea of
    volume division: Kitaoka et al. 1999, doi:10.1152/jappl.1999.87.6.2207.)
    """
    parts = []
    at, groups = root[None], sites[None]
    heading = sites.mean(axis=0, keepdims=True) - root
    while groups.shape[1] > 1:
        count = groups.shape[1]
        towards = 0.42 * (groups.mean(axis=1) - at)
        length = np.linalg.norm(towards, axis=1, keepdims=True)
        towards += rng.normal(0, 0.1, towards.shape) * length
        heading *= length / np.linalg.norm(heading, axis=1, keepdims=True)
        middle = at + 0.3 * heading + 0.25 * towards
        end = at + towards
        parts += _branches(at, middle, end, count)
        widest = groups.std(axis=1).argmax(axis=1)[:, None, None]
        order = np.take_along_axis(groups, widest, axis=2).argsort(axis=1)
        groups = np.take_along_axis(groups, order, axis=1).reshape(-1, count // 2, 3)
        at, heading = np.repeat(end, 2, axis=0), np.repeat(end - middle, 2, axis=0)
    parts.append(Tubes(at, groups[:, 0], np.full(len(at), _TIP), np.full(len(at), 0.6 * _TIP)))
    return Tubes.joined(parts)


def _branches(start: np.ndarray, middle: np.ndarray, end: np.ndarray, served: int) -> list[Tubes]:
    radius = np.full(len(start), _TIP * served ** (1 / _AREA))
    return [
        Tubes(start, middle, radius, 0.93 * radius),
        Tubes(middle, end, 0.93 * radius, 0.86 * radius),
    ]


def _parallel(arteries: Tubes, aside: np.ndarray) -> Tubes:
    """Return bronchi parallel to the first branches of the arteries, without overlap."""
    wide = arteries.start_radius > 1.25
    radius = arteries.start_radius[wide]
    offset = aside / np.linalg.norm(aside)
    first, last = (arteries.start[wide], arteries.end[wide])
    end_radius = arteries.end_radius[wide]
    return Tubes(
        first + offset * (1.9 * radius + 0.6)[:, None],
        last + offset * (1.9 * end_radius + 0.6)[:, None],
        0.8 * radius,
        0.8 * end_radius,
    )
