"""Grows the phantom's vessel and bronchial trees, which branch from the hila to fill each lobe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..imaging.geometry import Point
from .anatomy import LOBES, Anatomy
from .canvas import Canvas, Tubes

_TWIGS = 256  # ends of the tree of a large lobe; a power of two
_TIP = 0.55  # mm, radius of an end
_AREA = 2.45  # parent radius ** _AREA = sum of the children's (Murray's law has 3 in thin vessels)

# For each of `LOBES`: where artery and vein enter it, and where beside its artery a bronchus runs.
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
class LungTrees:
    """Vessels and bronchi within the lungs; of the bronchi, the lumen."""

    vessels: Tubes
    bronchi: Tubes

    @classmethod
    def grow(cls, anatomy: Anatomy, rng: np.random.Generator) -> LungTrees:
        """Trees for all lobes; bronchi run beside their arteries."""
        vessels, bronchi = [], []
        for lobe, sites in enumerate(_sites(anatomy, rng)):
            half = len(sites) // 2
            arteries = _tree(np.array(_ARTERY[lobe], float), sites[:half], rng)
            vessels += [arteries, _tree(np.array(_VEIN[lobe], float), sites[half:], rng)]
            bronchi.append(_beside(arteries, np.array(_ASIDE[lobe])))
        return cls(Tubes.joined(vessels), Tubes.joined(bronchi))


def paint_trees(canvas: Canvas, trees: LungTrees, blood: float) -> None:
    """Paint vessels and bronchi on a canvas in the patient's frame."""
    distance = canvas.distance_to(trees.vessels, reach=1)
    if distance is not None:
        canvas.paint(max(blood, 50.0), distance)
    lumen = canvas.distance_to(trees.bronchi, reach=2)
    if lumen is not None:
        canvas.paint(-150, lumen - 0.7)
        canvas.paint(-960, lumen)


def _sites(anatomy: Anatomy, rng: np.random.Generator) -> list[np.ndarray]:
    """For each lobe, points (N, 3) spread over it, off its surface and the fissures.

    N is a power of two, and the smaller the lobe, the smaller.
    """
    points = rng.uniform((-135, -95, -135), (135, 110, 105), (14000, 3))
    deep = anatomy.lung(*points.T) < -3.5
    points = points[deep & (np.abs(anatomy.oblique_fissure(*points.T)) > 2.5)]
    lobes = anatomy.lobe(points)
    found = [points[lobes == lobe] for lobe in range(len(LOBES))]
    return [sites[: min(1 << (len(sites).bit_length() - 1), 2 * _TWIGS)] for sites in found]


def _tree(root: np.ndarray, sites: np.ndarray, rng: np.random.Generator) -> Tubes:
    """A tree from `root` to all sites: each branch heads for the middle of those it will serve.

    At its end it forks, and the sites are shared out across their longest extent. (The idea of
    volume division: Kitaoka et al. 1999, doi:10.1152/jappl.1999.87.6.2207.)
    """
    parts = []
    at, groups = root[None], sites[None]
    heading = sites.mean(axis=0, keepdims=True) - root
    while groups.shape[1] > 1:
        count = groups.shape[1]
        way = 0.42 * (groups.mean(axis=1) - at)
        length = np.linalg.norm(way, axis=1, keepdims=True)
        way += rng.normal(0, 0.1, way.shape) * length
        heading *= length / np.linalg.norm(heading, axis=1, keepdims=True)
        middle = at + 0.3 * heading + 0.25 * way
        end = at + way
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


def _beside(arteries: Tubes, aside: np.ndarray) -> Tubes:
    """The first branches of the arteries, moved aside by as much as both are wide."""
    wide = arteries.start_radius > 1.25
    radius = arteries.start_radius[wide]
    towards = aside / np.linalg.norm(aside)
    first, last = (arteries.start[wide], arteries.end[wide])
    end_radius = arteries.end_radius[wide]
    return Tubes(
        first + towards * (1.9 * radius + 0.6)[:, None],
        last + towards * (1.9 * end_radius + 0.6)[:, None],
        0.8 * radius,
        0.8 * end_radius,
    )
