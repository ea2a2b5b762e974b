"""Is a run worse than those before it? A gate of four robust sigmas around their median, and more where it must be.

Runs vary with the machine's mood, so the history itself says how much is
usual. Below ten runs it cannot, and the gate says nothing; a history that
never varied gets a least width, for the next run will. A run is held against
many gates, and one in a hundred good runs may fail any of them, not each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from harness.verdict import Verdict

RUNS_MIN = 10
_SIGMAS = 4.0
_FALSE_ALARMS = 0.01
# The median of n runs is itself uncertain: by sqrt(pi / 2n) sigma where they are normal.
_MEDIAN = math.pi / 2
# And their MAD is worth what the standard deviation of so many of them is.
_EFFICIENCY = 0.37
# Now and then a run is far off for a machine's own reasons: tails as heavy as those of a t distribution with so many.
_TAILS = 4.0


@dataclass(frozen=True, slots=True)
class Gate:
    """What `runs` runs say of the next. `verdict` is None where they are too few to say anything.

    `usual` is their median and `limit` the last value that is not worse than usual, in the figure's own unit;
    `better` says that the new value is as far beyond the usual on the good side.
    """

    verdict: Verdict | None
    usual: float
    limit: float
    better: bool
    runs: int


def gate(
    past: Sequence[float],
    now: float,
    *,
    higher_is_worse: bool = True,
    relative: float = 0.1,
    absolute: float = 0.0,
    gates: int = 1,
) -> Gate:
    """Judge a figure of a run by the same figure of known-good runs before it.

    FAIL if it is worse than their median by more than 4 sigma (1.4826 MAD, widened for the median's own error), and by
    more than the fraction `relative` of it, and by more than `absolute`. `gates` is how many a run is held against:
    with several, Student's t asks for more than 4, so that together they fail one in a hundred good runs. What is not
    finite cannot be judged: in the history it is left out, and as the new value it is INCONCLUSIVE, but for one that
    is infinitely worse.
    """
    known = np.array([value for value in past if math.isfinite(value)], dtype=float)
    if len(known) < RUNS_MIN:
        return Gate(None, math.nan, math.nan, better=False, runs=len(known))
    usual = float(np.median(known))
    sigma = 1.4826 * float(np.median(np.abs(known - usual)))
    freedom = min(_EFFICIENCY * (len(known) - 1), _TAILS)
    sigmas = max(_SIGMAS, float(stdtrit(freedom, 1 - _FALSE_ALARMS / max(gates, 1))))
    width = max(sigmas * sigma * math.sqrt(1 + _MEDIAN / len(known)), relative * abs(usual), absolute)
    sign = 1.0 if higher_is_worse else -1.0
    worse = sign * (now - usual)
    verdict = Verdict.FAIL if worse > width else Verdict.INCONCLUSIVE if math.isnan(worse) else Verdict.PASS
    return Gate(verdict, usual, usual + sign * width, better=worse < -width, runs=len(known))
