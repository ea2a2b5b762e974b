"""The parts of a run, by which its series are judged: which tick and which moment lies in which."""

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.criteria.limits import When
from harness.journal import JournalReader
from harness.judging.evidence import Evidence
from harness.judging.source import RunSource
from tests.harness.judging.checks.source import PATIENT
from tests.harness.runs import TICKS, WARM_S, but, evidence, fault

FAULTS = [fault(40.0, 50.5), fault(70.0, 80.0), fault(78.0, 85.0)]


def ticks_of(folder: Path, when: When, **changes: Any) -> list[int]:
    """Return the ticks of a run of two minutes, by their ends, that lie in a part of it."""
    fields: dict[str, Any] = {"faults": FAULTS, "load_end_s": 110.0}
    run = evidence(folder, **(fields | changes))
    return [int(t_s) for t_s in run.series.t_s[masked(folder, run, when, run.series.t_s)]]


def masked(folder: Path, run: Evidence, when: When, t_s: Any) -> Any:
    with JournalReader(folder) as journal:
        return RunSource(journal, run).mask(np.asarray(t_s, dtype=np.float64), when)


def span(first: int, last: int) -> list[int]:
    return list(range(first, last + 1))


def test_all_of_it_is_all_of_it(tmp_path: Path) -> None:
    assert ticks_of(tmp_path, When.ALL) == span(1, TICKS)


def test_warm_is_from_the_end_of_warm_up_to_that_of_the_load(tmp_path: Path) -> None:
    assert ticks_of(tmp_path, When.WARM) == span(int(WARM_S) + 1, 110)
    assert ticks_of(tmp_path / "b", When.WARM, warm_s=float("inf")) == []


def test_faulted_are_the_ticks_that_a_fault_touches(tmp_path: Path) -> None:
    assert ticks_of(tmp_path, When.FAULTED) == [*span(41, 51), *span(71, 85)]
    assert ticks_of(tmp_path / "b", When.FAULTED, faults=[fault(100.0, None)]) == span(101, 110)
    assert ticks_of(tmp_path / "c", When.FAULTED, faults=[]) == []


def test_healed_are_whole_ticks_after_a_heal_while_nothing_is_broken(tmp_path: Path) -> None:
    assert ticks_of(tmp_path, When.HEALED) == [*span(52, 70), *span(86, 110)]
    assert ticks_of(tmp_path / "b", When.HEALED, faults=[]) == []
    assert ticks_of(tmp_path / "c", When.HEALED, faults=[fault(40.0, None)]) == []


def test_the_calm_is_what_the_evidence_says(tmp_path: Path) -> None:
    run = evidence(tmp_path, but(lambda n: n == 30, generator__lag_s_p95=0.5), faults=FAULTS)
    assert masked(tmp_path, run, When.CALM, run.series.t_s).tolist() == run.calm.tolist()
    assert 0 < run.calm.sum() < TICKS


def test_a_moment_lies_where_its_tick_does_and_the_last_tick_has_what_comes_after(tmp_path: Path) -> None:
    run = evidence(tmp_path, faults=FAULTS)
    moments = [20.0, 20.1, 40.0, 40.1, 119.5, 120.5]
    assert masked(tmp_path, run, When.WARM, moments).tolist() == [False, True, True, True, True, True]
    assert masked(tmp_path, run, When.FAULTED, moments).tolist() == [False, False, False, True, False, False]


def test_of_a_run_that_left_nothing_no_part_was_seen(tmp_path: Path) -> None:
    run = evidence(tmp_path, ticks=0, load_end_s=0.0)
    assert masked(tmp_path, run, When.WARM, [1.0]).tolist() == [False]
    assert masked(tmp_path, run, When.ALL, []).tolist() == []


def test_no_tick_is_both_broken_and_healed_and_both_are_warm(tmp_path_factory: Any) -> None:
    moments = st.tuples(st.floats(21, 100), st.floats(0.1, 40) | st.none())

    @PATIENT
    @given(st.lists(moments, max_size=4))
    def check(drawn: list[tuple[float, float | None]]) -> None:
        faults = [fault(at_s, None if for_s is None else at_s + for_s) for at_s, for_s in drawn]
        folder = tmp_path_factory.mktemp("run")
        run = evidence(folder, faults=faults)
        parts = {when: masked(folder, run, when, run.series.t_s) for when in When}
        assert not (parts[When.FAULTED] & parts[When.HEALED]).any()
        assert not (parts[When.FAULTED] & parts[When.CALM]).any()
        assert not (parts[When.HEALED] & ~parts[When.WARM]).any()
        assert not (parts[When.CALM] & ~parts[When.WARM]).any()

    check()
