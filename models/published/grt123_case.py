"""grt123's case classifier: the probability of lung cancer from the five most evident marks of its detector.

Won the Data Science Bowl 2017 (log-loss 0.39975). The label is a diagnosis of lung cancer within one year of the scan,
among people who were screened or examined: about one in four had it. Demonstration and research, not for diagnosis.
Source: Liao 2019, doi:10.1109/TNNLS.2019.2892409; lfz/DSB2017 (MIT).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.findings import Lungs, Malignancy, PatientRisk
from models.published.grt123 import Grt123Detector
from models.published.grt123_image import LungImage, lung_image
from models.published.grt123_network import STRIDE, CaseNet
from models.published.inference import finite_outputs, in_batches, on_device
from models.volume import Volume
from models.weights import fill, load_tensors

ARCHITECTURE = "grt123-classifier"
MEANING = "lung cancer diagnosed within one year of the scan (Data Science Bowl 2017)"
LEAST_LOGIT = -1.0  # of a mark that the classifier looks at; lfz/DSB2017, classifier configuration, as those below
PROPOSALS = 5
CROP = 96  # voxels of 1 mm
FILLING = 160  # grey value beyond the image


@dataclass(frozen=True, eq=False)
class Grt123Classifier:
    """Cancer, per patient and per nodule.

    Parameters
    ----------
    network
        With weights, on ``device``, in eval mode.
    detector
        Gives the marks; its weights are a file of their own.
    device
        Single precision everywhere: the crops are few, and their grey values 0..255 would overflow half precision.
    name
        Of the model, for the report.
    """

    network: CaseNet
    detector: Grt123Detector
    device: torch.device
    name: str

    @classmethod
    def from_card(cls, card_path: Path, device: torch.device, detector: Grt123Detector) -> Grt123Classifier:
        """Load imported weights.

        Raises
        ------
        WeightsError
            They are missing, damaged, of another architecture or layout.
        """
        card, tensors = load_tensors(card_path, ARCHITECTURE)
        network = CaseNet()
        fill(network, tensors, card.name)
        return cls(on_device(network, device), detector, device, card.name)

    def case_risk(self, volume: Volume, lungs: Lungs) -> PatientRisk:
        """Give the probability of cancer for the patient, from marks of the detector.

        Raises
        ------
        ValueError
            There are no lungs.
        FloatingPointError
            A network's output is not finite.
        """
        image = lung_image(volume, lungs)
        return self.risk_of(image, self.detector.proposals(image))

    def risk_of(self, image: LungImage, proposals: torch.Tensor) -> PatientRisk:
        """Give the probability of cancer from proposals (N, 5) that the detector made of this image.

        Where there are fewer than five, the original fills up with empty crops, and what the network says of those
        counts as well; so it does here.
        """
        chosen = proposals[proposals[:, 0] > LEAST_LOGIT][:PROPOSALS]
        pairs = [crop_at(image.grey, center) for center in chosen[:, 1:4].tolist()]
        empty = torch.zeros(1, CROP, CROP, CROP), torch.zeros(3, *(CROP // STRIDE,) * 3)
        pairs += [empty] * (PROPOSALS - len(pairs))
        return PatientRisk((self.network.joined(self._probabilities(pairs).to(self.device)),), self.name, MEANING)

    def malignancies(
        self, volume: Volume, lungs: Lungs, centers_kji: npt.NDArray[np.float64]
    ) -> tuple[Malignancy, ...]:
        """Give, for each of the nodules with these centres (N, 3), the probability that it is the cancer.

        Raises
        ------
        ValueError
            There are no lungs.
        """
        image = lung_image(volume, lungs)
        pairs = [crop_at(image.grey, center) for center in image.from_volume(centers_kji).tolist()]
        return tuple(Malignancy(float(p), self.name, MEANING) for p in self._probabilities(pairs))

    def _probabilities(self, pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        """Give the probability of each crop, (K,) on the CPU."""

        def run(numbers: range) -> torch.Tensor:
            crops = torch.stack([pairs[n][0] for n in numbers]).to(self.device)
            places = torch.stack([pairs[n][1] for n in numbers]).to(self.device)
            return finite_outputs(lambda: [self.network(crops, places)], self.device, self.name, half=None)[0].cpu()

        parts = [part for _, part in in_batches(run, len(pairs), PROPOSALS)]
        return torch.cat(parts) if parts else torch.zeros(0)


def crop_at(grey: npt.NDArray[np.uint8], center: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut out the crop around a centre, and its place in the lungs.

    Parameters
    ----------
    grey
        (Z, Y, X) uint8.
    center
        z, y, x in voxels.

    Returns
    -------
    Crop (1, 96, 96, 96), grey values 0..255 as they are: this network, unlike the detector, was trained so; and its
    place (3, 24, 24, 24), about -0.5 to 0.5 of the image with its padding.
    """
    start = np.trunc(np.asarray(center) - CROP / 2).astype(int)
    before = np.maximum(-start, 0)
    start = np.maximum(start, 0)
    after = np.maximum(start + CROP - np.asarray(grey.shape), 0)
    box = tuple(slice(s, s + CROP) for s in start)
    padded = np.pad(grey, list(zip(before, after, strict=True)), constant_values=FILLING)
    shape = np.asarray(padded.shape)
    axes = [
        torch.linspace(first, first + CROP / size, CROP // STRIDE, dtype=torch.float64).float()
        for first, size in zip(start / shape - 0.5, shape, strict=True)
    ]
    crop = torch.from_numpy(padded[box].astype(np.float32))
    return crop[None], torch.stack(torch.meshgrid(*axes, indexing="ij"))
