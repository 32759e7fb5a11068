"""A small study full of canaries: unique words that must not be found again, wherever they stand."""

from __future__ import annotations

import os
import signal
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    ComprehensiveSRStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)

from node.deidentification.one_file import Order, Outcome, deidentify_file
from node.deidentification.profile import Action, Options, action_for, rows

ROOT = "1.2.826.0.1.3680043.9.7777"  # of every UID of the study: found nowhere else
WORD = "Canary"
NAME = "Canarysurname^Canaryforename"
PATIENT_ID = "CANARY-4711-PID"
KEY = b"project key of the tests, 32 byte"


def value_for(vr: str, number: int) -> object:
    """A value of its VR that nobody could have by chance; None where the VR leaves no room for one."""
    text = f"{WORD}{number:04d}"
    return {
        "AE": text,
        "AS": "077Y",
        "CS": text.upper(),
        "DA": "19470713",
        "DT": "19470713111213",
        "TM": "111213.471147",
        "LO": text,
        "LT": text,
        "PN": f"{text}^Forename",
        "SH": text,
        "ST": text,
        "UC": text,
        "UI": f"{ROOT}.5.{number}",
        "UN": text.encode("ascii") + b"\0" * (len(text) % 2),
        "OB": text.encode("ascii") + b"\0" * (len(text) % 2),
        "UR": f"urn:{text}",
        "UT": text,
    }.get(vr)


NESTED = 20  # one attribute in so many is in each nested item, others in the next one: whole items would be huge


def fill(dataset: Dataset, depth: int = 0, turn: int = 0) -> Dataset:
    """Put a canary into every attribute that the table touches, and into an item of every such sequence."""
    for number, row in enumerate(rows()):
        if not is_touched(row.tag) or row.tag in dataset or (depth and number % NESTED != turn % NESTED):
            continue
        vr = dictionary_VR(row.tag)[:2]
        if vr == "SQ":
            if depth == 0:
                dataset.add_new(row.tag, "SQ", [fill(Dataset(), 1, number)])
        elif (value := value_for(vr, number)) is not None:
            dataset.add_new(row.tag, vr, value)
    block = dataset.private_block(0x0011, "CANARY PRIVATE", create=True)
    block.add_new(0x01, "LO", f"{WORD}private")
    block.add_new(0x02, "UN", f"{WORD}unknown ".encode("ascii"))
    if depth == 0:
        block.add_new(0x03, "SQ", [fill(Dataset(), 1)])
    return dataset


def is_touched(tag: int | None) -> bool:
    """Tell whether a row is of one attribute that is not kept; an object with a document in it would be refused."""
    if tag is None or tag >> 16 < 8 or tag == tag_for_keyword("EncapsulatedDocument"):
        return False
    return action_for(tag, Options()) is not Action.KEEP


def ct_slice(number: int, series: int = 1) -> Dataset:
    """One slice of the canary study."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = f"{ROOT}.1.{series}.{number}"
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID = f"{ROOT}.1.{series}", f"{ROOT}.1"
    dataset.PatientName, dataset.PatientID = NAME, PATIENT_ID
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "CT", series, number
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [1, 1], 1
    add_pixels(dataset, np.full((16, 16), 40 + number, np.uint16))
    return dataset


def report() -> Dataset:
    """A structured report that refers to the first slice."""
    dataset = ct_slice(1, 4)
    for keyword in ("PixelData", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated"):
        del dataset[keyword]
    dataset.SOPClassUID, dataset.Modality = ComprehensiveSRStorage, "SR"
    instance, of_series, study = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = CTImageStorage, f"{ROOT}.1.1.1"
    of_series.SeriesInstanceUID, of_series.ReferencedSOPSequence = f"{ROOT}.1.1", [instance]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = f"{ROOT}.1", [of_series]
    dataset.CurrentRequestedProcedureEvidenceSequence = [study]
    return dataset


def referenced(dataset: Dataset) -> str:
    """The SOP Instance UID that the report refers to."""
    (study,) = dataset.CurrentRequestedProcedureEvidenceSequence
    return str(study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)


def capture(text: str) -> Dataset:
    """A secondary capture that shows a text."""
    dataset = ct_slice(1, 2)
    dataset.SOPClassUID, dataset.Modality, dataset.ConversionType = SecondaryCaptureImageStorage, "OT", "WSD"
    picture = Image.new("L", (400, 60))
    ImageDraw.Draw(picture).text((10, 15), text, fill=255, font=ImageFont.load_default(20))
    add_pixels(dataset, np.asarray(picture))
    return dataset


def ultrasound() -> Dataset:
    dataset = ct_slice(1, 3)
    dataset.SOPClassUID, dataset.Modality = UltrasoundImageStorage, "US"
    return dataset


def add_pixels(dataset: Dataset, pixels: np.ndarray) -> None:
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, 0
    dataset.add_new(tag_for_keyword("PixelData"), "OW", pixels.tobytes())


def written(dataset: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> Path:
    """Write a file with a canary in its preamble and file meta information too."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.SourceApplicationEntityTitle = "CANARYAET"
    dataset.file_meta.PrivateInformationCreatorUID = f"{ROOT}.6"
    dataset.file_meta.PrivateInformation = b"Canarymeta"
    dataset.preamble = b"Canarypreamble".ljust(128, b"\0")
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def canary_folder(folder: Path) -> Path:
    """A study of canaries, in folders and under names that are canaries too."""
    below = folder / "Canarysurname_Canaryforename" / "CANARY-4711-PID"
    for number in range(1, 5):
        syntax = ImplicitVRLittleEndian if number == 2 else ExplicitVRLittleEndian
        written(fill(ct_slice(number)), below / f"Canary{number}", syntax)
    written(fill(report()), below / "Canary5")
    written(fill(capture("CANARY SURNAME 1947")), below / "CanaryCapture.dcm")
    written(ultrasound(), below / "deeper" / "Canary us.dcm")
    (below / "Canarynotes.txt").write_text("Canarynotes on the patient")
    return folder


def canaries_in(folder: Path) -> list[str]:
    """Everything below a folder in which a canary stands, name or content."""
    found = []
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder)).casefold()
        content = path.read_bytes().lower() if path.is_file() else b""
        if "canary" in name or ROOT in name or b"canary" in content or ROOT.encode("ascii") in content:
            found.append(name)
        elif b"19470713" in content or b"111213.471147" in content:
            found.append(f"{name} (a date)")
    return found


def reread(path: Path) -> Dataset:
    return dcmread(BytesIO(path.read_bytes()))


def crashing(path: Path, number: int, order: Order) -> Outcome:
    """Do as ``deidentify_file``, but die at a file called "bad", as a decoder in C does."""
    if path.name == "bad":
        os.kill(os.getpid(), signal.SIGKILL)
    return deidentify_file(path, number, order)
