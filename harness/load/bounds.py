"""The most that a table may ask of a load: more is a typing error, or overflows in the arithmetic."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from harness.tables import Duration, PositiveDuration, PositiveRate, rule

# A process has at most so many connections on common systems; more take more workers.
CROWD_MAX = 20_000
_RATE_MAX_PER_S = 1e6
_YEAR_S = 365 * 86400.0


def _at_most(limit: float, words: str) -> AfterValidator:
    def check(value: float) -> float:
        if value > limit:
            raise rule(f"must be at most {words}")
        return value

    return AfterValidator(check)


Crowd = Annotated[int, Field(ge=1, le=CROWD_MAX)]
ArrivalRate = Annotated[PositiveRate, _at_most(_RATE_MAX_PER_S, "1000000 per second")]
Interval = Annotated[Duration, _at_most(_YEAR_S, "365 d")]
Deadline = Annotated[PositiveDuration, _at_most(_YEAR_S, "365 d")]
