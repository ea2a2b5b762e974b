"""What goes wrong, in words for a person."""

from __future__ import annotations

from harness.errors import HeavyweatherError, InputError, explain


def test_a_rule_broken_names_file_key_value_and_rule() -> None:
    assert explain(InputError("ours.toml", "load.rate_per_s", -1, "must be above 0")) == (
        "ours.toml: load.rate_per_s = -1: must be above 0"
    )


def test_a_group_is_told_whole_and_notes_are_not_lost() -> None:
    inner = HeavyweatherError("the stack did not come up")
    inner.add_note("and taking it down failed: busy")
    group = ExceptionGroup("two", [ExceptionGroup("one", [inner]), HeavyweatherError("the disk is full")])
    assert explain(group).splitlines() == [
        "the stack did not come up",
        "and taking it down failed: busy",
        "the disk is full",
    ]
