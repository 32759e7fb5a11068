"""Image folders of System 002: transforms, patients and classes, and folders made of nodules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from tests.transfer_rig import run_task, write_images
from training.errors import TrainingError
from training.transfer import folders as layout
from training.transfer.nodules import class_of, split_of


def test_transforms_are_those_of_the_system() -> None:
    names = [type(step).__name__ for step in layout.train_transforms().transforms]
    assert names == [
        "RandomResizedCrop",
        "RandomRotation",
        "ColorJitter",
        "RandomHorizontalFlip",
        "CenterCrop",
        "ToTensor",
        "Normalize",
    ]
    crop, rotation = layout.train_transforms().transforms[:2]
    assert (crop.size, crop.scale, rotation.degrees) == ((256, 256), (0.8, 1.0), [-15.0, 15.0])
    plain = layout.plain_transforms().transforms
    assert [type(step).__name__ for step in plain] == ["Resize", "CenterCrop", "ToTensor", "Normalize"]
    assert (plain[0].size, plain[1].size) == (256, (224, 224))
    assert (plain[3].mean, plain[3].std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_validation_images_are_not_augmented() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 280, 3), np.uint8))
    transform = layout.plain_transforms()
    assert torch.equal(transform(image), transform(image))
    reference = transforms.functional.center_crop(transforms.functional.resize(image, 256), [224, 224])
    assert torch.allclose(
        transform(image)[0] * 0.229 + 0.485, torch.from_numpy(np.asarray(reference)[..., 0] / 255).float()
    )


def test_patient_is_read_from_the_name_of_the_file() -> None:
    assert layout.patient_of(Path("CNV-1016042-1.jpeg")) == "1016042"
    assert layout.patient_of(Path("benign-LIDC-IDRI-0004-2.png")) == "LIDC-IDRI-0004"
    assert layout.patient_of(Path("scan7.png")) == "scan7"


def test_patients_in_two_splits_are_counted(tmp_path: Path) -> None:
    data = write_images(tmp_path, ("a", "b"), {"train": 2, "val": 1, "test": 1})
    (data / "test" / "a" / "a-train0-9.jpeg").write_bytes((data / "train" / "a" / "a-train0-1.jpeg").read_bytes())
    assert layout.described(layout.folders_of(data))[0].text[0].startswith("1 patients")


def test_median_ratings_become_classes() -> None:
    assert [class_of(rating) for rating in (0, 1, 2, 2.5, 3, 3.5, 4, 5)] == [
        None, "benign", "benign", None, None, None, "suspicious", "suspicious",
    ]  # fmt: skip


def test_patients_are_split_by_name_alone_in_the_shares_that_are_said() -> None:
    splits = [split_of(f"LIDC-IDRI-{n:04d}") for n in range(2000)]
    assert [splits.count(name) / 2000 for name in ("train", "val", "test")] == pytest.approx(
        [0.7, 0.15, 0.15], abs=0.03
    )
    assert splits == [split_of(f"LIDC-IDRI-{n:04d}") for n in range(2000)]


def triplets(path: Path, **changed: Any) -> Path:
    content: dict[str, Any] = {
        "images": np.arange(4 * 3 * 64 * 64, dtype=np.uint32).astype(np.uint8).reshape(4, 3, 64, 64),
        "patient": np.array(["P1", "P1", "P2", "P3"]),
        "nodule": np.array(["nodule-0", "nodule-1", "nodule-0", "nodule-0"]),
        "malignancy_median": np.array([1.0, 5.0, 3.0, 4.0]),
    }
    np.savez(path, **{name: value for name, value in (content | changed).items() if value is not None})
    return path


def test_triplets_become_folders_split_by_patient(tmp_path: Path) -> None:
    code, printed = run_task("triplets-to-folders", triplets(tmp_path / "t.npz"), tmp_path / "out")
    assert code == 0, printed
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    assert written == {
        f"{split_of('P1')}/benign/benign-P1-0.png",
        f"{split_of('P1')}/suspicious/suspicious-P1-1.png",
        f"{split_of('P3')}/suspicious/suspicious-P3-0.png",
    }
    pixels = np.asarray(Image.open(tmp_path / "out" / split_of("P1") / "benign" / "benign-P1-0.png"))
    with np.load(tmp_path / "t.npz") as data:
        assert np.array_equal(pixels[..., 1], data["images"][0, 1])


def test_triplets_without_labels_or_into_a_full_folder_are_refused(tmp_path: Path) -> None:
    code, printed = run_task(
        "triplets-to-folders", triplets(tmp_path / "t.npz", malignancy_median=None), tmp_path / "out"
    )
    assert (code, "malignancy_median" in printed) == (2, True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    code, printed = run_task("triplets-to-folders", triplets(tmp_path / "u.npz"), tmp_path / "full")
    assert (code, "not an empty folder" in printed) == (2, True)


def test_class_folders_of_one_class_are_refused(tmp_path: Path) -> None:
    write_images(tmp_path, ("only",), {"train": 1, "val": 1, "test": 1})
    with pytest.raises(TrainingError, match="two or more"):
        layout.folders_of(tmp_path)
