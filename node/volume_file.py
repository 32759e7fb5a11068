"""A volume as a file that other programs read: NIfTI or NRRD, by the suffix."""

from __future__ import annotations

import tempfile
from pathlib import Path

import SimpleITK

from models.volume import Volume
from node.errors import ConfigError

SUFFIXES = (".nii.gz", ".nii", ".nrrd")
_FASTEST = 1  # of zlib's levels: CT noise hardly shrinks more at a higher one


def suffix_of(path: Path) -> str:
    """Give the suffix that names the format.

    Raises
    ------
    ConfigError
        It is none of those that can be written.
    """
    suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)
    if suffix is None:
        raise ConfigError(f"--volume {path}: the name must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    return suffix


def write_volume(volume: Volume, path: Path) -> None:
    """Write the HU, aside first and then renamed; positions go from LPS to the space of the format.

    Raises
    ------
    ConfigError
        The file cannot be written.
    """
    image = SimpleITK.GetImageFromArray(volume.hu)  # axes k, j, i become z, y, x: the last runs fastest in both
    image.SetSpacing(volume.spacing_kji_mm[::-1])
    image.SetOrigin(volume.affine[:3, 3].tolist())
    image.SetDirection(volume.directions[:, ::-1].ravel().tolist())
    suffix = suffix_of(path)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".pulmonode-") as aside:
            written = Path(aside) / f"volume{suffix}"
            SimpleITK.WriteImage(image, str(written), suffix != ".nii", _FASTEST)
            written.replace(path)
    except OSError as error:
        raise ConfigError(f"--volume {path}: cannot be written: {error.strerror}") from None
    except RuntimeError:  # what SimpleITK raises, with a page of text
        raise ConfigError(f"--volume {path}: cannot be written: no room on disk, or not a plain folder") from None
