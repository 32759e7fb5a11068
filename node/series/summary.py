"""What selection looks at: a series in a few values, told from its headers.

Law of this file: it judges no series; whether one is a volume says ``place``.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from node.errors import AssemblyError
from node.series.instances import FOR_PROCESSING_CLASSES, InstanceHeader, is_ct, slice_count
from node.series.placement import Placement, place
from node.series.planes import LOCALIZER_WORDS, read_planes, tilt_degrees
from node.series.preferences import TEXTS
from node.series.words import words_of


@dataclass(frozen=True)
class SeriesSummary:
    """What selection looks at.

    Parameters
    ----------
    slice_count
        Slices of the volume; where there is none, CT images that are no localizer; frames count one each.
    image_types
        Every Image Type of its images, the most frequent first.
    tilt_degrees
        Angle between the normal of the slices and the patient's long axis; None if no slice can be placed.
    slice_distance_mm
        Between neighbouring slices of the volume; None if there is none.
    thickness_mm
        Slice Thickness, the median; None if it is absent.
    resolution_mm
        Slice distance or thickness, whichever is larger; None if neither is known.
    extent_mm
        From the first to the last slice.
    obstacle
        Code and message of the error that says why the slices make no volume; None if they make one.
    phase_percent
        Nominal Percentage of Cardiac Phase (0020,9241).
    """

    series_instance_uid: str
    modality: str
    is_ct: bool
    slice_count: int
    image_types: tuple[tuple[str, ...], ...] = ()
    tilt_degrees: float | None = None
    slice_distance_mm: float | None = None
    thickness_mm: float | None = None
    resolution_mm: float | None = None
    extent_mm: float = 0.0
    obstacle: tuple[str, str] | None = None
    is_for_processing: bool = False
    convolution_kernel: str = ""
    series_description: str = ""
    study_description: str = ""
    protocol_name: str = ""
    requested_procedure: str = ""
    body_part_examined: str = ""
    patient_position: str = ""
    scan_options: str = ""
    phase_percent: float | None = None
    series_number: int | None = None

    @property
    def name(self) -> str:
        """How a reason names the series."""
        return "another series" if self.series_number is None else f"series {self.series_number}"

    @property
    def image_type(self) -> tuple[str, ...]:
        """The Image Type of most of its images."""
        return self.image_types[0] if self.image_types else ()

    @cached_property
    def words(self) -> Mapping[str, str]:
        """The words of each attribute that rules read."""
        texts = {name: getattr(self, name) for name in TEXTS}
        return {name: words_of(text if isinstance(text, str) else " ".join(text)) for name, text in texts.items()}


def summarize(headers: Sequence[InstanceHeader]) -> SeriesSummary:
    """Summarize one series from its headers; what is no slice of its volume is left aside.

    Raises
    ------
    ValueError
        If there is no header.
    """
    if not headers:
        raise ValueError("a series without instances cannot be summarized")
    images = [header for header in headers if is_ct(header)]
    slices = [header for header in images if LOCALIZER_WORDS.isdisjoint(header.image_type)] or images
    placement, obstacle = _placed(headers)
    if placement is not None:
        slices = [headers[source] for source in dict.fromkeys(plane.source for plane in placement.planes)]
    first = (slices or headers)[0]
    thickness_mm = _thickness_mm(slices)
    distance_mm = None if placement is None else placement.spacing_kji_mm[0]
    return SeriesSummary(
        series_instance_uid=first.series_instance_uid,
        modality=first.modality,
        is_ct=bool(images),
        slice_count=sum(map(slice_count, slices)) if placement is None else len(placement.planes),
        image_types=tuple(image_type for image_type, _ in Counter(each.image_type for each in slices).most_common()),
        tilt_degrees=_tilt_degrees(first) if placement is None else placement.tilt_degrees,
        slice_distance_mm=distance_mm,
        thickness_mm=thickness_mm,
        # Thick slices that overlap and thin slices far apart show a nodule equally badly: the larger counts.
        resolution_mm=max((known for known in (thickness_mm, distance_mm) if known is not None), default=None),
        extent_mm=0.0 if placement is None else placement.extent_mm,
        obstacle=obstacle,
        is_for_processing=any(header.sop_class_uid in FOR_PROCESSING_CLASSES for header in headers),
        convolution_kernel=first.convolution_kernel,
        series_description=first.series_description,
        study_description=first.study_description,
        protocol_name=first.protocol_name,
        requested_procedure=first.requested_procedure,
        body_part_examined=first.body_part_examined,
        patient_position=first.patient_position,
        scan_options=first.scan_options,
        phase_percent=first.phase_percent,
        series_number=first.series_number,
    )


def _placed(headers: Sequence[InstanceHeader]) -> tuple[Placement | None, tuple[str, str] | None]:
    try:
        return place(headers), None
    except AssemblyError as error:
        return None, (error.code, str(error))


def _tilt_degrees(header: InstanceHeader) -> float | None:
    planes, _ = read_planes(0, header)
    return tilt_degrees(planes[0]) if planes else None


def _thickness_mm(slices: Sequence[InstanceHeader]) -> float | None:
    known = [header.slice_thickness_mm for header in slices if header.slice_thickness_mm is not None]
    return statistics.median(known) if known else None
