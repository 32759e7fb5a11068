"""The presentation state: marks on the right slices, in the pixels of the source, in the lung window."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.errors import ResultError
from node.results.checks import check
from node.results.context import DISCLAIMER
from node.results.envelope import tracking_uid
from node.results.language import Language, translated
from node.results.pictures import SliceFrame, measuring_slice, outlines_on
from node.results.presentation_state import build_presentation_state
from tests.result_examples import CONTEXT, as_enhanced, encoded, with_headers


@pytest.fixture(scope="module")
def state(series: AssembledSeries, findings: Findings) -> Dataset:
    return build_presentation_state(series, findings, CONTEXT)


def annotations(state: Dataset, series: AssembledSeries) -> dict[int, Dataset]:
    """Annotation of each marked slice, by slice."""
    places = {(frame.sop_instance_uid, frame.frame_number): k for k, frame in enumerate(series.frames)}
    found = {}
    for item in state.GraphicAnnotationSequence:
        (image,) = item.ReferencedImageSequence
        found[places[str(image.ReferencedSOPInstanceUID), image.get("ReferencedFrameNumber")]] = item
    return found


def points(graphic: Dataset) -> np.ndarray:
    """(N, 2) column, row."""
    return np.asarray(graphic.GraphicData, dtype=float).reshape(-1, 2)


def of_nodule(item: Dataset, uid: str) -> list[Dataset]:
    return [graphic for graphic in item.GraphicObjectSequence if graphic.TrackingUID == uid]


def test_every_slice_that_a_nodule_touches_is_marked_and_no_other(
    series: AssembledSeries, findings: Findings, state: Dataset
) -> None:
    touched = {
        nodule.measurement.mask_offset_kji[0] + int(local)
        for nodule in findings.nodules
        for local in np.flatnonzero(nodule.measurement.mask.any(axis=(1, 2)))
    }
    assert set(annotations(state, series)) == touched


def test_outlines_are_closed_and_run_around_the_nodule(
    series: AssembledSeries, findings: Findings, state: Dataset
) -> None:
    nodule = findings.nodules[1]
    k = measuring_slice(nodule)
    outline = points(of_nodule(annotations(state, series)[k], tracking_uid(CONTEXT, nodule))[0])
    assert np.array_equal(outline[0], outline[-1])
    column, row = nodule.measurement.center_kji[2] + 0.5, nodule.measurement.center_kji[1] + 0.5
    rows_mm, columns_mm = series.volume.spacing_kji_mm[1:]
    radii = np.hypot((outline[:, 0] - column) * columns_mm, (outline[:, 1] - row) * rows_mm)
    assert abs(radii.mean() - nodule.measurement.mean_diameter_mm / 2) < 1.5


def test_both_axes_are_drawn_on_the_measuring_slice_alone(
    series: AssembledSeries, findings: Findings, state: Dataset
) -> None:
    nodule = findings.nodules[1]
    k, uid = measuring_slice(nodule), tracking_uid(CONTEXT, nodule)
    lines = [points(graphic) for graphic in of_nodule(annotations(state, series)[k], uid)]
    axes = [line for line in lines if len(line) == 2]
    expected = nodule.measurement.long_axis
    ends = [(i + 0.5, j + 0.5) for _, j, i in (expected.start_kji, expected.end_kji)]
    assert np.allclose(axes[0], ends, atol=1e-3)
    assert len(axes) == 2
    assert all(len(points(g)) > 2 for g in of_nodule(annotations(state, series)[k + 1], uid))


def test_each_nodule_has_a_label_beside_it_and_each_slice_the_disclaimer(
    series: AssembledSeries, findings: Findings, state: Dataset
) -> None:
    nodule = findings.nodules[0]
    item = annotations(state, series)[measuring_slice(nodule)]
    label = next(t for t in item.TextObjectSequence if t.get("TrackingUID") == tracking_uid(CONTEXT, nodule))
    assert label.UnformattedTextValue == "1   12.0 mm"
    outline = np.concatenate(outlines_on(nodule, SliceFrame(series, measuring_slice(nodule), 1.0)))
    assert label.AnchorPoint[0] > outline[:, 0].max()
    for marked in annotations(state, series).values():
        assert DISCLAIMER in [text.UnformattedTextValue for text in marked.TextObjectSequence]
        assert {text.get("AnchorPointAnnotationUnits", "PIXEL") for text in marked.TextObjectSequence} == {"PIXEL"}


def test_the_whole_series_is_shown_in_the_lung_window(series: AssembledSeries, state: Dataset) -> None:
    (images,) = state.ReferencedSeriesSequence
    named = [item.ReferencedSOPInstanceUID for item in images.ReferencedImageSequence]
    assert named == [frame.sop_instance_uid for frame in series.frames]
    assert (state.RescaleSlope, state.RescaleIntercept) == (1, -1024)
    (window,) = state.SoftcopyVOILUTSequence
    assert (window.WindowCenter, window.WindowWidth) == (-600, 1500)
    (area,) = state.DisplayedAreaSelectionSequence
    assert area.DisplayedAreaBottomRightHandCorner == [series.volume.shape[2], series.volume.shape[1]]
    assert np.allclose([float(mm) for mm in area.PresentationPixelSpacing], series.volume.spacing_kji_mm[1:])


def test_all_graphics_are_in_the_one_layer(state: Dataset) -> None:
    (layer,) = state.GraphicLayerSequence
    assert layer.GraphicLayer == "AI_NODULES"
    assert {item.GraphicLayer for item in state.GraphicAnnotationSequence} == {"AI_NODULES"}


def test_frames_of_an_enhanced_source_are_marked_by_number(series: AssembledSeries, findings: Findings) -> None:
    enhanced = as_enhanced(series)
    state = build_presentation_state(enhanced, findings, CONTEXT)
    plain = build_presentation_state(series, findings, CONTEXT)
    assert set(annotations(state, enhanced)) == set(annotations(plain, series))
    assert state.RescaleIntercept == plain.RescaleIntercept
    assert len(state.ReferencedSeriesSequence[0].ReferencedImageSequence) == 1


def test_marks_of_a_straightened_series_go_back_to_the_source_pixels(
    series: AssembledSeries, findings: Findings, state: Dataset
) -> None:
    nodule = findings.nodules[1]
    k, uid = measuring_slice(nodule), tracking_uid(CONTEXT, nodule)
    shifts = np.tile([4.0, -3.0], (len(series.frames), 1))
    tilted = build_presentation_state(replace(series, shifts_ji_px=shifts), findings, CONTEXT)
    before, after = (points(of_nodule(annotations(s, series)[k], uid)[0]) for s in (state, tilted))
    assert np.allclose(after - before, (-3, 4), atol=1e-3)


def test_marks_at_the_edge_stay_on_the_image(series: AssembledSeries, findings: Findings) -> None:
    shifts = np.tile([0.0, 60.0], (len(series.frames), 1))
    state = build_presentation_state(replace(series, shifts_ji_px=shifts), findings, CONTEXT)
    every = np.concatenate([points(g) for item in state.GraphicAnnotationSequence for g in item.GraphicObjectSequence])
    assert every.min() >= 0
    assert (every.max(axis=0) <= (series.volume.shape[2], series.volume.shape[1])).all()


def test_without_a_nodule_there_is_no_presentation_state(series: AssembledSeries, findings: Findings) -> None:
    with pytest.raises(ResultError, match="no nodule was marked"):
        build_presentation_state(series, replace(findings, nodules=()), CONTEXT)


def test_slices_of_different_rescale_cannot_share_one_state(series: AssembledSeries, findings: Findings) -> None:
    """One Modality LUT Module serves all images that the state refers to (PS3.3 C.11.1)."""
    headers = list(with_headers(series).headers)
    headers[3].RescaleIntercept = "-1000"
    with pytest.raises(ResultError, match="RescaleIntercept differ"):
        build_presentation_state(replace(series, headers=tuple(headers)), findings, CONTEXT)


def test_absent_rescale_values_are_named(series: AssembledSeries, findings: Findings) -> None:
    with pytest.raises(ResultError, match="rescale values of slice 0"):
        build_presentation_state(with_headers(series, RescaleSlope=None), findings, CONTEXT)


@pytest.mark.parametrize(("language", "spoken"), [("en", "en"), ("de", "de"), ("zh", "en")])
def test_words_are_those_of_the_language_in_latin_letters(
    series: AssembledSeries, findings: Findings, language: str, spoken: str
) -> None:
    state = build_presentation_state(series, findings, replace(CONTEXT, language=Language(language)))
    check([state], series.headers)
    read = dcmread(BytesIO(encoded(state)))
    texts = [text.UnformattedTextValue for text in read.GraphicAnnotationSequence[0].TextObjectSequence]
    assert texts[-1] == translated(spoken, DISCLAIMER)
    assert str(read.PatientName) == str(series.headers[0].PatientName)


def test_the_same_work_twice_gives_the_same_bytes(series: AssembledSeries, findings: Findings, state: Dataset) -> None:
    assert encoded(state) == encoded(build_presentation_state(series, findings, CONTEXT))
