"""The roll: silence told when it begins and when it is over, every missing sample counted."""

from hypothesis import given
from hypothesis import strategies as st

from harness.probes.attendance import BACK_AFTER, Attendance
from harness.probes.reading import Reading

HERE = Reading({"a.x": 1.0})


def kinds(attendance: Attendance, looks: list[str]) -> list[str]:
    events = []
    for t_s, look in enumerate(looks):
        if look == "silent":
            events += attendance.silent("a", "no answer", float(t_s))
        else:
            events += attendance.answered("a", HERE, float(t_s), in_time=look == "here")
    return [event.kind for event in events]


def test_silence_is_told_once_and_its_end_once() -> None:
    attendance = Attendance()
    assert kinds(attendance, ["here", *["silent"] * 50, *["here"] * 50]) == ["probe_late", "probe_back"]
    assert attendance.missing == 50


def test_one_answer_is_no_end_of_silence() -> None:
    assert kinds(Attendance(), ["silent", *["here"] * (BACK_AFTER - 1), "silent"] * 20) == ["probe_late"]


def test_an_answer_that_was_overtaken_ends_no_silence() -> None:
    assert kinds(Attendance(), ["silent", *["late"] * 50]) == ["probe_late"]


def test_each_probe_stands_alone() -> None:
    attendance = Attendance()
    assert [event.detail["probe"] for name in ("a", "b") for event in attendance.silent(name, "why", 1.0)] == ["a", "b"]


def test_figures_that_are_missing_are_told_when_they_change() -> None:
    attendance = Attendance()
    lacking, worse = Reading({"a.x": 1.0}, ("a.y",)), Reading({}, ("a.x", "a.y"))
    told = [attendance.answered("a", reading, 1.0) for reading in (lacking, lacking, HERE, lacking, worse)]
    assert [[event.detail["series"] for event in events] for events in told] == [
        *([["a.y"]], [], [], [], [["a.x", "a.y"]])
    ]
    assert attendance.missing == 5


@given(st.lists(st.sampled_from(["here", "late", "silent"]), max_size=60))
def test_late_and_back_take_turns_and_none_is_missed(looks: list[str]) -> None:
    attendance = Attendance()
    told = kinds(attendance, looks)
    assert told == ["probe_late", "probe_back"] * (len(told) // 2) + ["probe_late"] * (len(told) % 2)
    assert bool(told) == ("silent" in looks)
    assert attendance.missing == looks.count("silent")
    quiet_end = looks[-BACK_AFTER:] == ["here"] * BACK_AFTER
    if quiet_end:
        assert told[-1:] != ["probe_late"]
