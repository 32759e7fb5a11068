"""What a header says of the stored values of a slice: rescale, unit, bits, sign and padding. Pure; no pixels."""

from __future__ import annotations

import re
import struct

from pydicom import Dataset

from node.assembly.attributes import numbers, text, whole_number
from node.assembly.hounsfield import StoredValues
from node.errors import NotCT, UndecodableSlice, WrongRescale
from node.malformed import MALFORMED

# PS3.3 C.11.1.1.2: Rescale Type by its defined terms. US is "unspecified" and says nothing; these say that the
# numbers are no CT numbers. HU_MOD are CT numbers out of which a material was computed.
_OTHER_QUANTITIES = {
    "OD": "optical density",
    "MGML": "milligrams per millilitre",
    "Z_EFF": "effective atomic number",
    "ED": "electron density",
    "EDW": "electron density relative to water",
    "HU_MOD": "modified CT numbers",
    "PCT": "per cent",
}
# Words of vendors for maps of materials and of other quantities, as spectral CT makes them.
_MATERIAL = re.compile(
    r"(?i)m?g\s*/\s*(ml|cc|cm3|l)\b|%|per ?cent|iod|jod|water|calcium|gado|uric|fat\b|z[ _-]?eff|atomic|electron|densit"
    r"|\bmaterial|fraction|\bsuv\b|bq|k[ _-]?edge|perfusion|ml/|\bkeff?v\b|1/cm|cm-1|attenuation coeff|\bmu\b"
)
_HU = re.compile(r"(?i)(hu|hounsfield[ _]?(units?)?)")
# PS3.3 C.7.6.3.1.2; nothing else that a sender wrote is shown
_PHOTOMETRIC = {"MONOCHROME2", "RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT"}
# Rows and Columns beyond are damage or malice: the widest matrix of a CT scanner is 2048, of a specimen scanner 8000.
_LARGEST_MATRIX = 8192


def check_grey(header: Dataset, where: str) -> None:
    """Refuse colour: a dose page or a rendering, not CT numbers.

    MONOCHROME1 only says that low numbers are to be shown bright (PS3.3 C.7.6.3.1.2); CT numbers are what the
    rescale makes of the stored values either way.

    Raises
    ------
    NotCT
    """
    samples = _integer(header, "SamplesPerPixel") or 1
    photometric = text(header, "PhotometricInterpretation").upper() or "MONOCHROME2"
    if samples != 1 or not photometric.startswith("MONOCHROME"):
        shown = photometric if photometric in _PHOTOMETRIC else "an unknown Photometric Interpretation"
        raise NotCT(f"{where} is not a grey image: Samples per Pixel {samples}, {shown}")


def stored_values(header: Dataset, transformation: Dataset, where: str) -> StoredValues:
    """Read how the stored values of a slice are meant.

    Parameters
    ----------
    header
        Of the instance.
    transformation
        What holds the rescale: the header, or an item of its functional groups.
    where
        How messages name the slice.

    Raises
    ------
    WrongRescale
        Slope or intercept is absent (both are required, and no guess is certain: an intercept of -1000 or of -1024
        makes no difference that could be seen), or the numbers are those of another quantity.
    UndecodableSlice
        Bits or matrix are none that can be read.
    """
    slope = numbers(transformation, "RescaleSlope", 1, WrongRescale, where)[0]
    intercept = numbers(transformation, "RescaleIntercept", 1, WrongRescale, where)[0]
    if slope <= 0:
        raise WrongRescale(f"Rescale Slope of {where} is {slope}: it must be positive")
    _check_matrix(header, where)
    allocated, bits, high = (
        whole_number(header, key, UndecodableSlice, where) for key in ("BitsAllocated", "BitsStored", "HighBit")
    )
    if allocated not in (8, 16) or not 1 < bits <= allocated or not 0 <= high < allocated:
        raise UndecodableSlice(
            f"Bits Allocated, Bits Stored and High Bit of {where} are {allocated}, {bits}, {high}: "
            "8 or 16 bits with Bits Stored and High Bit within them can be read"
        )
    return StoredValues(
        slope=slope,
        intercept=intercept,
        bits_stored=bits,
        signed=whole_number(header, "PixelRepresentation", UndecodableSlice, where) == 1,
        padding=_padding(header),
        bits_allocated=allocated,
        low_bit=high + 1 - bits,
        is_unit_hu=_is_unit_hu(transformation, where),
    )


def _check_matrix(header: Dataset, where: str) -> None:
    rows, columns = (whole_number(header, key, UndecodableSlice, where) for key in ("Rows", "Columns"))
    if not (0 < rows <= _LARGEST_MATRIX and 0 < columns <= _LARGEST_MATRIX):
        raise UndecodableSlice(
            f"Rows and Columns of {where} are {rows} and {columns}: 1 to {_LARGEST_MATRIX} can be a CT image"
        )


def _is_unit_hu(transformation: Dataset, where: str) -> bool:
    """Tell whether the numbers are said to be HU; absent means HU (PS3.3 C.8.2.1.1: required if not HU).

    What says nothing ("US", an unknown word) leaves it to the numbers; what says another quantity is refused.
    """
    written = text(transformation, "RescaleType").strip("\0 ")
    quantity = _OTHER_QUANTITIES.get(written.upper().replace("-", "_").replace(" ", "_"))
    if quantity is None and _MATERIAL.search(written) and not _HU.fullmatch(written):
        quantity = "a material or another quantity"
    if quantity is not None:
        raise WrongRescale(f"Rescale Type of {where} says {quantity}: only CT numbers in HU can be read")
    return written in ("", "HU")


def _padding(header: Dataset) -> tuple[int, int] | None:
    """Read the padding value and the limit of its range; what cannot be read says nothing, as if it were absent."""
    value = _integer(header, "PixelPaddingValue")
    if value is None:
        return None
    limit = _integer(header, "PixelPaddingRangeLimit")
    return value, value if limit is None else limit


def _integer(header: Dataset, keyword: str) -> int | None:
    """Read a whole number, also where it came as bytes because its VR was lost; None if there is none."""
    try:
        value = header.get(keyword)
        if isinstance(value, bytes) and len(value) in (2, 4):
            return int(struct.unpack("<h" if len(value) == 2 else "<l", value)[0])
        return None if value in (None, "") else int(float(str(value)))
    except MALFORMED:
        return None
