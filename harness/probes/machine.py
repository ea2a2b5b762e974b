"""How full and busy the machine is that all of it runs on: at its end it slows everybody down, and proves nothing."""

from __future__ import annotations

import psutil

from harness.probes.reading import Reading


class MachineProbe:
    """Reads `machine.all.memory_fraction`, the share of the memory that is in use and cannot be had, 0 to 1.

    And `machine.all.cpu_fraction`, the share of all its cores' time since the last look that was not idle, 0 to 1;
    time that a machine below it took counts, for it could not be had either.
    """

    name = "machine.all"

    def __init__(self) -> None:
        self._idle_s, self._total_s = _cpu_times_s()

    def read(self) -> Reading:
        """Look once."""
        memory = psutil.virtual_memory()
        values = {f"{self.name}.memory_fraction": 1 - memory.available / memory.total}
        (idle_s, total_s), before_s = _cpu_times_s(), self._total_s
        # The clock of these times is a coarse one: two looks may fall into one of its ticks.
        if total_s > before_s:
            values[f"{self.name}.cpu_fraction"] = min(1.0, max(0.0, 1 - (idle_s - self._idle_s) / (total_s - before_s)))
            self._idle_s, self._total_s = idle_s, total_s
        return Reading(values)


def _cpu_times_s() -> tuple[float, float]:
    """Return how long all cores together were idle since the machine began, and how long that is."""
    times = psutil.cpu_times()._asdict()
    # What guests take stands in their hosts' own time as well.
    total_s = sum(value for name, value in times.items() if not name.startswith("guest"))
    return times["idle"] + times.get("iowait", 0.0), total_s
