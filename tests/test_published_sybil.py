"""Sybil against an independent statement of its contract: network, calibrator, input."""

from __future__ import annotations

import itertools
import json
import math
import zipfile
from argparse import Namespace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.published import sybil_network
from models.published.importing import import_file
from models.published.sybil import SybilScorer
from models.published.sybil_calibration import calibrated, packed, unpacked
from models.published.sybil_network import SybilNetwork, calibrator_name
from models.volume import Volume
from models.weights import WeightsError

CALIBRATOR = {
    f"Year{year}": [
        {
            "coef": [[2.5 + year]],
            "intercept": [-1.0],
            "x0": [-1.0, 0.0, 0.5, 2.0],
            "y0": [0.01, 0.02 * year, 0.05 * year, 0.9],
            "x_min": -1.0,
            "x_max": 2.0,
        }
    ]
    for year in range(1, 7)
}


def random_network(seed: int) -> SybilNetwork:
    """A network whose every tensor differs from its initial value, statistics of batch normalisation included."""
    torch.manual_seed(seed)
    network = SybilNetwork().eval()
    for name, tensor in network.state_dict().items():
        if name.endswith("running_mean"):
            tensor.normal_(0, 0.1)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
    return network


def normalised(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    mean, var, weight, bias = (
        state[f"{name}.{part}"].view(1, -1, 1, 1, 1) for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / torch.sqrt(var + 1e-5) * weight + bias


def restated_trunk(x: Tensor, state: dict[str, Tensor]) -> Tensor:
    """ResNet-18 in 3D, from the state dict alone."""
    x = functional.conv3d(x, state["image_encoder.0.0.weight"], stride=(1, 2, 2), padding=(1, 3, 3))
    x = normalised(x, state, "image_encoder.0.1").clamp(min=0)
    for layer, block in itertools.product(range(1, 5), range(2)):
        name = f"image_encoder.{layer}.{block}"
        stride = 2 if layer > 1 and block == 0 else 1
        y = functional.conv3d(x, state[f"{name}.conv1.0.weight"], stride=stride, padding=1)
        y = normalised(y, state, f"{name}.conv1.1").clamp(min=0)
        y = normalised(functional.conv3d(y, state[f"{name}.conv2.0.weight"], padding=1), state, f"{name}.conv2.1")
        if stride == 2:
            x = functional.conv3d(x, state[f"{name}.downsample.0.weight"], stride=2)
            x = normalised(x, state, f"{name}.downsample.1")
        x = (x + y).clamp(min=0)
    return x


def attended(x: npt.NDArray[np.float64], state: dict[str, Tensor], name: str) -> tuple[npt.NDArray[np.float64], ...]:
    """Soft-max over places of a linear score: (C, P) to (C,) and (P,)."""
    weight, bias = (state[f"{name}.attention_fc.{part}"].double().numpy() for part in ("weight", "bias"))
    score = weight[0] @ x + bias[0]
    share = np.exp(score - score.max())
    share /= share.sum()
    return (x * share).sum(axis=1), share


def restated(x: Tensor, state: dict[str, Tensor]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Logits (6,) and attention (T, P) of one input, in NumPy behind the trunk."""
    features = restated_trunk(x, state)[0].double().numpy()
    channels, slices = features.shape[:2]
    places = features.reshape(channels, slices, -1)
    pooled = [attended(places[:, t], state, "pool.image_pool1") for t in range(slices)]
    by_attention = attended(np.stack([p[0] for p in pooled], axis=1), state, "pool.volume_pool1")[0]
    kernel = state["pool.volume_pool2.conv1d.weight"].double().numpy()
    highest = np.pad(places.max(axis=2), ((0, 0), (5, 5)))
    mixed = np.stack([np.einsum("ock,ck->o", kernel, highest[:, t : t + 11]) for t in range(slices)], axis=1)
    by_maximum = attended(mixed, state, "pool.volume_pool2.aggregate")[0]
    joined = np.concatenate([by_attention, by_maximum, places.max(axis=(1, 2))])
    numbers = {name: tensor.double().numpy() for name, tensor in state.items()}
    hidden = np.maximum(numbers["pool.hidden_fc.weight"] @ joined + numbers["pool.hidden_fc.bias"], 0)
    head = "prob_of_failure_layer"
    hazards = np.maximum(numbers[f"{head}.hazard_fc.weight"] @ hidden + numbers[f"{head}.hazard_fc.bias"], 0)
    base = numbers[f"{head}.base_hazard_fc.weight"] @ hidden + numbers[f"{head}.base_hazard_fc.bias"]
    return np.cumsum(hazards) + base, np.stack([p[1] for p in pooled])


@pytest.mark.parametrize(("seed", "slab"), [(0, 50), (1, 7), (2, 8)])
def test_the_network_equals_its_restatement_however_many_slices_it_takes_at_once(
    seed: int, slab: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sybil_network, "SLAB", slab)
    network = random_network(seed)
    x = torch.randn(1, 3, 24, 48, 64, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        logits, attention = network(x)
        expected, expected_attention = restated(x, network.state_dict())
    assert attention.shape == (1, 3, 3, 4)
    np.testing.assert_allclose(logits[0].numpy(), expected, atol=1e-4)
    np.testing.assert_allclose(attention[0].flatten(1).numpy(), expected_attention, atol=1e-4)


def test_the_published_input_gives_attention_of_25_by_16_by_16() -> None:
    with torch.device("meta"):
        logits, attention = SybilNetwork()(torch.empty(1, 3, 200, 256, 256))
    assert logits.shape == (1, 6)
    assert attention.shape == (1, 25, 16, 16)


def test_a_member_has_the_published_number_of_parameters() -> None:
    """37.4 M, of which 33.2 M are the trunk of r3d_18 (published-weights, 3.4)."""
    with torch.device("meta"):
        network = SybilNetwork()
    trunk = sum(p.numel() for p in network.image_encoder.parameters())
    assert round(trunk / 1e6, 2) in {33.17, 33.18}
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 1) == 37.4


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.37, 0.95])
def test_the_calibrator_by_hand(probability: float) -> None:
    curves = unpacked(packed(CALIBRATOR, "calibrator.json"))
    expected = []
    for year in range(1, 7):
        t = min(max(probability * (2.5 + year) - 1.0, -1.0), 2.0)
        x, y = [-1.0, 0.0, 0.5, 2.0], [0.01, 0.02 * year, 0.05 * year, 0.9]
        right = next(i for i in range(1, 4) if t <= x[i])
        expected.append(y[right - 1] + (y[right] - y[right - 1]) * (t - x[right - 1]) / (x[right] - x[right - 1]))
    assert calibrated([probability] * 6, curves) == pytest.approx(expected, abs=1e-12)


def test_several_curves_of_a_year_are_averaged_and_no_limit_is_kept() -> None:
    flat = {"coef": [[1.0]], "intercept": [0.0], "x0": [0.0, 1.0], "y0": [0.0, 1.0]}
    low = {**flat, "y0": [0.0, 0.5], "x_min": 0.0, "x_max": 1.0}
    free = {**flat, "x_min": -math.inf, "x_max": math.inf}
    tensors = packed({f"Year{year}": [low, free] for year in range(1, 7)}, "calibrator.json")
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    assert calibrated([0.8] * 6, unpacked(tensors)) == pytest.approx([0.6] * 6)


@pytest.mark.parametrize(
    "broken",
    [{}, [], {"Year1": []}, {f"Year{y}": [{"coef": [[1.0]]}] for y in range(1, 7)}],
    ids=["empty", "list", "no curve", "half a curve"],
)
def test_another_json_is_no_calibrator(broken: object) -> None:
    with pytest.raises(WeightsError, match=r"^calibrator\.json: not Sybil's calibrator"):
        packed(broken, "calibrator.json")


def test_a_calibrator_that_is_cut_off_is_named() -> None:
    tensors = packed(CALIBRATOR, "calibrator.json")
    tensors[calibrator_name(3)] = tensors[calibrator_name(3)][:-2]
    with pytest.raises(WeightsError, match=r"calibrator\.year3: cut off"):
        unpacked(tensors)


class _Constant(SybilNetwork):
    """A member that says the same of every scan: a forward pass of the real one takes minutes here."""

    def __init__(self, logit: float) -> None:
        torch.nn.Module.__init__(self)
        self.logit = logit

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        assert x.shape == (1, 3, 200, 256, 256)
        return torch.full((1, 6), self.logit), torch.full((1, 25, 16, 16), 1 / 256)


def test_the_risk_is_the_calibrated_mean_of_the_members() -> None:
    curves = unpacked(packed(CALIBRATOR, "calibrator.json"))
    scorer = SybilScorer((_Constant(-1.0), _Constant(0.5)), curves, "sybil", torch.device("cpu"))
    volume = Volume(np.zeros((20, 32, 32), np.int16), np.diag([2.5, 0.7, 0.7, 1.0])[[2, 1, 0, 3]])
    mean = (1 / (1 + math.exp(1.0)) + 1 / (1 + math.exp(-0.5))) / 2
    risk = scorer.risk(volume)
    assert risk.by_year == pytest.approx(calibrated([mean] * 6, curves), abs=1e-6)
    assert (len(risk.by_year), risk.model) == (6, "sybil")
    assert "1 to 6 years" in risk.meaning
    assert scorer.read(volume).attention.shape == (2, 25, 16, 16)


def lightning_checkpoint(path: Path, seed: int) -> SybilNetwork:
    """A checkpoint as published: arguments of the training beside tensors named ``model.*``; in half precision."""
    network = random_network(seed).half()
    state = {f"model.{name}": tensor for name, tensor in network.state_dict().items()}
    arguments = Namespace(max_followup=6, dropout=0.0, censoring_distribution={"0": np.float64(0.9)})
    torch.save({"args": arguments, "state_dict": state}, path)
    return network.float()


def sybil_archive(folder: Path, members: int = 5) -> Path:
    lightning_checkpoint(folder / "member.ckpt", seed=3)
    archive = folder / "sybil_checkpoints.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for number in range(members):
            file.write(folder / "member.ckpt", f"{number:032x}.ckpt")
        file.writestr("sybil_ensemble_simple_calibrator.json", json.dumps(CALIBRATOR))
    (folder / "member.ckpt").unlink()
    return archive


def test_the_published_archive_is_imported_and_scores_as_its_members_do(tmp_path: Path) -> None:
    imported = import_file(sybil_archive(tmp_path), tmp_path / "weights")
    assert (imported.card.name, imported.card.architecture, imported.matches) == ("sybil", "sybil", None)
    scorer = SybilScorer.from_card(imported.card_path, torch.device("cpu"))
    x = torch.randn(1, 3, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    original = random_network(3).half().float()
    with torch.inference_mode():
        torch.testing.assert_close(scorer.members[4](x)[0], original(x)[0], atol=1e-4, rtol=0)
    assert len(scorer.members) == 5
    assert scorer.curves[5][0].slope == 8.5


def test_one_checkpoint_or_an_archive_without_all_five_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="holds 4 checkpoints"):
        import_file(sybil_archive(tmp_path, members=4), tmp_path / "weights")
    lightning_checkpoint(tmp_path / "member.ckpt", seed=3)
    with pytest.raises(WeightsError, match="one network of Sybil's five"):
        import_file(tmp_path / "member.ckpt", tmp_path / "weights")
    assert not (tmp_path / "weights").exists()
