"""Short names of the terms of risk, for tables of worked examples."""

from __future__ import annotations

from models.findings import Attenuation, LungRadsCategory
from models.risk import Course

SOLID, PART, GROUND, CALCIFIED = (
    Attenuation.SOLID,
    Attenuation.PART_SOLID,
    Attenuation.GROUND_GLASS,
    Attenuation.CALCIFIED,
)
BASELINE, NEW, GROWING, SLOW, STABLE = (
    Course.BASELINE,
    Course.NEW,
    Course.GROWING,
    Course.SLOWLY_GROWING,
    Course.STABLE,
)
C = LungRadsCategory
