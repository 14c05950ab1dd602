"""The phantom's tumour: its traits and outcome, position, shape, and voxels."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from ..imaging.geometry import Point
from .anatomy import LOBES, Anatomy
from .canvas import Canvas, Coordinates, Tubes, texture

HISTOLOGIES = ("LUAD", "LUSC")
_RELIEF = 0.45  # how far at most the surface rises over the sphere, in radii


@dataclass(frozen=True)
class Traits:
    """The look of a tumour by its histology, after textbooks, and the patient's outcome.

    Attributes:
        histology: "LUAD" (adenocarcinoma) or "LUSC" (squamous cell carcinoma).
        diameter_mm: of the sphere with the volume that the tumour has if nothing limits it.
        solid_fraction: diameter of the solid core over that of the whole; 1 is all solid.
        spiculation: 0 (smooth) to 1.
        lobulation: 0 (round) to 1.
        cavity: radius of the air within over that of the tumour; 0 is none.
        necrosis: 0 (none) to 1.
    """

    histology: str
    diameter_mm: float
    solid_fraction: float
    spiculation: float
    lobulation: float
    cavity: float
    necrosis: float

    @classmethod
    def draw(cls, rng: np.random.Generator, histology: str | None = None) -> Traits:
        """Draw random traits; the histologies differ in each trait, and overlap."""
        drawn = HISTOLOGIES[int(rng.random() < 0.5)]
        histology = histology or drawn
        luad = histology == "LUAD"
        diameter = float(np.clip((25 if luad else 33) * np.exp(rng.normal(0, 0.42)), 9, 95))
        part_solid = rng.random() < (0.5 if luad else 0.1)
        solid = float(rng.beta(2.2, 1.8) * 0.8 + 0.15) if part_solid else 1.0
        cavitary = rng.random() < (0.06 if luad else 0.38) and solid == 1 and diameter > 16
        dead = rng.beta(1.2, 2.0) * (0.6 + 0.4 * min(diameter / 30, 1.5))
        dead *= (0.85 if luad else 1.05) if solid == 1 else 0.4
        return cls(
            histology=histology,
            diameter_mm=diameter,
            solid_fraction=solid,
            spiculation=float(rng.beta(2.2, 2.0) if luad else rng.beta(1.5, 2.7)),
            lobulation=float(rng.beta(1.7, 2.4) if luad else rng.beta(2.4, 1.8)),
            cavity=float(rng.uniform(0.35, 0.68)) if cavitary else 0.0,
            necrosis=min(float(dead), 1.0),
        )

    @property
    def survival_probability(self) -> float:
        """The true probability of survival at two years."""
        burden = (
            1.3 * np.log(self.diameter_mm / 29)
            + 4.0 * (self.necrosis - 0.3)
            + 4.0 * (self.spiculation - 0.44)
        )
        return float(1 / (1 + np.exp(burden - 0.5)))


@dataclass(frozen=True)
class Tumour(Traits):
    """The ground truth of a phantom's tumour.

    Attributes:
        centre_lps: its middle in LPS mm; a cavity or the chest wall may displace its centroid.
        hilum_distance_mm: from the hilum of its lung to its middle.
        lobe: one of `anatomy.LOBES`.
        alive_at_two_years: drawn with `survival_probability`.
    """

    centre_lps: Point
    hilum_distance_mm: float
    lobe: str
    alive_at_two_years: bool

    @classmethod
    def draw_in(cls, anatomy: Anatomy, rng: np.random.Generator, histology: str | None) -> Tumour:
        """Draw a random tumour in one of the lungs."""
        traits = Traits.draw(rng, histology)
        alive = bool(rng.random() < traits.survival_probability)
        point, distance = _position(anatomy, traits, rng)
        x, y, z = anatomy.to_lps(point).tolist()
        return cls(
            **asdict(traits),
            centre_lps=(x, y, z),
            hilum_distance_mm=distance,
            lobe=LOBES[int(anatomy.lobe(point[None])[0])],
            alive_at_two_years=alive,
        )

    @property
    def central(self) -> bool:
        """Whether the tumour extends to within 2 cm of the hilum."""
        return self.hilum_distance_mm - self.diameter_mm / 2 < 20


def _position(
    anatomy: Anatomy, traits: Traits, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Draw the tumour's centre, by its distance to the hilum, mostly within the lung."""
    central = rng.random() < (0.3 if traits.histology == "LUAD" else 0.68)
    wanted = traits.diameter_mm / 2 + (rng.uniform(6, 26) if central else rng.uniform(28, 95))
    points = rng.uniform((-135, -95, -130), (135, 105, 100), (1500, 3))
    depth = -anatomy.lung(*points.T)
    hila = np.where(points[:, :1] < 0, anatomy.hilum(-1), anatomy.hilum(1))
    distance = np.linalg.norm((points - hila) * anatomy.scale, axis=1)
    misfit = np.abs(distance - wanted) + 6 * np.clip(0.27 * traits.diameter_mm - depth, 0, None)
    misfit[depth < 2] = np.inf
    good = np.flatnonzero(misfit < 4)
    best = int(good[0]) if good.size else int(misfit.argmin())
    return points[best], float(distance[best])


class Lesion:
    """The shape of a phantom's tumour, and its HU."""

    def __init__(self, tumour: Tumour, anatomy: Anatomy, rng: np.random.Generator) -> None:
        self.tumour, self._anatomy = tumour, anatomy
        self._radius = tumour.diameter_mm / 2
        self._axis = _unit(rng.normal(size=3)).tolist()
        self._stretch = float(np.exp(rng.normal(0.05, 0.14)))
        self._waves = _waves(rng, 7, 5.0)
        self._lobes = _waves(rng, 3, 3.0)
        self._ridges = _waves(rng, 6, 6.5)
        self._inner = _waves(rng, 5, 4.0)
        self._eccentric = (rng.normal(0, 0.07, 3) * self._radius).tolist()
        self._shift = tuple(rng.integers(0, 128, 3).tolist())
        self._ground_glass = float(rng.uniform(-640, -440))
        uptake = 0.0 if anatomy.body.blood < 60 else float(rng.uniform(15, 45))
        self._solid = float(rng.uniform(30, 48)) + uptake
        self._spicules = Tubes.joined([self._draw_spicules(rng), self._draw_tags(rng)])
        self._vessel, self._bronchus = self._draw_supply(rng)

    @property
    def box(self) -> tuple[Point, Point]:
        """Two corners in LPS mm between which the tumour lies, without its spicules."""
        widest = max(self._stretch ** (2 / 3), self._stretch ** (-1 / 3))
        return self._box(widest * (1 + _RELIEF) * self._radius + 2)

    def _box(self, margin: float) -> tuple[Point, Point]:
        x, y, z = self.tumour.centre_lps
        return (x - margin, y - margin, z - margin), (x + margin, y + margin, z + margin)

    def surface(self, at: Coordinates) -> np.ndarray:
        """Signed distance in mm (negative inside) from points in LPS to the tumour's surface."""
        distance, *_ = self._field(at)
        return np.maximum(distance, self._lung(at) - 2)

    def paint(self, canvas: Canvas) -> None:
        """Paint the tumour and its spicules on a canvas in LPS."""
        part = canvas.part(*self._box(1.2 * self._radius + 20))
        if part is None:
            return
        lung = self._lung(part.position)
        self._paint_supply(part, lung - 6)
        spicules = part.distance_to(self._spicules, limit=1)
        if spicules is not None:
            part.paint(-60, np.maximum(spicules, lung))
        body = part.part(*self.box)
        if body is not None:
            self._paint_body(body, lung[body.window] - 2)

    def _paint_supply(self, c: Canvas, lung: np.ndarray) -> None:
        vessel = c.distance_to(self._vessel, limit=1)
        if vessel is not None:
            c.paint(self._anatomy.body.blood, np.maximum(vessel, lung))
        lumen = c.distance_to(self._bronchus, limit=2)
        if lumen is not None:
            lumen = np.maximum(lumen, lung)
            c.paint(-100, lumen - 0.8)
            c.paint(-960, lumen)

    def _paint_body(self, c: Canvas, lung: np.ndarray) -> None:
        tumour = self.tumour
        distance, depth, relief = self._field(c.position)
        mottle = texture(c, step=0.8, shift=self._shift, smoothing=2.0)
        if tumour.solid_fraction < 1:
            haze = self._ground_glass + 45 * mottle
            hazy = np.clip(0.5 - np.maximum(distance, lung) * (1 / 3), 0, 1)
            c.blend(np.maximum(c.hu, haze), hazy)
            patchy = 0.13 * texture(c, step=1.7, shift=self._shift, smoothing=2.5)
            core = self._radius * tumour.solid_fraction
            distance = depth - core * (1 + 1.2 * relief + patchy)
        rim = depth * (1 / (self._radius * tumour.solid_fraction))
        dead = np.clip((1.5 * tumour.necrosis - rim + 0.3 * mottle) * 2.5, 0, 1)
        c.paint(self._solid + 5 * mottle + (10 - self._solid) * dead, np.maximum(distance, lung))
        if tumour.cavity:
            c.paint(-960, np.maximum(self._cavity(c.position), lung + 4))

    def _field(self, at: Coordinates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Distance to the free surface, distance from the middle, relief (relative radius - 1)."""
        offsets = self._offsets(at)
        depth = np.sqrt(sum(o * o for o in offsets))
        direction = [o / np.maximum(depth, 1e-3) for o in offsets]
        smooth = sum(np.sin(phase + _dot(k, direction)) for *k, phase in self._waves)
        lobes = sum(np.abs(np.sin(phase + _dot(k, direction))) for *k, phase in self._lobes)
        folds = [1 - np.abs(np.sin(phase + _dot(k, direction))) for *k, phase in self._ridges]
        peaks = folds[0] * folds[1] + folds[2] * folds[3] + folds[4] * folds[5]
        relief = 0.03 * smooth + 0.18 * self.tumour.lobulation * (lobes - 1.91)
        height = 0.3 * min(18 / self._radius, 1)
        relief += height * max(self.tumour.spiculation - 0.15, 0) * (peaks - 0.4)
        relief = np.minimum(relief, _RELIEF)
        return depth - self._radius * (1 + relief), depth, relief

    def _offsets(self, at: Coordinates) -> list[np.ndarray]:
        """From the middle to `at`, squeezed along one axis, so that the tumour is a sphere."""
        offsets = [a - c for a, c in zip(at, self.tumour.centre_lps, strict=True)]
        along = _dot(self._axis, offsets) * (1 / self._stretch - 1)
        size = self._stretch ** (1 / 3)
        return [(o + along * a) * size for o, a in zip(offsets, self._axis, strict=True)]

    def _cavity(self, at: Coordinates) -> np.ndarray:
        offsets = [o - e for o, e in zip(self._offsets(at), self._eccentric, strict=True)]
        depth = np.sqrt(sum(o * o for o in offsets))
        direction = [o / np.maximum(depth, 1e-3) for o in offsets]
        rough = sum(np.sin(phase + _dot(k, direction)) for *k, phase in self._inner)
        return depth - self._radius * self.tumour.cavity * (1 + 0.09 * rough)

    def _lung(self, at: Coordinates) -> np.ndarray:
        shift, scale = self._anatomy.offset.tolist(), self._anatomy.scale.tolist()
        in_patient = [(a - o) * (1 / s) for a, o, s in zip(at, shift, scale, strict=True)]
        return self._anatomy.lung(*in_patient)

    def _draw_spicules(self, rng: np.random.Generator) -> Tubes:
        """Strands that radiate into the lung."""
        spiculation, radius = self.tumour.spiculation, self._radius
        count = round(150 * max(spiculation - 0.15, 0))
        towards = _unit(rng.normal(size=(128, 3)))[:count]
        length = rng.uniform(0.4, 1, 128)[:count, None] * (4 + 12 * spiculation)
        centre = np.array(self.tumour.centre_lps)
        sideways = rng.normal(0, 0.18, (128, 3))[:count] * length
        start = centre + towards * 0.8 * radius
        end = centre + towards * (radius + length) + sideways
        thick = rng.uniform(0.8, 1.4, 128)[:count] * (0.8 + 0.03 * radius)
        return Tubes(start, end, thick, np.full(count, 0.25))

    def _draw_tags(self, rng: np.random.Generator) -> Tubes:
        """Strands to the pleura, if the tumour lies close to it and is not smooth."""
        centre = np.array(self.tumour.centre_lps)
        around = self._anatomy.from_lps(centre + np.concatenate([np.eye(3), -np.eye(3)]))
        wall = self._anatomy.lung_wall(*around.T)
        outward, gap = _unit(wall[:3] - wall[3:]), -float(wall.mean()) - self._radius
        count = 3 if 1 < gap < 18 and self.tumour.spiculation > 0.35 else 0
        offset = rng.normal(0, 0.25, (3, 3))[:count] * (self._radius + gap)
        start = centre + 0.7 * self._radius * outward + 0.4 * offset
        end = centre + (self._radius + gap + 3) * outward + offset
        return Tubes(start, end, np.full(count, 0.9), np.full(count, 1.1))

    def _draw_supply(self, rng: np.random.Generator) -> tuple[Tubes, Tubes]:
        """An artery and a bronchus that come from the hilum and end in the tumour."""
        centre = np.array(self.tumour.centre_lps)
        in_patient = self._anatomy.from_lps(centre)
        hilum = self._anatomy.to_lps(np.array(self._anatomy.hilum(1 if in_patient[0] > 0 else -1)))
        towards = centre - hilum
        middle = hilum + 0.55 * towards + rng.normal(0, 0.12, 3) * np.linalg.norm(towards)
        aside = _unit(np.cross(towards, rng.normal(size=3)))
        width = float(rng.uniform(0.8, 1.5))
        t = np.linspace(0, 1, 7)[:, None]
        path = (1 - t) ** 2 * hilum + 2 * t * (1 - t) * middle + t**2 * centre
        radii = np.linspace(2.4 * width, width, 7)
        return _along(path, radii), _along(path + 2 * radii[:, None] * aside, 0.8 * radii)


def _along(path: np.ndarray, radii: np.ndarray) -> Tubes:
    return Tubes(path[:-1], path[1:], radii[:-1], radii[1:])


def _waves(rng: np.random.Generator, count: int, frequency: float) -> list[list[float]]:
    """Plane waves over the unit sphere: rows of wave vector and phase."""
    vectors = _unit(rng.normal(size=(count, 3))) * rng.uniform(0.6, 1.4, (count, 1)) * frequency
    return np.column_stack([vectors, rng.uniform(0, 2 * np.pi, count)]).tolist()


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _dot(vector: list[float], at: Coordinates) -> np.ndarray:
    return vector[0] * at[0] + vector[1] * at[1] + vector[2] * at[2]
