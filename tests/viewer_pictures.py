"""Pictures of results in the OHIF viewer for the documentation, as ``docs/viewer.md`` says; of a phantom only."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from pydicom import dcmread

from tests.orthanc_rig import running_orthanc
from tests.viewer_rig import Viewer, open_viewer, viewer_in_front_of

SETTLE_MS = 6000  # for the last image to be drawn; a test waits for words instead


def main() -> None:
    """Read the command line and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("dist", "source", "results", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    paths = [*options.source.rglob("*.dcm"), *options.results.glob("*.dcm")]
    study = dcmread(paths[0], stop_before_pixels=True).StudyInstanceUID
    with tempfile.TemporaryDirectory() as scratch, running_orthanc(Path(scratch) / "orthanc", dicomweb=True) as orthanc:
        for path in paths:
            orthanc.upload(path)
        with viewer_in_front_of(orthanc.url, options.dist) as address:
            for name, look in (("ohif", _report), ("ohif-segmentation", _segmentation), ("ohif-capture", _capture)):
                with open_viewer(address) as viewer:
                    viewer.open_study(study)
                    look(viewer)
                    viewer.page.wait_for_timeout(SETTLE_MS)
                    viewer.page.screenshot(path=options.output / f"{name}.png")


def _report(viewer: Viewer) -> None:
    viewer.open_series("AI Lung nodule report")
    viewer.agree()
    viewer.open_panel("trackedMeasurements")
    viewer.expect("Measurements (")


def _segmentation(viewer: Viewer) -> None:
    viewer.open_series("AI Lung nodules SEG")
    viewer.agree()
    viewer.open_panel("panelSegmentation")
    viewer.expect("Nodule 1")
    viewer.page.get_by_text("Nodule 1", exact=True).first.click()  # goes to the middle of the segment


def _capture(viewer: Viewer) -> None:
    viewer.open_series("AI Lung nodule overlay")
    viewer.expect_image(1)


if __name__ == "__main__":
    main()
