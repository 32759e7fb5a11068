"""The published weights that the node can run: where they come from, on which terms, and what they are worth.

A table and nothing else. Figures are those that their authors or others published; none was measured here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from models.weights import Figure


class Role(Enum):
    """What a set of weights does in the node."""

    LUNGS = "lungs"
    LOBES = "lobes"
    DETECTOR = "nodule detection"
    CASE = "cancer, per patient"
    FEATURES = "image features"


@dataclass(frozen=True)
class Checksum:
    """A published checksum, or the beginning of one.

    Parameters
    ----------
    algorithm
        ``md5`` or ``sha256``.
    prefix
        Lower-case hexadecimal, the whole digest or its first characters.
    """

    algorithm: str
    prefix: str


@dataclass(frozen=True)
class Entry:
    """One set of published weights.

    Parameters
    ----------
    key
        Name under which it is installed.
    architecture
        Key of ``models.published.layouts.LAYOUTS``; several entries may share one.
    address
        Where the file is downloaded from, on a machine that may.
    size
        In words, decimal megabytes.
    checksum
        None where none is published.
    file_word
        A word in the published file's name that tells it from others of the same architecture.
    figures
        As published, on the data named; the off-site ones beside those of the home data set.
    """

    key: str
    title: str
    role: Role
    architecture: str
    licence: str
    address: str
    size: str
    checksum: Checksum | None
    file_word: str
    good_for: str
    input_contract: str
    training_data: str
    reference: str
    figures: tuple[Figure, ...] = ()


_TRANSFER = "arXiv 2405.04605"
_LUNGMASK_RELEASE = "https://github.com/JoHof/lungmask/releases/download/v0.0/"
_LUNGMASK_LICENCE = (
    "Apache-2.0 (repository); older releases of it carried the text of GPL-3.0: note which one you took the file from"
)
_LUNGMASK_CONTRACT = (
    "axial slices, LPS; HU clipped to -1024..600, body cut out, 256x256 by order 1, (HU + 1024) / 1624; arg max of "
)
_LUNGMASK_REFERENCE = "Hofmanninger 2020, doi:10.1186/s41747-020-00173-2"
_GRT123_CONTRACT = (
    "1 mm isotropic by order 1; HU -1200..600 to 0..255, 170 outside the lungs and for bone at the rim; (x - 128) / 128"
)
_GRT123_LICENCE = "MIT, (c) 2023 lfz"
_DSB_DATA = "Data Science Bowl 2017 stage 1 and LUNA16 (LIDC-IDRI)"
_DSB_FIGURE = Figure("log-loss of the whole system", 0.39975, "Data Science Bowl 2017, final, PMC7439139 table 1")
_IMAGENET_LICENCE = "BSD-3-Clause (code); weights trained on ImageNet, whose research terms are debated for such use"
_IMAGENET_CONTRACT = (
    "RGB 0..1, short side 256 by antialiased bilinear, centre 224x224, mean .485 .456 .406, standard deviation .229 "
    ".224 .225"
)


def _imagenet(name: str, title: str, digest: str, size: str, top: tuple[float, float], good_for: str) -> Entry:
    """Give the entry of a network of torchvision, weights IMAGENET1K_V1."""
    return Entry(
        key=name,
        title=f"{title}, ImageNet V1 (torchvision)",
        role=Role.FEATURES,
        architecture=name,
        licence=_IMAGENET_LICENCE,
        address=f"https://download.pytorch.org/models/{name}-{digest}.pth",
        size=size,
        checksum=Checksum("sha256", digest),
        file_word=name,
        good_for=good_for,
        input_contract=_IMAGENET_CONTRACT,
        training_data="ImageNet-1K: photographs, no medical image",
        reference="torchvision, IMAGENET1K_V1",
        figures=(
            Figure("accuracy, top 1 (%)", top[0], "ImageNet-1K validation"),
            Figure("accuracy, top 5 (%)", top[1], "ImageNet-1K validation"),
        ),
    )


CATALOGUE: tuple[Entry, ...] = (
    Entry(
        key="monai-lung-nodule-ct",
        title="MONAI lung_nodule_ct_detection 0.6: 3D RetinaNet",
        role=Role.DETECTOR,
        architecture="monai-retinanet",
        licence="Apache-2.0; trained on LUNA16, which is CC BY: name it",
        address="https://developer.download.nvidia.com/assets/Clara/monai/tutorials/model_zoo/"
        "model_lung_nodule_ct_detection.pt",
        size="83.7 MB",
        checksum=Checksum("md5", "b2e732a7c2786e2f8398fa45293b1e73"),
        file_word="lung_nodule_ct",
        good_for="finding nodules from 3 mm on thin-slice chest CT like LUNA16's; elsewhere expect about half the CPM",
        input_contract="RAS, 0.703125 x 0.703125 x 1.25 mm bilinear; HU -1024..300 to 0..1; axes x, y, z padded to "
        "multiples of 16, 16, 8; windows of 512x512x192",
        training_data="LUNA16 (LIDC-IDRI, CC BY)",
        reference="MONAI model zoo, lung_nodule_ct_detection",
        figures=(
            Figure("CPM", 0.936, "LUNA16, 10-fold, MONAI tutorials"),
            Figure("CPM", 0.49, f"off-site: NLST-3D, {_TRANSFER}"),
            Figure("CPM", 0.45, f"off-site: DLCS, {_TRANSFER}"),
            Figure("sensitivity at 2 false positives per scan", 0.64, f"off-site: NLST-3D, {_TRANSFER}"),
            Figure("sensitivity at 2 false positives per scan", 0.62, f"off-site: DLCS, {_TRANSFER}"),
        ),
    ),
    Entry(
        key="lungmask-r231",
        title="lungmask R231: 2D U-Net, right and left lung",
        role=Role.LUNGS,
        architecture="lungmask-lungs",
        licence=_LUNGMASK_LICENCE,
        address=_LUNGMASK_RELEASE + "unet_r231-d5d2fc3d.pth",
        size="124.3 MB",
        checksum=Checksum("sha256", "d5d2fc3d"),
        file_word="r231",
        good_for="lungs with disease in them: consolidation, effusion, large tumours",
        input_contract=_LUNGMASK_CONTRACT + "3 classes",
        training_data="231 routine CT of varied disease (Vienna); not public",
        reference=_LUNGMASK_REFERENCE,
        figures=(Figure("Dice", 0.98, "varied routine CT, mean, standard deviation 0.03, Hofmanninger 2020"),),
    ),
    Entry(
        key="lungmask-r231covid",
        title="lungmask R231CovidWeb: the same, refined on COVID-19",
        role=Role.LUNGS,
        architecture="lungmask-lungs",
        licence=_LUNGMASK_LICENCE,
        address=_LUNGMASK_RELEASE + "unet_r231covid-0de78a7e.pth",
        size="124.3 MB",
        checksum=Checksum("sha256", "0de78a7e"),
        file_word="covid",
        good_for="lungs with ground glass and dense consolidation",
        input_contract=_LUNGMASK_CONTRACT + "3 classes",
        training_data="as R231, then COVID-19 slices from the web",
        reference=_LUNGMASK_REFERENCE,
    ),
    Entry(
        key="lungmask-ltrclobes",
        title="lungmask LTRCLobes: 2D U-Net, five lobes",
        role=Role.LOBES,
        architecture="lungmask-lobes",
        licence=_LUNGMASK_LICENCE,
        address=_LUNGMASK_RELEASE + "unet_ltrclobes-3a07043d.pth",
        size="124.3 MB",
        checksum=Checksum("sha256", "3a07043d"),
        file_word="ltrclobes",
        good_for="the lobe of a nodule; use it together with R231, whose outline is the better one",
        input_contract=_LUNGMASK_CONTRACT + "6 classes (LUL, LLL, RUL, RML, RLL)",
        training_data="LTRC (Lung Tissue Research Consortium)",
        reference=_LUNGMASK_REFERENCE,
    ),
    Entry(
        key="grt123-detector",
        title="grt123 nodule detector (Data Science Bowl 2017, first place)",
        role=Role.DETECTOR,
        architecture="grt123-detector",
        licence=_GRT123_LICENCE,
        address="https://github.com/lfz/DSB2017/raw/master/model/detector.ckpt",
        size="about 21.6 MB",
        checksum=None,
        file_word="detector",
        good_for="finding nodules from 6 mm, the large ones oversampled in training; its own LUNA16 FROC is not known",
        input_contract=_GRT123_CONTRACT + "; tiles of 208 mm",
        training_data=_DSB_DATA,
        reference="Liao 2019, doi:10.1109/TNNLS.2019.2892409",
        figures=(_DSB_FIGURE,),
    ),
    Entry(
        key="grt123-classifier",
        title="grt123 case classifier (Data Science Bowl 2017, first place)",
        role=Role.CASE,
        architecture="grt123-classifier",
        licence=_GRT123_LICENCE,
        address="https://github.com/lfz/DSB2017/raw/master/model/classifier.ckpt",
        size="about 22 MB by its parameters",
        checksum=None,
        file_word="classifier",
        good_for="probability of cancer of a patient from the five most suspicious marks of the detector",
        input_contract=_GRT123_CONTRACT + "; crops of 96 mm around five marks",
        training_data=_DSB_DATA,
        reference="Liao 2019, doi:10.1109/TNNLS.2019.2892409",
        figures=(_DSB_FIGURE,),
    ),
    Entry(
        key="sybil",
        title="Sybil: ensemble of five 3D ResNet-18 with attention, and its calibrator",
        role=Role.CASE,
        architecture="sybil",
        licence="MIT",
        address="https://github.com/reginabarzilaygroup/Sybil/releases/download/v1.5.0/sybil_checkpoints.zip",
        size="five files of about 150 MB in one zip",
        checksum=None,
        file_word="sybil",
        good_for="risk of lung cancer within one to six years from one low-dose screening CT, without marks",
        input_contract="slices from feet to head, at most 5 mm thick; window -600/1500 to 8 bit; 256x256; resampled to "
        "0.703125 x 0.703125 x 2.5 mm with the spacing of the original pixels; 256x256x200; (x - 128.1722) / 87.1849",
        training_data="NLST (low-dose screening CT)",
        reference="Mikhael 2023, doi:10.1200/JCO.22.01345",
        figures=(
            Figure("AUC, cancer within 1 year", 0.92, "NLST test set"),
            Figure("AUC, cancer within 1 year", 0.86, "off-site: Massachusetts General Hospital"),
            Figure("AUC, cancer within 1 year", 0.94, "off-site: Chang Gung Memorial Hospital"),
            Figure("C-index, 6 years", 0.75, "NLST test set"),
            Figure("C-index, 6 years", 0.81, "off-site: Massachusetts General Hospital"),
            Figure("C-index, 6 years", 0.80, "off-site: Chang Gung Memorial Hospital"),
            Figure("AUC, cancer within 1 year", 0.91, "off-site: Asian cohort, n = 18,057"),
            Figure("AUC, cancer within 6 years", 0.74, "off-site: Asian cohort, n = 18,057"),
        ),
    ),
    _imagenet(
        "resnet152",
        "ResNet-152",
        "394f9c45",
        "230.4 MB",
        (78.312, 94.046),
        "2048 features per image for a patient-level scorer; the published recipe reached a log-loss of 0.560 in the "
        "Data Science Bowl 2017, little better than the prevalence",
    ),
    _imagenet("resnet18", "ResNet-18", "f37072fd", "44.7 MB", (69.758, 89.078), "512 features per image, quickly"),
    _imagenet("vgg16", "VGG16", "397923af", "527.8 MB", (71.592, 90.382), "frozen features for transfer to few images"),
)


def entry_of(key: str) -> Entry | None:
    """Give the entry with a key, or None where the catalogue has none."""
    return next((entry for entry in CATALOGUE if entry.key == key), None)


def of_architecture(architecture: str) -> tuple[Entry, ...]:
    """Give the entries that share an architecture, in the order of the catalogue."""
    return tuple(entry for entry in CATALOGUE if entry.architecture == architecture)
