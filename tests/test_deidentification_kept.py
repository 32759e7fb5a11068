"""What the profile keeps leaves as it was, and the object given is not changed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from pydicom.dataelem import RawDataElement

from node.deidentification.engine import deidentify
from node.deidentification.plan import Rules
from node.deidentification.profile import Dates, Options
from tests.deidentification_examples import EVERYTHING, Double, ct, instance, item_of, reread, through


def test_what_the_profile_keeps_is_byte_for_byte_the_same() -> None:
    source = reread(
        ct(KVP="120.0 ", ImageType=["ORIGINAL", "PRIMARY"], ContributingEquipmentSequence=[item_of(Rows=3)])
    )

    out = through(source)

    assert all(isinstance(out.get_item(keyword), RawDataElement) for keyword in ("KVP", "ImageType", "PixelData"))
    for keyword in ("KVP", "ImageType", "Rows", "PixelData"):
        assert out.get_item(keyword) == source.get_item(keyword)
    assert out.ContributingEquipmentSequence[0].get_item("Rows") is not None


def test_pixel_data_are_handed_on_and_not_copied() -> None:
    source = reread(ct())
    assert through(source).get_item("PixelData").value is source.get_item("PixelData").value


@pytest.mark.parametrize("options", [Options(), EVERYTHING, Options(uids=True)])
def test_the_object_given_is_not_changed(options: Options) -> None:
    source = ct(
        ContentSequence=[item_of(ValueType="TEXT", TextValue="DOE")],
        ContributingEquipmentSequence=[item_of(StationName="CT1", Rows=1)],
    )
    before = deepcopy(source)

    out = deidentify(source, Rules(options), Double())
    out.Rows = 9
    out.ImageType = "DERIVED"
    for item in out.get("ContributingEquipmentSequence") or []:
        item.Rows = 9

    assert source == before
    assert "preamble" not in vars(source) or source.preamble is None


@pytest.mark.parametrize("options", [Options(), EVERYTHING, Options(uids=True, dates=Dates.FULL)])
def test_a_large_object_is_the_same_before_and_after_but_for_what_the_table_names(options: Options) -> None:
    """0 attributes changed that the profile keeps: every public attribute of the dictionary that has no row."""
    source = instance()
    for tag, vr, value in _unlisted():
        source.add_new(tag, vr, value)

    out = deidentify(source, Rules(options), Double())

    assert len(_unlisted()) > 1000
    for tag, _, value in _unlisted():
        assert out[tag].value == value, tag


def _unlisted() -> list[tuple[int, str, Any]]:
    """Attributes of the dictionary without a row, in the VRs that a value is easily made of."""
    from pydicom._dicom_dict import DicomDictionary

    from node.deidentification.profile import row_for

    values: dict[str, Any] = {"LO": "KEPT", "SH": "KEPT", "CS": "KEPT", "US": 3, "FD": 1.5, "ST": "KEPT", "UT": "KEPT"}
    marks = {"PatientIdentityRemoved", "DeidentificationMethod", "LongitudinalTemporalInformationModified"}
    return [
        (tag, vr, values[vr])
        for tag, (vr, multiplicity, _, _, keyword) in DicomDictionary.items()
        if vr in values
        and tag >> 16 >= 0x0008
        and multiplicity == "1"
        and not row_for(tag)
        and keyword not in marks
        and keyword not in {"SpecificCharacterSet", "PixelRepresentation"}
    ]
