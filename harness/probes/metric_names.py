"""Which metrics of which client libraries mean what: (name, figure, wanted labels), several of one figure added up.

`{}` in a figure is the value of the label named beside it. Counters keep
counting from the start of their process, so that a check takes differences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Known:
    """What a metric's samples become: `figure`, with the value of the label `by` put in; only those with `labels`."""

    figure: str
    by: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


_HEAP = {"area": "heap"}

# A metric may stand for several figures.
KNOWN: Mapping[str, tuple[Known, ...]] = {
    # Every official client, by the convention for processes.
    "process_resident_memory_bytes": (Known("rss_bytes"),),
    "process_virtual_memory_bytes": (Known("vms_bytes"),),
    "process_cpu_seconds_total": (Known("cpu_s"),),
    "process_open_fds": (Known("fds"),),
    # Python.
    "python_gc_collections_total": (Known("gc_collections"),),
    "python_gc_objects_collected_total": (Known("gc_collected"),),
    "python_gc_objects_uncollectable_total": (Known("gc_uncollectable"),),
    # The reference services.
    "hw_heap_bytes": (Known("heap_bytes"),),
    "hw_allocated_blocks": (Known("allocated_blocks"),),
    "hw_cache_bytes": (Known("cache_bytes"),),
    "hw_gc_pause_seconds_sum": (Known("gc_pause_s"),),
    "hw_gc_pause_seconds_count": (Known("gc_pauses"),),
    "hw_sessions": (Known("sessions"),),
    "hw_tasks": (Known("tasks"),),
    "hw_asyncio_tasks": (Known("asyncio_tasks"),),
    "hw_pool_size": (Known("pool_{}_size", "pool"),),
    "hw_pool_idle": (Known("pool_{}_idle", "pool"),),
    "hw_pool_max": (Known("pool_{}_max", "pool"),),
    "hw_pool_waiting": (Known("pool_{}_waiting", "pool"),),
    "hw_breaker_state": (Known("breaker_{}_state", "dependency"),),
    "hw_breaker_opened_total": (Known("breaker_{}_opened", "dependency"),),
    # Go: each cycle of its collector pauses the program, and its tasks are goroutines.
    "go_memstats_heap_inuse_bytes": (Known("heap_bytes"),),
    "go_memstats_frees_total": (Known("gc_collected"),),
    "go_goroutines": (Known("tasks"),),
    "go_threads": (Known("threads"),),
    "go_gc_duration_seconds_sum": (Known("gc_pause_s"),),
    "go_gc_duration_seconds_count": (Known("gc_pauses"), Known("gc_collections")),
    # Node.
    "nodejs_heap_size_used_bytes": (Known("heap_bytes"),),
    "nodejs_external_memory_bytes": (Known("external_bytes"),),
    "nodejs_active_handles_total": (Known("handles"),),
    "nodejs_active_requests_total": (Known("tasks"),),
    "nodejs_gc_duration_seconds_sum": (Known("gc_pause_s"),),
    "nodejs_gc_duration_seconds_count": (Known("gc_pauses"), Known("gc_collections")),
    # The JVM: Prometheus' client of two generations, and Micrometer's.
    "jvm_memory_used_bytes": (Known("heap_bytes", labels=_HEAP),),
    "jvm_memory_bytes_used": (Known("heap_bytes", labels=_HEAP),),
    "jvm_threads_current": (Known("threads"),),
    "jvm_threads_live_threads": (Known("threads"),),
    "jvm_gc_pause_seconds_sum": (Known("gc_pause_s"),),
    "jvm_gc_pause_seconds_count": (Known("gc_pauses"), Known("gc_collections")),
    "jvm_gc_collection_seconds_sum": (Known("gc_pause_s"),),
    "jvm_gc_collection_seconds_count": (Known("gc_pauses"), Known("gc_collections")),
}
