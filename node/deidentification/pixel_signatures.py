"""Where devices burn text into their images: rules in a file, ours beside this module or the user's own."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydicom import Dataset

from node.deidentification.identity import values_of
from node.errors import ConfigError

Side = Annotated[int, Field(ge=1, le=65535)]  # Rows and Columns are US (PS3.3 C.7.6.3)
Offset = Annotated[int, Field(ge=0, le=65535)]
Mask = tuple[Offset, Offset, Side, Side]  # column, row, width, height, in pixels from the upper left


class Signature(BaseModel):
    """One kind of image of one device, and the rectangles in which it shows text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    source: str
    manufacturer: str = ""
    model: str = ""
    series_description: str = ""
    image_type: tuple[str, ...] = ()
    rows: Side
    columns: Side
    masks: Annotated[tuple[Mask, ...], Field(min_length=1)]

    def matches(self, dataset: Dataset) -> bool:
        """Tell whether the image is of this kind."""
        words = _words(dataset, "ImageType")
        return (
            (dataset.get("Rows"), dataset.get("Columns")) == (self.rows, self.columns)
            and all(word.upper() in words for word in self.image_type)
            and self.manufacturer.upper() in _text(dataset, "Manufacturer")
            and self.model.upper() in _text(dataset, "ManufacturerModelName")
            and self.series_description.upper() in _text(dataset, "SeriesDescription")
        )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    signatures: tuple[Signature, ...]


def signature_of(dataset: Dataset, signatures: tuple[Signature, ...]) -> Signature | None:
    """Give the first signature that an original image matches."""
    return next((signature for signature in signatures if signature.matches(dataset)), None)


def read_signatures(path: Path | None = None) -> tuple[Signature, ...]:
    """Read the signatures that come with the product, those of a file of the user's before them.

    Raises
    ------
    ConfigError
        The file cannot be read, or an entry is wrong; the message names the entry.
    """
    shipped = files("node.deidentification").joinpath("pixel_signatures.yaml").read_text(encoding="utf-8")
    own = _parsed(_content(path), str(path)) if path else ()
    return own + _parsed(shipped, "pixel_signatures.yaml")


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the signatures cannot be read ({type(error).__name__})") from None


def _parsed(text: str, name: str) -> tuple[Signature, ...]:
    try:
        return _File.model_validate(yaml.safe_load(text)).signatures
    except yaml.YAMLError:
        raise ConfigError(f"{name}: is not valid YAML") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "signatures"
        raise ConfigError(f"{name}: {place}: {first['msg']}; see pixel_signatures.yaml for the form") from None


def _words(dataset: Dataset, keyword: str) -> list[str]:
    return [value.strip().upper() for value in values_of(dataset[keyword])] if keyword in dataset else []


def _text(dataset: Dataset, keyword: str) -> str:
    return "\\".join(_words(dataset, keyword))
