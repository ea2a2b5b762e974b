"""The environment has the last word on budgets, and names the variable that is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.criteria.budget import Budget
from harness.criteria.environment import read_budget
from harness.tables import keys_of

ELSE = {"PATH": "/bin", "HW_BUDGETS": "x", "hw_budget_recovery_s": "1 s", "HOME": ""}


def refused(environ: dict[str, str]) -> list[str]:
    with pytest.raises(ExceptionGroup, match=rf"environment: breaks {len(environ)} rule\(s\)") as caught:
        read_budget(ELSE | environ).over(Budget())
    return [str(error) for error in caught.value.exceptions]


def test_only_its_own_variables_are_read() -> None:
    assert read_budget(ELSE).written() == {}


def test_numbers_and_texts_are_those_of_the_file() -> None:
    environ = {
        "HW_BUDGET_RECOVERY_S": "30 s",
        "HW_BUDGET_ERROR_FRACTION": "0.01",
        "HW_BUDGET_MEMORY_CEILING_BYTES": "1 GB",
    }
    changed = read_budget(ELSE | environ).over(Budget(recovery_s=1.0))
    assert changed == Budget(recovery_s=30.0, error_fraction=0.01, memory_ceiling_bytes=1e9)


def test_the_series_are_an_inline_table() -> None:
    before = Budget().override(
        "mine.toml", {"series": {"process.api.fds": {"max": 1}, "process.api.threads": {"max": 5}}}
    )
    text = '{"process.api.fds" = {max = 200}, "process.api.threads" = false}'
    changed = read_budget({"HW_BUDGET_SERIES": text}).over(before)
    assert {name: limit.max for name, (limit,) in changed.series.items()} == {"process.api.fds": 200.0}


def test_an_unknown_variable_is_refused_with_the_nearest_that_there_is_and_its_value_is_not_told() -> None:
    (told,) = refused({"HW_BUDGET_RECOVRY_S": "30 s"})
    assert told == "environment: HW_BUDGET_RECOVRY_S = <hidden>: no such key; did you mean HW_BUDGET_RECOVERY_S?"


def test_every_error_names_its_variable() -> None:
    told = refused(
        {
            "HW_BUDGET_RECOVERY_S": "soon",
            "HW_BUDGET_ERROR_FRACTION": "7",
            "HW_BUDGET_SERIES": '{"process.api.fds" = {max = "much"}}',
            "HW_BUDGET_NONE": "",
        }
    )
    assert [text.partition(":")[2].partition(" = ")[0] for text in sorted(told)] == [
        " HW_BUDGET_ERROR_FRACTION",
        " HW_BUDGET_NONE",
        " HW_BUDGET_RECOVERY_S",
        ' HW_BUDGET_SERIES."process.api.fds".max',
    ]


@pytest.mark.parametrize("text", ["", "{", "{}\nbudget = 1", "{}\n[other]", '[["series"]]\nx', "process.api.fds = 1"])
def test_series_that_are_no_inline_table_are_refused(text: str) -> None:
    (told,) = refused({"HW_BUDGET_SERIES": text})
    assert "HW_BUDGET_SERIES = " in told
    assert "must be TOML on one line" in told


def test_series_of_another_type_are_refused() -> None:
    (told,) = refused({"HW_BUDGET_SERIES": "[1]"})
    assert told.startswith("environment: HW_BUDGET_SERIES = <hidden>: must hold a table for each series")


@given(st.sampled_from([key for key in keys_of(Budget) if key.endswith("_fraction")]), st.floats(0, 1))
def test_a_number_survives_its_way_through_text(key: str, value: float) -> None:
    changed = read_budget({f"HW_BUDGET_{key.upper()}": repr(value)}).over(Budget())
    assert changed == Budget().model_copy(update={key: value})
