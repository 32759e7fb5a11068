"""The fixed words of report.html and of the PDF, by language; codes, names of models and figures stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Words = Mapping[str, str]


def page_words(language: str) -> Words:
    """Give the words of one language: ``en``, ``de`` or ``zh``.

    Raises
    ------
    KeyError
        There is no such language; the settings allow none.
    """
    return _WORDS[language]


_ENGLISH = {
    "lang": "en",
    "title": "Chest CT: lungs and nodules",
    "skip": "Skip to the report",
    "dark": "Dark page",
    "headline": "Result",
    "nodules_marked": "Nodules marked",
    "none": "none",
    "unmarked": "Unmarked nodules may be there.",
    "no_nodule": "No nodule was marked. This does not mean that there is none.",
    "lung_volume": "Lung volume",
    "both_lungs": "right {right} ml, left {left} ml",
    "time": "Time",
    "device": "on {device}",
    "read_first": "Read this first",
    "nodules": "Nodules",
    "table_help": "A heading sorts the table. A row opens the slice on which the nodule was measured.",
    "number": "No.",
    "place": "Place",
    "type": "Type",
    "mean_mm": "Mean mm",
    "axes_mm": "Axes mm",
    "volume_mm3": "Volume mm³",
    "mean_hu": "Mean HU",
    "probability": "Probability",
    "brock": "Brock 2a",
    "suspicion": "Suspicion",
    "lung_rads": "Lung-RADS",
    "not_scored": "not scored",
    "show_nodule": "Nodule {number}: show its slice",
    "sure": "± is the half-width of the 95 % interval that voxel size and slice thickness imply.",
    "suspicion_is": "Suspicion: probability of being {meaning}.",
    "brock_unknown": "The Brock model gives a range where it was not told: {names}.",
    "advice": "Risk and follow-up",
    "close_ups": "Each nodule from near",
    "close_up": "Nodule {number}, {mm} mm mean diameter, on its measuring slice",
    "slices": "Slices",
    "viewer": "Slice viewer",
    "slice": "Slice",
    "nodule": "nodule",
    "slice_of": "{number} of {count}",
    "previous": "Previous slice",
    "next": "Next slice",
    "previous_nodule": "Previous nodule",
    "next_nodule": "Next nodule",
    "marks": "Marks",
    "window": "Window",
    "lung": "Lung",
    "mediastinum": "Mediastinum",
    "bone": "Bone",
    "wide": "Wide",
    "keys": "Keys",
    "keys_slices": "Arrows: one slice. Page up and down: ten. Home, End: first, last. N, P: next, previous nodule. "
    "O: marks on or off. 1 to 4: window. The mouse wheel turns the pages once the picture was clicked.",
    "greys": "For looking only: {size} pixels wide, 256 greys, compressed with loss. Read the original in the PACS.",
    "thinned": "Only every {step}th slice is here.",
    "no_script": "Without JavaScript the slices of the nodules are shown as pictures:",
    "lungs_3d": "Lungs in 3D",
    "lungs_viewer": "Lungs in 3D: drag, or use the arrow keys, to turn them",
    "front": "Front",
    "left": "Left",
    "back": "Back",
    "right": "Right",
    "above": "Above",
    "seen_from": "{turn}° to the patient's left, {tilt}° from above",
    "keys_lungs": "Drag or arrows: turn. Home: from the front. Each nodule is a ball of its measured volume, tiny ones "
    "a little larger.",
    "planes_nodule": "Three planes through nodule 1",
    "planes_lungs": "Three planes through the lungs",
    "axial_nodule": "axial, through nodule 1",
    "axial_lungs": "axial, through the lungs",
    "axial": "axial",
    "coronal": "coronal",
    "sagittal": "sagittal",
    "through": "Where the nodules are",
    "projection": "{plane}, highest HU inside the lungs",
    "limits": "Limits",
    "limit_validated": "{disclaimer}: nobody has validated this device for use on patients.",
    "limit_marks": "A nodule that is not marked may still be there, and a mark may be no nodule. The probability is "
    "the device's own estimate that a mark is a nodule; it says nothing of cancer.",
    "limit_prior": "Only this one examination was read: no prior, no growth. Lung-RADS follows from type and size "
    "alone.",
    "limit_thirds": "Upper, middle and lower third are heights within the lung, not lobes.",
    "models": "Models",
    "model_name": "Name",
    "model_version": "Version",
    "model_data": "Learned from",
    "model_use": "Intended use",
    "times": "Where the time went",
    "stage": "Stage",
    "seconds": "Seconds",
    "not_processed": "NOT PROCESSED. This is not a negative result.",
    "no_reason": "No reason was recorded.",
    "reason_code": "Reason code {code}.",
    "read_without": "No nodule was looked for in this series. Read it without help from this device.",
    "page": "Page {number} of {count}",
}
_WORDS: Mapping[str, Words] = MappingProxyType({"en": MappingProxyType(_ENGLISH)})
