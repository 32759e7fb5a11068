"""The table compiled for one IOD: what happens to each attribute at each place of the tree, looked up once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydicom.datadict import dictionary_VR, keyword_for_tag

from node.deidentification.attribute_types import OPTIONAL, iod_types
from node.deidentification.profile import Action, Options, action_for, is_known, resolved, row_for


@dataclass(frozen=True)
class Step:
    """What happens to one attribute at one place.

    Parameters
    ----------
    vr
        Of PS3.6; of several the first; UN for what PS3.6 does not know.
    fallback
        The Basic Profile's own action: what cannot be cleaned gets it.
    is_listed
        The table has a row for the attribute.
    is_moved
        Cleaning means moving a date.
    path
        Of the items, where the attribute is a sequence: keywords joined by dots.
    """

    action: Action
    fallback: Action
    vr: str
    path: str
    is_listed: bool
    is_moved: bool


class Plan(dict[int, Step]):
    """The steps by tag for the attributes that stand at one path of one IOD, filled as they are met."""

    def __init__(self, options: Options, types: Mapping[str, int] | None, path: str) -> None:
        super().__init__()
        self._options = options
        self._types = types
        self._path = path

    def __missing__(self, tag: int) -> Step:
        """Work out the step for a tag that is met for the first time."""
        path = _below(self._path, keyword_for_tag(tag))
        rank = None if self._types is None else self._types.get(path, OPTIONAL)
        row = row_for(tag)
        step = Step(
            action=action_for(tag, self._options, rank),
            fallback=Action.REMOVE if row is None else resolved(row.basic, rank),
            vr=dictionary_VR(tag)[:2] if is_known(tag) else "UN",
            path=path,
            is_listed=row is not None,
            is_moved=row is not None and "modified_dates" in row.options and "modified_dates" in self._options.columns,
        )
        self[tag] = step
        return step


@dataclass(frozen=True)
class Rules:
    """The profile with options, ready to be applied to many objects.

    What was worked out for one object is kept for the next of its SOP class.
    """

    options: Options = field(default_factory=Options)
    _plans: dict[tuple[str, str], Plan] = field(default_factory=dict, init=False, repr=False, compare=False)

    def plan(self, sop_class_uid: str, path: str = "") -> Plan:
        """Give the steps at ``path`` (keywords of sequences joined by dots) of the objects of one SOP class."""
        key = sop_class_uid, path
        if key not in self._plans:
            self._plans[key] = Plan(self.options, iod_types(sop_class_uid), path)
        return self._plans[key]


def _below(path: str, keyword: str) -> str:
    """Go down one step; a tree of content items within content items stays at its first level."""
    if path == keyword or path.endswith(f".{keyword}"):
        return path
    return f"{path}.{keyword}" if path else keyword
