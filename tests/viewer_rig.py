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
