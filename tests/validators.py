"""Foreign programs that judge DICOM objects, and how to read what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import skip_or_fail, tool

PIXELMED = Path("/usr/share/java/pixelmed.jar")
JAVA_OPTIONS = ("-Xmx2g", *(f"-Djdk.xml.xpath{name}Limit=0" for name in ("TotalOp", "ExprOp", "ExprGrp")))


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program, whatever it answers."""
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=200, check=False)


def python_tool(name: str) -> Path:
    """Find a program that a Python package brought, beside the interpreter, or skip the test."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        skip_or_fail(f"{name} is not installed (dcmqi has no wheel for this machine)")
    return path


def messages_of_dciodvfy(path: Path) -> list[str]:
    """Errors and warnings; the one line without a verdict is the name of the IOD."""
    said = run(tool("dciodvfy"), path).stderr.splitlines()
    return [line for line in said if line.startswith(("Error", "Warning"))]


def complaints_of_pixelmed(path: Path) -> list[str]:
    """Lines that are errors; the exit status says nothing, and a crash prints no completion line."""
    if not PIXELMED.exists():
        skip_or_fail("libpixelmed-java is not installed")
    validator = ("-cp", PIXELMED, "com.pixelmed.validate.DicomSRValidator", "-donotmatchcase")
    done = run(tool("java"), *JAVA_OPTIONS, *validator, path)
    lines = (done.stdout + done.stderr).splitlines()
    assert "Root Template Validation Complete" in lines, lines[:5]
    return [line for line in lines if line.startswith(("Error", "Parent content item", "Internal Error"))]
