"""What is written is read back, a tick is whole or absent, and a run goes on where it was cut off."""

import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import JournalError
from harness.journal import Journal, JournalReader
from harness.records import Event

names = st.text("abc._", min_size=1, max_size=5)
numbers = st.floats(allow_nan=False, width=64)
kinds = st.sampled_from(["phase", "service_gone", "fault"])
details = st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4) | st.none() | st.booleans())
ticks = st.lists(
    st.tuples(st.dictionaries(names, numbers, max_size=5), st.lists(st.tuples(kinds, details))), max_size=8
)


@settings(max_examples=40)
@given(ticks=ticks, meta=st.dictionaries(names, st.integers() | st.text() | st.lists(st.integers())))
def test_what_is_written_is_read_back(
    ticks: list[tuple[dict[str, float], list[tuple[str, dict[str, object]]]]],
    meta: dict[str, object],
) -> None:
    events = [[Event(float(t), kind, detail) for kind, detail in told] for t, (_, told) in enumerate(ticks)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with Journal(folder) as journal:
            journal.write_meta(meta)
            for t, (values, _) in enumerate(ticks):
                journal.write_tick(float(t), values, events[t])
        seen = list(dict.fromkeys(name for values, _ in ticks for name in values))
        with JournalReader(folder) as reader:
            assert reader.meta() == meta
            assert reader.series_names() == seen
            assert reader.ticks().tolist() == list(range(len(ticks)))
            assert reader.events() == [event for tick in events for event in tick]
            for name in seen:
                expected = [(float(t), values[name]) for t, (values, _) in enumerate(ticks) if name in values]
                t_s, read = reader.series(name)
                assert list(zip(t_s.tolist(), read.tolist(), strict=True)) == expected
            assert reader.series("never written")[0].shape == (0,)


def test_a_tick_is_there_before_the_journal_is_closed(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.write_tick(0.0, {"a": 1.0})
        with JournalReader(tmp_path) as reader:
            assert reader.series("a")[1].tolist() == [1.0]


def test_a_refused_tick_leaves_the_next_one_whole(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.write_tick(0.0, {"a": 1.0})
        with pytest.raises(JournalError, match=r"journal.db: tick not written: a is no number"):
            journal.write_tick(1.0, {"b": 2.0, "a": math.nan}, [Event(1.0, "lost")])
        with pytest.raises(TypeError):
            journal.write_tick(1.0, {"b": 2.0}, [Event(1.0, "lost", {"untold": object()})])
        with pytest.raises(JournalError, match=r"0.0 s is not after the last, 0.0 s"):
            journal.write_tick(0.0, {"b": 2.0})
        journal.write_tick(2.0, {"c": 3.0, "b": 4.0})
    with JournalReader(tmp_path) as reader:
        assert reader.series_names() == ["a", "c", "b"]
        assert reader.series("b")[1].tolist() == [4.0]
        assert reader.ticks().tolist() == [0.0, 2.0]
        assert reader.events() == []


def test_a_resumed_journal_knows_what_it_has(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        assert journal._last_t_s is None
        journal.write_meta({"seed": 7331, "phase": "load"})
        journal.write_tick(1.0, {"a": 1.0, "b": 2.0})
    with Journal(tmp_path, resume=True) as journal:
        assert (journal._last_t_s, journal.meta()) == (1.0, {"seed": 7331, "phase": "load"})
        journal.mark_gap(1.0, 60.0)
        journal.write_meta({"phase": "resumed"})
        journal.write_tick(61.0, {"c": 3.0, "b": 4.0})
    with JournalReader(tmp_path) as reader:
        assert reader.meta() == {"seed": 7331, "phase": "resumed"}
        assert reader.events() == [Event(1.0, "gap", {"from_s": 1.0, "to_s": 60.0})]
        assert reader.series_names() == ["a", "b", "c"]
        assert [reader.series(name)[1].tolist() for name in "abc"] == [[1.0], [2.0, 4.0], [3.0]]


def test_one_process_cannot_write_it_twice_either(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(JournalError, match="is writing it"):
        Journal(tmp_path, resume=True)
    journal = Journal(tmp_path, resume=True)
    journal.close()
    journal.close()


def test_a_closed_journal_is_told(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.close()
    with pytest.raises(JournalError, match="cannot be read"):
        journal.meta()
    with pytest.raises(JournalError, match="meta not written"):
        journal.write_meta({})


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path / "nowhere")
