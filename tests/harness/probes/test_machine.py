import time

import numpy as np
import psutil

from harness.criteria.budget import Budget
from harness.live.watch import usual
from harness.probes.machine import MachineProbe
from harness.probes.sampler import Sampler


def test_what_is_read_has_the_names_that_the_watch_knows() -> None:
    sampler = Sampler([], interval_s=0.01, witnesses=[MachineProbe()])
    try:
        values, _ = sampler.sample(0.0)
        spin(0.1)
        values |= sampler.sample(1.0)[0]
    finally:
        sampler.close()
    watched = {abort.series: abort.wanted.maximum for abort in usual(Budget()) if abort.series.startswith("machine.")}
    assert set(watched) == {"machine.all.memory_fraction", "machine.all.cpu_fraction"}
    assert all(0 < values[series] <= 1 for series in watched)
    assert set(watched.values()) == {0.9, 0.95}


def spin(lasting_s: float) -> None:
    """Keep one core busy for as long, by its own clock."""
    ends_s = time.thread_time() + lasting_s
    while time.thread_time() < ends_s:
        pass


def test_time_that_is_taken_counts_since_the_last_look_alone() -> None:
    """One core of them all, taken whole for half a second."""
    probe = MachineProbe()
    before = psutil.cpu_times()
    spin(0.5)
    seen = probe.read().values["machine.all.cpu_fraction"]
    after = psutil.cpu_times()
    taken_s = (after.user - before.user) + (after.system - before.system)
    assert seen >= 0.8 * min(0.5, taken_s) / sum(after[:8] - np.array(before[:8]))
    assert 0 < seen <= 1
    assert probe.read().values.keys() <= {"machine.all.memory_fraction", "machine.all.cpu_fraction"}


def test_two_looks_in_one_tick_of_the_clock_say_nothing_of_the_time_between() -> None:
    probe = MachineProbe()
    seen = [probe.read().values.get("machine.all.cpu_fraction") for _ in range(50)]
    assert None in seen
    assert all(share is None or 0 <= share <= 1 for share in seen)


def test_memory_that_is_taken_counts() -> None:
    """A quarter of a gigabyte, every page of it written."""
    before = MachineProbe().read().values["machine.all.memory_fraction"]
    taken = bytearray(b"\xa5") * 256_000_000
    assert MachineProbe().read().values["machine.all.memory_fraction"] > before
    del taken
