"""Values as careless software writes them: read where their meaning is certain, with a note; else absent."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from node.assembly.assemble import assemble
from node.series.instances import header_of
from training.phantom_dicom import ct_datasets
from training.phantom_small import small_phantom

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def with_raw(keyword: str, vr: str | None, value: bytes, dataset: Dataset | None = None) -> Dataset:
    """A data set with an element as it comes from the wire, not yet converted."""
    if dataset is None:
        dataset = Dataset()
        dataset.SOPInstanceUID, dataset.SOPClassUID = "1.2.3.4", "1.2.840.10008.5.1.4.1.1.2"
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID, dataset.Modality = "1.2.3", "1.2", "CT"
    tag = Tag(keyword)
    dataset._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, vr is None, True)  # type: ignore[assignment]
    return dataset


@pytest.mark.parametrize(
    ("keyword", "vr", "value", "field", "expected", "noted"),
    [
        ("PixelSpacing", "DS", b"0,703125\\0,703125", "pixel_spacing_mm", (0.703125, 0.703125), True),
        ("PixelSpacing", "DS", b"7,03125e-1\\.703125", "pixel_spacing_mm", (0.703125, 0.703125), True),
        ("PixelSpacing", "LO", b"0.7 \\ 0.8", "pixel_spacing_mm", (0.7, 0.8), False),
        ("PixelSpacing", "UN", b"0.7\\0.8 ", "pixel_spacing_mm", (0.7, 0.8), False),
        ("PixelSpacing", None, b"0.7\\0.8 ", "pixel_spacing_mm", (0.7, 0.8), False),
        ("PixelSpacing", "DS", b"0.7\\0.8\\", "pixel_spacing_mm", (0.7, 0.8), True),
        (
            "PixelSpacing",
            "DS",
            b"0.70312500000000000001\\+0.7031250000000000",
            "pixel_spacing_mm",
            (0.703125,) * 2,
            True,
        ),
        ("PixelSpacing", "DS", b"1.234,5\\1", "pixel_spacing_mm", (), False),
        ("PixelSpacing", "DS", b"1,234,5\\1", "pixel_spacing_mm", (), False),
        ("ImagePositionPatient", "DS", b"-1,5\\-2,5\\3,25", "image_position_patient", (-1.5, -2.5, 3.25), True),
        ("ImagePositionPatient", "DS", b"-1.5e+02\\2\\ 3 \\", "image_position_patient", (-150.0, 2.0, 3.0), True),
        ("ImagePositionPatient", "DS", b"1\\2\\3\\4", "image_position_patient", (), False),
        ("ImagePositionPatient", "DS", b"1\\2\\\\", "image_position_patient", (), True),
        ("SliceThickness", "DS", b"1,25", "slice_thickness_mm", 1.25, True),
        ("SliceThickness", "DS", b"", "slice_thickness_mm", None, False),
        ("Modality", "CS", b"ct ", "modality", "CT", True),
        ("Modality", "CS", b"CT\0\0", "modality", "CT", False),
        ("ImageType", "CS", b"original\\primary\\axial ", "image_type", ("ORIGINAL", "PRIMARY", "AXIAL"), True),
        ("NumberOfFrames", "IS", b"0 ", "number_of_frames", None, False),
        ("Rows", "SS", b"\x00\x02", "rows", 512, False),
        ("Rows", "UL", b"\x00\x02\x00\x00", "rows", 512, False),
        ("InstanceNumber", "IS", b"12.0", "instance_number", 12, False),
        ("InstanceNumber", "IS", b"12.5", "instance_number", None, False),
        ("BodyPartExamined", "CS", "胸部".encode(), "body_part_examined", "胸部", False),
        ("BodyPartExamined", "CS", "THORÁX".encode(), "body_part_examined", "THORÁX", False),
        ("SeriesDescription", "LO", "肺窗 1.25".encode(), "series_description", "肺窗 1.25", False),
    ],
)
def test_careless_values(keyword: str, vr: str | None, value: bytes, field: str, expected: object, noted: bool) -> None:
    header = header_of(with_raw(keyword, vr, value))
    found = getattr(header, field)
    assert found == (pytest.approx(expected) if isinstance(expected, float) else expected)
    assert (keyword in header.mended) == noted


@pytest.mark.parametrize(
    ("charset", "codec", "word"),
    [
        (b"ISO_IR 144", "iso8859-5", "грудная клетка"),
        (b"GB18030", "gb18030", "胸部"),
        (b"ISO_IR 13", "shift_jis", "ﾑﾈ"),
        (b"ISO_IR 148", "iso8859-9", "GÖĞÜS"),
    ],
)
def test_a_code_string_in_the_character_set_of_the_object(charset: bytes, codec: str, word: str) -> None:
    """A code string is ASCII by the standard, so that a reader takes it for Latin-1 whatever stands beside it."""
    dataset = with_raw("SpecificCharacterSet", "CS", charset)
    assert header_of(with_raw("BodyPartExamined", "CS", word.encode(codec), dataset)).body_part_examined == word


def test_what_was_read_carelessly_is_noted_once_for_each_attribute() -> None:
    volume = small_phantom((), (12, 32, 32), (2.5, 3.0, 3.0)).volume
    slices = ct_datasets(volume)
    for dataset in slices[:5]:
        position = "\\".join(map(str, dataset.ImagePositionPatient)).replace(".", ",")
        with_raw("ImagePositionPatient", "DS", position.encode(), dataset)
    for dataset in slices:
        with_raw("Modality", "CS", b"ct", dataset)
    series = assemble(slices)
    assert np.array_equal(series.volume.hu, volume.hu)
    assert series.notes == (
        "Image Position (Patient) is not written as the standard says in 5 image(s): read all the same",
        "Modality is not written as the standard says in 12 image(s): read all the same",
    )
