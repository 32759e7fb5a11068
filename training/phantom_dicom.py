"""A volume written as a CT series: single-frame CT Image Storage (PS3.3 A.3), nothing random in it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmwrite
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from models.volume import AIR_HU, Volume

_NAMESPACE = uuid.UUID("6f2d1c0e-52a8-5d0b-9f51-8f0e5a3c7b11")  # ours; keeps these UIDs apart from all others
_IMPLEMENTATION_UID = UID(f"2.25.{uuid.uuid5(_NAMESPACE, 'implementation').int}")
INTERCEPT_HU = -1024  # HU of stored value 0: the usual 12-bit CT scale


def ct_datasets(
    volume: Volume, *, seed: int = 0, signed: bool = True, padding_stored: int | None = None, **overrides: Any
) -> list[Dataset]:
    """Turn a volume into the instances of one valid CT series, ordered by k.

    Parameters
    ----------
    volume
        HU; stored value = HU + 1024.
    seed
        Everything unique (UIDs, patient identifier) follows from it alone.
    signed
        PixelRepresentation 1 or 0, 16 bits either way.
    padding_stored
        Stored value of voxels at ``AIR_HU``, such as the -2000 around round fields of view;
        sets PixelPaddingValue. None stores them like any other voxel.
    overrides
        DICOM keywords and values for every instance, applied last; None removes the attribute.

    Raises
    ------
    ValueError
        If an override is not a DICOM keyword, or the stored values do not fit.
    """
    return list(iterate_ct_datasets(volume, seed=seed, signed=signed, padding_stored=padding_stored, **overrides))


def iterate_ct_datasets(
    volume: Volume, *, seed: int = 0, signed: bool = True, padding_stored: int | None = None, **overrides: Any
) -> Iterator[Dataset]:
    """Yield what ``ct_datasets`` lists, one instance in memory at a time."""
    for k in range(volume.shape[0]):
        dataset = Dataset()
        dataset.update(_described(_whose(seed) | _which_series(seed) | _acquired(volume)))
        dataset.update(_described(_placed(volume, k, seed)))
        _add_pixels(dataset, volume.hu[k], signed, padding_stored)
        _override(dataset, overrides)
        dataset.file_meta = _file_meta(dataset)
        yield dataset


def write_series(datasets: Sequence[Dataset] | Iterator[Dataset], folder: Path) -> list[Path]:
    """Write each instance as a PS3.10 file ``IM-0001.dcm`` ... into ``folder``, which is made if absent."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, dataset in enumerate(datasets, start=1):
        path = folder / f"IM-{number:04d}.dcm"
        dcmwrite(path, dataset, enforce_file_format=True)
        paths.append(path)
    return paths


def seeded_uid(seed: int, name: str) -> str:
    """Derive a UID below 2.25 (PS3.5 B.2) from a seed and the name of what it identifies."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, f'{seed}/{name}').int}"


def _described(values: dict[str, Any]) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def _whose(seed: int) -> dict[str, Any]:
    """Patient and General Study (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2)."""
    return {
        "SpecificCharacterSet": "ISO_IR 100",
        "PatientName": "PHANTOM^CHEST",
        "PatientID": f"PHANTOM-{seed}",
        "PatientBirthDate": "19630615",
        "PatientSex": "F",
        "PatientAge": "062Y",
        "StudyInstanceUID": seeded_uid(seed, "study"),
        "StudyDate": "20260105",
        "StudyTime": "101500",
        "ReferringPhysicianName": "",
        "StudyID": "1",
        "AccessionNumber": "",
        "StudyDescription": "Procedural chest phantom",
    }


def _which_series(seed: int) -> dict[str, Any]:
    """General Series, Frame of Reference, General Equipment (PS3.3 C.7.3.1, C.7.4.1, C.7.5.1)."""
    return {
        "Modality": "CT",
        "SeriesInstanceUID": seeded_uid(seed, "series"),
        "SeriesNumber": 2,
        "SeriesDate": "20260105",
        "SeriesTime": "101500",
        "SeriesDescription": "CHEST",
        "BodyPartExamined": "CHEST",
        "PatientPosition": "HFS",
        "FrameOfReferenceUID": seeded_uid(seed, "frame of reference"),
        "PositionReferenceIndicator": "",
        "Manufacturer": "pulmonode",
        "ManufacturerModelName": "procedural phantom",
    }


def _acquired(volume: Volume) -> dict[str, Any]:
    """What General Image, Image Plane and CT Image (PS3.3 C.7.6.1, C.7.6.2, C.8.2.1) say of every slice."""
    slice_mm, row_mm, column_mm = volume.spacing_kji_mm
    orientation = np.concatenate([volume.directions[:, 2], volume.directions[:, 1]])
    return {
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "AcquisitionNumber": 1,
        "AcquisitionDate": "20260105",
        "AcquisitionTime": "101500",
        "ContentDate": "20260105",
        "ContentTime": "101500",
        "ImagesInAcquisition": volume.shape[0],
        "KVP": _decimal(120),
        "ConvolutionKernel": "STANDARD",
        "SliceThickness": _decimal(slice_mm),
        "PixelSpacing": [_decimal(row_mm), _decimal(column_mm)],
        "ImageOrientationPatient": [_decimal(cosine) for cosine in orientation],
        "RescaleIntercept": _decimal(INTERCEPT_HU),
        "RescaleSlope": _decimal(1),
        "RescaleType": "HU",
        "WindowCenter": _decimal(-500),
        "WindowWidth": _decimal(1500),
    }


def _placed(volume: Volume, k: int, seed: int) -> dict[str, Any]:
    """SOP Common and the place of slice ``k``."""
    position = volume.to_patient((k, 0, 0))
    return {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": seeded_uid(seed, f"instance {k}"),
        "InstanceNumber": k + 1,
        "ImagePositionPatient": [_decimal(coordinate) for coordinate in position],
        "SliceLocation": _decimal(float(position @ volume.directions[:, 0])),
    }


def _decimal(value: float) -> str:
    """Write a decimal string (PS3.5 6.2: at most 16 characters), without a negative zero."""
    return f"{round(float(value), 6) + 0.0:.10g}"


def _add_pixels(dataset: Dataset, hu: npt.NDArray[np.int16], signed: bool, padding_stored: int | None) -> None:
    """Image Pixel (PS3.3 C.7.6.3) of one slice, (rows, columns) HU."""
    stored = hu.astype(np.int32) - INTERCEPT_HU
    dtype = np.dtype("<i2" if signed else "<u2")
    if padding_stored is not None:
        stored[hu == AIR_HU] = padding_stored
    if stored.min() < np.iinfo(dtype).min or stored.max() > np.iinfo(dtype).max:
        raise ValueError(f"stored values {stored.min()} to {stored.max()} do not fit {dtype}")
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = hu.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = int(signed)
    if padding_stored is not None:
        dataset.add_new("PixelPaddingValue", "SS" if signed else "US", padding_stored)
    dataset.add_new("PixelData", "OW", stored.astype(dtype).tobytes())


def _override(dataset: Dataset, overrides: dict[str, Any]) -> None:
    for keyword, value in overrides.items():
        if tag_for_keyword(keyword) is None:
            raise ValueError(f"{keyword} is not a DICOM keyword")
        if value is None:
            dataset.pop(keyword, None)
        else:
            setattr(dataset, keyword, value)


def _file_meta(dataset: Dataset) -> FileMetaDataset:
    """File Meta Information (PS3.10 7.1), agreeing with the data set also where that was overridden."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", CTImageStorage)
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", seeded_uid(0, "no instance"))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _IMPLEMENTATION_UID
    return meta
