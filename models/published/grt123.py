"""grt123's nodule detector, first of the Data Science Bowl 2017: the published weights and their contract.

Trained on LUNA16 (LIDC-IDRI) and the competition's scans, nodules above 6 mm. Source: Liao 2019,
doi:10.1109/TNNLS.2019.2892409; lfz/DSB2017 (MIT). Demonstration and research, not for diagnosis.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from models.findings import Candidate, Lungs
from models.published.grt123_image import LungImage, lung_image
from models.published.grt123_marks import decoded, suppressed
from models.published.grt123_network import NoduleNet
from models.published.grt123_tiles import Tiles
from models.published.inference import finite_outputs, half_of, in_batches, on_device, to_device
from models.published.marks import candidates_of
from models.volume import Volume
from models.weights import fill, load_tensors

ARCHITECTURE = "grt123-detector"
# Sigmoid of -1, the logit above which the authors' own second stage takes a mark for a nodule (lfz/DSB2017,
# classifier configuration, conf_th). Not calibrated on any hospital's scans; card settings may name another.
DEFAULT_THRESHOLD = 0.269
BATCH = 4  # tiles of 208^3 at once on CUDA; one without


@dataclass(frozen=True, eq=False)
class Grt123Detector:
    """Marks of grt123's detector.

    Parameters
    ----------
    network
        With weights, on ``device``, in eval mode.
    device
        Where it runs.
    threshold
        Default operating point, 0 to 1.
    batch
        Tiles run at once, as long as they fit into memory.
    half
        Half precision to run at; None is float32.
    """

    network: NoduleNet
    device: torch.device
    threshold: float = DEFAULT_THRESHOLD
    batch: int = BATCH
    half: torch.dtype | None = None

    @classmethod
    def from_card(cls, card_path: Path, device: torch.device) -> Grt123Detector:
        """Load imported weights.

        Raises
        ------
        WeightsError
            They are missing, damaged, of another architecture or layout.
        """
        card, tensors = load_tensors(card_path, ARCHITECTURE)
        network = NoduleNet()
        fill(network, tensors, card.name)
        threshold = float(card.settings.get("threshold", DEFAULT_THRESHOLD))
        batch = BATCH if device.type == "cuda" else 1
        return cls(on_device(network, device), device, threshold, batch, half_of(device))

    def detect(self, volume: Volume, lungs: Lungs) -> tuple[Candidate, ...]:
        """Give every mark in or near the lungs, by falling probability; cut at a logit of -3, not at ``threshold``.

        Raises
        ------
        FloatingPointError
            The network's output is not finite, even in single precision.
        torch.OutOfMemoryError
            Not even one tile fits.
        """
        if not lungs.labels.any():
            return ()
        image = lung_image(volume, lungs)
        marks = self.proposals(image)
        centers = image.to_volume(marks[:, 1:4].numpy())
        return candidates_of(centers, marks[:, 0].sigmoid().tolist(), marks[:, 4].tolist(), volume, lungs)

    def proposals(self, image: LungImage) -> torch.Tensor:
        """Give the marks (N, 5) of an image: logit, centre z, y, x in its voxels, diameter in mm; by falling logit."""
        tiles = Tiles(image.grey, self.device)
        whole = tiles.empty_map()
        for numbers, outputs in in_batches(lambda n: self._run(tiles, n), len(tiles), self.batch):
            for number, output in zip(numbers, outputs, strict=True):
                tiles.put(whole, number, output)
        return suppressed(decoded(whole))

    def _run(self, tiles: Tiles, numbers: range) -> torch.Tensor:
        """Give the outputs (B, ...) of some tiles."""
        pairs = [tiles[n] for n in numbers]
        grey = to_device(torch.stack([tile for tile, _ in pairs]), self.device)
        place = to_device(torch.stack([place for _, place in pairs]), self.device)

        def forward() -> list[torch.Tensor]:
            return [self.network(grey, place)[1]]

        return finite_outputs(forward, self.device, "grt123's detector", self.half)[0].cpu()
