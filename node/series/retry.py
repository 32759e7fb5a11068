"""When to try again.

Law of this file: the answer follows from its arguments; the clock and the dice belong to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

_SPREAD = 0.1  # a wait is lengthened or shortened by up to this share, so that peers do not come back in step


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently.

    Parameters
    ----------
    attempts
        In all, the first one included.
    first_wait_s
        After the first failure; doubles with each further one.
    longest_wait_s
        Where the doubling ends; the first wait is not longer either.
    """

    attempts: int = 10
    first_wait_s: float = 30.0
    longest_wait_s: float = 600.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.first_wait_s, self.longest_wait_s) <= 0:
            raise ValueError(f"a retry policy needs at least one attempt and waits above 0 s: {self}")


def next_attempt(attempts: int, now: datetime, policy: RetryPolicy, jitter: float) -> datetime | None:
    """Give the time of the next attempt, or None when every attempt is used up and the work is to be held.

    Parameters
    ----------
    attempts
        Made so far, the one that has just failed included; before the first one the answer is ``now``.
    now
        The time of the failure.
    policy
        How often and how patiently.
    jitter
        In [0, 1); 0.5 is the exact wait, the ends are 10 % less and more.
    """
    if attempts >= policy.attempts:
        return None
    if attempts < 1:
        return now
    wait_s = min(policy.first_wait_s * 2.0 ** (attempts - 1), policy.longest_wait_s)
    return now + timedelta(seconds=wait_s * (1 + _SPREAD * (2 * jitter - 1)))
