import dataclasses

import pytest

from harness.budget import _PARSERS, Budget


def test_every_threshold_can_be_overridden() -> None:
    assert set(_PARSERS) == {field.name for field in dataclasses.fields(Budget)}


def test_only_the_named_thresholds_change() -> None:
    table = {"recovery_s": "1 min", "memory_ceiling_bytes": "1 GB", "error_fraction": 0.05}
    budget = Budget().override("mine.toml", table)
    assert budget == dataclasses.replace(Budget(), recovery_s=60.0, memory_ceiling_bytes=1e9, error_fraction=0.05)
    assert Budget().override("mine.toml", {}) == Budget()


def test_a_misspelt_threshold_is_refused() -> None:
    with pytest.raises(ExceptionGroup, match=r"mine.toml: \[budget\] breaks 2 rule") as caught:
        Budget().override("mine.toml", {"recovery": "1 min", "error_fraction": "5 %"})
    assert [str(error) for error in caught.value.exceptions] == [
        f"mine.toml: budget.recovery = '1 min': no such key; one of {', '.join(_PARSERS)}",
        "mine.toml: budget.error_fraction = '5 %': must be a fraction from 0 to 1",
    ]


def test_a_budget_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Budget().recovery_s = 99.0  # type: ignore[misc] # that it is frozen is what is shown
