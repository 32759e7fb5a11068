"""What the table does not list by its tag: overlays and curves in repeating groups, and private blocks."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from node.deidentification.engine import deidentify
from node.deidentification.plan import Rules
from node.deidentification.profile import Options
from tests.deidentification_examples import Double, ct, item_of, reread, through

CREATOR, SAFE_CREATOR = "SOMEBODY", "ELSCINT1"


def private(dataset: Dataset, creator: str, group: int, element: int, vr: str, value: Any) -> Dataset:
    block = dataset.private_block(group, creator, create=True)
    block.add_new(element, vr, value)
    return dataset


def list_of(dataset: Dataset) -> list[BaseTag]:
    return [element.tag for element in dataset]


# Repeating groups


def test_an_overlay_goes_as_a_whole_with_its_data() -> None:
    source = ct()
    for tag, vr, value in [
        (0x60000010, "US", 8),
        (0x60000022, "LO", "DOE"),
        (0x60003000, "OW", b"DOE  DOE"),
        (0x60040010, "US", 8),
        (0x60040102, "US", 12),
    ]:
        source.add_new(tag, vr, value)

    out = through(source)

    assert [tag for tag in list_of(out) if tag.group == 0x6000] == []
    assert out[0x60040102].value == 12  # an overlay in the pixels: who cleans these needs to know where it is


def test_a_cleaned_overlay_is_empty_and_of_the_same_size() -> None:
    source = ct()
    source.add_new(0x60020010, "US", 8)
    source.add_new(0x60023000, "OW", b"DOE  DOE")
    source.add_new(0x60024000, "LT", "LEFT LUNG of DOE")

    out = through(source, clean_graphics=True)

    assert (out[0x60020010].value, out[0x60023000].value) == (8, bytes(8))
    assert out[0x60024000].value == "LEFT LUNG of"


def test_a_cleaned_curve_keeps_its_numbers_and_loses_its_points_and_sounds() -> None:
    source = ct()
    for tag, vr, value in [
        (0x50000010, "US", 2),
        (0x50002500, "LO", "DOE"),
        (0x50003000, "OW", b"DOE "),
        (0x5000200C, "OB", b"DOE "),
    ]:
        source.add_new(tag, vr, value)

    out = through(source, clean_graphics=True)

    assert (out[0x50000010].value, out[0x50002500].value, out[0x50003000].value) == (2, "REMOVED", bytes(4))
    assert 0x5000200C not in out


# Private attributes


@pytest.mark.parametrize("options", [Options(), Options(uids=True, clean_descriptors=True)])
def test_private_attributes_go_with_their_creator_at_every_depth(options: Options) -> None:
    inner = private(item_of(Rows=1), SAFE_CREATOR, 0x00E1, 0x21, "DS", "1.5")
    source = private(ct(ContributingEquipmentSequence=[inner]), SAFE_CREATOR, 0x00E1, 0x21, "DS", "1.5")

    out = deidentify(source, Rules(options), Double())

    assert not any(tag.is_private for tag in list_of(out))
    assert not any(tag.is_private for tag in list_of(out.ContributingEquipmentSequence[0]))


def test_a_private_attribute_that_the_standard_lists_stays_with_its_creator() -> None:
    source = private(ct(), SAFE_CREATOR, 0x00E1, 0x21, "DS", "1.5")
    private(source, SAFE_CREATOR, 0x00E1, 0x40, "LO", "DOE")
    private(source, CREATOR, 0x00E1, 0x21, "DS", "2.5")

    out = reread(through(source, safe_private=True))

    assert {tag: str(out[tag].value) for tag in list_of(out) if tag.is_private} == {
        Tag(0x00E1, 0x0010): SAFE_CREATOR,
        Tag(0x00E1, 0x1021): "1.5",
    }


def declaration(status: str, **values: Any) -> Dataset:
    return item_of(
        PrivateGroupReference=0x0011,
        PrivateCreatorReference=CREATOR,
        BlockIdentifyingInformationStatus=status,
        **values,
    )


def declared(*items: Dataset) -> Dataset:
    source = ct(PrivateDataElementCharacteristicsSequence=list(items))
    for element, vr, value in [
        (0x01, "DS", "1.5"),
        (0x02, "LO", "DOE"),
        (0x03, "UI", "1.2.3"),
        (0x04, "PN", "DOE"),
        (0x05, "UN", b"DOE"),
        (0x06, "DA", "20200101"),
    ]:
        private(source, CREATOR, 0x0011, element, vr, value)
    return source


def left(source: Dataset) -> dict[int, Any]:
    out = through(source, safe_private=True)
    return {tag.element & 0xFF: out[tag].value for tag in list_of(out) if tag.group == 0x0011 and tag.element > 0xFF}


def test_a_block_that_the_object_declares_safe_stays_but_for_names_dates_and_what_cannot_be_read() -> None:
    assert left(declared(declaration("SAFE"))) == {1: "1.5", 2: "DOE", 3: Double().uid("1.2.3")}


def test_of_a_mixed_block_stays_what_is_declared_nonidentifying() -> None:
    action = item_of(IdentifyingPrivateElements=2, DeidentificationAction="D")
    mixed = declaration("MIXED", NonidentifyingPrivateElements=[1, 5], DeidentificationActionSequence=[action])

    assert left(declared(mixed)) == {1: "1.5", 2: "REMOVED"}


def test_a_block_without_a_declaration_goes() -> None:
    assert left(declared()) == {}
    assert left(declared(declaration("UNSAFE"))) == {}


def test_a_private_sequence_is_searched_before_it_stays() -> None:
    held = private(item_of(PatientName="DOE", Rows=1), "OTHER", 0x0013, 1, "LO", "DOE")
    source = ct(PrivateDataElementCharacteristicsSequence=[declaration("SAFE")])
    private(source, CREATOR, 0x0011, 0x07, "SQ", Sequence([held]))

    out = reread(through(source, safe_private=True))

    (item,) = out[0x00111007].value
    assert (item.Rows, item.PatientName, len(item)) == (1, Double().name("DOE"), 2)
