"""The memory of every service as one JSON file, small enough to keep for each run and to compare over weeks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.journal import JournalReader
from reports.model import RunView
from reports.page.thinning import Floats, keep

FILE_NAME = "profile.json"
SAMPLES_MAX = 2000

_MEMORY = {("process", "rss_bytes"), ("container", "memory_bytes")}
_BUCKETS = SAMPLES_MAX // 2 - 1


@dataclass(frozen=True, slots=True)
class Memory:
    """One service's memory: `t_s` and `sizes_bytes` have shape (n,); `measure` is the series it was read from."""

    measure: str
    t_s: Floats
    sizes_bytes: Floats


def write_profile(view: RunView, run_folder: Path, path: Path) -> None:
    """Write the memory profile of a run to `path`."""
    memories = read_memories(run_folder)
    profile = {
        "test_metadata": _metadata(view, memories),
        "summary_statistics": {service: _summary(memory) for service, memory in memories.items()},
        "memory_samples": [sample for service, memory in memories.items() for sample in _samples(service, memory)],
    }
    path.write_text(json.dumps(profile, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_memories(run_folder: Path) -> dict[str, Memory]:
    """Return the memory of each service, and of the load generator, which must not grow either."""
    memories = {}
    with JournalReader(run_folder) as journal:
        for name in journal.series_names():
            kind, subject, figure = [*name.split(".", 2), "", ""][:3]
            if name == "generator.rss_bytes":
                subject = "generator"
            elif (kind, figure) not in _MEMORY:
                continue
            t_s, sizes_bytes = journal.series(name)
            if len(t_s):
                memories[subject] = Memory(name, t_s, sizes_bytes)
    return memories


def _metadata(view: RunView, memories: Mapping[str, Memory]) -> Mapping[str, object]:
    return {
        "run_id": view.run_id,
        "scenario": view.scenario,
        "seed": view.seed,
        "stack": view.stack,
        "started_at": view.started_at,
        "duration_s": view.duration_s,
        "verdict": view.verdict,
        "defects": view.defects,
        "measure": {service: memory.measure for service, memory in memories.items()},
        "sample_count_recorded": {service: len(memory.t_s) for service, memory in memories.items()},
        "sample_count_max": SAMPLES_MAX,
        "thinning": "the lowest and the highest sample of each stretch of time; statistics are of all samples",
    }


def _summary(memory: Memory) -> Mapping[str, float]:
    sizes = memory.sizes_bytes
    return {
        "start_bytes": float(sizes[0]),
        "end_bytes": float(sizes[-1]),
        "min_bytes": float(sizes.min()),
        "max_bytes": float(sizes.max()),
        "mean_bytes": round(float(sizes.mean()), 1),
        "growth_bytes": float(sizes[-1] - sizes[0]),
    }


def _samples(service: str, memory: Memory) -> list[Mapping[str, object]]:
    chosen = keep(memory.t_s, memory.sizes_bytes, buckets=_BUCKETS)
    return [
        {"t_s": round(float(t_s), 3), "service": service, "rss_bytes": int(size)}
        for t_s, size in zip(memory.t_s[chosen], memory.sizes_bytes[chosen], strict=True)
    ]
