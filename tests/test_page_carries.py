"""What report.html carries for its viewers: greys that hold every window, no page too large, lungs as a closed net."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from models.findings import Findings
from node.assembly.assembled import AssembledSeries
from node.results.page_lungs import lung_net
from node.results.page_slices import KNOTS_GREY, KNOTS_HU, companded, slice_plan, viewer_data
from node.results.pictures import measuring_slice, slice_hu
from node.results.rendering import lung_scene
from tests.result_examples import SPACING_MM

# Grey


def test_the_greys_hold_every_window() -> None:
    hu = np.arange(-1024, 1501, dtype=np.int16)
    back = np.interp(companded(hu), KNOTS_GREY, KNOTS_HU)
    assert np.abs(back - hu)[hu < -200].max() < 5
    assert np.abs(back - hu)[(hu >= -200) & (hu <= 300)].max() < 2.5
    assert np.abs(back - hu)[hu > 300].max() < 20


def test_what_is_beyond_the_greys_is_cut_off() -> None:
    assert companded(np.array([-3000, 3000], np.int16)).tolist() == [0, 255]


def test_a_carried_slice_shows_the_hu_of_its_source(series: AssembledSeries, findings: Findings) -> None:
    carried = viewer_data(series, findings, slice_plan(series, findings))["slices"]
    k = len(series.frames) // 2
    grey = Image.open(io.BytesIO(base64.b64decode(carried[k]["jpeg"])))
    assert grey.mode == "L"
    hu = np.interp(np.asarray(grey, float), KNOTS_GREY, KNOTS_HU)
    assert np.median(np.abs(hu - slice_hu(series, k))) < 16  # half the noise of the phantom


def test_slices_get_smaller_before_any_is_left_out(series: AssembledSeries, findings: Findings) -> None:
    roomy, narrow = slice_plan(series, findings), slice_plan(series, findings, 60_000)
    assert (roomy.side, roomy.step, len(roomy.slices)) == (512, 1, len(series.frames))
    assert narrow.side == 256
    assert narrow.step > 1
    assert {measuring_slice(nodule) for nodule in findings.nodules} <= set(narrow.slices)


def test_many_nodules_do_not_burst_the_page(series: AssembledSeries, findings: Findings) -> None:
    fine = slice_plan(series, findings).fine
    measured = {measuring_slice(nodule) for nodule in findings.nodules}
    assert set(fine) > measured
    assert set(slice_plan(series, findings, 40_000).fine) == measured
    assert slice_plan(series, findings, 10_000).fine == ()


@pytest.mark.parametrize("most_bytes", [100_000, 150_000, 220_000])
def test_what_is_carried_stays_below_the_limit(series: AssembledSeries, findings: Findings, most_bytes: int) -> None:
    slices = viewer_data(series, findings, slice_plan(series, findings, most_bytes))["slices"]
    carried = sum(len(base64.b64decode(slice_["jpeg"])) for slice_ in slices)
    assert carried < 1.1 * most_bytes  # the plan estimates from a few slices
    assert carried > 0.3 * most_bytes


# Lungs


def test_the_net_of_the_lungs_encloses_them(series: AssembledSeries, findings: Findings) -> None:
    net = lung_net(lung_scene(findings.lungs, series.volume, findings.nodules))
    corners = np.frombuffer(base64.b64decode(net["corners"]), "<i2").reshape(-1, 3) / net["per_mm"]
    triangles = np.frombuffer(base64.b64decode(net["triangles"]), "<u2").reshape(-1, 3)
    assert triangles.max() == len(corners) - 1
    edges = corners[triangles]
    volume_ml = np.einsum("ti,ti->t", edges[:, 0], np.cross(edges[:, 1], edges[:, 2])).sum() / 6 / 1000
    drawn_ml = np.count_nonzero(findings.lungs.labels) * np.prod(SPACING_MM) / 1000
    assert volume_ml == pytest.approx(drawn_ml, rel=0.05)  # closed, and its triangles face outwards
    for nodule in net["nodules"]:
        assert np.abs(nodule["center_mm"]).max() < np.abs(corners).max()
