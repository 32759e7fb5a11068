"""The table of what a correction may change, and the reading of two data sets side by side, whatever they are."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from pydicom.datadict import dictionary_has_tag, keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from node.errors import CannotUnderstand
from node.reception import comparing
from node.reception.comparing import EncodedFile, change_between
from node.reception.spans import PIXEL_TAGS, Encoding, spans_of
from node.series.corrections import Change, Kind, judge_change, short_list
from tests.changed_rig import changed, slice_of
from tests.reception_rig import encoded

EXPLICIT = Encoding(is_implicit_vr=False, is_little_endian=True)
# Of what places or scales an image, or tells one from another: PS3.3 C.7.6.2, C.7.6.3, C.7.4.1, C.8.2.1, C.12.1.
NEVER = (
    "SOPClassUID SOPInstanceUID SeriesInstanceUID Modality ImageType InstanceNumber AcquisitionNumber SeriesNumber "
    "FrameOfReferenceUID ImagePositionPatient ImageOrientationPatient PatientPosition PatientOrientation PixelSpacing "
    "SliceThickness SpacingBetweenSlices GantryDetectorTilt Rows Columns BitsAllocated BitsStored HighBit "
    "PixelRepresentation SamplesPerPixel PhotometricInterpretation NumberOfFrames PixelData RescaleIntercept "
    "RescaleSlope RescaleType PixelPaddingValue SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence "
    "AnatomicalOrientationType KVP ConvolutionKernel SeriesDescription BodyPartExamined Manufacturer "
    "LossyImageCompression"
)


def tag(keyword: str) -> int:
    found = tag_for_keyword(keyword)
    assert found is not None, f"{keyword} is no attribute of PS3.6"
    return found


@pytest.mark.parametrize("keyword", NEVER.split())
def test_what_places_scales_or_identifies_an_image_is_never_corrected(keyword: str) -> None:
    for beside in ((), (tag("PatientName"),)):
        change = judge_change({tag(keyword), *beside})
        assert change.kind not in (Kind.CORRECTION, Kind.ENCODING)
        assert change.attributes == (keyword,)


def test_the_whole_of_the_patient_and_the_visit_may_be_corrected_but_for_what_places_the_image() -> None:
    groups = {0x0010, 0x0012, 0x0032, 0x0038}
    known = [one for group in groups for one in range(group << 16, (group + 1) << 16) if dictionary_has_tag(one)]
    refused = {keyword_for_tag(one) for one in known if judge_change({one}).kind is not Kind.CORRECTION}
    assert len(known) > 100
    assert refused == {
        "AnatomicalOrientationType",
        "SubjectRelativePositionInImage",
        "ExaminedBodyThickness",
        "ClinicalTrialSeriesID",
        "ClinicalTrialSeriesDescription",
        "IssuerOfClinicalTrialSeriesID",
    }


def test_the_gravest_kind_is_named() -> None:
    tags = {tag(one) for one in ("PatientName", "KVP", "SeriesInstanceUID", "RescaleSlope", "PixelData")}
    for kind in (Kind.PIXELS, Kind.PLACE, Kind.IDENTITY, Kind.OTHER, Kind.CORRECTION):
        change = judge_change(tags)
        assert change.kind is kind
        tags -= {tag(one) for one in change.attributes}
    assert judge_change(tags) == Change(Kind.ENCODING)


def test_of_many_attributes_the_first_are_named_and_the_rest_counted() -> None:
    assert short_list([*"abcdefghij"]) == "a, b, c, d, e, f, g, h and 2 more"
    assert short_list(["a"]) == "a"
    assert "(0028,7FDD)" in str(judge_change({0x00287FDD}))


# The walk over an encoded data set.


def nested(depth: int) -> Dataset:
    inner = Dataset()
    inner.StudyID = "1"
    for _ in range(depth):
        outer = Dataset()
        outer.RequestAttributesSequence = Sequence([inner])
        outer["RequestAttributesSequence"].is_undefined_length = True
        inner.is_undefined_length_sequence_item = True
        inner = outer
    whole = changed(slice_of(), RequestAttributesSequence=inner.RequestAttributesSequence)
    whole["RequestAttributesSequence"].is_undefined_length = True
    return whole


def test_elements_are_found_where_they_stand_also_behind_nested_sequences() -> None:
    dataset = nested(3)
    data = encoded(dataset)
    found = spans_of(data, 0, EXPLICIT)
    assert list(found) == [int(element.tag) for element in dataset]
    for one, span in found.items():
        alone = Dataset()
        alone.add(dataset[one])
        assert encoded(alone) == data[span.begin : span.end]


def test_nesting_has_an_end() -> None:
    with pytest.raises(CannotUnderstand, match="nested"):
        spans_of(encoded(nested(17)), 0, EXPLICIT)


def file_of(data: bytes, folder: Path, syntax: str = ExplicitVRLittleEndian) -> EncodedFile:
    path = folder / f"{len(list(folder.iterdir()))}.dcm"
    path.write_bytes(data)
    return EncodedFile(path, 0, syntax)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_damaged_bytes_end_in_a_judgement_or_cannot_be_understood(tmp_path: Path, syntax: str) -> None:
    rng = random.Random(4)  # noqa: S311
    whole = encoded(nested(2), syntax)
    stored = file_of(whole, tmp_path, syntax)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        damaged = file_of(bytes(data[: rng.randrange(1, len(data) + 1)]), tmp_path, syntax)
        try:
            change = change_between(stored, damaged)
        except CannotUnderstand:
            continue
        finally:
            damaged.path.unlink()
        assert change.kind in Kind


def test_what_inflates_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "_MOST_INFLATED", 1 << 20)
    data = encoded(slice_of(PixelData=bytes(4 << 20)), DeflatedExplicitVRLittleEndian)
    file = file_of(data, tmp_path, DeflatedExplicitVRLittleEndian)
    with pytest.raises(CannotUnderstand, match="inflates"):
        change_between(file, file)


def test_a_long_element_is_the_same_byte_for_byte_or_differs(tmp_path: Path) -> None:
    long = slice_of(PixelData=b"\0" * 512)
    long.EncapsulatedDocument = bytes(2 << 20)
    other = changed(long, EncapsulatedDocument=bytes((2 << 20) - 2) + b"\1\0", SpecificCharacterSet="ISO_IR 100")
    same = changed(long, SpecificCharacterSet="ISO_IR 100", PatientName="Müller")
    first = file_of(encoded(long), tmp_path)
    assert judge_change({tag("EncapsulatedDocument")}) == change_between(first, file_of(encoded(other), tmp_path))
    assert change_between(first, file_of(encoded(same), tmp_path)).attributes == ("PatientName",)


def test_the_pixel_tags_are_those_of_the_standard() -> None:
    assert {keyword_for_tag(one) for one in PIXEL_TAGS} == {"PixelData", "FloatPixelData", "DoubleFloatPixelData"}
