"""Pixels that may show a name do not leave unless they are cleaned, by a signature or by a search for text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import (
    MPEG2MPML,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    RawDataStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)

from node.deidentification.burned_in import reason_for_text
from node.deidentification.pixel_cleaning import PixelRules, clean_pixels
from node.deidentification.pixel_signatures import Mask, read_signatures
from node.deidentification.text_detection import is_installed, text_in
from node.errors import ConfigError, DeidentificationError
from tests.conftest import skip_or_fail
from tests.deidentification_examples import image, noise

CLEAN = PixelRules(clean=True, signatures=read_signatures())


def cleaned(dataset: Dataset, rules: PixelRules = CLEAN) -> Dataset:
    clean_pixels(dataset, dataset, rules)
    return dataset


SUSPICIOUS = {
    "a capture": image(noise(), SecondaryCaptureImageStorage),
    "ultrasound": image(noise(), UltrasoundImageStorage),
    "CT that says YES": image(noise(), BurnedInAnnotation="YES"),
    "a screen save among slices": image(noise(), ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"]),
    "a dose page among slices": image(noise(), SeriesDescription="Dose Report"),
    "a patient protocol": image(noise(), SeriesDescription="Patient Protocol"),
    "CT in colour": image(noise(samples=3), photometric="RGB"),
    "CT with a conversion type": image(noise(), ConversionType="WSD"),
    "a kind that nobody knows": image(noise(), "1.2.3.4.5"),
}


@pytest.mark.parametrize("case", SUSPICIOUS)
def test_what_may_show_text_does_not_leave_without_the_option(case: str) -> None:
    with pytest.raises(DeidentificationError, match="clean-pixel-data is not chosen"):
        cleaned(SUSPICIOUS[case], PixelRules())


@pytest.mark.parametrize("case", SUSPICIOUS)
def test_what_may_show_text_does_not_leave_where_nothing_can_find_it(case: str) -> None:
    with pytest.raises(DeidentificationError, match="no signature is known, and tesseract is not installed"):
        cleaned(SUSPICIOUS[case])


@pytest.mark.parametrize(
    ("sop_class", "syntax"),
    [
        (EncapsulatedPDFStorage, ExplicitVRLittleEndian),
        (RawDataStorage, ExplicitVRLittleEndian),
        (UltrasoundImageStorage, MPEG2MPML),
    ],
)
def test_what_nothing_can_clean_never_leaves(sop_class: str, syntax: str) -> None:
    dataset = image(noise(), sop_class, BurnedInAnnotation="NO")
    dataset.file_meta.TransferSyntaxUID = syntax

    with pytest.raises(DeidentificationError, match="cannot be"):
        cleaned(dataset)


def test_slices_and_what_its_maker_calls_clean_are_left_as_they_are() -> None:
    for dataset in (
        image(noise(dtype=np.int16)),
        image(noise(), SecondaryCaptureImageStorage, BurnedInAnnotation="NO"),
    ):
        before = dataset.PixelData
        assert clean_pixels(dataset, dataset, PixelRules()) is None
        assert dataset.PixelData == before
        assert reason_for_text(dataset) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
@pytest.mark.parametrize(("samples", "planar"), [(1, 0), (3, 0), (3, 1)])
def test_a_signature_blanks_its_rectangles_in_every_frame_and_nothing_else(
    tmp_path: Path, dtype: type, samples: int, planar: int
) -> None:
    pixels = noise(dtype=dtype, frames=3, samples=samples)
    rules = PixelRules(clean=True, signatures=read_signatures(signature_file(tmp_path)))
    stored = np.moveaxis(pixels, 3, 1) if planar else pixels
    dataset = image(
        pixels, SecondaryCaptureImageStorage, "RGB" if samples == 3 else "MONOCHROME2", Manufacturer="ACME Medical"
    )
    if samples == 3:
        dataset.PlanarConfiguration = planar
    dataset.PixelData = stored.tobytes()
    expected = pixels.copy()
    expected[:, 2:12, 5:25] = 0
    expected[:, 30:32, 0:40] = 0

    said = clean_pixels(dataset, dataset, rules)
    content = np.frombuffer(dataset.PixelData, dtype)
    got = np.moveaxis(content.reshape(3, samples, 32, 40), 1, 3) if planar else content.reshape(pixels.shape)

    assert np.array_equal(got, expected)
    assert dataset.BurnedInAnnotation == "NO"
    assert said == "it is a secondary capture; blanked by the signature a test" or "may show text" in str(said)


def signature_file(folder: Path, masks: str = "[[5, 2, 20, 10], [0, 30, 40, 2]]") -> Path:
    path = folder / "signatures.yaml"
    path.write_text(
        "signatures:\n- {name: a test, source: this test, manufacturer: acme, rows: 32, columns: 40, "
        f"masks: {masks}}}\n"
    )
    return path


def test_another_size_or_maker_is_another_device(tmp_path: Path) -> None:
    rules = PixelRules(clean=True, signatures=read_signatures(signature_file(tmp_path)))
    for dataset in (
        image(noise(33), SecondaryCaptureImageStorage, Manufacturer="ACME"),
        image(noise(), SecondaryCaptureImageStorage, Manufacturer="Other"),
    ):
        with pytest.raises(DeidentificationError, match="no signature is known"):
            cleaned(dataset, rules)


def test_a_mask_outside_the_image_is_refused_rather_than_cut(tmp_path: Path) -> None:
    rules = PixelRules(clean=True, signatures=read_signatures(signature_file(tmp_path, "[[30, 0, 20, 10]]")))
    with pytest.raises(DeidentificationError, match="outside the image of 40 x 32"):
        cleaned(image(noise(), SecondaryCaptureImageStorage, Manufacturer="ACME"), rules)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("signatures: [{name: a}]", "signatures.0.source"),
        ("signatures: [", "not valid YAML"),
        ("masks: []", "signatures"),
        (
            "signatures: [{name: a, source: b, rows: 1, columns: 1, masks: []}]",
            "signatures.0.masks",
        ),
    ],
)
def test_a_wrong_signature_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_signatures(path)


def test_the_shipped_signature_blanks_the_head_of_a_dose_page() -> None:
    pixels = np.full((512, 512), 7, np.uint16)
    dataset = image(pixels, Manufacturer="GE MEDICAL SYSTEMS", SeriesDescription="Dose Report")
    cleaned(dataset)
    got = np.frombuffer(dataset.PixelData, np.uint16).reshape(512, 512)

    assert not got[:110].any()
    assert (got[110:] == 7).all()


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_pixels_are_decompressed_first(tmp_path: Path, syntax: str) -> None:
    pixels = noise(dtype=np.uint8)[0, ..., 0]
    dataset = image(pixels, SecondaryCaptureImageStorage, Manufacturer="ACME")
    dataset.compress(syntax, generate_instance_uid=False)
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = bytes(8), len(frame).to_bytes(8, "little")
    rules = PixelRules(clean=True, signatures=read_signatures(signature_file(tmp_path)))
    cleaned(dataset, rules)
    got = np.frombuffer(dataset.PixelData, np.uint8).reshape(32, 40)

    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert "ExtendedOffsetTable" not in dataset
    assert dataset.SOPInstanceUID == "1.2.3"
    assert not got[2:12, 5:25].any()
    assert np.array_equal(got[12:30], pixels[12:30])


def page(text: str, height: int = 16) -> np.ndarray:
    """A page as devices make it: white letters on black, beside something that is no text."""
    picture = Image.new("L", (512, 512))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((150, 200, 400, 450), fill=90)
    pen.text((20, 30), text, fill=255, font=ImageFont.load_default(height))
    return np.asarray(picture)


@pytest.fixture
def ocr() -> PixelRules:
    if not is_installed():
        skip_or_fail("tesseract is not installed")
    return PixelRules(clean=True, signatures=read_signatures(), text_search=text_in)


@pytest.mark.parametrize("height", [12, 16, 24])
def test_text_is_found_and_blanked_and_the_picture_stays(ocr: PixelRules, height: int) -> None:
    pixels = page("CANARY JOHN 4711  1950-01-02", height)
    dataset = image(pixels, SecondaryCaptureImageStorage)
    said = clean_pixels(dataset, dataset, ocr)
    got = np.frombuffer(dataset.PixelData, np.uint8).reshape(512, 512)

    assert "found and blanked" in str(said)
    assert (got[:100] == 255).sum() < 0.02 * (pixels[:100] == 255).sum()
    assert np.array_equal(got[200:], pixels[200:])
    assert dataset.BurnedInAnnotation == "NO"


def test_a_picture_without_text_passes_unchanged(ocr: PixelRules) -> None:
    pixels = page("")
    dataset = image(pixels, SecondaryCaptureImageStorage)

    assert str(clean_pixels(dataset, dataset, ocr)).endswith("no text found")
    assert dataset.PixelData == pixels.tobytes()


def test_text_that_does_not_go_away_is_refused() -> None:
    def stubborn(frame: np.ndarray) -> tuple[Mask, ...]:
        return ((0, 0, 4, 4),)

    with pytest.raises(DeidentificationError, match="still show text"):
        cleaned(image(noise(), SecondaryCaptureImageStorage), PixelRules(clean=True, text_search=stubborn))
