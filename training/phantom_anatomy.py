"""The soft parts of the procedural chest: signed distances of body, lungs, heart and upper abdomen.

The carina is the origin. Sizes are those of an adult in full inspiration, arms raised, lying on
the back; they were chosen by eye against real scans and stand for no population.
"""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor

from models.findings import Side
from training.phantom_shapes import Points, box, common, curve, disc, ellipse, ellipsoid, join

# Inner chest wall: (z, mm). Half-width, half-depth and y of the middle of the cavity.
CAVITY_HALF_WIDTH = (
    (-210, 134),
    (-150, 138),
    (-100, 138),
    (-50, 134),
    (0, 124),
    (40, 105),
    (72, 78),
    (92, 52),
    (104, 22),
)
CAVITY_HALF_DEPTH = ((-210, 88), (-150, 92), (-100, 93), (-50, 89), (0, 81), (40, 67), (72, 49), (92, 33), (104, 15))
CAVITY_MIDDLE_Y = ((-210, 2), (-100, 0), (-50, 0), (0, 3), (40, 11), (72, 22), (92, 28), (104, 30))
CAVITY_TOP_MM = 103.0
CAVITY_POWER = 2.35  # squarer than an ellipse
# Skin: (z, mm).
_BODY_HALF_WIDTH = ((-210, 160), (-120, 164), (-40, 165), (30, 166), (95, 165), (118, 152), (140, 118))
_BODY_HALF_DEPTH = ((-210, 118), (-120, 119), (-40, 117), (30, 108), (80, 96), (118, 82), (140, 70))
_BODY_MIDDLE_Y = ((-210, 6), (-40, 7), (30, 12), (80, 20), (118, 26), (140, 26))
_MUSCLE_THICKNESS = ((-210, 12), (-120, 13), (-20, 17), (40, 30), (80, 44), (104, 60))
# Mediastinum between the lungs: (z, mm).
_MEDIASTINUM_HALF_WIDTH = ((-160, 26), (-60, 25), (-10, 31), (25, 31), (60, 30), (104, 30))
# Spine with what lies beside it, the crura of the diaphragm below: (z, mm).
_CRURA_HALF_WIDTH = ((-195, 74), (-150, 42), (-110, 24), (-80, 21))
_SPINE_CURVE = ((-210, 50), (-130, 59), (-50, 62), (20, 58), (80, 48), (140, 34))
# Dome of the diaphragm per side: top z, its x and y, radii of the paraboloid in x and y, all mm.
_DOMES = {Side.RIGHT: (-90.0, -68.0, -22.0, 84.0, 100.0), Side.LEFT: (-100.0, 70.0, -18.0, 82.0, 98.0)}
_DOME_DEPTH_MM, _DOME_FLATTENING = 74.0, 0.2  # height over its radii, and how much less it falls beyond them
# Vessels between arch and neck: x, y, radius in mm.
_NECK_VESSELS = ((-15.0, -6.0, 6.5), (8.0, 2.0, 4.5), (19.0, 14.0, 5.0), (-24.0, -12.0, 7.0), (22.0, -14.0, 6.5))


def spine_y(z: Tensor) -> Tensor:
    """Give y of the middle of the vertebral bodies at height z."""
    return curve(z, _SPINE_CURVE)


def body(p: Points, breasts: float = 1.0) -> Tensor:
    """Skin surface, with breasts of a height over the standard, 0 for none."""
    trunk = ellipse(
        p.at(0, 0)._replace(y=p.y - curve(p.z, _BODY_MIDDLE_Y)),
        curve(p.z, _BODY_HALF_WIDTH),
        curve(p.z, _BODY_HALF_DEPTH),
        2.6,
    )
    if breasts == 0.0:
        return trunk
    mirrored = p._replace(x=p.x.abs())
    return join(trunk, ellipsoid(mirrored.at(76, -92, -78), 60, 40 * breasts, 62), 25)


def cavity(p: Points) -> Tensor:
    """Inner surface of the rib cage, closed at the top and open to the abdomen."""
    middle = p._replace(y=p.y - curve(p.z, CAVITY_MIDDLE_Y))
    wall = ellipse(middle, curve(p.z, CAVITY_HALF_WIDTH), curve(p.z, CAVITY_HALF_DEPTH), CAVITY_POWER)
    return common(wall, p.z - CAVITY_TOP_MM, 4)


def muscle(p: Points, wall: Tensor) -> Tensor:
    """Chest wall and shoulder muscles around the cavity, and the long muscles of the back."""
    layer = wall - curve(p.z, _MUSCLE_THICKNESS)
    back = p._replace(x=p.x.abs(), y=p.y - spine_y(p.z))
    shoulder = ellipsoid(p._replace(x=p.x.abs()).at(112, 30, 104), 50, 52, 58)
    return join(join(layer, ellipse(back.at(30, 38), 27, 17), 12), shoulder, 14)


def diaphragm(p: Points, side: Side) -> Tensor:
    """Upper surface of one dome; negative above it."""
    top, x, y, rx, ry = _DOMES[side]
    u, v = (p.x - x) / rx, (p.y - y) / ry
    aside = u**2 + v**2
    surface = top - _DOME_DEPTH_MM * aside / (1 + _DOME_FLATTENING * aside)
    slope = 2 * _DOME_DEPTH_MM * torch.sqrt((u / rx) ** 2 + (v / ry) ** 2) / (1 + _DOME_FLATTENING * aside) ** 2
    return (surface - p.z) / torch.sqrt(1 + slope**2)


def abdomen(p: Points) -> Tensor:
    """All that lies below the diaphragm, the higher of its two domes."""
    return join(-diaphragm(p, Side.RIGHT), -diaphragm(p, Side.LEFT), 20)


def heart(p: Points) -> Tensor:
    """Ventricles pointing left, forward and down, and the atria above."""
    turned = _turn(p.at(24, -36, -76), 0.62, 0.35)
    ventricles = ellipsoid(turned, 65, 44, 46)
    right_atrium = ellipsoid(p.at(-24, -26, -62), 26, 32, 38)
    left_atrium = ellipsoid(p.at(2, 6, -42), 38, 19, 22)
    return join(join(ventricles, right_atrium, 10), left_atrium, 10)


def great_vessels(p: Points) -> Tensor:
    """Aorta with its arch, pulmonary trunk, superior vena cava, vessels of the neck, and the oesophagus."""
    down = common(disc(p._replace(x=p.x - 23, y=p.y - spine_y(p.z) + 23), 12), p.z - 30)
    up = common(disc(p.at(-13, -20), 15.5), common(p.z - 32, -60 - p.z))
    trunk = common(ellipsoid(p.at(14, -22, -14), 17, 22, 22), -60 - p.z)
    cava = common(disc(p.at(-26, -4), 9), common(p.z - 50, -50 - p.z))
    gullet = ellipse(p._replace(x=p.x - 3, y=p.y - spine_y(p.z) + 25), 8, 6)
    parts = (down, up, trunk, cava, gullet, _neck_vessels(p), _arch(p))
    return reduce(join, parts)


def mediastinum(p: Points, pump: Tensor, vessels: Tensor) -> Tensor:
    """All between the lungs: ``heart(p)``, ``great_vessels(p)``, the spine with the necks of the ribs, and fat."""
    column = ellipse(p.at(0, -8), curve(p.z, _MEDIASTINUM_HALF_WIDTH), 84.0, 2.2)
    organs = join(join(pump - 3.5, vessels - 1.5, 8), ellipsoid(p.at(26, -76, -114), 58, 28, 64), 10)
    back = p._replace(y=p.y - spine_y(p.z))
    spine = ellipse(back.at(0, 8), curve(p.z, _CRURA_HALF_WIDTH), 27)
    necks = ellipse(back.at(0, 30), 44, 17)
    return join(join(join(column, organs, 14), spine, 14), necks, 10)


def lung(p: Points, side: Side, wall: Tensor, middle: Tensor) -> Tensor:
    """One lung: the cavity ``wall`` without the mediastinum ``middle``, above its dome."""
    sideways = p.x if side is Side.RIGHT else -p.x
    own_half = common(common(wall, -middle, 7), sideways + 2, 4)
    return common(own_half, diaphragm(p, side), 5)


def lung_at(p: Points, side: Side) -> Tensor:
    """Compute ``lung`` for a few points, without anything shared."""
    return lung(p, side, cavity(p), mediastinum(p, heart(p), great_vessels(p)))


def fissure(p: Points) -> Tensor:
    """Signed distance to the oblique fissures: gently curved sheets falling from back to front."""
    bend = 6 * torch.sin(p.x / 28) + 5 * torch.cos(p.y / 30)
    return 0.70 * (p.y - 12) + 0.714 * (p.z + 22) + bend


def liver(p: Points, wall: Tensor, below: Tensor) -> Tensor:
    """Liver under the right dome, its left lobe crossing the midline."""
    mass = ellipsoid(p.at(-48, -14, -175), 98, 84, 86)
    return common(common(mass, wall + 4, 6), below + 4, 6)


def spleen(p: Points, wall: Tensor, below: Tensor) -> Tensor:
    """Spleen at the left back."""
    return common(common(ellipsoid(p.at(96, 42, -170), 34, 42, 46), wall + 4, 6), below + 4, 6)


def stomach(p: Points, wall: Tensor, below: Tensor) -> Tensor:
    """Stomach at the left front, its gas rising to the front as the patient lies on the back."""
    return common(common(ellipsoid(p.at(70, -26, -168), 44, 44, 42), wall + 6, 6), below + 5, 6)


def stomach_gas(p: Points, hull: Tensor) -> Tensor:
    """Gas in the stomach above a level, 4 mm inside its wall."""
    return common(hull + 4, p.y + 42, 1)


def table(p: Points) -> tuple[Tensor, Tensor]:
    """Scanner table under the patient: carbon shell and foam core."""
    sag = p._replace(y=p.y - 139 + p.x**2 / 900)
    shell = box(sag, 205.0, 9.0, -1e4, 1e4, 6.0)
    return shell, shell + 1.5


def _arch(p: Points) -> Tensor:
    """Aortic arch: part of a torus from the ascending to the descending aorta."""
    along, across = (p.x - 6) * 0.53 + (p.y - 9) * 0.85, (p.x - 6) * 0.85 - (p.y - 9) * 0.53
    ring = torch.sqrt(along**2 + (p.z - 22) ** 2) - 27
    return common(torch.sqrt(ring**2 + across**2) - 12.5, 20 - p.z)


def _neck_vessels(p: Points) -> Tensor:
    """Brachiocephalic, carotid and subclavian vessels rising from the arch."""
    rising = 30 - p.z
    vessels = [
        common(disc(p._replace(x=p.x - x * (1 + (p.z - 40).clamp(min=0) / 130), y=p.y - y), r), rising)
        for x, y, r in _NECK_VESSELS
    ]
    return reduce(join, vessels)


def _turn(p: Points, to_left: float, down: float) -> Points:
    """Rotate about z and then about y, by radians."""
    cos_z, sin_z = torch.cos(torch.tensor(to_left)), torch.sin(torch.tensor(to_left))
    x, y = p.x * cos_z - p.y * sin_z, p.x * sin_z + p.y * cos_z
    cos_y, sin_y = torch.cos(torch.tensor(down)), torch.sin(torch.tensor(down))
    return Points(x * cos_y - p.z * sin_y, y, x * sin_y + p.z * cos_y)
