"""What a site may say about which series of a study is analysed; fed from ``selection`` in config.yaml.

Law of this file: values and their checks; who wins is decided in ``selection.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from node.series.preferences import PICTURES, PREFERENCES, Preference, check_patterns
from node.series.words import fits, words_of

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


# "Chest" in the languages of hospitals. Accents do not matter (``node.series.words``).
_CHEST = (
    r"chest|(?<!rachis )(?<!columna )(?<!coluna )(?<!colonna )th?ora[ckx](?!\w* (spine|vertebr|outlet))|\bthx\b",
    r"\blung|pulm|poumon|polmon|\bpecho|\bpeito|mediastin|\bldct\b|\bhrct\b",  # English, Romance languages, German
    r"whole ?body|torso|trunk|ganzkorper|corps entier|cuerpo (entero|completo)|corpo inteiro",
    r"\b(cap|tap|cta?p|ctpa|n?cnap|brustkorb|brust)\b",
    r"\b(longen|borstkas|brostkorg|brystkas\w*|bryst|rintakeha|keuh\w*|rindkere|kops\w*)\b",  # northern Europe
    r"\b(klatk\w*|klp|pluc\w*|hrud\w*|plic\w*|pljuc\w*|prsni\w*|grudni\w*)\b",  # Polish, Czech, southern Slavic
    r"\b(mellkas\w*|tudo\w*|plaman\w*|gogus\w*|akciger\w*|krutin\w*|plauc\w*|plaus\w*)\b",  # Hungarian to Latvian
    r"грудн|груд|легк|легень|леген|огк|гръд|бял дроб|плућ",
    r"胸|肺|흉|폐|가슴",
    r"θωρακ|πνευμον|صدر|رئة|رئت|رئو|ریه|سینه|חזה|ריאות|ריאה|छाती|फेफड|ทรวงอก|หน้าอก|ปอด",
    r"\b(nguc|phoi|dada|paru)\b",  # Vietnamese, Indonesian
)
_OTHER_PART = (
    r"\b(head|brain|skull|neck|orbit|sinus|abdo|abd\b|pelvi|liver|kidney|spine|[clt] ?spine|knee|hip\b|ankle|foot)",
    r"\b(hand|wrist|elbow|shoulder|extremit|femur|tibia|maxilla|mandib|dental|coronar|heart|cardiac|calcium)",
    r"\b(kopf|schadel|hirn|hals|bauch(?!lage)|becken|leber|niere|[hlb]ws|wirbel|crane|cerebr|encephal|cou\b|foie|rein|rachis)",
    r"\b(craneo|cabeza|cuello|columna|coluna|colonna|collo|cranio|bacin|higado|jamy|brzuch|miednic|glow|szyj)",
    r"\b(bricho|panev|hlav|karin|batin|beyin|boyun|has\b|koponya|nyak)",
    r"голов|живот|брюшн|таза|позвон|шеи",
    r"头|頭|颅|腦|脑|脳|腹|盆|頸|颈|脊|腰|두부|복부|골반|경부|척추",
    r"κοιλι|κεφαλ|بطن|راس|حوض|בטן|ראש|אגן|ศีรษะ|ช่องท้อง",
)


@dataclass(frozen=True)
class SelectionRules:
    """Which series of a study is analysed.

    All patterns are regular expressions, upper and lower case and accents alike. Those for texts are
    searched in words separated by single spaces (``Thorax_COR-3mm`` reads ``thorax cor 3mm``).

    Parameters
    ----------
    min_slices
        Fewer are no chest: 8, because a lung of 200 mm has 17 slices at the largest distance.
    max_slice_distance_mm
        Between neighbouring slices; a series beyond it stands behind.
    max_tilt_degrees
        Largest angle between the normal of the slices and the patient's long axis; gantries tilt by 30. A series
        beyond it stands behind.
    excluded_image_types
        Words in a value of Image Type (0008,0008) that rule a series out when every image has one: pages, scouts.
    excluded_descriptions
        Patterns of Series Description that rule a series out: what a site never wants to be tried.
    chest_patterns
        Words that say "chest"; such a series is preferred.
    other_part_patterns
        Words that name another part of the body, unless a chest pattern fits as well; such a series stands behind.
    pictures
        Rules by words that go before the part of the body.
    preferences
        Rules by words that go after it.
    breathing_phase_percent, cardiac_phase_percent
        Phase that is read best of those that a gated study tells in %: full inspiration, and the quiet heart.
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
        *("LOCALIZER", "SCOUT", "TOPOGRAM", "SCANOGRAM", "SURVIEW"),
        *("SCREEN SAVE", "SCREENSAVE", "SCREEN SHOT", "SCREENSHOT", "SCREEN CAPTURE"),
        *("DOSE INFO", "DOSEINFO", "DOSE REPORT", "DOSE RECORD", "DOSE SUMMARY", "PATIENT PROTOCOL", "SOM5 PROT"),
    )
    excluded_descriptions: tuple[str, ...] = ()
    chest_patterns: tuple[str, ...] = _CHEST
    other_part_patterns: tuple[str, ...] = _OTHER_PART
    pictures: tuple[Preference, ...] = PICTURES
    preferences: tuple[Preference, ...] = PREFERENCES
    breathing_phase_percent: float = 0.0
    cardiac_phase_percent: float = 75.0
    slice_classes_mm: tuple[float, ...] = (1.5, 3.0, 5.0)
    kernel_groups: tuple[tuple[str, ...], ...] = (_MEDIUM, _SOFT, _SHARP)

    def __post_init__(self) -> None:
        if self.min_slices < 1 or self.max_slice_distance_mm <= 0 or not 0 < self.max_tilt_degrees <= 90:
            raise ValueError("min_slices, max_slice_distance_mm and max_tilt_degrees (up to 90) must be positive")
        if list(self.slice_classes_mm) != sorted(set(self.slice_classes_mm)):
            raise ValueError(f"slice_classes_mm must ascend, found {self.slice_classes_mm}")
        for patterns in (self.excluded_descriptions, self.chest_patterns, self.other_part_patterns):
            check_patterns(patterns)
        for patterns in self.kernel_groups:
            check_patterns(patterns)

    def excluded_word(self, image_type: tuple[str, ...]) -> str | None:
        """Give the excluded word in an Image Type: ``DOSE INFO`` stands in ``CT_DOSE_INFO``; None if there is none."""
        values = [f" {words_of(value)} " for value in image_type]
        found = (word for word in self.excluded_image_types for value in values if f" {words_of(word)} " in value)
        return next(found, None)

    def matches(self, text: str, patterns: tuple[str, ...]) -> bool:
        """Tell whether one of the patterns stands in ``text``."""
        words = words_of(text)
        return any(fits(words, pattern) for pattern in patterns)

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
