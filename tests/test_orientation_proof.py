"""A bright blob at a known point of the patient stands at that point in whatever is made of the scan.

The scans are computed from the formula of PS3.3 C.7.6.2.1.1 alone, and what an object says is brought back to the
patient by the object's own attributes and the header of the image that it names: no inner function of the node stands
between the truth and what is compared with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from itertools import permutations, product

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import Dataset, dcmread

from models.findings import Candidate, Findings, LungLabel, Lungs, Nodule, PatientFacts, Side, Third
from models.nodules import measured_nodules
from models.volume import Volume
from node.analysis.assessment import nodules_of
from node.assembly.assemble import assemble
from node.assembly.assembled import AssembledSeries
from node.errors import NotAxial
from node.results.drawing import colour_of
from node.results.key_objects import build_key_objects
from node.results.multiframe_capture import build_multiframe_captures
from node.results.pictures import SliceFrame, key_slices, measuring_slice, outlines_on, slice_grey, slice_overlay
from node.results.presentation_state import build_presentation_state
from node.results.secondary_capture import CapturePicture, build_captures
from node.results.segmentation import build_labelmap, build_segmentation
from node.results.structured_report import build_report
from node.results.views import upright
from tests.result_examples import CONTEXT, child, encoded, example_findings, groups, in_pieces, phantom_series
from training.phantom_dicom import ct_datasets

Vector = npt.NDArray[np.float64]

SLICES, ROWS, COLUMNS = 12, 24, 20
SLICE_MM = 2.0
MIDDLE_LPS = np.array([12.0, -150.0, -640.0])  # of the scan: far from zero, so that no sign cancels
BLOB_LPS = MIDDLE_LPS + np.array([4.3, -3.7, 6.2])  # to the left, to the front, towards the head, between the pixels
SIGMA_MM, LUNG_HU, PEAK_HU = 2.5, -850.0, 60.0
FIRST_HALF_HU = (LUNG_HU + PEAK_HU) / 2
AXES = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "H": (0, 0, 1), "F": (0, 0, -1)}


@dataclass(frozen=True, eq=False)
class Scan:
    """Direction of rows and of columns, the step from one file to the next, and the distances between pixels."""

    row: Vector
    column: Vector
    step_mm: Vector
    spacing_mm: tuple[float, float] = (1.5, 1.1)
    order: tuple[int, ...] = field(default=tuple(range(SLICES)))

    def position(self, k: int) -> Vector:
        """Image Position (Patient) of file k."""
        corner = (ROWS - 1) / 2 * self.spacing_mm[0] * self.column + (COLUMNS - 1) / 2 * self.spacing_mm[1] * self.row
        return MIDDLE_LPS + (k - (SLICES - 1) / 2) * self.step_mm - corner

    def datasets(self) -> list[Dataset]:
        """The files, in the order of the archive."""
        template = ct_datasets(Volume(np.full((SLICES, ROWS, COLUMNS), -850, np.int16), np.eye(4)))
        r, c = np.mgrid[:ROWS, :COLUMNS]
        for k, dataset in enumerate(template):
            position = self.position(k)
            points = (
                position
                + c[..., None] * self.spacing_mm[1] * self.row
                + r[..., None] * self.spacing_mm[0] * self.column
            )
            blob = np.exp(-((points - BLOB_LPS) ** 2).sum(axis=-1) / (2 * SIGMA_MM**2))
            dataset.ImageOrientationPatient = [f"{x:.8f}" for x in (*self.row, *self.column)]
            dataset.ImagePositionPatient = [f"{x:.6f}" for x in position]
            dataset.PixelSpacing, dataset.SliceThickness = list(self.spacing_mm), SLICE_MM
            dataset.PixelData = np.rint(LUNG_HU + (PEAK_HU - LUNG_HU) * blob + 1024).astype("<i2").tobytes()
        return [template[k] for k in self.order]


def axial(row: str, column: str, towards: str, **more: object) -> Scan:
    """Rows, columns and files along the axes of the patient."""
    row_way, column_way, way = (np.asarray(AXES[letter], dtype=float) for letter in (row, column, towards))
    return replace(Scan(row_way, column_way, way * SLICE_MM), **more)  # type: ignore[arg-type]


def tilted(scan: Scan, degrees: float, about: str) -> Scan:
    """A gantry turned about an axis of the patient while the table moves as before."""
    turn = rotation(degrees, about)
    return replace(scan, row=turn @ scan.row, column=turn @ scan.column)


def turned(scan: Scan, degrees: float, about: str) -> Scan:
    """The whole scan turned: an oblique patient."""
    return replace(tilted(scan, degrees, about), step_mm=rotation(degrees, about) @ scan.step_mm)


def rotation(degrees: float, about: str) -> npt.NDArray[np.float64]:
    """(3, 3) right-handed about ``x``, ``y``, ``z`` or the diagonal ``d``."""
    axis = np.array({"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0), "d": (1.0, 1.0, 1.0)}[about])
    x, y, z = (float(share) for share in axis / np.linalg.norm(axis))
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    angle = math.radians(degrees)
    turn: npt.NDArray[np.float64] = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    return turn


# All 48: three axes in six orders, each of them either way.
VARIANTS = [
    tuple(pair[sign] for pair, sign in zip(pairs, signs, strict=True))
    for pairs in permutations(("LR", "PA", "HF"))
    for signs in product((0, 1), repeat=3)
]
READ = {f"rows {r} columns {c} files {s}": axial(r, c, s) for r, c, s in VARIANTS if s in "HF"}
REFUSED = [variant for variant in VARIANTS if variant[2] not in "HF"]
SUPINE, PRONE, FEET_FIRST, SIDE = axial("L", "P", "H"), axial("R", "A", "H"), axial("R", "P", "F"), axial("A", "L", "F")
SHUFFLED = (7, 0, 11, 3, 1, 9, 5, 2, 10, 4, 8, 6)
HARDER = {
    "tall pixels, shuffled": replace(SUPINE, spacing_mm=(0.9, 1.4), order=SHUFFLED),
    "wide pixels, on the side": replace(SIDE, spacing_mm=(1.6, 1.0), order=SHUFFLED),
    "tilt 15": tilted(SUPINE, 15, "x"),
    "tilt -22, prone": tilted(PRONE, -22, "x"),
    "tilt 10, feet first, shuffled": replace(tilted(FEET_FIRST, 10, "x"), order=SHUFFLED),
    "tilt 12 about y, on the side": tilted(SIDE, 12, "y"),
    "tilt 5 about the diagonal": tilted(SUPINE, 5, "d"),
    "oblique 8 about y": turned(SUPINE, 8, "y"),
    "oblique 20 about x, feet first": turned(FEET_FIRST, 20, "x"),
    "oblique 20 about the diagonal, prone": turned(PRONE, 20, "d"),
    "turned 20 in the plane, on the side": turned(SIDE, 20, "z"),
    "turned 20 in the plane and tilted 9": tilted(turned(SUPINE, 20, "z"), 9, "x"),
}
SCANS = READ | HARDER


@dataclass(frozen=True, eq=False)
class Case:
    """One scan as the node reads it, what it finds there, and the images as the archive holds them."""

    series: AssembledSeries
    findings: Findings
    images: dict[str, Dataset]

    @property
    def nodule(self) -> Nodule:
        """The one that is to be found."""
        (nodule,) = self.findings.nodules
        return nodule

    @property
    def k(self) -> int:
        """The slice that it was measured on."""
        return measuring_slice(self.nodule)


def case_of(scan: Scan) -> Case:
    datasets = scan.datasets()
    series = assemble(datasets)
    return Case(series, findings_of(series), {str(dataset.SOPInstanceUID): dataset for dataset in datasets})


def findings_of(series: AssembledSeries) -> Findings:
    """Found in the voxels and measured by the node's own functions; the lungs meet in the middle."""
    volume = series.volume
    bright = np.argwhere(volume.hu > FIRST_HALF_HU)
    points = volume.to_patient(np.moveaxis(np.indices(volume.shape), 0, -1))
    labels = np.where(points[..., 0] > MIDDLE_LPS[0], LungLabel.LEFT, LungLabel.RIGHT).astype(np.uint8)
    lungs = Lungs(labels, 2400.0, 2400.0)
    k, j, i = map(float, bright.mean(axis=0))
    found = measured_nodules(volume, lungs, [Candidate((k, j, i), 0.9, 2.35 * SIGMA_MM)])
    example = example_findings(phantom_series().volume, 0)
    return replace(example, lungs=lungs, nodules=nodules_of(found, volume, lungs, PatientFacts()))


@pytest.fixture(scope="module", params=SCANS)
def case(request: pytest.FixtureRequest) -> Case:
    return case_of(SCANS[request.param])


def reread(dataset: Dataset) -> Dataset:
    """The object as a receiver reads it, pixels included."""
    return dcmread(BytesIO(encoded(dataset)))


def in_patient(image: Dataset, column: float, row: float) -> Vector:
    """PS3.3 C.7.6.2.1.1, from zero-based pixel indices; fractions allowed."""
    along_row, along_column = np.asarray(image.ImageOrientationPatient, dtype=float).reshape(2, 3)
    rows_mm, columns_mm = (float(value) for value in image.PixelSpacing)
    corner = np.asarray(image.ImagePositionPatient, dtype=float)
    return np.asarray(corner + column * columns_mm * along_row + row * rows_mm * along_column)


def off(case: Case, point_lps: npt.ArrayLike) -> Vector:
    """How far a point is from the truth, in voxels of the source along its slices, rows and columns."""
    image = next(iter(case.images.values()))
    row, column = np.asarray(image.ImageOrientationPatient, dtype=float).reshape(2, 3)
    axes = np.stack([np.cross(row, column), column, row])
    rows_mm, columns_mm = (float(value) for value in image.PixelSpacing)
    return np.asarray(np.abs(axes @ (np.asarray(point_lps) - BLOB_LPS)) / (SLICE_MM, rows_mm, columns_mm))


def centre_of_lines(data: Sequence[float]) -> tuple[float, float]:
    """Column and row in the middle of what a graphic of PIXEL units spans; (0.5, 0.5) is the first pixel's centre."""
    points = np.asarray(data, dtype=float).reshape(-1, 2)
    column, row = (points.min(axis=0) + points.max(axis=0)) / 2 - 0.5
    return float(column), float(row)


# What is read, and what is not


@pytest.mark.parametrize("variant", REFUSED, ids=" ".join)
def test_sagittal_and_coronal_scans_are_refused_by_name(variant: tuple[str, str, str]) -> None:
    with pytest.raises(NotAxial) as refusal:
        assemble(axial(*variant).datasets())
    assert refusal.value.code == "NOT_AXIAL"


def test_all_variants_are_here() -> None:
    assert len(set(VARIANTS)) == 48
    assert len(READ) == 16
    assert len(REFUSED) == 32


def test_the_volume_shows_the_blob_at_its_place(case: Case) -> None:
    weights = np.clip(case.series.volume.hu - FIRST_HALF_HU, 0, None).astype(float)
    centre = np.average(np.indices(weights.shape).reshape(3, -1), axis=1, weights=weights.ravel())
    assert off(case, case.series.volume.to_patient(centre)).max() < 0.15


def test_every_voxel_of_a_straight_scan_is_that_of_its_file(case: Case) -> None:
    volume = case.series.volume
    for k, frame in enumerate(case.series.frames):
        image = case.images[frame.sop_instance_uid]
        row, column = case.series.source_point_ji(k, 5.0, 7.0)
        assert np.allclose(volume.to_patient((k, 5.0, 7.0)), in_patient(image, column, row), atol=1e-3)
        if not case.series.shifts_ji_px.any():
            assert np.array_equal(volume.hu[k], image.pixel_array - 1024)


def test_the_turned_views_show_the_blob_at_its_place(case: Case) -> None:
    view = upright(case.series.volume, case.findings.lungs)
    weights = np.clip(view.volume.hu - FIRST_HALF_HU, 0, None).astype(float)
    centre = np.average(np.indices(weights.shape).reshape(3, -1), axis=1, weights=weights.ravel())
    assert off(case, view.volume.to_patient(centre)).max() < 0.15
    z, y, x = centre / (np.asarray(weights.shape) - 1)
    assert z > 0.5  # towards the head,
    assert y < 0.5  # the front
    assert x > 0.5  # and the left


# What is found


def test_the_nodule_is_found_at_its_place(case: Case) -> None:
    assert off(case, case.nodule.center_lps_mm).max() < 0.5
    assert (case.nodule.side, case.nodule.third) == (Side.LEFT, Third.UPPER)


# What is sent


def test_the_lines_of_the_report_cross_at_its_place(case: Case) -> None:
    report = reread(build_report(case.series, case.findings, None, CONTEXT))
    (group,) = groups(report)
    for axis in ("Long Axis", "Short Axis"):
        line = child(group, axis, "Source")
        image = case.images[line.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID]
        assert off(case, in_patient(image, *centre_of_lines(line.GraphicData))).max() < 0.5


@pytest.mark.parametrize("build", [build_segmentation, build_labelmap], ids=["BINARY", "LABELMAP"])
def test_the_segment_lies_at_its_place(case: Case, build: type) -> None:
    segmentation = reread(build(case.series, case.findings, CONTEXT))
    points = np.concatenate(list(voxels_of(segmentation, "Nodule 1")))
    assert off(case, points.mean(axis=0)).max() < 0.5


def voxels_of(segmentation: Dataset, label: str) -> Iterator[Vector]:
    """(N, 3) LPS of the voxels of one segment, by the object's own functional groups."""
    (number,) = [s.SegmentNumber for s in segmentation.SegmentSequence if s.SegmentLabel == label]
    shared, flat = segmentation.SharedFunctionalGroupsSequence[0], Dataset()
    flat.PixelSpacing = shared.PixelMeasuresSequence[0].PixelSpacing
    flat.ImageOrientationPatient = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    for pixels, frame in zip(segmentation.pixel_array, segmentation.PerFrameFunctionalGroupsSequence, strict=True):
        flat.ImagePositionPatient = frame.PlanePositionSequence[0].ImagePositionPatient
        if "SegmentIdentificationSequence" in frame:
            own = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number
            inside = np.argwhere(pixels) if own else np.empty((0, 2))
        else:
            inside = np.argwhere(pixels == number)
        yield np.array([in_patient(flat, column, row) for row, column in inside]).reshape(-1, 3)


def test_the_segment_names_the_images_that_it_lies_on(case: Case) -> None:
    segmentation = build_segmentation(case.series, case.findings, CONTEXT)
    for frame in segmentation.PerFrameFunctionalGroupsSequence:
        (named,) = frame.DerivationImageSequence[0].SourceImageSequence
        position = np.asarray(frame.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        source = case.images[named.ReferencedSOPInstanceUID].ImagePositionPatient
        assert np.allclose(position, np.asarray(source, dtype=float), atol=1e-3)


def test_the_key_image_is_the_one_that_the_blob_is_brightest_on(case: Case) -> None:
    selection = build_key_objects(case.series, case.findings, CONTEXT)
    (item,) = [item for item in selection.ContentSequence if item.ValueType == "IMAGE"]
    chosen = case.images[item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID]
    brightest = max(image.pixel_array.max() for image in case.images.values())
    assert chosen.pixel_array.max() >= brightest - 0.1 * (PEAK_HU - LUNG_HU)


def test_the_marks_of_the_presentation_state_run_around_it(case: Case) -> None:
    state = build_presentation_state(case.series, case.findings, CONTEXT)
    centres = []
    for annotation in state.GraphicAnnotationSequence:
        image = case.images[annotation.ReferencedImageSequence[0].ReferencedSOPInstanceUID]
        outline = annotation.GraphicObjectSequence[0]
        centres.append(in_patient(image, *centre_of_lines(outline.GraphicData)))
    middle = min(centres, key=lambda centre: float(np.linalg.norm(centre - BLOB_LPS)))
    assert off(case, middle).max() < 0.5
    assert off(case, np.mean(centres, axis=0)).max() < 0.75  # tied to whole pixels on each slice


@pytest.mark.parametrize("scale", [1, 3])
def test_the_mark_on_a_capture_stands_at_its_place(case: Case, scale: int) -> None:
    """Where the mark is drawn, by the plane that the capture itself has."""
    picture = CapturePicture(drawn(case, case.k, scale), case.k, "Slice", scale)
    frame = SliceFrame(case.series, case.k, scale)
    for capture in build_captures(case.series, [picture], CONTEXT):
        for line in outlines_on(case.nodule, frame):
            assert off(case, in_patient(capture, *centre_of_lines(line.ravel().tolist()))).max() < 0.5
        row, column = peak(capture.pixel_array[..., 0])
        assert off(case, in_patient(capture, column, row)).max() < 0.75  # to the nearest pixel
        image = case.images[capture.SourceImageSequence[0].ReferencedSOPInstanceUID]
        row, column = peak(image.pixel_array)
        assert off(case, in_patient(image, column, row)).max() < 0.75


def test_the_frames_of_a_multi_frame_capture_stand_at_their_places(case: Case) -> None:
    slices = key_slices(case.findings)
    pictures = [CapturePicture(drawn(case, k, 2), k, "Slice", 2) for k in slices]
    (multi,) = build_multiframe_captures(case.series, pictures, CONTEXT)
    shared, flat = multi.SharedFunctionalGroupsSequence[0], Dataset()
    flat.PixelSpacing = shared.PixelMeasuresSequence[0].PixelSpacing
    flat.ImageOrientationPatient = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    pixels = multi.pixel_array.reshape(len(slices), 2 * ROWS, 2 * COLUMNS, 3)[..., 0]
    number = slices.index(case.k)
    flat.ImagePositionPatient = (
        multi.PerFrameFunctionalGroupsSequence[number].PlanePositionSequence[0].ImagePositionPatient
    )
    row, column = peak(pixels[number])
    assert off(case, in_patient(flat, column, row)).max() < 0.75


def drawn(case: Case, k: int, scale: int) -> npt.NDArray[np.uint8]:
    """The grey of a slice, each pixel as a square of ``scale``."""
    grey = np.kron(slice_grey(case.series, k), np.ones((scale, scale), np.uint8))
    return np.repeat(grey[..., None], 3, axis=-1)


def peak(grey: npt.NDArray[np.integer]) -> tuple[float, float]:
    """Row and column in the middle of the brightest pixels."""
    row, column = np.argwhere(grey >= 0.97 * grey.max()).mean(axis=0)
    return float(row), float(column)


@pytest.mark.parametrize("name", ["rows L columns P files H", "rows A columns R files F", "tilt -22, prone"])
def test_the_ink_itself_runs_around_the_blob(name: str) -> None:
    case, scale = case_of(SCANS[name]), 12
    ink = slice_overlay(case.series, case.findings, case.k, scale)
    coloured = (ink[..., :3] == colour_of(1)).all(axis=-1) & (ink[..., 3] > 200)
    x, y = np.argwhere(coloured)[:, ::-1].T / scale
    image = case.images[case.series.frames[case.k].sop_instance_uid]
    ends = [in_patient(image, column - 0.5, row - 0.5) for column, row in zip(x, y, strict=True)]
    around = [off(case, end) * (SLICE_MM, *SCANS[name].spacing_mm) for end in ends]
    radius_mm = case.nodule.measurement.mean_diameter_mm / 2
    contour = np.array([end for end, mm in zip(ends, around, strict=True) if np.hypot(*mm[1:]) < radius_mm + 1.0])
    assert len(contour) > 50
    assert off(case, (contour.min(axis=0) + contour.max(axis=0)) / 2).max() < 0.75


@pytest.mark.parametrize("name", ["rows R columns A files F", "rows P columns L files H"])
def test_frames_of_several_instances_stand_at_their_places(name: str) -> None:
    case = case_of(SCANS[name])
    series = in_pieces(case.series, [[3, 1, 2], [11, 0, 5, 7], [4, 6, 8, 9, 10]])
    segmentation = build_segmentation(series, case.findings, CONTEXT)
    assert off(case, np.concatenate(list(voxels_of(segmentation, "Nodule 1"))).mean(axis=0)).max() < 0.5
    line = child(groups(build_report(series, case.findings, None, CONTEXT))[0], "Long Axis", "Source")
    named = line.ContentSequence[0].ReferencedSOPSequence[0]
    (header,) = [h for h in series.headers if h.SOPInstanceUID == named.ReferencedSOPInstanceUID]
    flat = Dataset()
    flat.PixelSpacing = header.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    orientation = header.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    flat.ImageOrientationPatient = orientation.ImageOrientationPatient
    frame = header.PerFrameFunctionalGroupsSequence[named.ReferencedFrameNumber - 1]
    flat.ImagePositionPatient = frame.PlanePositionSequence[0].ImagePositionPatient
    assert off(case, in_patient(flat, *centre_of_lines(line.GraphicData))).max() < 0.5


@pytest.mark.parametrize("step", [2, 3])
@pytest.mark.parametrize("name", ["rows L columns P files H", "rows A columns R files F", "tilt -22, prone"])
def test_every_second_or_third_pixel_stands_at_its_place(name: str, step: int) -> None:
    """A volume that holds a part of the pixels: what is said of it is said in the pixels of the source."""
    whole = case_of(SCANS[name])
    case = replace(whole, series=thinned(whole.series, step))
    case = replace(case, findings=findings_of(case.series))
    volume, long_axis = case.series.volume, case.nodule.measurement.long_axis
    middle = volume.to_patient(np.mean([long_axis.start_kji, long_axis.end_kji], axis=0))
    assert off(case, case.nodule.center_lps_mm).max() < step / 2
    line = child(groups(build_report(case.series, case.findings, None, CONTEXT))[0], "Long Axis", "Source")
    image = case.images[line.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID]
    assert np.allclose(in_patient(image, *centre_of_lines(line.GraphicData)), middle, atol=1e-3)
    points = np.concatenate(list(voxels_of(build_segmentation(case.series, case.findings, CONTEXT), "Nodule 1")))
    assert off(case, points.mean(axis=0)).max() < step / 2
    picture = CapturePicture(drawn(case, case.k, 1), case.k, "Slice")
    (capture,) = build_captures(case.series, [picture], CONTEXT)
    assert (capture.Rows, capture.Columns) == (ROWS, COLUMNS)
    row, column = peak(capture.pixel_array[..., 0])
    assert off(case, in_patient(capture, column, row)).max() < step / 2 + 0.25


def thinned(series: AssembledSeries, step: int) -> AssembledSeries:
    affine = series.volume.affine.copy()
    affine[:3, 1:3] *= step
    return replace(series, volume=Volume(series.volume.hu[:, ::step, ::step].copy(), affine), pixel_step=step)
