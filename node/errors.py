"""Every error that the node raises on purpose.

    PulmonodeError
    ├── ConfigError              a setting is wrong; the start stops                     exit 2
    ├── ReceptionError           an instance is refused; carries the DIMSE status
    │   ├── OutOfResources       no room on disk, ledger not writable                    0xA700
    │   ├── DataSetMismatch      data set and SOP class or instance do not agree         0xA900
    │   ├── ContentConflict      a known SOP Instance UID with other content             0xA900
    │   └── CannotUnderstand     not a readable data set, or a UID that is none          0xC000
    ├── AssemblyError            the series is not a volume; never cured by trying again
    │   ├── NoImages  NotCT  TooFewSlices  MissingGeometry  MixedOrientation  MixedFrameOfReference
    │   ├── MixedGeometry  MixedSeries  MixedStudy  MixedPatient  SliceGap  DuplicatePosition  Interleaved
    │   ├── UndecodableSlice  WrongRescale
    │   └── NotAxial  SpacingOutOfRange  TooLarge
    ├── AnalysisError            the volume cannot be analysed (carries the code of the refusal)
    ├── ResultError              a result object could not be made or is not valid
    ├── LedgerError              the ledger cannot be opened, or a row is not what it should be
    ├── DeliveryError            a destination did not take a result; carries status and whether to retry
    ├── DeidentificationError    an object cannot be de-identified, or given back its identity; nothing left
    │   ├── NotAnInstance        a directory, or without SOP Class UID or SOP Instance UID
    │   ├── UnreadableInstance   a value that had to be understood is malformed
    │   └── VaultError           the vault cannot be read with this key, or does not know a pseudonym
    ├── WorkerDied               the analysis process ended or hung (analysis/process.py)
    └── DemoError                the demo could not show the whole job (demo.py)

The message says what, where and what to do, in one line, and never names a patient. ``code`` is the
coded reason that goes into the ledger and into the "not processed" notice.
"""

from __future__ import annotations

from typing import ClassVar


class PulmonodeError(Exception):
    """Base of every error the node raises on purpose."""

    code: ClassVar[str] = "ERROR"
    retry: ClassVar[bool] = False


class ConfigError(PulmonodeError):
    """A setting is wrong: the message names the key, the value and what is allowed."""

    code = "CONFIG"


class ReceptionError(PulmonodeError):
    """An instance is refused; ``status`` is the C-STORE response (PS3.4 Table B.2-1)."""

    code = "RECEPTION"
    status: ClassVar[int] = 0xC000


class OutOfResources(ReceptionError):
    """No room on disk, or the ledger cannot be written."""

    code = "OUT_OF_RESOURCES"
    status = 0xA700
    retry = True


class DataSetMismatch(ReceptionError):
    """The data set does not match the SOP class or instance that the request announces."""

    code = "DATASET_MISMATCH"
    status = 0xA900


class ContentConflict(ReceptionError):
    """A SOP Instance UID that is already stored arrives again with other content."""

    code = "CONTENT_CONFLICT"
    status = 0xA900


class CannotUnderstand(ReceptionError):
    """The bytes are not a readable data set, or a UID is not a UID."""

    code = "CANNOT_UNDERSTAND"
    status = 0xC000


class AssemblyError(PulmonodeError):
    """The instances of a series do not make a volume."""

    code = "ASSEMBLY"


class NoImages(AssemblyError):
    """There is no DICOM image at all."""

    code = "NO_IMAGES"


class NotCT(AssemblyError):
    """The series is not a CT image series."""

    code = "NOT_CT"


class TooFewSlices(AssemblyError):
    """Fewer slices than a chest can be read from."""

    code = "TOO_FEW_SLICES"


class MissingGeometry(AssemblyError):
    """Position, orientation, pixel spacing or another attribute that places a slice is absent or malformed."""

    code = "MISSING_GEOMETRY"


class MixedOrientation(AssemblyError):
    """The slices are not parallel."""

    code = "MIXED_ORIENTATION"


class MixedFrameOfReference(AssemblyError):
    """The slices do not share one frame of reference."""

    code = "MIXED_FRAME_OF_REFERENCE"


class MixedGeometry(AssemblyError):
    """Rows, columns or pixel spacing differ between slices."""

    code = "MIXED_GEOMETRY"


class MixedSeries(AssemblyError):
    """The instances belong to more than one series."""

    code = "MIXED_SERIES"


class MixedStudy(AssemblyError):
    """The instances of one series name more than one study."""

    code = "MIXED_STUDY"


class MixedPatient(AssemblyError):
    """The instances of one series are not of one person."""

    code = "MIXED_PATIENT"


class SliceGap(AssemblyError):
    """The distances between slices are not uniform: at least one slice is missing."""

    code = "SLICE_GAP"


class DuplicatePosition(AssemblyError):
    """Two slices stand at the same position."""

    code = "DUPLICATE_POSITION"


class Interleaved(AssemblyError):
    """Slices of several acquisitions lie between each other, and none of them is a volume alone."""

    code = "INTERLEAVED"


class UndecodableSlice(AssemblyError):
    """The pixel data of a slice cannot be decoded, or no decoder is installed."""

    code = "UNDECODABLE_SLICE"


class WrongRescale(AssemblyError):
    """The rescale to HU is absent, or its result cannot be CT numbers."""

    code = "WRONG_RESCALE"


class NotAxial(AssemblyError):
    """The slices are not axial."""

    code = "NOT_AXIAL"


class SpacingOutOfRange(AssemblyError):
    """Pixel spacing or slice distance is outside what a chest CT can have."""

    code = "SPACING_OUT_OF_RANGE"


class TooLarge(AssemblyError):
    """More bytes of voxels than the node is set to hold in memory."""

    code = "TOO_LARGE"


class AnalysisError(PulmonodeError):
    """The volume cannot be analysed; ``reason_code`` is the model's own code."""

    code = "ANALYSIS"

    def __init__(self, message: str, reason_code: str) -> None:
        super().__init__(message)
        self.reason_code = reason_code


class ResultError(PulmonodeError):
    """A result object could not be made, or is not valid and must not be sent."""

    code = "RESULT"


class LedgerError(PulmonodeError):
    """The ledger cannot be opened or written."""

    code = "LEDGER"
    retry = True


class DeliveryError(PulmonodeError):
    """A destination did not take a result.

    Parameters
    ----------
    status
        DIMSE status of the response, or None when no response came (connection, rejection, timeout).
    may_retry
        Whether trying again can cure it.
    """

    code = "DELIVERY"

    def __init__(self, message: str, status: int | None, may_retry: bool) -> None:
        super().__init__(message)
        self.status = status
        self.may_retry = may_retry


class DeidentificationError(PulmonodeError):
    """An object cannot be de-identified, or given its identity back; nothing of it has left."""

    code = "DEIDENTIFICATION"


class NotAnInstance(DeidentificationError):
    """What was given is no composite instance."""

    code = "NOT_AN_INSTANCE"


class UnreadableInstance(DeidentificationError):
    """An attribute that had to be understood cannot be read."""

    code = "UNREADABLE"


class VaultError(DeidentificationError):
    """The vault cannot be read with this key, a row was changed, or it does not know a pseudonym."""

    code = "VAULT"
