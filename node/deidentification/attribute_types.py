"""The Type of an attribute in the IOD of an object (PS3.3), for those whose action depends on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

OPTIONAL = 3


def iod_types(sop_class_uid: str) -> Mapping[str, int] | None:
    """Give the Type, 1 or 2, by path of keywords ("SegmentSequence.PatientID") within one IOD.

    A path that is not there is of Type 3 or foreign to the IOD. Where modules of the IOD differ the stricter Type
    counts, and a conditional Type (1C, 2C) counts as met: the attribute is there. None for a SOP class without
    a known IOD.

    References
    ----------
    PS3.3 annex A and C; PS3.4 annex B.5 for SOP classes.
    """
    iod = _table()["sop_classes"].get(sop_class_uid)
    return None if iod is None else _merged(iod)


@cache  # there are 171
def _merged(iod: str) -> Mapping[str, int]:
    table = _table()
    merged: dict[str, int] = {}
    for module in table["iods"][iod]:
        for path, rank in table["modules"][module].items():
            merged[path] = min(rank, merged.get(path, rank))
    return MappingProxyType(merged)


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Any]:
    text = (files(__package__) / "attribute_types.json").read_text(encoding="utf-8")
    return MappingProxyType(json.loads(text))
