"""Store, ledger and inbox without a network: instances are handed in as they would arrive, and again, changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from node.ledger.ledger import Ledger
from node.ledger.schema import instances
from node.reception.inbox import Inbox, ReceivedInstance
from node.reception.instance_store import InstanceStore
from node.reception.part10 import Announcement
from node.series.corrections import WhenChanged
from tests.reception_rig import encoded
from tests.tasks_rig import START, Node

SERIES, STUDY = "1.2.3.4", "1.2.3"
COUNT = 12  # slices of the chest: more than prove anything by their number or geometry


@dataclass
class Site:
    """What stands behind the network: store, ledger, inbox, and the tasks of ``node`` around the same ledger."""

    folder: Path
    node: Node
    when_changed: WhenChanged = WhenChanged.REPLACE
    store: InstanceStore = field(init=False)
    removed: int = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    @property
    def ledger(self) -> Ledger:
        return self.node.ledger

    def start(self, ledger: Ledger | None = None) -> None:
        """Begin as the service does, also after a crash."""
        self.node.ledger = ledger or self.node.ledger
        self.store = InstanceStore(self.folder / "instances")
        self.removed = self.store.sweep(self.ledger.instances.known_paths())
        self.inbox = Inbox(self.store, self.ledger.instances, lambda _: None, self.when_changed)

    def restart(self) -> None:
        url = str(self.ledger.engine.url)
        self.ledger.close()
        self.start(Ledger.open(url))

    def receive(
        self,
        dataset: Dataset,
        at: datetime = START,
        *,
        syntax: str = ExplicitVRLittleEndian,
        calling: str = "PACS",
        association: str = "a1",
        data: bytes | None = None,
    ) -> None:
        uid = str(dataset.SOPInstanceUID)
        incoming = self.store.receive(Announcement(CTImageStorage, uid, str(syntax), calling))
        incoming.write(encoded(dataset, syntax) if data is None else data)
        self.inbox.add(ReceivedInstance(incoming, association, at))

    def row(self, dataset: Dataset) -> dict[str, Any]:
        query = instances.select().where(instances.c.sop_instance_uid == str(dataset.SOPInstanceUID))
        with self.ledger.engine.connect() as connection:
            return dict(connection.execute(query).mappings().one())

    def stored(self, dataset: Dataset) -> Dataset:
        """Read what the ledger names, and check that it is what the ledger says."""
        row = self.row(dataset)
        path = self.folder / row["path"]
        meta = dcmread(path, specific_tags=[]).file_meta
        begin = 144 + int(meta.FileMetaInformationGroupLength)
        assert hashlib.sha256(path.read_bytes()[begin:]).hexdigest() == row["sha256"]
        return dcmread(path)

    def files(self) -> list[Path]:
        return sorted(self.store.root.glob("*/*.dcm"))


def site_at(tmp_path: Path) -> Iterator[Site]:
    node = Node(Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}"), tmp_path)
    site = Site(tmp_path, node)
    yield site
    site.ledger.close()


def slice_of(number: int = 0, **attributes: object) -> Dataset:
    """One slice of a chest, 2.5 mm apart."""
    dataset = Dataset()
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, f"{SERIES}.{number + 1}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = STUDY, SERIES, "1.2.9"
    dataset.Modality, dataset.BodyPartExamined, dataset.SliceThickness = "CT", "CHEST", "2.5"
    dataset.PatientName, dataset.PatientID, dataset.AccessionNumber = "Wrong^Name", "WRONG-1", "A1"
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 2.5 * number], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.RescaleIntercept, dataset.RescaleSlope = [0.7, 0.7], "-1024", "1"
    dataset.Rows, dataset.Columns = 16, 16
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.add_new("PixelData", "OW", bytes([number % 256]) * 512)
    return changed(dataset, **attributes)


def changed(dataset: Dataset, **attributes: object) -> Dataset:
    """The same instance with other attributes; None takes one out."""
    other = deepcopy(dataset)
    for keyword, value in attributes.items():
        if value is None:
            del other[keyword]
        elif keyword == "PixelData":
            other["PixelData"].value = value
        else:
            setattr(other, keyword, value)
    return other


def chest(**attributes: object) -> list[Dataset]:
    return [slice_of(number, **attributes) for number in range(COUNT)]
