"""How full the machine is that all of it runs on: one with no memory left slows everybody down, and proves nothing."""

from __future__ import annotations

import psutil

from harness.probes.reading import Reading


class MachineProbe:
    """Reads the share of the memory that is in use and cannot be had: `machine.all.memory_fraction`, 0 to 1."""

    name = "machine.all"

    def read(self) -> Reading:
        """Look once."""
        memory = psutil.virtual_memory()
        return Reading({f"{self.name}.memory_fraction": 1 - memory.available / memory.total})
