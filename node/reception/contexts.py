"""Which SOP classes and transfer syntaxes the node accepts; tables."""

from __future__ import annotations

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from pynetdicom import AllStoragePresentationContexts, build_context
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import Verification

from node.series.instances import CT_CLASSES, FOR_PROCESSING_CLASSES

# In the order of our choice when a sender offers several in one presentation context: what needs no
# decoding first, then lossless, then lossy. Each can be decoded with the packages that we install.
TRANSFER_SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLSLossless,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLossless,
    JPEGLSNearLossless,
    HTJ2K,
    JPEG2000,
    JPEGExtended12Bit,
    JPEGBaseline8Bit,
)


class SharedContexts(list[PresentationContext]):
    """Contexts that all associations share: pynetdicom copies the list for each, and never changes a member."""

    def __deepcopy__(self, _memo: object) -> SharedContexts:
        return self


def supported_contexts(*, any_storage_class: bool) -> SharedContexts:
    """List what the receiver supports: Verification, and CT or every standard storage SOP class.

    CT for processing is taken with every CT: a scanner that sends both must not fail, and selection names the reason.
    """
    storage = [context.abstract_syntax for context in AllStoragePresentationContexts] if any_storage_class else []
    classes = dict.fromkeys([*sorted(CT_CLASSES | FOR_PROCESSING_CLASSES), *storage])
    stored = [build_context(uid, list(TRANSFER_SYNTAXES)) for uid in classes]
    return SharedContexts([build_context(Verification), *stored])
