"""What a site may say about which series of a study is analysed; fed from ``selection`` in config.yaml.

Law of this file: values and their checks; who wins is decided in ``selection.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Kernels by sharpness. Medium first: they keep CT numbers and edges true, on which the type and size of a nodule
# rest; edge-enhancing ones overshoot at edges and are noisy. CAD found 88 % with a medium kernel, 82 % with a soft
# and 82 % with a sharp one (PMID 20118719); kernels change the nodule type that AI reports, 1 or 2 mm slices
# do not (Mao 2025, doi:10.1007/s00330-025-11949-8). So kernels decide between series of about the same distance.
_MEDIUM = (
    r"ST(AN)?DA?R?D?\b.*",  # GE STANDARD, STND
    r"CHEST\b.*",  # GE
    r"[A-Z]{1,2}[34]\d[A-Z]?",  # Siemens B30f..B49f, I30f, D45f, Br40, Qr44
    r"(XC|SC|X|S|I)?[BC]",  # Philips B, C and their relatives
    r"FC(0\d|1\d)\b.*",  # Toshiba, Canon body
)
_SOFT = (r"SOFT\b.*", r"[A-Z]{1,2}[12]\d[A-Z]?", r"A")
_SHARP = (
    r"LUNG\b.*",
    r"DETAIL\b.*",
    r"[A-Z]{1,2}[5-9]\d[A-Z]?",  # Siemens B50f..B90f, Bl57
    r"(LI?|D|E|Y[A-E])",  # Philips
    r"FC(3|5|8)\d\b.*",  # Toshiba, Canon bone and lung
    r"(BONE|EDGE|ULTRA).*",
)


@dataclass(frozen=True)
class SelectionRules:
    """Which series of a study is analysed.

    All patterns are regular expressions, upper and lower case alike. Those for descriptions and body
    parts are searched in words separated by single spaces (``Thorax_COR-3mm`` reads ``thorax cor 3mm``).

    Parameters
    ----------
    min_slices
        Fewer are no chest: 8, because a lung of 200 mm has 17 slices at the largest distance.
    max_slice_distance_mm
        Between neighbouring slices.
    max_tilt_degrees
        Largest angle between the normal of the slices and the patient's long axis; gantries tilt by 30.
    excluded_image_types
        Words of Image Type (0008,0008) that rule a series out: projections, reformats, pages.
    excluded_descriptions
        Patterns of Series Description that rule a series out.
    chest_patterns
        Body part or description that say "chest"; such a series is preferred.
    other_part_patterns
        Body part or description that rule a series out, unless a chest pattern fits as well.
    slice_classes_mm
        Upper bounds of the classes of slice distance or thickness, whichever is larger. A thinner class
        wins; within one class the kernel decides.
    kernel_groups
        Patterns for the whole kernel name, best group first; what fits none comes last.
    """

    min_slices: int = 8
    max_slice_distance_mm: float = 12.0
    max_tilt_degrees: float = 45.0
    excluded_image_types: tuple[str, ...] = (
        *("LOCALIZER", "SECONDARY", "MPR", "REFORMATTED", "CURVED", "PROJECTION", "MIP", "MINIP", "MAXIMUM", "MINIMUM"),
        *("VRT", "SSD", "SCREEN", "DOSE", "SUBTRACTION", "FUSED"),
    )
    excluded_descriptions: tuple[str, ...] = (
        r"\b(scout|topogram|surview|scanogram|locali[sz]er|pilot)",
        r"\b(dose (report|info|record|page|sheet|summary)|patient protocol|exam summary)\b",
        r"\b(mpr|mip|minip|maxip|vrt|3d|curved)\b",
        r"\b(cor|coronal|sag|sagittal|sagital|oblique)\b",
        r"\b(screen ?(save|shot|capture)|key images?)\b",
        r"\b((pre)?monitoring|bolus|tracker|smart ?prep|timing|test inj\w*)\b",
    )
    chest_patterns: tuple[str, ...] = (
        r"chest|thora|lung|pulmo|whole ?body|torso|trunk",
        r"\b(cap|tap|cta?p)\b",
    )
    other_part_patterns: tuple[str, ...] = (
        r"\b(head|brain|skull|neck|orbit|sinus|abdo|abd\b|pelvi|liver|kidney|spine|[clt] ?spine|knee|hip\b|ankle|foot)",
        r"\b(hand|wrist|elbow|shoulder|extremit|femur|tibia|maxilla|mandib|dental|coronar|heart|cardiac|calcium)",
    )
    slice_classes_mm: tuple[float, ...] = (1.5, 3.0, 5.0)
    kernel_groups: tuple[tuple[str, ...], ...] = (_MEDIUM, _SOFT, _SHARP)

    def __post_init__(self) -> None:
        if self.min_slices < 1 or self.max_slice_distance_mm <= 0 or not 0 < self.max_tilt_degrees <= 90:
            raise ValueError("min_slices, max_slice_distance_mm and max_tilt_degrees (up to 90) must be positive")
        if list(self.slice_classes_mm) != sorted(set(self.slice_classes_mm)):
            raise ValueError(f"slice_classes_mm must ascend, found {self.slice_classes_mm}")
        lists = (self.excluded_descriptions, self.chest_patterns, self.other_part_patterns, *self.kernel_groups)
        for pattern in (pattern for patterns in lists for pattern in patterns):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None

    def matches(self, text: str, patterns: tuple[str, ...]) -> bool:
        """Tell whether one of the patterns stands in ``text``."""
        words = " ".join(re.findall(r"[^\W_]+", text))
        return any(re.search(pattern, words, re.IGNORECASE) for pattern in patterns)

    def kernel_group(self, kernel: str) -> int:
        """Give the place of a kernel in ``kernel_groups``; their number if it is in none."""
        name = kernel.partition("\\")[0].strip()  # a second value is the strength of an iterative reconstruction
        fitting = (
            place
            for place, patterns in enumerate(self.kernel_groups)
            if any(re.fullmatch(pattern, name, re.IGNORECASE) for pattern in patterns)
        )
        return next(fitting, len(self.kernel_groups))

    def slice_class(self, resolution_mm: float) -> int:
        """Give the place of a slice distance or thickness among the classes; their number if it is beyond all."""
        within = (place for place, bound_mm in enumerate(self.slice_classes_mm) if resolution_mm <= bound_mm)
        return next(within, len(self.slice_classes_mm))
