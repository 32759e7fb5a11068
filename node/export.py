"""Research export: what the node has analysed, as voxels, masks and measurements, in the layout of LUNA16.

    OUT/subset0/UID.mhd, .zraw      the volume in HU (MetaImage)
    OUT/masks/UID_NAME.mha          one segment each, on the grid of the volume
    OUT/measurements/UID.json       what was measured, and by which models
    OUT/annotations.csv             the marks, as the tables of LUNA16 have them
    OUT/patients.csv                series and patient, to split by

UID and patient are pseudonyms of the project. Nothing of the headers leaves: a volume has a grid and no name.
The marks are those of software, not of readers.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import highdicom
import numpy as np
import numpy.typing as npt
import SimpleITK

from models.volume import Volume
from node.assembly.assembled import AssembledSeries
from node.assembly.files import assemble_files
from node.deidentification.burned_in import reason_for_text_of
from node.deidentification.pseudonyms import Pseudonyms
from node.durable import ASIDE_PREFIX, make_folder_durably, rename_durably, write_durably
from node.errors import DeidentificationError, PulmonodeError
from node.ledger.ledger import Ledger
from node.ledger.records import SeriesRecord
from node.malformed import MALFORMED

SUBSET: Final = "subset0"
_SEGMENTATIONS: Final = ("SEG", "SEG-LABELMAP")  # the first that was made; they show the same
# What of a report says what was measured; UIDs, times and free text stay behind.
_OF_REPORT: Final = ("disclaimer", "software_version", "lungs", "lung_rads", "models")
_OF_NODULE: Final = (
    "id",
    "center_lps_mm",
    "long_axis_mm",
    "short_axis_mm",
    "mean_diameter_mm",
    "solid_diameter_mm",
    "volume_mm3",
    "solid_volume_mm3",
    "mean_hu",
    "sd_hu",
    "attenuation",
    "side",
    "lobe",
    "probability",
    "malignancy",
)
_ANNOTATIONS: Final = ("seriesuid", "coordX", "coordY", "coordZ", "diameter_mm")  # LPS mm, as LUNA16
_NOT_A_NAME: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Exported:
    """What became of one series.

    Parameters
    ----------
    uid, patient
        Pseudonyms.
    marks
        (x, y, z, diameter) in LPS mm.
    reason
        Why nothing of the series left; None when it did.
    """

    uid: str
    patient: str
    marks: tuple[tuple[float, float, float, float], ...] = ()
    reason: str | None = None


def analysed_series(ledger: Ledger, series: Sequence[str]) -> tuple[SeriesRecord, ...]:
    """List the series that were analysed, or those among ``series`` (Study or Series Instance UIDs) that were."""
    records = (
        record
        for record in ledger.series.all()
        if not series or record.series_instance_uid in series or record.study_instance_uid in series
    )
    return tuple(record for record in records if _report(ledger, record) is not None)


def export(
    records: Sequence[SeriesRecord], ledger: Ledger, data_dir: Path, target: Path, pseudonyms: Pseudonyms
) -> Iterator[Exported]:
    """Write each series, then the tables; hand back what became of each as it is done.

    Raises
    ------
    DeidentificationError
        The folder cannot be written.
    """
    done = []
    try:
        for record in records:
            done.append(_exported(record, ledger, data_dir, target, pseudonyms))
            yield done[-1]
        _write_tables([one for one in done if one.reason is None], target)
    except OSError as error:
        raise DeidentificationError(f"{target}: cannot be written ({error.strerror})") from None


def _exported(record: SeriesRecord, ledger: Ledger, data_dir: Path, target: Path, pseudonyms: Pseudonyms) -> Exported:
    uid = pseudonyms.uid(record.series_instance_uid)
    paths = [data_dir / path for _, path, _ in ledger.instances.files(record.series_instance_uid)]
    if not paths or not all(path.is_file() for path in paths):
        return Exported(uid, "", reason="its instances were removed after their retention time")
    try:
        source = assemble_files(paths)
        text = next(filter(None, map(reason_for_text_of, source.headers)), None)
        if text is not None:
            return Exported(uid, "", reason=f"its slices may show text: {text}")
        masks = _masks(ledger, record, data_dir, source.volume)
    except PulmonodeError as error:
        return Exported(uid, "", reason=f"{error.code}: it cannot be read again as it was analysed")
    _write_volume(source.volume, target / SUBSET, uid)
    for name, mask in masks.items():
        _write_mask(mask, source.volume, target / "masks" / f"{uid}_{name}.mha")
    measured = _measured(_report(ledger, record) or {})
    write_durably(target / "measurements" / f"{uid}.json", [json.dumps(measured, indent=1).encode("utf-8")])
    return Exported(uid, _patient(source, uid, pseudonyms), _marks(measured))


def _report(ledger: Ledger, record: SeriesRecord) -> dict[str, Any] | None:
    report = ledger.outcomes.report_of(record.series_instance_uid)
    return report if report and report.get("status") == "ANALYSED" else None


def _patient(source: AssembledSeries, uid: str, pseudonyms: Pseudonyms) -> str:
    """Give the patient's pseudonym; a patient without an ID is another one in each series."""
    return pseudonyms.patient_id(str(source.headers[0].get("PatientID") or "")) or uid


def _masks(ledger: Ledger, record: SeriesRecord, data_dir: Path, volume: Volume) -> dict[str, npt.NDArray[np.uint8]]:
    """Read the segments of the last analysis on the grid of the volume, by a name that says what they are."""
    results = ledger.outcomes.results_of(record.series_instance_uid)
    found = [result.path for kind in _SEGMENTATIONS for result in results if result.kind == kind]
    if not found:
        return {}
    try:
        segmentation = highdicom.seg.segread(data_dir / found[0])
        return {
            _name(segmentation, number): _mask(segmentation, number, volume) for number in segmentation.segment_numbers
        }
    except MALFORMED as error:
        raise DeidentificationError(f"the segmentation cannot be read ({type(error).__name__})") from None


def _name(segmentation: Any, number: int) -> str:
    label = str(segmentation.get_segment_description(number).segment_label)
    return f"{number:03d}-" + (_NOT_A_NAME.sub("-", label.casefold()).strip("-") or "segment")


def _mask(segmentation: Any, number: int, volume: Volume) -> npt.NDArray[np.uint8]:
    grid = highdicom.VolumeGeometry(volume.affine, volume.shape, "PATIENT")
    found = segmentation.get_volume(segment_numbers=[number], combine_segments=True, relabel=True)
    return np.asarray(found.match_geometry(grid).array > 0, np.uint8)


def _write_volume(volume: Volume, folder: Path, uid: str) -> None:
    """Write both files aside, then give them their names, the header last: it is there only when all is."""
    make_folder_durably(folder)
    with tempfile.TemporaryDirectory(prefix=ASIDE_PREFIX, dir=folder) as aside:
        SimpleITK.WriteImage(_image(volume.hu, volume), str(Path(aside) / f"{uid}.mhd"), True)
        for suffix in (".zraw", ".mhd"):
            rename_durably(Path(aside) / f"{uid}{suffix}", folder / f"{uid}{suffix}")


def _write_mask(mask: npt.NDArray[np.uint8], volume: Volume, path: Path) -> None:
    make_folder_durably(path.parent)
    with tempfile.TemporaryDirectory(prefix=ASIDE_PREFIX, dir=path.parent) as aside:
        SimpleITK.WriteImage(_image(mask, volume), str(Path(aside) / path.name), True)
        rename_durably(Path(aside) / path.name, path)


def _image(array: npt.NDArray[Any], volume: Volume) -> SimpleITK.Image:
    """Give ITK's image, whose axes run x, y, z where ours run k, j, i."""
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(volume.spacing_kji_mm[::-1])
    image.SetOrigin([float(x) for x in volume.affine[:3, 3]])
    image.SetDirection([float(x) for x in volume.directions[:, ::-1].ravel()])
    return image


def _measured(report: dict[str, Any]) -> dict[str, Any]:
    nodules = [{key: nodule.get(key) for key in _OF_NODULE} for nodule in report.get("nodules") or []]
    return {key: report.get(key) for key in _OF_REPORT} | {"nodules": nodules}


def _marks(measured: dict[str, Any]) -> tuple[tuple[float, float, float, float], ...]:
    return tuple((*nodule["center_lps_mm"], nodule["mean_diameter_mm"]) for nodule in measured["nodules"])


def _write_tables(done: Sequence[Exported], target: Path) -> None:
    marks = [(one.uid, *mark) for one in done for mark in one.marks]
    write_durably(target / "annotations.csv", [_table(_ANNOTATIONS, marks)])
    write_durably(target / "patients.csv", [_table(("seriesuid", "patient"), [(one.uid, one.patient) for one in done])])


def _table(heading: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([heading, *rows])
    return text.getvalue().encode("ascii")
