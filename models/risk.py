"""The risk of a nodule, in one import: Brock, Mayo, Lung-RADS v2022, Fleischner 2017, doubling time.

Each stands in a file of its own; a stage that reports risk needs to know only this one.
"""

from __future__ import annotations

from models.brock import CALCIFIED_AS_SOLID, BrockInputs, brock_2a, brock_2b, brock_2b_range, brock_range, mayo
from models.fleischner import FleischnerAdvice, fleischner_2017, fleischner_applies
from models.growth import diameter_doubling_time_days, mean_diameter_mm, volume_doubling_time_days
from models.lung_rads import assess_exam, assess_nodule
from models.screened_nodule import Airway, Course, ScreenedNodule, Size, course_of

__all__ = [
    "CALCIFIED_AS_SOLID",
    "Airway",
    "BrockInputs",
    "Course",
    "FleischnerAdvice",
    "ScreenedNodule",
    "Size",
    "assess_exam",
    "assess_nodule",
    "brock_2a",
    "brock_2b",
    "brock_2b_range",
    "brock_range",
    "course_of",
    "diameter_doubling_time_days",
    "fleischner_2017",
    "fleischner_applies",
    "mayo",
    "mean_diameter_mm",
    "volume_doubling_time_days",
]
