"""Reading a file of whatever content: an instance, or the reason why it is none."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from node.malformed import MALFORMED


def read_instance(path: Path, *, is_whole: bool = True) -> Dataset | str:
    """Read a file, or say why it cannot be read.

    Parameters
    ----------
    is_whole
        Whether the pixels are read too.

    Returns
    -------
    The data set, or the reason in words that name nobody.
    """
    try:
        dataset = dcmread(BytesIO(path.read_bytes()) if is_whole else path, stop_before_pixels=not is_whole)
    except InvalidDicomError:
        return "it is not DICOM; other files are never copied"
    except MALFORMED as error:
        return f"it cannot be read ({type(error).__name__})"
    if "TransferSyntaxUID" not in dataset.file_meta:
        return "its file meta information names no transfer syntax"
    return dataset
