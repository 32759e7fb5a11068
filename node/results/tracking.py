"""The same nodule keeps its tracking UID: which nodules of a prior report are found again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from math import dist
from types import MappingProxyType

from models.findings import Nodule
from node.results.comparison import one_to_one
from node.results.context import ResultContext
from node.results.envelope import tracking_uid
from node.results.prior import TrackedNodule


def kept_uids(prior: Sequence[TrackedNodule], nodules: Sequence[Nodule], frame_of_reference_uid: str) -> dict[int, str]:
    """Find the nodules of a prior report again, nearest pairs first, each once.

    A pair is the same nodule when the centre of one lies inside the ball of the other: the distance is at most the
    larger radius, which is the criterion of LUNA16 (Setio et al. 2017, doi:10.1016/j.media.2017.06.015) for both
    sides. Two measurements of one nodule on one scan differ by far less, two nodules lie further apart. What moved
    further, as with another depth of breath, gets a new UID: a wrong link would be worse than none.

    Parameters
    ----------
    prior
        Nodules of another frame of reference are passed over, unless theirs or ours is not known.
    frame_of_reference_uid
        Of ``nodules``; empty where the source has none.

    Returns
    -------
    Tracking UIDs by number of the nodule.
    """
    uids = [one.tracking_uid for one in prior]  # one nodule may stand in a prior report twice
    pairs = (
        (dist(p.center_lps_mm, n.center_lps_mm), uids.index(p.tracking_uid), b)
        for p in prior
        for b, n in enumerate(nodules)
        if is_comparable(p, frame_of_reference_uid) and dist(p.center_lps_mm, n.center_lps_mm) <= _reach_mm(p, n)
    )
    return {nodules[b].id: uids[a] for a, (b, _) in one_to_one(pairs).items()}


def is_comparable(prior: TrackedNodule, frame_of_reference_uid: str) -> bool:
    """Tell whether places in both frames of reference can be compared: one frame, or one that is not said."""
    return "" in (prior.frame_of_reference_uid, frame_of_reference_uid) or (
        prior.frame_of_reference_uid == frame_of_reference_uid
    )


def with_tracking(
    context: ResultContext, nodules: Sequence[Nodule], prior: Sequence[TrackedNodule], frame_of_reference_uid: str
) -> ResultContext:
    """Give the context in which the nodules have the UIDs of a prior report, where they are in it.

    Kept UIDs stand in the results, so that they belong to their identity; where none is kept, or those kept are what
    they would be anyway, nothing changes and the same work gives the same results.
    """
    own = {nodule.id: tracking_uid(context, nodule) for nodule in nodules}
    uids = own | kept_uids(prior, nodules, frame_of_reference_uid)
    if uids == own:
        return context
    said = "|".join([context.input_digest, *(f"{number}={uid}" for number, uid in sorted(uids.items()))])
    digest = hashlib.sha256(said.encode()).hexdigest()
    return replace(context, input_digest=digest, tracking_uids=MappingProxyType(uids))


def _reach_mm(prior: TrackedNodule, nodule: Nodule) -> float:
    return max(prior.diameter_mm, nodule.measurement.mean_diameter_mm) / 2
