"""What reading damaged or hostile DICOM data raises: the one list that every reader of foreign bytes catches."""

from __future__ import annotations

import struct
import zlib

from pydicom.errors import BytesLengthException, InvalidDicomError

# pydicom converts values when they are first looked at, and its errors are those of whatever it called.
# RuntimeError holds NotImplementedError, RecursionError (nested sequences) and what decoder plugins raise.
MALFORMED: tuple[type[Exception], ...] = (
    ArithmeticError,
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
