"""The attendance of probes: who has answered, who is late, and how many samples are missing.

Silence is told when it begins and when it is over, not with every pass: over
two days that would fill the journal. It is over when a probe has answered a few
times in a row, for one that answers now and then is still one that is late.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.probes.reading import Reading
from harness.records import Event

BACK_AFTER = 3


@dataclass
class _Standing:
    late: bool = False
    answered: int = 0
    missing: tuple[str, ...] = ()


class Attendance:
    """Notes each probe's look; `missing` counts the samples that should have come and did not."""

    def __init__(self) -> None:
        self._standings: dict[str, _Standing] = {}
        self.missing = 0

    def answered(self, name: str, reading: Reading, t_s: float, *, in_time: bool = True) -> list[Event]:
        """Note a reading and return what is news: figures that it lacks, or that the probe is back.

        One that came after a later pass had begun ends no silence.
        """
        standing, events = self._standings.setdefault(name, _Standing()), []
        self.missing += len(reading.missing)
        if reading.missing and reading.missing != standing.missing:
            events.append(Event(t_s, "figures_missing", {"probe": name, "series": list(reading.missing)}))
        standing.missing = reading.missing or standing.missing
        standing.answered = standing.answered + 1 if in_time else 0
        if standing.late and standing.answered >= BACK_AFTER:
            standing.late = False
            events.append(Event(t_s, "probe_back", {"probe": name}))
        return events

    def silent(self, name: str, reason: str, t_s: float) -> list[Event]:
        """Note a look that brought nothing and return what is news: that the probe is late, and why."""
        standing = self._standings.setdefault(name, _Standing())
        self.missing += 1
        standing.answered = 0
        if standing.late:
            return []
        standing.late = True
        return [Event(t_s, "probe_late", {"probe": name, "reason": reason})]

    def gone(self, name: str) -> None:
        """Note that there was nothing to look at, which is told as the service's own event."""
        self.missing += 1
        self._standings.pop(name, None)
