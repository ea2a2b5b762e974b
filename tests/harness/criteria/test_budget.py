"""What a budget may say, where it is said, and that its manual for users is true."""

import re
import tomllib

import pytest

from harness.criteria.budget import Budget
from harness.criteria.limits import Statistic
from harness.errors import InputError
from harness.root import ROOT
from harness.tables import keys_of, marked_schema

MANUAL = (ROOT / "harness" / "BUDGETS.md").read_text(encoding="utf-8")
FDS = {"process.api.fds": {"max": 200}}


def test_only_the_named_thresholds_change() -> None:
    table = {"recovery_s": "1 min", "memory_ceiling_bytes": "1 GB", "error_fraction": "5 %"}
    budget = Budget().override("mine.toml", table)
    assert budget == Budget(recovery_s=60.0, memory_ceiling_bytes=1e9, error_fraction=0.05)
    assert Budget().override("mine.toml", {}) == Budget()


def test_a_misspelt_threshold_is_refused_with_all_else_that_is_wrong() -> None:
    table = {"recovery": "1 min", "error_fraction": "many", "series": FDS | {"process.api.threads": {"most": 3}}}
    with pytest.raises(ExceptionGroup) as caught:
        Budget().override("mine.toml", table)
    assert {error.key for error in caught.value.exceptions if isinstance(error, InputError)} == {
        "budget.recovery",
        "budget.error_fraction",
        'budget.series."process.api.threads".most',
    }


@pytest.mark.parametrize(
    "key", [key for key in keys_of(Budget) if "growth_bytes_per" in key or key.endswith(("_h", "_request"))]
)
def test_growth_of_nothing_at_all_cannot_be_asked_for(key: str) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        Budget().override("mine.toml", {key: 0})
    (error,) = caught.value.exceptions
    assert isinstance(error, InputError)
    assert (error.key, error.rule) == (f"budget.{key}", "must be above 0")


def test_a_budget_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Budget().recovery_s = 99.0


def test_sources_follow_one_another_key_by_key_and_limit_by_limit() -> None:
    target = {"recovery_s": "30 s", "series": FDS | {"process.api.threads": {"max": 50}}}
    profile = {"latency_s_p95": 1, "series": {"process.api.fds": {"min": 3}}}
    budget = Budget().override("target.toml", target).override("profile.toml", profile)
    assert (budget.recovery_s, budget.latency_s_p95) == (30.0, 1.0)
    assert {name: [limit.max for limit in limits] for name, limits in budget.series.items()} == {
        "process.api.fds": [None],
        "process.api.threads": [50.0],
    }


def test_a_short_run_is_not_asked_about_hours() -> None:
    series = {"process.api.fds": {"growth_per_h": 6}, "process.*.threads": {"max": 50, "growth_per_h": 6}}
    budget = Budget().override("mine.toml", {"series": series, "growth_decides_after_s": "3 h"})
    assert [limit.series for limit in budget.limits(10800.0)] == list(series)
    (left,) = budget.limits(10799.0)
    assert (left.series, left.growth) == ("process.*.threads", ())


def test_what_was_written_is_read_back() -> None:
    series = {"process.api.fds": [{"max": 200}, {"growth_per_h": 6}], "load.all.response_s_p95": {"max": "300 ms"}}
    budget = Budget().override("mine.toml", {"recovery_s": 3, "memory_ceiling_bytes": "1 GB", "series": series})
    assert Budget().override("scenario.json", budget.written()) == budget
    assert Budget().written() == {}


def test_every_key_has_its_words() -> None:
    assert [key for key, field in marked_schema(Budget)["properties"].items() if not field.get("description")] == []


def test_the_manual_has_every_statistic_of_a_limit() -> None:
    lines = MANUAL.partition("| statistic | is |")[2].splitlines()
    said = [key for line in lines if line.startswith("| `") for key in re.findall(r"`(\w+)`", line.split("|")[1])]
    assert said == list(Statistic)


def test_the_examples_of_the_manual_are_true() -> None:
    examples = re.findall(r"```toml\n(.*?)```", MANUAL, re.DOTALL)
    assert examples
    for example in examples:
        table = tomllib.loads(example)
        assert Budget().override("BUDGETS.md", table["budget"]) != Budget()
