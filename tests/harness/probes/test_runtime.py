"""What a Prometheus page becomes: pages of four runtimes, pages that are none, and a real one over a socket."""

import asyncio
import gc
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, generate_latest
from prometheus_client.exposition import start_http_server

from harness.probes.reading import Reading, Unreadable
from harness.probes.runtime import FIGURES_MAX, RuntimeProbe, figures_of
from harness.records import MetricsRef
from tests.harness.servers import serving

GO = """\
# HELP go_gc_duration_seconds A summary of the pause duration of garbage collection cycles.
# TYPE go_gc_duration_seconds summary
go_gc_duration_seconds{quantile="0"} 1.5e-05
go_gc_duration_seconds_sum 0.25
go_gc_duration_seconds_count 12
# TYPE go_goroutines gauge
go_goroutines 42
go_memstats_heap_inuse_bytes 3.145728e+06
process_open_fds 9
http_requests_total{path="/"} 5
"""
NODE = """\
nodejs_heap_size_used_bytes 1000
nodejs_active_handles_total 3
nodejs_gc_duration_seconds_sum{kind="minor"} 0.5
nodejs_gc_duration_seconds_sum{kind="major"} 0.25
nodejs_gc_duration_seconds_count{kind="minor"} 5
nodejs_gc_duration_seconds_count{kind="major"} 1
"""
JVM = """\
jvm_memory_used_bytes{area="heap",id="G1 Eden Space",} 100.0
jvm_memory_used_bytes{area="heap",id="G1 Old Gen",} 20.0
jvm_memory_used_bytes{area="nonheap",id="Metaspace",} 7.0
jvm_threads_current 31.0
jvm_gc_pause_seconds_count{action="end of minor GC",cause="Allocation Failure",} 2.0
jvm_gc_pause_seconds_sum{action="end of minor GC",cause="Allocation Failure",} 0.125
"""
OURS = """\
hw_heap_bytes 12022368.0
hw_pool_size{pool="postgres"} 6.0
hw_pool_size{pool="redis"} 1.0
hw_breaker_state{dependency="auth-service"} 2.0
hw_breaker_opened_total{dependency="auth-service"} 4.0
hw_gc_pause_seconds_bucket{le="+Inf"} 9.0
hw_gc_pause_seconds_count 9.0
hw_gc_pause_seconds_sum 0.001
python_gc_collections_total{generation="0"} 130.0
python_gc_collections_total{generation="1"} 11.0
python_gc_objects_collected_total{generation="0"} 600.0
python_gc_objects_collected_total{generation="2"} 48.0
"""


@pytest.mark.parametrize(
    ("page", "figures"),
    [
        (
            GO,
            {
                "heap_bytes": 3145728,
                "tasks": 42,
                "gc_pause_s": 0.25,
                "gc_pauses": 12,
                "gc_collections": 12,
                "fds": 9,
            },
        ),
        (NODE, {"heap_bytes": 1000, "handles": 3, "gc_pause_s": 0.75, "gc_pauses": 6, "gc_collections": 6}),
        (JVM, {"heap_bytes": 120, "threads": 31, "gc_pause_s": 0.125, "gc_pauses": 2, "gc_collections": 2}),
        (
            OURS,
            {
                "heap_bytes": 12022368,
                "pool_postgres_size": 6,
                "pool_redis_size": 1,
                "gc_collected": 648,
                "breaker_auth_service_state": 2,
                "breaker_auth_service_opened": 4,
                "gc_collections": 141,
                "gc_pauses": 9,
                "gc_pause_s": 0.001,
            },
        ),
        ("", {}),
        ("\n# only words\nunknown_metric 7\n", {}),
    ],
    ids=["go", "node", "jvm", "ours", "empty", "unknown"],
)
def test_a_page_of(page: str, figures: dict[str, float]) -> None:
    assert figures_of(page) == figures


def test_metrics_that_its_user_names_are_kept_under_their_names() -> None:
    page = 'queue_depth{queue="a"} 3\nqueue_depth{queue="b"} 4\nns:rate:sum 2\nqueue_depth_max 9\n'
    assert figures_of(page, ("queue_depth", "ns:rate:sum")) == {"queue_depth": 7, "ns_rate_sum": 2}
    assert figures_of("hw_tasks 5\n", ("hw_tasks",)) == {"hw_tasks": 5}


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
def test_what_is_no_finite_number_is_left_out(value: str) -> None:
    assert figures_of(f"hw_tasks {value}\nhw_sessions 1\n") == {"sessions": 1}


@pytest.mark.parametrize("page", ["hw_tasks\n", "hw_tasks five\n", 'hw_pool_size{pool="x 5\n'])
def test_a_wanted_line_that_is_none_is_no_zero(page: str) -> None:
    with pytest.raises(Unreadable):
        figures_of(page)


labels = st.text(max_size=8)
finite = st.floats(-1e15, 1e15)


@given(st.dictionaries(labels, finite, max_size=6), st.integers(0, 1000), finite)
def test_what_the_official_client_writes_is_read(pools: dict[str, float], collections: int, tasks: float) -> None:
    registry = CollectorRegistry()
    pool = Gauge("hw_pool_size", "One\nand \\ two", ["pool"], registry=registry)
    for name, value in pools.items():
        pool.labels(name).set(value)
    Counter("python_gc_collections", "x", registry=registry).inc(collections)
    Histogram("hw_gc_pause_seconds", "x", registry=registry).observe(0.5)
    Gauge("hw_tasks", "x", registry=registry).set(tasks)
    figures = figures_of(generate_latest(registry).decode())
    assert (figures["gc_collections"], figures["gc_pauses"], figures["gc_pause_s"]) == (collections, 1, 0.5)
    assert figures["tasks"] == tasks
    sizes = [value for name, value in figures.items() if name.startswith("pool_")]
    assert math.isclose(
        math.fsum(sizes), math.fsum(pools.values()), rel_tol=1e-9, abs_tol=1e-9 * max(map(abs, [1.0, *pools.values()]))
    )


@given(st.text(max_size=300))
def test_a_page_that_is_none_is_unreadable_at_worst(page: str) -> None:
    try:
        assert all(math.isfinite(value) for value in figures_of(page + "\nhw_sessions 1\n").values())
    except Unreadable:
        assert any(name in page for name in ("hw_", "python_", "go_", "process_", "nodejs_", "jvm_"))


def read(ref: MetricsRef) -> Reading:
    return asyncio.run(RuntimeProbe(ref).read())


@contextmanager
def official(registry: CollectorRegistry) -> Iterator[int]:
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def test_a_real_page_is_scraped() -> None:
    registry = CollectorRegistry()
    GCCollector(registry=registry)
    Gauge("cars", "x", registry=registry).set(3)
    gc.collect()
    with official(registry) as port:
        values, missing = read(MetricsRef("api", f"http://127.0.0.1:{port}/metrics", ("cars", "trains")))
    assert values["runtime.api.gc_collections"] > 0
    assert values["runtime.api.cars"] == 3
    assert missing == ("runtime.api.trains",)


def test_a_label_for_each_user_fills_no_journal() -> None:
    registry = CollectorRegistry()
    pool = Gauge("hw_pool_size", "x", ["pool"], registry=registry)
    for n in range(FIGURES_MAX + 20):
        pool.labels(f"user-{n}").set(1)
    with official(registry) as port:
        values, missing = read(MetricsRef("api", f"http://127.0.0.1:{port}/metrics"))
    assert (len(values), len(missing)) == (FIGURES_MAX, 20)


def test_any_other_status_is_unreadable() -> None:
    answer: Callable[[str, str, bytes], tuple[int, object]] = lambda _method, path, _body: (  # noqa: E731 - typed
        404 if path == "/metrics?token=secret" else 200,
        {},
    )
    with serving(answer) as server, pytest.raises(Unreadable, match=r"^status 404$"):
        read(MetricsRef("api", f"{server.url}/metrics?token=secret"))


def test_a_look_that_is_given_up_leaves_no_connection() -> None:
    async def play(url: str) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await RuntimeProbe(MetricsRef("api", url)).read()

    with serving() as server:
        server.stall()
        asyncio.run(play(server.url))
        server.go_on()
