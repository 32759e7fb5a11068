"""The layouts by which a file of weights is recognised: every tensor's name and shape, per architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch

from models.published.grt123_network import classifier_layout, detector_layout
from models.published.imagenet import IMAGENET, bare_network
from models.published.retinanet_network import layout as retinanet_layout
from models.published.sybil_network import sybil_layout
from models.unet import UNetSettings
from models.unet import layout as unet_layout

Layout = Mapping[str, tuple[int, ...]]
ANY = -1  # a length that differs from file to file

# Of batch normalisation: older files lack it, some networks here do too, and inference never reads it.
_COUNTER = ".num_batches_tracked"


def shapes_of(module: torch.nn.Module) -> Layout:
    """Give the name and shape of every tensor in a module's state."""
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def misfits(shapes: Layout, layout: Layout) -> list[str]:
    """Say in words what is missing, not expected or of another shape; empty when all fits."""
    found = [f"{name} is missing" for name in layout if name not in shapes and not name.endswith(_COUNTER)]
    found += [f"{name} is not expected" for name in shapes if name not in layout and not name.endswith(_COUNTER)]
    found += [
        f"{name} has shape {shape}, not {layout[name]}"
        for name, shape in shapes.items()
        if name in layout and not _fits(shape, layout[name])
    ]
    return found


def settled(tensors: Mapping[str, torch.Tensor], layout: Layout) -> dict[str, torch.Tensor]:
    """Give tensors that fit exactly the names of their layout: its counters of batch normalisation and no others."""
    counters = {name: torch.zeros((), dtype=torch.int64) for name in layout if name.endswith(_COUNTER)}
    return {**counters, **{name: tensor for name, tensor in tensors.items() if name in layout}}


def recognised(shapes: Layout) -> str | None:
    """Give the architecture whose layout fits, or None."""
    return next((name for name, layout in LAYOUTS.items() if not misfits(shapes, layout())), None)


def nearest(shapes: Layout) -> tuple[str, list[str]] | None:
    """Give the architecture that shares most names with a file, at least half of its own, and what does not fit."""
    common = {name: len(layout().keys() & shapes.keys()) / len(layout()) for name, layout in LAYOUTS.items()}
    best = max(common, key=lambda name: common[name])
    return (best, misfits(shapes, LAYOUTS[best]())) if common[best] >= 0.5 else None


def _fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) == len(wanted) and all(b in (ANY, a) for a, b in zip(shape, wanted, strict=True))


def _imagenet(name: str) -> Callable[[], Layout]:
    def layout() -> Layout:
        with torch.device("meta"):
            return shapes_of(bare_network(name))

    return layout


LAYOUTS: Mapping[str, Callable[[], Layout]] = MappingProxyType(
    {
        "monai-retinanet": retinanet_layout,
        "lungmask-lungs": lambda: unet_layout(UNetSettings(n_classes=3)),  # background, right, left
        "lungmask-lobes": lambda: unet_layout(UNetSettings(n_classes=6)),  # background and five lobes
        "grt123-detector": detector_layout,
        "grt123-classifier": classifier_layout,
        "sybil": sybil_layout,
        **{name: _imagenet(name) for name in IMAGENET},
    }
)
