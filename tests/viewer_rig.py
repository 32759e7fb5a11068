"""The OHIF viewer in front of an archive, and a browser to look at it: a test tool, on loopback alone."""

from __future__ import annotations

import http.server
import mimetypes
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, sync_playwright

from tests.orthanc_rig import tool

WAIT_MS = 90_000
# Without a sandbox, as in containers; WebGL in software, which the viewer draws with.
CHROMIUM: Final = ("--no-sandbox", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
CONFIGURATION: Final = b"""window.config = {
  routerBasename: null, extensions: [], modes: [], showStudyList: true, maxNumberOfWebWorkers: 2,
  showWarningMessageForCrossOrigin: false, showCPUFallbackMessage: false, strictZSpacingForVolumeViewport: false,
  investigationalUseDialog: { option: 'never' }, defaultDataSourceName: 'archive',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb', sourceName: 'archive',
    configuration: {
      friendlyName: 'archive', name: 'archive', wadoUriRoot: '/wado', qidoRoot: '/dicom-web', wadoRoot: '/dicom-web',
      qidoSupportsIncludeField: false, imageRendering: 'wadors', thumbnailRendering: 'wadors',
      enableStudyLazyLoad: true, supportsFuzzyMatching: false, supportsWildcard: true,
      omitQuotationForMultipartRequest: true, bulkDataURI: { enabled: true },
    },
  }],
};"""
# The viewer keeps volumes in shared memory, which browsers grant to isolated pages only.
ISOLATION: Final = (("Cross-Origin-Opener-Policy", "same-origin"), ("Cross-Origin-Embedder-Policy", "require-corp"))
PASSED_ON: Final = ("/dicom-web", "/wado")


class ViewerHandler(http.server.SimpleHTTPRequestHandler):
    """Files of the viewer, its settings, and the archive's DICOMweb under the same origin."""

    protocol_version = "HTTP/1.1"

    def __init__(self, archive_url: str, dist: Path, *request: object) -> None:
        self._archive_url, self._dist = archive_url, dist
        super().__init__(*request, directory=str(dist))  # type: ignore[arg-type]

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith(PASSED_ON):
            self._pass_on()
        elif path == "/app-config.js":
            self._answer(200, CONFIGURATION, "application/javascript")
        else:
            file = Path(self.translate_path(path))
            file = file if file.is_file() else self._dist / "index.html"  # the viewer's own routes
            kind = "application/wasm" if file.suffix == ".wasm" else mimetypes.guess_type(file.name)[0]
            self._answer(200, file.read_bytes(), kind or "application/octet-stream")

    def do_POST(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        request = urllib.request.Request(self._archive_url + self.path, data=body, method=self.command)  # noqa: S310
        for name in ("Host", "Accept", "Content-Type"):  # the archive builds addresses of bulk data from Host
            if self.headers.get(name):
                request.add_header(name, str(self.headers[name]))
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310 - loopback
                self._answer(reply.status, reply.read(), reply.headers.get("Content-Type", "application/octet-stream"))
        except urllib.error.HTTPError as error:
            self._answer(error.code, error.read(), "text/plain")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", content_type), ("Content-Length", str(len(body))), *ISOLATION):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def viewer_in_front_of(archive_url: str, dist: Path) -> Iterator[str]:
    """Serve the viewer's unpacked distribution with an archive behind it; gives the address of the viewer."""
    handler = partial(ViewerHandler, archive_url, dist)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class Viewer:
    """One browser page on the viewer, and what a reader does there."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self._address = address
        self.failures: list[str] = []
        page.on("pageerror", lambda error: self.failures.append(str(error)))

    def open_study(self, study_instance_uid: str) -> None:
        """Open the study and close the guided tour of a first visit."""
        self.page.goto(f"{self._address}/viewer?StudyInstanceUIDs={study_instance_uid}")
        self.page.get_by_text("Skip all", exact=True).first.click()
        self.page.locator("[data-cy=viewport-overlay-bottom-right]").filter(has_text="(").first.wait_for()

    def open_series(self, description: str) -> None:
        """Double-click the thumbnail of a series."""
        self.page.get_by_text(description, exact=True).first.dblclick()

    def agree(self) -> None:
        """Say yes to the question that the viewer asks about a report or a segmentation."""
        self.page.get_by_text("Yes", exact=True).first.click()

    def open_panel(self, name: str) -> None:
        """Open ``trackedMeasurements`` or ``panelSegmentation`` on the right."""
        self.page.locator(f"[data-cy={name}-btn]").first.click()

    def expect(self, *texts: str) -> None:
        """Wait until each text is on the page."""
        for text in texts:
            self.page.get_by_text(text).first.wait_for()

    def expect_image(self, instance_number: int) -> None:
        """Wait until the view shows that instance."""
        shown = self.page.locator("[data-cy=viewport-overlay-bottom-right]").filter(has_text=f"{instance_number} (")
        shown.first.wait_for()


@contextmanager
def open_viewer(address: str) -> Iterator[Viewer]:
    """Open the system's Chromium on the viewer."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=tool("chromium"), args=list(CHROMIUM))
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(WAIT_MS)
        yield Viewer(page, address)
        browser.close()
