"""The instance as the series rules see it: a few attributes of its header, no pixels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InstanceHeader:
    """What the rules for completeness and selection need to know of one instance.

    Kept as one JSON column in the ledger, so that no rule has to open a file. None or an empty
    tuple means that the attribute is absent, empty or malformed. Lengths are in mm, positions in
    LPS (PS3.3 C.7.6.2.1.1). Enhanced multi-frame objects carry ``number_of_frames`` and no
    position of their own.
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    modality: str = ""
    image_type: tuple[str, ...] = ()
    manufacturer: str = ""
    series_number: int | None = None
    series_description: str = ""
    body_part_examined: str = ""
    convolution_kernel: str = ""
    instance_number: int | None = None
    rows: int | None = None
    columns: int | None = None
    number_of_frames: int | None = None
    slice_thickness_mm: float | None = None
    pixel_spacing_mm: tuple[float, ...] = ()
    image_position_patient: tuple[float, ...] = ()
    image_orientation_patient: tuple[float, ...] = ()
    frame_of_reference_uid: str = ""
    images_in_acquisition: int | None = None  # (0020,1002)
    number_of_series_related_instances: int | None = None  # (0020,1209)
