"""What a remote worker returns goes back to its patient: identity byte for byte, UIDs and references resolved."""

from __future__ import annotations

from copy import deepcopy

from pydicom import DataElement, Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pydicom.valuerep import VR

from node.deidentification.identity import give_identity, identity_from, uids_of, values_of
from node.deidentification.vault import Vault
from node.errors import VaultError


def re_identify(dataset: Dataset, vault: Vault) -> Dataset:
    """Give a copy of a returned object that belongs to the patient and study it was made from.

    UIDs that the project gave out become the originals again, wherever they stand; those that the
    worker made itself stay. The copy is written in explicit VR.

    Raises
    ------
    VaultError
        The vault does not know the study or names another patient for it, a row was changed, or the
        object is in big endian. Nothing was changed.
    DeidentificationError
        The text of the result cannot be written in the patient's character set.
    """
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax == ExplicitVRBigEndian:
        raise VaultError("the returned object is in big endian; send it in little endian")
    patient, identity = vault.study(str(dataset.get("StudyInstanceUID", "")))
    if str(dataset.get("PatientID", "")) != patient:
        raise VaultError("the returned object names another patient than its study left with; it is not taken")
    result = deepcopy(dataset)
    _put_back(result, vault.originals(uids_of(dataset)))
    result.file_meta = _file_meta(result)
    give_identity(result, identity_from(identity))  # last: a look at its elements would decode them
    return result


def _put_back(dataset: Dataset, originals: dict[str, str]) -> None:
    for element in dataset.iterall():
        if element.VR == VR.UI and not element.is_empty:
            _replace(element, originals)


def _replace(element: DataElement, originals: dict[str, str]) -> None:
    values = values_of(element)
    if any(value in originals for value in values):
        restored = [originals.get(value, value) for value in values]
        element.value = restored if isinstance(element.value, MultiValue) else restored[0]


def _file_meta(dataset: Dataset) -> FileMetaDataset:
    """Give file meta information that says nothing of the worker."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    syntax = dataset.file_meta.TransferSyntaxUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == ImplicitVRLittleEndian else syntax
    return meta
