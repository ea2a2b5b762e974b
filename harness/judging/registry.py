"""The checks of a run: each module of `checks/` registers its own, with its order and when it applies."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from harness.criteria.budget import Budget
from harness.criteria.observations import Observation
from harness.judging.checks.sampled import SeriesSource
from harness.judging.evidence import Evidence
from harness.verdict import Result

_CHECKS = "harness.judging.checks"


@dataclass(frozen=True)
class Case:
    """What a check can decide from: a run's evidence, its series, its budget, and what had to be observed."""

    evidence: Evidence
    budget: Budget
    source: SeriesSource
    observations: Sequence[Observation] = ()

    @property
    def lasted_s(self) -> float:
        """How long the load lasted after warm-up."""
        return self.evidence.load_end_s - self.evidence.warm_s

    @cached_property
    def operations(self) -> frozenset[str]:
        """The operations that the load was to test."""
        return frozenset(self.evidence.operations)


def _always(_: Case) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `order` is its place among the findings, ascending; it is made of a case to which it `applies`."""

    name: str
    order: int
    decide: Callable[[Case], Sequence[Result]]
    applies: Callable[[Case], bool] = _always


_registered: dict[str, Check] = {}


def register(check: Check) -> Check:
    """Have a check made of each run, and return it. Raises ValueError for a name or a place that is taken."""
    for other in _registered.values():
        if check.name == other.name or check.order == other.order:
            raise ValueError(f"check {check.name} (order {check.order}): {other.name} has order {other.order}")
    _registered[check.name] = check
    return check


@cache
def checks() -> Sequence[Check]:
    """Return every check in order; imports the modules of `checks/`, so that each has registered its own."""
    for module in pkgutil.iter_modules([str(Path(__file__).with_name("checks"))]):
        importlib.import_module(f"{_CHECKS}.{module.name}")
    return sorted(_registered.values(), key=lambda check: check.order)
