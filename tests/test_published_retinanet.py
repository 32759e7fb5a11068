"""MONAI's lung_nodule_ct_detection: our network, anchors, boxes and windows against the original library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from models.boxes import iou, nms
from models.published.orientation import RAS, oriented
from models.published.retinanet import SPACING_MM, Image
from models.published.retinanet_boxes import BASE_ANCHORS, anchors_at, marks_of
from models.published.retinanet_network import STRIDES, RetinaNet, layout
from models.published.retinanet_windows import Plan, plan_for, stitched
from models.volume import Volume
from models.weights import WeightsError, fill

pytest.importorskip("monai")
from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector as MonaiDetector
from monai.apps.detection.networks.retinanet_network import RetinaNet as MonaiRetinaNet
from monai.apps.detection.networks.retinanet_network import resnet_fpn_feature_extractor
from monai.apps.detection.utils.anchor_utils import AnchorGeneratorWithAnchorShape
from monai.data import MetaTensor
from monai.networks.nets import resnet50
from monai.transforms import Spacing

CLOSE = {"rtol": 1e-4, "atol": 1e-4}


class AnchorsAsTrained(AnchorGeneratorWithAnchorShape):
    """The anchors of the MONAI that trained the weights: releases since pull request 8475 add half a stride."""

    def grid_anchors(self, grid_sizes: Any, strides: Any) -> list[torch.Tensor]:
        anchors = []
        for n, level in enumerate(super().grid_anchors(grid_sizes, strides)):
            first = level[: len(self.cell_anchors[n])] - self.cell_anchors[n]
            anchors.append(level - first[0])
        return anchors


def monai_network() -> MonaiRetinaNet:
    """Built as the published bundle builds it, with random weights that spread the scores over 0 to 1."""
    torch.manual_seed(0)
    body = resnet50(spatial_dims=3, n_input_channels=1, conv1_t_stride=[2, 2, 1], conv1_t_size=[7, 7, 7])
    features = resnet_fpn_feature_extractor(body, 3, False, [1, 2], None)
    network = MonaiRetinaNet(3, 1, 3, features, [16, 16, 8])
    for name, tensor in network.state_dict().items():
        if "num_batches" in name:
            continue
        if "running_var" in name:
            tensor.uniform_(0.5, 1.5)
        elif "running_mean" in name:
            tensor.normal_(std=0.1)
        elif ".bn" in name or "downsample.1" in name:
            tensor.normal_(mean=0.5 if name.endswith("weight") else 0.0, std=0.2)
    network.classification_head.cls_logits.weight.data.normal_(std=0.04)
    network.classification_head.cls_logits.bias.data.fill_(-3.0)
    network.regression_head.bbox_reg.weight.data.normal_(std=0.004)
    return network.eval()


@pytest.fixture(scope="module")
def original() -> MonaiRetinaNet:
    return monai_network()


@pytest.fixture(scope="module")
def ours(original: MonaiRetinaNet) -> RetinaNet:
    network = RetinaNet()
    fill(network, original.state_dict(), "random")
    return network.eval()


def detector(network: MonaiRetinaNet, window: tuple[int, int, int]) -> MonaiDetector:
    """Configured as the published bundle's inference."""
    anchors = AnchorsAsTrained(feature_map_scales=(1, 2, 4), base_anchor_shapes=[list(a) for a in BASE_ANCHORS])
    made = MonaiDetector(network=network, anchor_generator=anchors, debug=False)
    made.set_target_keys(box_key="box", label_key="label")
    made.set_box_selector_parameters(
        score_thresh=0.02, topk_candidates_per_level=1000, nms_thresh=0.22, detections_per_img=300
    )
    made.set_sliding_window_inferer(roi_size=window, overlap=0.25, sw_batch_size=1, mode="constant")
    return made.eval()


def grey(*size: int) -> torch.Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(1))


def run(network: RetinaNet, windows: torch.Tensor) -> Any:
    with torch.inference_mode():
        return network(windows)


def test_the_layout_is_that_of_the_published_file(original: MonaiRetinaNet) -> None:
    shapes = layout()
    assert len(shapes) == 190
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 20_912_877
    # the original keeps layer3 and layer4 of the ResNet out of its body, so names and shapes are the file's
    assert shapes == {name: tuple(tensor.shape) for name, tensor in original.state_dict().items()}
    assert shapes["feature_extractor.body.conv1.weight"] == (64, 1, 7, 7, 7)
    assert shapes["feature_extractor.fpn.inner_blocks.1.weight"] == (256, 512, 1, 1, 1)
    assert shapes["classification_head.cls_logits.weight"] == (3, 256, 3, 3, 3)
    assert shapes["regression_head.bbox_reg.weight"] == (18, 256, 3, 3, 3)


def test_a_missing_tensor_is_refused_by_name(original: MonaiRetinaNet) -> None:
    tensors = dict(original.state_dict())
    del tensors["feature_extractor.body.bn1.bias"]
    with pytest.raises(WeightsError, match=r"feature_extractor\.body\.bn1\.bias is missing"):
        fill(RetinaNet(), tensors, "random")


def test_the_network_gives_what_the_original_gives(original: MonaiRetinaNet, ours: RetinaNet) -> None:
    image = grey(2, 1, 48, 32, 16)
    with torch.inference_mode():
        theirs = original(image)
    for level, (logits, deltas) in enumerate(run(ours, image)):
        torch.testing.assert_close(logits, theirs["classification"][level], **CLOSE)
        torch.testing.assert_close(deltas, theirs["box_regression"][level], **CLOSE)
        assert logits.shape[2:] == tuple(n // s for n, s in zip((48, 32, 16), STRIDES[level], strict=True))


def test_anchors_are_those_of_the_original_as_it_was_trained() -> None:
    image = torch.zeros(1, 1, 64, 48, 24)
    maps = [torch.zeros(1, 3, *(n // s for n, s in zip((64, 48, 24), stride, strict=True))) for stride in STRIDES]
    generator = AnchorsAsTrained((1, 2, 4), [list(anchor) for anchor in BASE_ANCHORS])
    found = [anchors_at(n, tuple(m.shape[2:]), torch.arange(m.numel())) for n, m in enumerate(maps)]
    assert torch.equal(torch.cat(found), generator(image, maps)[0])
    assert found[0][0].tolist() == [-3, -4, -2, 3, 4, 2]  # the first centre is the first voxel's
    assert found[1][3 * 6].tolist() == [-6, 0, -4, 6, 16, 4]  # cell (0, 1, 0) of the second level: centre (0, 8, 0)


def test_boxes_and_scores_are_those_of_the_original(original: MonaiRetinaNet, ours: RetinaNet) -> None:
    image = grey(1, 60, 44, 21)  # padded at the end to 64 x 48 x 24
    with torch.inference_mode():
        theirs = detector(original, (512, 512, 192))([image])[0]
    padded = torch.zeros(1, 1, 64, 48, 24)
    padded[0, :, :60, :44, :21] = image
    boxes, scores = marks_of([(logits[0], deltas[0]) for logits, deltas in run(ours, padded)], (60, 44, 21))
    assert len(scores) > 20  # or the test would show little
    torch.testing.assert_close(scores, theirs["label_scores"], **CLOSE)
    torch.testing.assert_close(boxes, theirs["box"], **CLOSE)


def windowed(ours: RetinaNet, image: torch.Tensor, plan: Plan, batch: int = 1) -> Any:
    padded = torch.zeros(plan.padded)
    place = tuple(slice(b, b + n) for b, n in zip(plan.before, plan.size, strict=True))
    padded[place] = image

    def fetch(start: tuple[int, int, int]) -> torch.Tensor:
        return padded[tuple(slice(s, s + n) for s, n in zip(start, plan.window, strict=True))]

    return stitched(lambda windows: run(ours, windows), fetch, plan, batch)


@pytest.mark.parametrize(("size", "window"), [((60, 44, 20), (48, 32, 16)), ((80, 32, 24), (48, 64, 16))])
def test_sliding_windows_give_what_the_original_gives(
    original: MonaiRetinaNet, ours: RetinaNet, size: tuple[int, int, int], window: tuple[int, int, int]
) -> None:
    """The second image is narrower than the window along y: it is padded on both sides."""
    image = grey(*size)
    made = detector(original, window)
    with torch.inference_mode():
        theirs = made([image[None]], use_inferer=True)[0]
    maps = windowed(ours, image, plan_for(size, window))
    boxes, scores = marks_of(maps, size)
    assert len(scores) > 20
    torch.testing.assert_close(scores, theirs["label_scores"], **CLOSE)
    torch.testing.assert_close(boxes, theirs["box"], **CLOSE)


def test_windows_run_together_give_what_they_give_alone(ours: RetinaNet) -> None:
    plan = plan_for((48, 32, 40), (32, 32, 32))
    image = grey(48, 32, 40)
    for alone, together in zip(windowed(ours, image, plan), windowed(ours, image, plan, batch=3), strict=True):
        torch.testing.assert_close(alone[0], together[0], **CLOSE)
        torch.testing.assert_close(alone[1], together[1], **CLOSE)


def affine(directions: list[list[float]], spacing_kji: tuple[float, float, float]) -> np.ndarray:
    made = np.eye(4)
    made[:3, :3] = np.asarray(directions).T * np.asarray(spacing_kji)
    made[:3, 3] = (-30.0, 12.0, 77.0)
    return made


@pytest.mark.parametrize(
    ("directions", "spacing"),
    [
        ([[0, 0, 1], [0, 1, 0], [1, 0, 0]], (2.0, 0.8, 0.8)),  # axial, as usual
        ([[0, 0, -1], [0, 1, 0], [1, 0, 0]], (0.6, 0.6, 0.6)),  # head first slices, finer than the network's grid
        ([[0, 1, 0], [0, 0, -1], [1, 0, 0]], (1.5, 0.7, 0.9)),  # coronal
    ],
)
def test_the_image_is_that_of_the_original_transforms(
    directions: list[list[float]], spacing: tuple[float, float, float]
) -> None:
    hu = np.random.default_rng(3).integers(-1100, 900, (14, 26, 23)).astype(np.int16)
    volume = Volume(hu, affine(directions, spacing))
    image = Image(oriented(volume, RAS))

    theirs = Spacing(pixdim=SPACING_MM, mode="bilinear", dtype=np.float64)(in_ras(hu, volume.affine))
    expected = ((theirs[0].as_tensor().float() + 1024) / 1324).clamp(0, 1)

    assert image.size == tuple(expected.shape)
    torch.testing.assert_close(image.grey((0, 0, 0), image.size, torch.device("cpu")), expected, **CLOSE)
    point = np.array([[3.0, 5.0, 2.0]])
    world = (theirs.affine.numpy() @ [3, 5, 2, 1])[:3] * [-1, -1, 1]
    np.testing.assert_allclose(volume.to_patient(image.to_volume(point))[0], world, atol=1e-4)


def in_ras(hu: np.ndarray, affine_lps: np.ndarray) -> MetaTensor:
    """Turn a volume whose axes lie along the patient's into right, anterior, superior; MONAI's world is RAS."""
    array, matrix = hu.astype(np.float32), np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine_lps
    order = np.abs(matrix[:3, :3]).argmax(axis=1)
    array, matrix = array.transpose(order), matrix[:, [*order, 3]]
    for axis in range(3):
        if matrix[axis, axis] < 0:
            array = np.flip(array, axis)
            matrix[:3, 3] += matrix[:3, axis] * (array.shape[axis] - 1)
            matrix[:3, axis] *= -1
    return MetaTensor(torch.from_numpy(array.copy())[None], affine=torch.from_numpy(matrix))


def test_a_box_of_the_image_is_cut_out_of_the_whole() -> None:
    volume = Volume(
        np.random.default_rng(5).integers(-1000, 300, (20, 30, 31)).astype(np.int16),
        affine([[0, 0, 1], [0, 1, 0], [1, 0, 0]], (1.0, 0.9, 0.9)),
    )
    image = Image(oriented(volume, RAS))
    whole = image.grey((0, 0, 0), image.size, torch.device("cpu"))
    part = image.grey((4, 7, 3), (20, 25, 12), torch.device("cpu"))
    torch.testing.assert_close(part, whole[4:20, 7:25, 3:12], atol=1e-6, rtol=0)


def test_overlap_of_two_boxes_is_that_of_their_volumes() -> None:
    first = torch.tensor([[0.0, 0, 0, 2, 2, 2]])
    second = torch.tensor([[1.0, 0, 0, 3, 2, 2], [5, 5, 5, 6, 6, 6], [0, 0, 0, 2, 2, 2]])
    torch.testing.assert_close(iou(first, second), torch.tensor([[4 / 12, 0.0, 1.0]]))


def test_suppression_keeps_the_best_and_what_it_does_not_overlap() -> None:
    boxes = torch.tensor([[0.0, 0, 0, 2, 2, 2], [0.5, 0, 0, 2.5, 2, 2], [9, 9, 9, 10, 10, 10], [0, 0, 0, 2, 2, 1.9]])
    scores = torch.tensor([0.5, 0.9, 0.1, 0.8])
    assert nms(boxes, scores, 0.22, 300).tolist() == [1, 2]
    assert nms(boxes, scores, 0.22, 1).tolist() == [1]
    assert nms(boxes[:0], scores[:0], 0.22, 300).tolist() == []
