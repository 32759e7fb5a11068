"""What is segmented: right lung, left lung and one segment for each nodule, and the voxels of each.

Segments do not overlap: a voxel of a nodule belongs to its nodule segment alone, which the
description of the lung segments says. Tilt-corrected masks are shifted back by the recorded shifts,
rounded to whole pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom.sr.coding import Code

from models.findings import Findings, LungLabel, Nodule, NoduleMeasurement
from node.assembly.assembled import AssembledSeries
from node.results import codes
from node.results.context import DISCLAIMER, ResultContext
from node.results.drawing import colour_of
from node.results.envelope import tracking_id, tracking_identifier, tracking_uid
from node.results.source_geometry import source_matrix

Labels = npt.NDArray[np.unsignedinteger]  # 8 bit, or 16 where there are more than 255 segments
_LUNG_RGB: Final = MappingProxyType({LungLabel.RIGHT: (80, 150, 220), LungLabel.LEFT: (120, 190, 120)})  # calm


@dataclass(frozen=True, eq=False)
class Segment:
    """One segment: its label, codes and place in the volume; ``region`` is where a nodule is, None for a lung."""

    label: str
    description: str
    tracking_id: str
    tracking_uid: str
    category: Code
    kind: Code
    side: Code
    region: Code | None
    rgb: tuple[int, int, int]
    content: LungLabel | NoduleMeasurement


def segments_of(findings: Findings, context: ResultContext) -> list[Segment]:
    """Lungs that have voxels, right first, then the nodules by id; the place in the list + 1 is the number."""
    planes = findings.lungs.labels
    lungs = [_lung(label, context) for label in codes.LUNG_SIDES if any((plane == label).any() for plane in planes)]
    return lungs + [_nodule(nodule, context) for nodule in findings.nodules]


def _lung(label: LungLabel, context: ResultContext) -> Segment:
    side = codes.LUNG_SIDES[label]
    return Segment(
        label=f"{side.value.capitalize()} lung",
        description=f"{side.value.capitalize()} lung without the voxels of the nodule segments. {DISCLAIMER}",
        tracking_id=f"{side.value.capitalize()} lung",
        tracking_uid=context.uid("lung", side.value),
        category=codes.ANATOMICAL_STRUCTURE,
        kind=codes.LUNG,
        side=codes.SIDES[side],
        region=None,
        rgb=_LUNG_RGB[label],
        content=label,
    )


def _nodule(nodule: Nodule, context: ResultContext) -> Segment:
    return Segment(
        label=tracking_id(nodule),
        description=f"Nodule in the {nodule.side.value} lung. {DISCLAIMER}",
        tracking_id=tracking_identifier(context, nodule),
        tracking_uid=tracking_uid(context, nodule),
        category=codes.MORPHOLOGICALLY_ABNORMAL,
        kind=codes.NODULE,
        side=codes.SIDES[nodule.side],
        region=codes.LUNG if nodule.lobe is None else codes.LOBES[nodule.lobe],
        rgb=colour_of(nodule.id),  # as on the pictures
        content=nodule.measurement,
    )


def label_map(series: AssembledSeries, findings: Findings, segments: Sequence[Segment]) -> Labels:
    """(K, rows, columns) of segment numbers on the source pixels; larger nodules first, so that none is buried."""
    labels = np.zeros(series.volume.shape, np.min_scalar_type(len(segments)))
    numbered = list(enumerate(segments, start=1))
    lungs = [(labels.dtype.type(n), s.content) for n, s in numbered if isinstance(s.content, LungLabel)]
    for plane, source in zip(labels, findings.lungs.labels, strict=True):  # plane by plane stays in the cache
        for number, label in lungs:
            plane += (source == label) * number
    nodules = [(n, s.content) for n, s in numbered if isinstance(s.content, NoduleMeasurement)]
    for number, measured in sorted(nodules, key=lambda pair: -np.count_nonzero(pair[1].mask)):
        corner = zip(measured.mask_offset_kji, measured.mask.shape, strict=True)
        labels[tuple(slice(low, low + size) for low, size in corner)][measured.mask] = number
    return _on_source_pixels(labels, series)


def _on_source_pixels(labels: Labels, series: AssembledSeries) -> Labels:
    """Shift each slice back to where its pixels were before tilt correction, and give each voxel its own pixels."""
    (rows, columns), step = source_matrix(series), series.pixel_step
    shifts = np.rint(series.shifts_ji_px).astype(int) - (step - 1) // 2  # a voxel's centre is that of one of its pixels
    if labels.shape[1:] == (rows, columns) and not shifts.any():
        return labels
    placed = np.zeros((len(labels), rows, columns), labels.dtype)
    for k, (row_shift, column_shift) in enumerate(shifts):
        plane = labels[k] if step == 1 else labels[k].repeat(step, axis=0).repeat(step, axis=1)
        to_row, from_row = _overlap(row_shift, rows, plane.shape[0])
        to_column, from_column = _overlap(column_shift, columns, plane.shape[1])
        placed[k, to_row, to_column] = plane[from_row, from_column]
    return placed


def _overlap(shift: int, size: int, source_size: int) -> tuple[slice, slice]:
    """Where ``source[i]`` goes to ``target[i + shift]``: slices of target and source of one length."""
    low, high = max(shift, 0), max(min(size, source_size + shift), max(shift, 0))
    return slice(low, high), slice(low - shift, high - shift)
