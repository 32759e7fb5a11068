"""Hand-made findings on the small phantom: the input of every test of a result object."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

import numpy as np
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from models.findings import (
    Attenuation,
    Caliper,
    Findings,
    LungRads,
    LungRadsCategory,
    Lungs,
    Malignancy,
    ModelIdentity,
    Nodule,
    NoduleMeasurement,
    RiskRange,
    Third,
    Uncertainty,
)
from models.volume import Volume
from node.assembly.assemble import assemble, header_of
from node.assembly.assembled import AssembledSeries, SourceFrame
from node.results.context import ResultContext
from training.phantom_dicom import ct_datasets
from training.phantom_small import SPHERES, small_phantom
from training.phantom_truth import PlantedNodule

CONTEXT = ResultContext(datetime(2026, 1, 5, 12, 30, 15), "d" * 64, "0.1.0", "SN-7", "NODE1")
MODELS = (
    ModelIdentity("lungs-rule", "1.0", "a" * 64, "none: rules", "chest CT"),
    ModelIdentity("nodules-blob", "1.1", "b" * 64, "none: rules", "chest CT"),
)
SHAPE = (40, 110, 130)
SPACING_MM = (7.0, 2.8, 2.6)


def phantom_series(**overrides: Any) -> AssembledSeries:
    """The small phantom as an assembled series; keywords replace or remove attributes of the source."""
    return assemble(ct_datasets(small_phantom(shape=SHAPE, spacing_kji_mm=SPACING_MM).volume, **overrides))


def with_headers(series: AssembledSeries, **overrides: Any) -> AssembledSeries:
    """The series with other header values, as they come from a file: assembly may refuse what results must bear."""
    headers = []
    for header in copy.deepcopy(series.headers):
        for keyword, value in overrides.items():
            header.pop(keyword, None)
            if value is not None:
                setattr(header, keyword, value)
        headers.append(reread(header))
    return AssembledSeries(series.volume, tuple(headers), series.frames, series.shifts_ji_px, series.notes)


def with_raw(series: AssembledSeries, values: Mapping[str, Any]) -> AssembledSeries:
    """The series with other values in its headers, as bytes that no writer would write."""
    headers = []
    for header in copy.deepcopy(series.headers):
        for keyword, value in values.items():
            header.pop(keyword, None)
            if isinstance(value, bytes):
                tag = Tag(keyword)
                header[tag] = RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, False, True)
            elif value is not None:
                setattr(header, keyword, copy.deepcopy(value))
        headers.append(header)
    return AssembledSeries(series.volume, tuple(headers), series.frames, series.shifts_ji_px, series.notes)


def as_enhanced(series: AssembledSeries) -> AssembledSeries:
    """The same slices as frames of one multi-frame instance, stored from the last to the first."""
    return in_pieces(series, [range(len(series.frames))[::-1]])


def in_pieces(series: AssembledSeries, pieces: Sequence[Sequence[int]]) -> AssembledSeries:
    """The same slices as frames of multi-frame instances; each piece lists its slices in the order of its frames."""
    headers = [_multi_frame([series.headers[k] for k in piece], number) for number, piece in enumerate(pieces)]
    places = {
        k: SourceFrame(str(header.SOPClassUID), str(header.SOPInstanceUID), number)
        for header, piece in zip(headers, pieces, strict=True)
        for number, k in enumerate(piece, start=1)
    }
    if len(pieces) > 1:
        for number, header in enumerate(headers, start=1):  # PS3.3 C.7.6.16.2.2.4
            header.ConcatenationUID, header.InConcatenationNumber = "2.25.4700", number
    frames = tuple(places[k] for k in range(len(series.frames)))
    return AssembledSeries(series.volume, tuple(headers), frames, series.shifts_ji_px)


def _multi_frame(sources: Sequence[Dataset], number: int) -> Dataset:
    header, shared = copy.deepcopy(sources[0]), Dataset()
    shared.PixelMeasuresSequence = [Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing = header.PixelSpacing
    shared.PixelValueTransformationSequence = [Dataset()]
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        setattr(shared.PixelValueTransformationSequence[0], keyword, header.get(keyword))
        header.pop(keyword, None)
    shared.PlaneOrientationSequence = [Dataset()]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = header.ImageOrientationPatient
    header.SharedFunctionalGroupsSequence, header.PerFrameFunctionalGroupsSequence = [shared], []
    for source in sources:
        frame = Dataset()
        frame.PlanePositionSequence = [Dataset()]
        frame.PlanePositionSequence[0].ImagePositionPatient = source.ImagePositionPatient
        header.PerFrameFunctionalGroupsSequence.append(frame)
    header.SOPClassUID, header.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2.1", f"2.25.{4711 + number}"
    header.NumberOfFrames, header.InstanceNumber = len(sources), number + 1
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        del header[keyword]
    return header


def example_findings(volume: Volume, count: int = 3, **overrides: Any) -> Findings:
    """Both lungs and the first spheres of the phantom."""
    labels = small_phantom((), volume.shape, SPACING_MM).lung_labels
    nodules = tuple(sphere_nodule(volume, SPHERES[number], number + 1) for number in range(count))
    category = LungRadsCategory.SUSPICIOUS_4B if nodules else LungRadsCategory.NEGATIVE
    values: dict[str, Any] = {
        "lungs": Lungs(labels, 2381.4, 2402.6, ("the lungs are cut off at the last slice",)),
        "nodules": nodules,
        "lung_rads": LungRads(category, "most suspicious nodule"),
        "models": MODELS,
        "device": "cpu",
        "timings_s": {"lungs": 1.23456},
        "warnings": ("contrast medium was given",),
    }
    return Findings(**values | overrides)


def sphere_nodule(volume: Volume, planted: PlantedNodule, number: int) -> Nodule:
    """The sphere as if it had been found and measured without error."""
    center, spacing = volume.to_index(planted.center_lps_mm), np.asarray(volume.spacing_kji_mm)
    radius = planted.diameter_mm / 2
    low = np.floor(center - radius / spacing).astype(int)
    high = np.ceil(center + radius / spacing).astype(int) + 1
    grid = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1)
    mask = (((grid - center) * spacing) ** 2).sum(axis=-1) <= radius**2
    k, (j, i) = float(np.rint(center[0])), center[1:]
    reach_j, reach_i = radius / spacing[1], radius / spacing[2]
    measurement = NoduleMeasurement(
        mask=mask,
        mask_offset_kji=(int(low[0]), int(low[1]), int(low[2])),
        center_kji=tuple(center),
        long_axis=Caliper((k, j, i - reach_i), (k, j, i + reach_i), 2 * radius),
        short_axis=Caliper((k, j - reach_j, i), (k, j + reach_j, i), 2 * radius),
        mean_diameter_mm=2 * radius,
        volume_mm3=planted.volume_mm3,
        mean_hu=planted.mean_hu,
        sd_hu=20.0,
        attenuation=planted.attenuation,
        solid_diameter_mm=4.04 if planted.attenuation is Attenuation.PART_SOLID else None,
        solid_volume_mm3=34.56 if planted.attenuation is Attenuation.PART_SOLID else None,
        uncertainty=Uncertainty(0.84, 0.153),
    )
    return Nodule(
        id=number,
        center_lps_mm=planted.center_lps_mm,
        probability=0.912 - 0.1 * number,
        measurement=measurement,
        side=planted.side,
        third=Third.UPPER,
        brock=RiskRange(0.0123, 0.0345, ("family history", "emphysema")),
        lung_rads=LungRads(LungRadsCategory.SUSPICIOUS_4A, "solid, baseline"),
        warnings=("touches the pleura",) if number == 1 else (),
        pleura_mm=12.34,
        malignancy=Malignancy(0.4567, "Nodule malignancy", "rated suspicious by readers, no pathology"),
        brock_2b=RiskRange(0.0111, 0.0456, ("family history", "emphysema", "spiculation")),
    )


def encoded(dataset: Dataset) -> bytes:
    """The bytes of the PS3.10 file."""
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def reread(dataset: Dataset) -> Dataset:
    """The data set as a receiver sees it."""
    if "SOPClassUID" in dataset and hasattr(dataset, "file_meta"):
        return header_of(dcmread(BytesIO(encoded(dataset))))
    buffer = BytesIO()
    dcmwrite(buffer, dataset, implicit_vr=False, little_endian=True)
    return dcmread(BytesIO(buffer.getvalue()), force=True)


def children(parent: Dataset, meaning: str) -> list[Dataset]:
    """Direct content items with that concept meaning."""
    return [item for item in parent.ContentSequence if item.ConceptNameCodeSequence[0].CodeMeaning == meaning]


def child(parent: Dataset, *path: str) -> Dataset:
    """The one content item at the end of a path of concept meanings."""
    for meaning in path:
        (parent,) = children(parent, meaning)
    return parent


def groups(report: Dataset) -> Sequence[Dataset]:
    """The measurement groups of a report."""
    return children(child(report, "Imaging Measurements"), "Measurement Group")


def comments_of(report: Dataset) -> list[str]:
    """The sentences under Qualitative Evaluations."""
    return [str(item.TextValue) for item in children(child(report, "Qualitative Evaluations"), "Comment")]
