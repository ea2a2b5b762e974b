"""What a budget may say, where it is said, and that its table for users is true."""

import dataclasses
import re
import tomllib

import pytest

from harness.criteria.budget import BUDGET_KEYS, Budget
from harness.criteria.limit_table import LIMIT_KEYS
from harness.criteria.limits import Statistic
from harness.root import ROOT

MANUAL = (ROOT / "harness" / "BUDGETS.md").read_text(encoding="utf-8")
FDS = {"process.api.fds": {"max": 200}}


def test_every_threshold_can_be_overridden() -> None:
    assert list(BUDGET_KEYS) == [field.name for field in dataclasses.fields(Budget)]


def test_only_the_named_thresholds_change() -> None:
    table = {"recovery_s": "1 min", "memory_ceiling_bytes": "1 GB", "error_fraction": 0.05}
    budget = Budget().override("mine.toml", table)
    assert budget == dataclasses.replace(Budget(), recovery_s=60.0, memory_ceiling_bytes=1e9, error_fraction=0.05)
    assert Budget().override("mine.toml", {}) == Budget()


def test_a_misspelt_threshold_is_refused_with_all_else_that_is_wrong() -> None:
    table = {"recovery": "1 min", "error_fraction": "5 %", "series": FDS | {"process.api.threads": {"most": 3}}}
    with pytest.raises(ExceptionGroup, match=r"mine.toml: \[budget\] breaks 3 rule") as caught:
        Budget().override("mine.toml", table)
    assert [str(error) for error in caught.value.exceptions] == [
        f"mine.toml: budget.recovery = '1 min': no such key; one of {', '.join(BUDGET_KEYS)}",
        "mine.toml: budget.error_fraction = '5 %': must be a fraction from 0 to 1",
        f'mine.toml: budget.series."process.api.threads".most = 3: no such key; one of {", ".join(LIMIT_KEYS)}',
    ]


@pytest.mark.parametrize(
    "key", [key for key in BUDGET_KEYS if "growth_bytes_per" in key or key.endswith(("_h", "_request"))]
)
def test_growth_of_nothing_at_all_cannot_be_asked_for(key: str) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        Budget().override("mine.toml", {key: 0})
    assert str(caught.value.exceptions[0]) == f"mine.toml: budget.{key} = 0: must be above 0"


def test_a_budget_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Budget().recovery_s = 99.0  # type: ignore[misc] # that it is frozen is what is shown


def test_sources_follow_one_another_key_by_key_and_limit_by_limit() -> None:
    target = {"recovery_s": "30 s", "series": FDS | {"process.api.threads": {"max": 50}}}
    profile = {"latency_s_p95": 1, "series": {"process.api.fds": {"min": 3}}}
    budget = Budget().override("target.toml", target).override("profile.toml", profile)
    assert (budget.recovery_s, budget.latency_s_p95) == (30.0, 1.0)
    assert {limit.series: limit.bound and limit.bound.maximum for limit in budget.series} == {
        "process.api.fds": None,
        "process.api.threads": 50.0,
    }


def test_a_short_run_is_not_asked_about_hours() -> None:
    series = {"process.api.fds": {"growth_per_h": 6}, "process.*.threads": {"max": 50, "growth_per_h": 6}}
    budget = Budget().override("mine.toml", {"series": series, "growth_decides_after_s": "3 h"})
    assert budget.limits(10800.0) == budget.series
    (left,) = budget.limits(10799.0)
    assert (left.series, left.growth) == ("process.*.threads", ())


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading of the manual."""
    section = MANUAL.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_manual_has_every_threshold_with_its_default() -> None:
    told = {
        key.strip("`"): tomllib.loads(f"value = {default.strip('`')}")["value"] for key, default, *_ in rows("Keys")
    }
    assert [*told, "series"] == list(BUDGET_KEYS)
    others = Budget().override("others", dict.fromkeys(told, 0.123))
    assert others.override("BUDGETS.md", told) == Budget()


def test_the_manual_has_every_key_and_statistic_of_a_limit() -> None:
    said = [key for cells in rows("Limits on series") for key in re.findall(r"`(\w+)`", cells[0])]
    assert said == [*LIMIT_KEYS, *Statistic]


def test_the_examples_of_the_manual_are_true() -> None:
    examples = re.findall(r"```toml\n(.*?)```", MANUAL, re.DOTALL)
    assert examples
    for example in examples:
        table = tomllib.loads(example)
        assert Budget().override("BUDGETS.md", table["budget"]) != Budget()
