"""MONAI's lung_nodule_ct_detection as a detector: the published weights, its contract before and after the network.

Before: axes towards right, anterior, superior; 0.703125 x 0.703125 x 1.25 mm by linear interpolation; -1024 to 300 HU
as 0 to 1; windows of 512 x 512 x 192 where the image is larger. After: see ``retinanet_boxes``. Trained on LUNA16
(LIDC-IDRI, CC BY 3.0). Published figures fall on other hospitals' scans: CPM 0.94 on LUNA16, 0.45 to 0.49 on NLST and
DLCS (arXiv 2405.04605). Demonstration and research, not for diagnosis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.components import box_of
from models.findings import Candidate, Lungs
from models.published.inference import finite_outputs, half_of, on_device, release, to_device
from models.published.marks import candidates_of
from models.published.orientation import RAS, Oriented, oriented, sampled_at
from models.published.retinanet_boxes import Maps, marks_of
from models.published.retinanet_network import RetinaNet
from models.published.retinanet_windows import Plan, Triple, halved, plan_for, stitched
from models.volume import Volume
from models.weights import fill, load_tensors

ARCHITECTURE = "monai-retinanet"
SPACING_MM = (0.703125, 0.703125, 1.25)
HU_RANGE = (-1024.0, 300.0)
WINDOW = (512, 512, 192)  # inference configuration of the published bundle
# Without a GPU a window of the published size needs more memory than a workstation has; this one is near the patch
# of the training (192 x 192 x 80), in whole cells.
CPU_WINDOW = (192, 192, 96)
MARGIN_MM = 16.0  # around the lungs' box: as far as marks are kept, and half of the largest anchor of the second level
# No operating point is published, only FROC. The score is trained by binary cross-entropy, so one half is where the
# network itself is undecided. Not calibrated on any hospital's scans; card settings may name another ("threshold").
DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True, eq=False)
class RetinaNetDetector:
    """Marks of the published RetinaNet.

    Parameters
    ----------
    network
        With weights, on ``device``, in eval mode.
    device
        Where it runs.
    threshold
        Default operating point, 0 to 1.
    window
        Voxels (x, y, z) that the network sees at once, multiples of (16, 16, 8).
    whole
        Whether the whole image goes through the network, as published; else the lungs' box with ``MARGIN_MM``.
    half
        Half precision to run at (published: float16); None is float32.
    """

    network: RetinaNet
    device: torch.device
    threshold: float = DEFAULT_THRESHOLD
    window: Triple = WINDOW
    whole: bool = True
    half: torch.dtype | None = None

    @classmethod
    def from_card(cls, card_path: Path, device: torch.device) -> RetinaNetDetector:
        """Load imported weights; without a GPU for smaller windows, on the lungs' box alone.

        Raises
        ------
        WeightsError
            They are missing, damaged, of another architecture or layout.
        """
        card, tensors = load_tensors(card_path, ARCHITECTURE)
        network = RetinaNet()
        fill(network, tensors, card.name)
        threshold = float(card.settings.get("threshold", DEFAULT_THRESHOLD))
        published = device.type == "cuda"
        window = WINDOW if published else CPU_WINDOW
        return cls(on_device(network, device), device, threshold, window, published, half_of(device))

    def detect(self, volume: Volume, lungs: Lungs) -> tuple[Candidate, ...]:
        """Give every mark in or near the lungs, by falling score; cut at 0.02 as published, not at ``threshold``.

        Raises
        ------
        FloatingPointError
            The network's output is not finite, even in single precision.
        torch.OutOfMemoryError
            Not even the smallest window fits.
        """
        if not lungs.labels.any():
            return ()
        image = Image(oriented(volume, RAS))
        if not self.whole:
            image = image.around(lungs)
        boxes, scores = marks_of(self._maps(image, lungs), image.size)
        spacing = torch.tensor(SPACING_MM, dtype=boxes.dtype)
        diameters = ((boxes[:, 3:] - boxes[:, :3]) * spacing).mean(dim=1)
        centers = image.to_volume(((boxes[:, 3:] + boxes[:, :3]) / 2).numpy())
        return candidates_of(centers, scores.tolist(), diameters.tolist(), volume, lungs)

    def _maps(self, image: Image, lungs: Lungs) -> Maps:
        """Run the windows that hold lung; where one does not fit into memory, all are tried again at half the size."""
        window = self.window
        while True:
            plan = with_lungs(plan_for(image.size, window), image, lungs)
            try:
                return stitched(self._run, image.fetcher(plan, self.device), plan, batch=1)
            except torch.OutOfMemoryError:
                smaller = halved(plan.window)
                if smaller is None:
                    raise
            window = smaller
            release()

    def _run(self, windows: torch.Tensor) -> Maps:
        """Give the maps of a batch of windows."""
        placed = to_device(windows, self.device)

        def forward() -> list[torch.Tensor]:
            return [tensor for level in self.network(placed) for tensor in level]

        flat = finite_outputs(forward, self.device, "the RetinaNet", self.half)
        return list(zip(flat[::2], flat[1::2], strict=True))


class Image:
    """The volume as the network sees it, sampled box by box: axes x, y, z towards right, anterior, superior.

    Parameters
    ----------
    source
        The volume along these axes.
    box
        The part of it, in voxels of ``SPACING_MM``: first voxel, and the first beyond. None is all of it.

    Attributes
    ----------
    size
        Voxels (X, Y, Z) of ``SPACING_MM``; voxel (0, 0, 0) of the whole lies on the volume's first along these axes.
    """

    def __init__(self, source: Oriented, box: tuple[Triple, Triple] | None = None) -> None:
        self._source = source
        self._step = np.asarray(SPACING_MM) / np.asarray(source.spacing_mm)
        whole = np.round((np.asarray(source.shape) - 1) / self._step + 1).astype(int)
        self._origin, end = (np.asarray(corner) for corner in box or ((0, 0, 0), whole))
        a, b, c = np.minimum(end, whole) - self._origin
        self.size: Triple = (int(a), int(b), int(c))

    def around(self, lungs: Lungs) -> Image:
        """Give the part of this image that holds the lungs, with a margin."""
        sides = box_of(self._source.view(lungs.labels) > 0, (0, 0, 0))
        low = np.array([side.start for side in sides]) / self._step - np.asarray(MARGIN_MM) / SPACING_MM
        high = np.array([side.stop - 1 for side in sides]) / self._step + np.asarray(MARGIN_MM) / SPACING_MM
        a, b, c = (max(0, int(n)) for n in low)
        d, e, f = (int(n) + 2 for n in high)
        return Image(self._source, ((a, b, c), (d, e, f)))

    def to_volume(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Map points (N, 3) of this image, x, y, z, to voxel indices (N, 3) k, j, i of the volume."""
        return self._source.to_volume((np.asarray(points, dtype=np.float64) + self._origin) * self._step)

    def grey(self, low: Triple, high: Triple, device: torch.device) -> torch.Tensor:
        """Give the grey values 0 to 1 of the box from ``low`` up to, not with, ``high``."""
        hu = sampled_at(self._source.view(self._source.volume.hu), self._positions(low, high), device)
        return ((hu - HU_RANGE[0]) / (HU_RANGE[1] - HU_RANGE[0])).clamp_(0, 1)

    def fetcher(self, plan: Plan, device: torch.device) -> Callable[[Triple], torch.Tensor]:
        """Give the function that fetches one window of a plan; what lies outside the image is 0."""

        def fetch(start: Triple) -> torch.Tensor:
            low, high = inner_box(plan, start)
            window = torch.zeros(plan.window, device=device)
            at = [slice(a + b - s, c + b - s) for a, c, b, s in zip(low, high, plan.before, start, strict=True)]
            window[at[0], at[1], at[2]] = self.grey(low, high, device)
            return window

        return fetch

    def holds(self, mask: npt.NDArray[np.uint8], low: Triple, high: Triple) -> bool:
        """Tell whether a mask (K, J, I) on the volume's grid is set somewhere in a box of this image."""
        first = np.floor((np.asarray(low) + self._origin) * self._step).astype(int)
        last = np.ceil((np.asarray(high) - 1 + self._origin) * self._step).astype(int) + 1
        view = self._source.view(mask)
        return bool(view[first[0] : last[0], first[1] : last[1], first[2] : last[2]].any())

    def _positions(self, low: Triple, high: Triple) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x, y, z = (
            torch.arange(a + int(first), b + int(first), dtype=torch.float64) * float(step)
            for a, b, first, step in zip(low, high, self._origin, self._step, strict=True)
        )
        return x, y, z


def inner_box(plan: Plan, start: Triple) -> tuple[Triple, Triple]:
    """Give the part of a window that lies inside the image: first voxel, and the first beyond."""
    sides = list(zip(start, plan.before, plan.window, plan.size, strict=True))
    a, b, c = (min(max(0, first - before), size) for first, before, _, size in sides)
    d, e, f = (min(max(0, first - before + window), size) for first, before, window, size in sides)
    return (a, b, c), (d, e, f)


def with_lungs(plan: Plan, image: Image, lungs: Lungs) -> Plan:
    """Leave out the windows that hold no lung: a mark there would be dropped anyway."""
    starts = tuple(start for start in plan.starts if image.holds(lungs.labels, *inner_box(plan, start)))
    return replace(plan, starts=starts)
