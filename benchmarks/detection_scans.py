"""The real scans that detection is measured on, and what is known of them."""

from __future__ import annotations

import json
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from models.findings import Lungs
from models.lungs import segment_lungs
from models.volume import Volume
from node.assembly.files import assemble_files

REAL = ("lidc-0001", "lidc-0003", "lung1-001", "lungdx-a0002")
NEAR_ONE_READER_MM = 15.0  # of a nodule that one reader marked and whose size is not told
TUMOUR_BIT = 1  # bit 0 of the reference masks
Judge = Callable[[Any], dict[str, Any]]


@dataclass(frozen=True, eq=False)
class RealScan:
    """A real scan with its lungs; ``judged`` says what marks (N, 3) in LPS mm are worth."""

    name: str
    volume: Volume
    lungs: Lungs
    judged: Judge


def real_scan(data: Path, name: str) -> RealScan:
    """Unpack, assemble and segment one scan."""
    with tempfile.TemporaryDirectory() as folder:
        files = _unpacked(data / f"{name}.tar.xz", Path(folder))
        boxes = _boxes(files) if name == "lungdx-a0002" else []
        if boxes:
            files = [path for path in files if _series(path) == boxes[0][0]]
        volume = assemble_files(files).volume
    judge = _judge(data, name, volume, boxes)
    return RealScan(name, volume, segment_lungs(volume), judge)


def three_hundred_slices(data: Path) -> tuple[Volume, Lungs]:
    """Interpolate lidc-0003 to 300 slices."""
    scan = real_scan(data, "lidc-0003")
    step = (scan.volume.shape[0] - 1) / 299
    places = np.arange(300) * step
    low = np.minimum(places.astype(int), scan.volume.shape[0] - 2)
    share = (places - low)[:, None, None].astype(np.float32)
    hu = np.rint(scan.volume.hu[low] * (1 - share) + scan.volume.hu[low + 1] * share).astype(np.int16)
    affine = scan.volume.affine.copy()
    affine[:, 0] *= step
    volume = Volume(hu, affine)
    return volume, segment_lungs(volume)


def _judge(data: Path, name: str, volume: Volume, boxes: list[Any]) -> Judge:
    truth = json.loads((data / "truth.json").read_text()).get(name, {})
    if "nodules" in truth:
        return lambda places: _against_nodules(places, truth)
    if "reference_masks" in truth:
        tumour = (np.load(data / f"{name}-reference.npz")["labels"] & TUMOUR_BIT) > 0
        return lambda places: _against_tumour(places, volume, tumour)
    return lambda places: _against_boxes(places, boxes, volume.spacing_kji_mm[0])


def _against_nodules(places: Any, truth: dict[str, Any]) -> dict[str, Any]:
    """Count nodules with a mark within their radius; a mark on what one reader saw does not count."""
    used = np.zeros(len(places), dtype=bool)
    hits = 0
    for nodule in truth["nodules"]:
        on = np.linalg.norm(places - nodule["center_lps_mm"], axis=1) < nodule["diameter_mm"] / 2
        hits, used = hits + bool(on.any()), used | on
    for seen in truth.get("also_marked_by_one_reader", ()):
        used |= np.linalg.norm(places - seen["center_lps_mm"], axis=1) < NEAR_ONE_READER_MM
    return {"truth": len(truth["nodules"]), "hits": hits, "other_marks": int((~used).sum())}


def _against_tumour(places: Any, volume: Volume, tumour: Any) -> dict[str, Any]:
    """Count the marks inside the contoured tumour."""
    at = np.clip(np.rint(volume.to_index(places)).astype(int), 0, np.array(volume.shape) - 1)
    inside = tumour[tuple(at.T)] if len(at) else np.zeros(0, dtype=bool)
    ml = float(tumour.sum()) * volume.voxel_volume_mm3 / 1000
    return {"other_marks": int((~inside).sum()), "tumour": f"{int(inside.sum())} marks in its {ml:.0f} ml"}


def _against_boxes(places: Any, boxes: list[Any], slice_mm: float) -> dict[str, Any]:
    """Count the marks inside the boxes drawn around the tumour on its slices."""
    inside = np.zeros(len(places), dtype=bool)
    for _, low, high in boxes:
        near = np.array([0.0, 0.0, slice_mm / 2])
        inside |= ((places >= np.minimum(low, high) - near) & (places <= np.maximum(low, high) + near)).all(axis=1)
    return {
        "other_marks": int((~inside).sum()),
        "tumour": f"{int(inside.sum())} marks in the boxes of {len(boxes)} slices",
    }


def _boxes(files: list[Path]) -> list[Any]:
    """(series, corner, corner) in LPS mm of the boxes of the series that has most of them."""
    drawn = {path.stem: path for path in files if path.suffix == ".xml"}
    boxes = []
    for path in files:
        if path.suffix == ".xml":
            continue
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        if str(header.get("SOPInstanceUID", "")) in drawn:
            boxes.append(_box(header, drawn[str(header.SOPInstanceUID)]))
    names = [box[0] for box in boxes]
    return [box for box in boxes if box[0] == max(set(names), key=names.count)]


def _box(header: pydicom.Dataset, drawn: Path) -> Any:
    """Bring one box from pixels to LPS mm; the rows of these axial slices run to the left, the columns to the back."""
    box = ET.parse(drawn).find("object/bndbox")  # noqa: S314 - files of one's own disk
    assert box is not None
    origin = np.array([float(x) for x in header.ImagePositionPatient])
    step = np.array([float(header.PixelSpacing[1]), float(header.PixelSpacing[0])])
    corners = [[float(box.findtext(f"{axis}{end}") or 0) for axis in "xy"] for end in ("min", "max")]
    low, high = (origin + np.append(np.array(corner) * step, 0.0) for corner in corners)
    return str(header.SeriesInstanceUID), low, high


def _series(path: Path) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True, force=True).get("SeriesInstanceUID", ""))


def _unpacked(archive: Path, folder: Path) -> list[Path]:
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return sorted(path for path in folder.rglob("*") if path.is_file())
