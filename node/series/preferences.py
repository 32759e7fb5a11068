"""What words say of a series: the rules by which one series of a study goes before another.

Law of this file: rules as data, each with its reason; a rule orders and never excludes. Words are hints: what a
picture shows is decided by its pixels. Sites change the lists in config.yaml (``selection``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from node.series.words import fits

# The attributes that rules read, in the order in which they are believed: what was written for the series goes
# before what was written for the whole examination.
TEXTS = MappingProxyType(
    {
        "series_description": "Series Description",
        "image_type": "Image Type",
        "patient_position": "Patient Position",
        "scan_options": "Scan Options",
        "body_part_examined": "Body Part Examined",
        "protocol_name": "Protocol Name",
        "requested_procedure": "Requested Procedure Description",
        "study_description": "Study Description",
    }
)
_OF_SERIES = ("series_description", "image_type")
_OF_SCAN = ("series_description", "patient_position", "scan_options", "protocol_name")


@dataclass(frozen=True)
class Preference:
    """Series whose header fits stand behind those whose header does not.

    Parameters
    ----------
    name
        What the words speak of, as a reason names it: ``expiration``.
    reason
        Why it stands behind.
    words
        Patterns, searched in the words of each attribute (``node.series.words``).
    unless
        Patterns that say the opposite in the same attribute; they go before ``words``.
    where
        Attributes, the one believed most first: the first that fits either list decides.
    """

    name: str
    reason: str
    words: tuple[str, ...]
    unless: tuple[str, ...] = ()
    where: tuple[str, ...] = _OF_SERIES

    def __post_init__(self) -> None:
        unknown = [name for name in self.where if name not in TEXTS]
        if unknown:
            raise ValueError(f"where: {unknown[0]!r} is none of {', '.join(TEXTS)}")
        check_patterns((*self.words, *self.unless))

    def spoken_in(self, texts: Mapping[str, str]) -> str | None:
        """Give the attribute whose words put a series behind; None if none does."""
        for name in self.where:
            words = texts[name]
            if any(fits(words, pattern) for pattern in self.unless):
                return None
            if any(fits(words, pattern) for pattern in self.words):
                return name
        return None


def check_patterns(patterns: tuple[str, ...]) -> None:
    """Raise ``ValueError`` if one of the patterns is no regular expression."""
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None


# Hardly a volume of CT numbers: behind whatever part of the body another series shows.
PICTURES = (
    Preference(
        "a scout, page or projection",
        "it holds pictures rather than slices",
        (
            r"\b(scout|topogram|surview|scanogram|locali[sz]er|pilot|scano)\b",
            r"\b(dose (report|info|record|page|sheet|summary)|patient protocol|exam summary)\b",
            r"\b(screen ?(save|shot|capture)|key images?|movie|cine loop)\b",
            r"\b(mip|minip|maxip|mpip|aip|aveip|avgip|average|vrt|ssd|curved|cpr|volume render\w*)\b",
            r"\b(projection|maximum|minimum|fus(ed|ion)|overlay)\b",
        ),
    ),
    # "AIDR 3D" is how Canon and Toshiba name a reconstruction of axial slices; thin slices are made "for 3D".
    Preference(
        "a 3D picture",
        "it holds pictures rather than slices",
        (r"(?<!aidr )\b3d\b",),
        (r"\boriginal primary\b",),
        ("image_type", "series_description"),
    ),
    Preference(
        "bolus tracking",
        "it shows one place again and again",
        (r"\b((pre)?monitoring|bolus|tracker|smart ?prep|sure ?start|timing|test inj\w*)\b",),
    ),
)

# Among series of the same part of the body.
PREFERENCES = (
    Preference(
        "a subtraction or virtual image",
        "its numbers are no CT numbers of the tissue",
        (
            r"\b(vnc|vue|virtual\w*|virtuell\w*|mono ?e\w*|monoplus|mono|\d+ ?kev)\b",
            r"\b(iodine|iod|jod|iode|yodo|iodio|water|uric|effective z|z ?eff|electron density|pbv|perf\w*)\b",
            r"\b(subtract\w*|subtrak\w*|dsa|sub(?! ?m))\b",
            r"碘|虚拟|虛擬|減影|减影|仮想|요오드|виртуал",
        ),
        (r"\btrue non ?contrast\b",),
    ),
    Preference(
        "CT for attenuation correction",
        "it is taken with little dose while the patient breathes",
        (r"\b(ac|ctac|acct|mrac|att?enuation|atten|schwachung\w*|schwaech\w*|attenuazione|atenuacion)\b", r"衰减|減弱"),
        (r"\b(diagnost\w*|diag)\b",),
    ),
    Preference(
        "expiration",
        "lungs that are breathed out are small and dense",
        (
            r"\b(exp|expi\w*|exsp\w*|eksp\w*|espir\w*|ausatm\w*|uitadem\w*|utand\w*|udand\w*|utpust\w*)\b",
            r"\b(wydech\w*|vydech\w*|kilegz\w*|izdah\w*|uloskeng\w*|nefes verme)\b",
            r"выдох|экспир|видих|呼气|呼氣|呼気|吐气|호기|날숨|زفير|εκπνο|נשיפה",
        ),
        (
            r"\b(insp\w*|einatm\w*|inadem\w*|inand\w*|wdech\w*|nadech\w*|belegz\w*|udah\w*|nefes alma)\b",
            r"вдох|инспир|вдих|吸气|吸氣|吸気|흡기|들숨|شهيق|εισπνο|שאיפה",
        ),
        _OF_SCAN,
    ),
    Preference(
        "a patient who lies prone or on one side",
        "places and shape of the lungs are judged on the back",
        (
            r"\b(prone|pronation|prono|prona|bauchlage|procubitus|decubito|decubitus|buikligging|bukleie|buklage)\b",
            r"\b(na brzuchu|na brise|[hf]f(p|dr|dl)|yuzustu|yuzukoyun)\b",
            r"на животе|俯卧|俯臥|腹臥位|伏卧|伏臥|엎드|복와위",
        ),
        (
            r"\b(supin\w*|ruckenlage|rueckenlage|decubito (supino|dorsal)|dorsal decubitus|[hf]fs)\b",
            r"仰卧|仰臥|앙와위",
        ),
        _OF_SCAN,
    ),
    Preference(
        "a gated phase",
        "it shows the heart or one phase of breathing in a small or noisy image",
        (
            r"\b(gated|gating|ecg|ekg|retrospective|prospective|triggered|(best ?)?(diast|syst)\w*|\d+ ?ms)\b",
            r"(?<!dose )\b4d(ct)?\b",
            r"\b\d{1,3} %(?! asir)",  # phases are told in %; so is the strength of ASiR
        ),
        (r"\b(un ?gated|non gated|no gating|untriggered|asir|ungetriggert)\b",),
        _OF_SCAN,
    ),
    Preference(
        "a reformat",
        "it is computed from other slices",
        (
            r"\b(mpr|reformat\w*|cor|coronal\w*|koronar\w*|sag|sagittal\w*|sagital\w*|oblique|obl|frontal)\b",
            r"冠状|矢状|관상면|시상면|коронал|сагит",
        ),
    ),
)
