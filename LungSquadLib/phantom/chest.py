"""Paints the phantom's chest without its tumour: wall, bones, abdomen, lungs, heart and vessels.

Every canvas here is in the patient's frame (see `Anatomy`).
"""

from __future__ import annotations

import numpy as np

from .anatomy import Anatomy, LungTrees
from .canvas import Canvas, Tubes, ellipsoid, texture

AIR, FAT, SKIN, MUSCLE, CARTILAGE, CORTEX = -1000.0, -100.0, 20.0, 52.0, 105.0, 780.0
_PITCH = 25.0  # mm from one vertebra, and one rib, to the next


def paint_chest(canvas: Canvas, anatomy: Anatomy, trees: LungTrees) -> None:
    """Paint all of the patient but the tumour."""
    if anatomy.body.couch:
        _paint_couch(canvas, anatomy)
    body = canvas.part((-205, -150, -1000), (205, 160, 1000))
    if body is None:
        return
    cage = anatomy.cage(*body.position)
    if cage.max() > -5:
        _paint_wall(body, anatomy, cage)
        _paint_ribs(body, cage)
        _paint_sternum(body, cage)
        _paint_clavicles(body)
        _paint_scapulae(body, cage)
    interior = body.part((-145, -100, -1000), (145, 110, 112))
    if interior is not None:
        cage = cage[interior.window]
        interior.paint(FAT, cage)
        _paint_lungs(interior, anatomy)
        _paint_trees(interior, trees, anatomy.body.blood)
        _paint_abdomen(interior, anatomy, cage)
    _paint_spine(body, anatomy)
    _paint_heart(body, anatomy)
    _paint_great_vessels(body, anatomy)


def _paint_couch(canvas: Canvas, anatomy: Anatomy) -> None:
    top = 120 + 0.7 * anatomy.body.fat + 7 * anatomy.body.muscle
    part = canvas.part((-215, top - 45, -1000), (215, top + 60, 1000))
    if part is None:
        return
    x, y, _ = part.position
    depth = np.hypot(x, y - (top - 620)) - 622
    slab = np.maximum(np.abs(depth - 14) - 14, np.abs(x) - 205)
    part.paint(-930, slab)
    part.paint(-250, np.abs(slab + 1) - 1)


def _paint_wall(c: Canvas, anatomy: Anatomy, cage: np.ndarray) -> None:
    """Skin, fat, and the muscles between and outside the ribs and along the spine."""
    body, (x, y, z) = anatomy.body, c.position
    skin = anatomy.skin(x, y, z)
    c.paint(SKIN, skin)
    c.paint(FAT, skin + 2)
    c.paint(MUSCLE, np.abs(cage - 5) - 5.5)
    chest = np.clip((-y - 25) * 0.025, 0, 1) * np.clip((z + 50) * 0.03, 0, 1)
    back = np.clip((y - 10) * 0.02, 0, 1) * np.clip((z + 70) * 0.01, 0, 1)
    half = (2.4 + 5 * chest + 6 * back) * body.muscle
    half = half + 4 * np.clip((z - 30) * (1 / 60), 0, 1) * np.clip(np.abs(x) * 0.01, 0, 1)
    gap = np.clip(1.2 + 1.6 * np.sin(z * (1 / 13) + x * (1 / 19)) * np.sin(y * (1 / 17)), 0, None)
    sheet = np.abs(cage - (10 + gap + half)) - half
    c.paint(MUSCLE, np.maximum(sheet, skin + (2 + 0.4 * body.fat)))
    wide = (np.abs(x) - 26) * (1 / 24)
    deep = (y - anatomy.spine_y(z) - 42) * (1 / (17 * body.muscle))
    strands = (np.sqrt(wide * wide + deep * deep) - 1) * 17
    c.paint(MUSCLE, np.maximum(strands, skin + 4))


def _paint_ribs(c: Canvas, cage: np.ndarray) -> None:
    """Ribs fall towards the front; their cartilage rises again to the sternum."""
    x, y, z = c.position
    across = np.abs(x)
    front = np.clip(-y * 0.1, 0, 1)
    level = z - 0.62 * (y - 70) - 0.55 * np.clip(62 - across, 0, None) * front
    number = np.minimum(np.rint(level * (1 / _PITCH)), 6)
    high = (level - number * _PITCH) * (0.85 / 4.9)
    deep = (cage - 5.5) * (1 / 4.2)
    rib = (np.sqrt(high * high + deep * deep) - 1) * 4.2
    rib = np.maximum(rib, 26 - across)
    bone = 1 - front * np.clip((62 - across) * 0.2, 0, 1)
    c.paint(CARTILAGE + (CORTEX - CARTILAGE) * bone, rib)
    c.paint(110 + 60 * bone, rib + 1.4)


def _paint_sternum(c: Canvas, cage: np.ndarray) -> None:
    part = c.part((-30, -130, -105), (30, 0, 65))
    if part is None:
        return
    x, _, z = part.position
    width = 13 + 10 * np.clip((z - 18) * 0.1, 0, 1)
    plate = np.maximum(np.abs(x) - width, np.abs(cage[part.window] - 9) - 5)
    plate = np.maximum(plate, np.abs(z + 20) - 78)
    part.paint(0.7 * CORTEX, plate)
    part.paint(130, plate + 1.5)


def _paint_clavicles(c: Canvas) -> None:
    for side in (-1, 1):
        shaft = [(21 * side, -60, 60), (70 * side, -52, 84), (135 * side, 5, 104)]
        clavicle = c.distance_to(Tubes.through(shaft, [8, 6, 6.5]), limit=3)
        if clavicle is not None:
            c.paint(CORTEX, clavicle)
            c.paint(200, clavicle + 1.8)


def _paint_scapulae(c: Canvas, cage: np.ndarray) -> None:
    part = c.part((-170, 0, -60), (170, 150, 120))
    if part is None:
        return
    x, y, z = part.position
    across = np.abs(x)
    blade = np.abs(cage[part.window] - 21 - 0.04 * (across - 60)) - 1.8
    edge = np.maximum(across - 112 - 0.1 * z, 62 - across - 0.18 * (z + 55))
    edge = np.maximum(edge, np.maximum(-50 - z, 12 - y))
    part.paint(CORTEX, np.maximum(blade, edge))


def _paint_abdomen(c: Canvas, anatomy: Anatomy, cage: np.ndarray) -> None:
    """Diaphragm, liver on the right, spleen and stomach with its air on the left."""
    below = c.part((-145, -100, -1000), (145, 110, anatomy.body.diaphragm - 70))
    if below is None:
        return
    x, y, z = below.position
    blood = anatomy.body.blood
    dome = np.maximum(anatomy.above_diaphragm(x, y, z), cage[below.window] + 1)
    below.paint(MUSCLE, dome)
    below.paint(FAT, dome + 3)
    liver = np.maximum(dome + 3, x - 26 + 0.25 * y + 0.3 * (z + 110))
    below.paint(58 + 0.4 * (blood - 45), liver)
    spleen = ellipsoid((x, y, z), (82, 46, -140), (38, 40, 46))
    below.paint(52 + 0.5 * (blood - 45), np.maximum(dome + 5, spleen))
    stomach = np.maximum(dome + 5, ellipsoid((x, y, z), (52, -22, -136), (42, 46, 34)))
    below.paint(MUSCLE, stomach)
    below.paint(np.where(y < -34, AIR, 18.0), stomach + 4)


def _paint_lungs(c: Canvas, anatomy: Anatomy) -> None:
    """Aerated lung, a little denser behind, with emphysema in some, and the fissures."""
    x, y, z = c.position
    lung = anatomy.lung_wall(x, y, z)
    middle = c.part((-95, -100, -1000), (95, 110, 112))
    if middle is not None:
        lung[middle.window] = np.maximum(
            lung[middle.window], -anatomy.mediastinum(*middle.position)
        )
    coarse = texture(c, step=1.1, shift=(3, 14, 15), smoothing=3.5)
    fine = texture(c, step=0.8, shift=(9, 26, 53), smoothing=1.0)
    air = anatomy.body.lung + 0.3 * y + 12 * coarse + 16 * fine
    air -= anatomy.body.emphysema * 130 * np.clip(coarse - 0.7, 0, 1)
    c.paint(air, lung)
    oblique = anatomy.oblique_fissure(x, y, z)
    horizontal = np.maximum(np.abs(anatomy.horizontal_fissure(x, y, z)), np.maximum(-oblique, x))
    fissure = np.minimum(np.abs(oblique), horizontal) - 0.3
    c.paint(-600, np.maximum(fissure, lung))


def _paint_trees(c: Canvas, trees: LungTrees, blood: float) -> None:
    """Pulmonary vessels, and the bronchi: a wall round a lumen of air."""
    distance = c.distance_to(trees.vessels, limit=1)
    if distance is not None:
        c.paint(max(blood, 50.0), distance)
    lumen = c.distance_to(trees.bronchi, limit=2)
    if lumen is not None:
        c.paint(-150, lumen - 0.7)
        c.paint(-960, lumen)


def _paint_spine(c: Canvas, anatomy: Anatomy) -> None:
    part = c.part((-45, 20, -1000), (45, 150, 1000))
    if part is None:
        return
    x, y, z = part.position
    across, behind = np.abs(x), y - anatomy.spine_y(z)
    level = z - np.rint(z * (1 / _PITCH)) * _PITCH
    waist = 1 - 0.12 * np.clip(1 - (level * (1 / 9)) ** 2, 0, 1)
    column = (np.sqrt((x * (1 / 17)) ** 2 + (behind * (1 / 14)) ** 2) - waist) * 14
    part.paint(85, column)
    body = np.maximum(column, np.abs(level) - 9)
    spongy = 22 * texture(part, step=0.9, shift=(7, 1, 8), smoothing=1.0)
    part.paint(0.6 * CORTEX, body)
    part.paint(anatomy.body.bone + spongy, body + 1.2)
    canal = np.hypot(x, behind - 21) - 8
    arch = np.maximum(np.abs(canal - 2.5) - 2.5, np.abs(level) - 7)
    root = np.maximum(np.maximum(across - 13, 6 - across), np.abs(behind - 14) - 6)
    wing = np.maximum(np.abs(behind - 22 - 0.35 * across) - 4, np.maximum(across - 34, 9 - across))
    lateral = np.maximum(np.minimum(root, wing), np.abs(level - 2) - 5)
    tilted = z + 0.5 * (behind - 30)
    slant = np.abs(tilted - np.rint(tilted * (1 / _PITCH)) * _PITCH) - 7
    thorn = np.maximum(np.maximum(across - 3, np.abs(behind - 42) - 13), slant)
    posterior = np.maximum(np.minimum(np.minimum(arch, lateral), thorn), -canal)
    part.paint(0.75 * CORTEX, posterior)
    part.paint(220, posterior + 1.6)
    part.paint(15, canal)
    part.paint(38, canal + 3.5)


def _paint_heart(c: Canvas, anatomy: Anatomy) -> None:
    part = c.part((-75, -85, -125), (90, 45, -5))
    if part is None:
        return
    body, at = anatomy.body, part.position
    blood, size = body.blood, body.heart
    muscle = 50 + 0.3 * (blood - 45)
    heart = anatomy.heart(*at)
    below = anatomy.above_diaphragm(*at)
    heart = np.maximum(heart, 1 - below)
    part.paint(MUSCLE, np.abs(heart - 0.5) - 0.5)
    lumpy = 2.5 + 1.8 * texture(part, step=2.0, shift=(5, 77, 31), smoothing=4.0)
    part.paint(FAT, heart)
    part.paint(muscle, heart + lumpy)
    right = ellipsoid(at, (-24, -24, -58), (32 * size, 34 * size, 40 * size))
    back = ellipsoid(at, (2, 12, -42), (38 * size, 20 * size, 24 * size))
    part.paint(1.05 * blood, np.maximum(right, heart) + 5)
    part.paint(blood, np.maximum(back, heart) + 5)
    left = ellipsoid(at, (34, -24, -70), (26 * size, 23 * size, 29 * size))
    part.paint(blood, np.maximum(left, heart + 9))
    front = ellipsoid(at, (6, -50, -66), (36 * size, 18 * size, 32 * size))
    part.paint(1.05 * blood, np.maximum(front, heart + 6))


def _paint_great_vessels(c: Canvas, anatomy: Anatomy) -> None:
    """Aorta, pulmonary arteries, great veins, oesophagus, and the airways down to the lobes."""
    part = c.part((-80, -80, -1000), (80, 80, 1000))
    if part is None:
        return
    blood = anatomy.body.blood
    for tubes, value in (
        (anatomy.oesophagus, 42.0),
        (anatomy.veins, 0.97 * blood),
        (anatomy.lung_arteries, 1.06 * blood),
        (anatomy.arteries, blood),
    ):
        distance = part.distance_to(tubes, limit=2)
        if distance is not None:
            part.paint(value, distance)
    airway = part.distance_to(anatomy.airways, limit=3)
    if airway is not None:
        part.paint(30, airway - 1.3)
        part.paint(-990, airway)
