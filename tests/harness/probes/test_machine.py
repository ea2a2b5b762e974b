from harness.probes.machine import MachineProbe
from harness.probes.sampler import Sampler
from harness.watch import ceilings


def test_the_share_in_use_is_read_under_the_name_that_the_watch_knows() -> None:
    sampler = Sampler([], witnesses=[MachineProbe()])
    try:
        values, _ = sampler.sample(0.0)
    finally:
        sampler.close()
    (watched,) = [ceiling for ceiling in ceilings(1e9) if ceiling.pattern.startswith("machine.")]
    assert 0 < values[watched.pattern] < watched.limit


def test_memory_that_is_taken_counts() -> None:
    """A quarter of a gigabyte, every page of it written."""
    before = MachineProbe().read().values["machine.all.memory_fraction"]
    taken = bytearray(b"\xa5") * 256_000_000
    assert MachineProbe().read().values["machine.all.memory_fraction"] > before
    del taken
