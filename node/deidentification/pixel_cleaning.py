"""Whether an object may leave with its pixels, and what has to be blanked in them first (PS3.15 E.3.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from node.deidentification.burned_in import reason_for_text, reason_never_to_leave
from node.deidentification.pixel_signatures import Mask, Signature, signature_of
from node.deidentification.pixels import blank, frames_of, make_plain
from node.errors import DeidentificationError

TextSearch = Callable[[npt.NDArray[np.unsignedinteger]], tuple[Mask, ...]]  # one frame: (rows, columns, samples)

_ROUNDS = 3  # text that is still found after as many goes at it cannot be cleaned


@dataclass(frozen=True)
class PixelRules:
    """What may be done to pixels that show text.

    Parameters
    ----------
    clean
        Whether the Clean Pixel Data Option is chosen; without it such objects are refused.
    signatures
        Where known devices write.
    text_search
        Finds text in a frame where no signature is known; None: not to be had here.
    """

    clean: bool = False
    signatures: tuple[Signature, ...] = ()
    text_search: TextSearch | None = None


def clean_pixels(original: Dataset, leaving: Dataset, rules: PixelRules) -> str | None:
    """Make the pixels of ``leaving`` fit to leave, in place.

    Parameters
    ----------
    original
        The object as it came: it says what its pixels may show.
    leaving
        The same object with its attributes de-identified; its pixels are still those of the original.

    Returns
    -------
    What was blanked and why, in words without a value; None where the kind of object shows no text.

    Raises
    ------
    DeidentificationError
        The object must not leave: its pixels may show text and cannot be, or are not to be, cleaned.
    """
    never = reason_never_to_leave(original)
    if never is not None:
        raise DeidentificationError(never)
    reason = reason_for_text(original)
    if reason is not None and not rules.clean:
        raise DeidentificationError(f"{reason}; the option clean-pixel-data is not chosen")
    make_plain(leaving)
    if reason is None:
        return None
    done = _blank_text(original, leaving, rules)
    leaving.BurnedInAnnotation = "NO"
    return f"{reason}; {done}"


def _blank_text(original: Dataset, leaving: Dataset, rules: PixelRules) -> str:
    if "PixelData" not in leaving:
        raise DeidentificationError("pixels of floating point that may show text cannot be cleaned")
    signature = signature_of(original, rules.signatures)
    if signature is not None:
        blank(leaving, signature.masks)
        return f"blanked by the signature {signature.name}"
    if rules.text_search is None:
        raise DeidentificationError("its pixels may show text; no signature is known, and tesseract is not installed")
    return _blank_found(leaving, rules.text_search)


def _blank_found(leaving: Dataset, search: TextSearch) -> str:
    """Blank the words that are found in any frame, in every frame, until none is found."""
    count = 0
    for _ in range(_ROUNDS):
        masks = tuple({mask for frame in frames_of(leaving) for mask in search(frame)})
        if not masks:
            return f"{count} words found and blanked" if count else "no text found"
        blank(leaving, masks)
        count += len(masks)
    if any(search(frame) for frame in frames_of(leaving)):
        raise DeidentificationError("its pixels still show text after the words found were blanked")
    return f"{count} words found and blanked"
