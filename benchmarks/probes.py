"""What sampling costs: 50 processes and 20 containers a pass, and a whole small stack at the default interval.

The pass is the sampler's own, as a run has it; beside it stands what one would
write without it: `psutil.process_iter` with the same attributes, and the
Docker API's stats polled one container after the other.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
from docker.errors import DockerException
from docker.models.containers import Container

from benchmarks.options import add_section, chosen, whole
from benchmarks.rows import Row, compare, judge
from harness.clock import RealClock
from harness.errors import EnvironmentMissing
from harness.identity import ProcessId
from harness.probes.containers.container import open_container
from harness.probes.containers.container_stream import StreamedContainer
from harness.probes.files import DiskProbe
from harness.probes.postgres import PostgresWitness
from harness.probes.reading import Probe
from harness.probes.redis import RedisWitness
from harness.probes.sampler import INTERVAL_S, Sampler
from harness.records import ContainerRef, LogRef, MetricsRef, ProcessRef, ServiceRef
from infra import engine
from infra.local.stack import LocalStack
from infra.stack import SERVICES, StackPlan

PROCESSES, PROCESSES_S_MAX = 50, 0.015
CONTAINERS, CONTAINERS_S_MAX = 20, 0.020
SHARE_MAX = 0.001
# What ProcessProbe reads of a process, by psutil's names.
_ATTRIBUTES = ["memory_info", "cpu_times", "num_fds", "num_threads", "ppid", "status"]
# Any will do that has `sleep`; the first are the reference stack's own.
_IMAGES = ("heavyweather/base:offline", "heavyweather/python:offline", "alpine:latest", "busybox:latest")
_TICK_S = 1.0
# Connections are opened and files found with the first.
_WARM_PASSES = 2

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Setting:
    """How many passes are measured, of how many containers, how many of them are polled, and how long a stack is."""

    passes: int
    containers: int
    polled: int
    share_s: float


def rows(arguments: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of the sections asked for, all of them by default, as each is done."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks probes", description=__doc__)
    add_section(parser, SECTIONS)
    parser.add_argument("--passes", type=whole, default=60, help="the median of so many is told (%(default)d)")
    parser.add_argument("--containers", type=whole, default=CONTAINERS, help="are started (%(default)d)")
    parser.add_argument("--polled", type=whole, default=3, help="of them for the peer, at over 1 s each (%(default)d)")
    parser.add_argument("--share-s", type=float, default=120.0, help="of the stack's measure (%(default)g)")
    options = parser.parse_args(arguments)
    setting = Setting(options.passes, options.containers, options.polled, options.share_s)
    yield from chosen(options, SECTIONS, setting)


def processes(setting: Setting) -> list[Row]:
    """Return what a pass over 50 processes takes, and what it takes in CPU with all that goes on behind it."""
    with contextlib.ExitStack() as after:
        children = [after.enter_context(_idle_process()) for _ in range(PROCESSES)]
        refs = [ProcessRef(f"s{n}", ProcessId.of(psutil.Process(pid))) for n, pid in enumerate(children)]
        ours_s, cpu_s = _passes(refs, setting.passes)
        peer_s, peer_cpu_s = _timed(lambda: _iterated(frozenset(children)), setting.passes)
    what = f"s a pass over {PROCESSES} processes"
    return [
        compare(what, ours_s, peer_s, "psutil.process_iter"),
        judge(what, ours_s, at_most=PROCESSES_S_MAX),
        compare(f"CPU {what}, USS and sockets included", cpu_s, peer_cpu_s, "psutil.process_iter (without)"),
    ]


def containers(setting: Setting) -> list[Row]:
    """Return what a pass over 20 containers takes; of fewer, what 20 would by the time of each."""
    scale = CONTAINERS / setting.containers
    what = f"s a pass over {CONTAINERS} containers"
    if setting.containers != CONTAINERS:
        what += f" ({setting.containers} x {scale:g})"
    try:
        with _idle_containers(setting.containers) as running:
            refs = [ContainerRef(f"s{n}", str(container.id)) for n, container in enumerate(running)]
            how = _way(refs[0])
            ours_s, cpu_s = (seconds * scale for seconds in _passes(refs, setting.passes))
            polled = running[: setting.polled]
            peer_s, _ = _timed(lambda: [container.stats(stream=False) for container in polled], 1)
    except EnvironmentMissing as error:
        _log.warning("no containers were measured: %s", error)
        return [judge(what, None, at_most=CONTAINERS_S_MAX)]
    peer = f"stats polled ({len(polled)} x {CONTAINERS / len(polled):g})"
    return [
        compare(f"{what}, {how}", ours_s, peer_s * CONTAINERS / len(polled), peer),
        judge(what, ours_s, at_most=CONTAINERS_S_MAX),
        judge(f"CPU {what}", cpu_s),
    ]


def share(setting: Setting) -> list[Row]:
    """Return what share of a core sampling takes at the default interval, of a stack of five services in real time."""
    with contextlib.ExitStack() as after:
        folder = Path(after.enter_context(tempfile.TemporaryDirectory(prefix="hw-bench-")))
        stack = LocalStack(StackPlan("bench-probes", folder))
        after.callback(stack.down)
        stack.up()
        witnesses: list[Probe] = [
            PostgresWitness(stack.postgres_dsn()),
            RedisWitness(stack.redis_url()),
            DiskProbe(folder),
        ]
        sampler = Sampler(lambda: _everything(stack, folder), witnesses=witnesses)
        after.callback(sampler.close)
        cpu_s, took_s, figures = _over_time(sampler, setting.share_s)
    _log.info("%d series of %d services", figures, len(SERVICES))
    interval = f"at an interval of {INTERVAL_S:g} s"
    return [judge(f"share of a core, {len(SERVICES)} services, {interval}", cpu_s / took_s, at_most=SHARE_MAX)]


SECTIONS: Mapping[str, Callable[[Setting], list[Row]]] = {
    "processes": processes,
    "containers": containers,
    "share": share,
}


def _everything(stack: LocalStack, folder: Path) -> list[ServiceRef]:
    """Return what a run samples: processes, the pages of those services that have one, and all logs."""
    pages = [MetricsRef(service, f"{stack.endpoint(service).url}/metrics") for service in ("api", "auth")]
    return [*stack.services(), *pages, *(LogRef(service, folder / f"{service}.log") for service in SERVICES)]


def _over_time(sampler: Sampler, for_s: float) -> tuple[float, float, int]:
    """Tick in real time; return the CPU that sampling took, the time, and how many series there are."""
    clock = RealClock()
    began_s = clock.now_s()
    seen: set[str] = set()
    ticks = int(for_s / _TICK_S)
    warm = int(_WARM_PASSES * INTERVAL_S / _TICK_S)
    cpu_began_s = time.process_time()
    for tick in range(warm + ticks):
        if tick == warm:
            cpu_began_s = time.process_time()
        clock.sleep_s(max(0.0, began_s + tick * _TICK_S - clock.now_s()))
        values, events = sampler.sample(tick * _TICK_S)
        seen.update(values)
        for event in events:
            _log.warning("%s %s", event.kind, dict(event.detail))
    return time.process_time() - cpu_began_s, ticks * _TICK_S, len(seen)


def _passes(refs: Sequence[ServiceRef], count: int) -> tuple[float, float]:
    """Return the median of how long a pass takes, and the mean of its CPU with the background's share, in seconds."""
    with contextlib.closing(Sampler(refs, interval_s=_TICK_S)) as sampler:
        for number in range(_WARM_PASSES):
            sampler.sample(float(number))
        cpu_s = time.process_time()
        looks = [sampler.sample(float(_WARM_PASSES + number)) for number in range(count)]
        cpu_s = time.process_time() - cpu_s
    for event in (event for _, events in looks for event in events):
        _log.warning("%s %s", event.kind, dict(event.detail))
    return median(values["sampler.all.pass_s"] for values, _ in looks), cpu_s / count


def _timed(work: Callable[[], object], count: int) -> tuple[float, float]:
    """Return the median time of so many calls and the mean of their CPU, in seconds."""
    took_s, cpu_began_s = [], time.process_time()
    for _ in range(count):
        began_s = time.perf_counter()
        work()
        took_s.append(time.perf_counter() - began_s)
    return median(took_s), (time.process_time() - cpu_began_s) / count


def _iterated(pids: frozenset[int]) -> list[Mapping[str, object]]:
    return [process.info for process in psutil.process_iter(_ATTRIBUTES) if process.pid in pids]


@contextlib.contextmanager
def _idle_process() -> Iterator[int]:
    """Run a process that waits, and ends when its input does; yields its id."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        yield child.pid


@contextlib.contextmanager
def _idle_containers(count: int) -> Iterator[list[Container]]:
    """Run containers that wait, of an image that is there. Raises EnvironmentMissing."""
    with contextlib.ExitStack() as after:
        try:
            client = engine.connect()
            after.callback(client.close)
            here = {tag for image in client.images.list() for tag in image.tags}
        except DockerException as error:
            raise EnvironmentMissing("a Docker engine", f"start one: {error}") from error
        if (image := next((name for name in _IMAGES if name in here), None)) is None:
            raise EnvironmentMissing("an image with `sleep`", f"pull one of {', '.join(_IMAGES)}")
        running = []
        for _ in range(count):
            started = client.containers.run(image, ["sleep", "3600"], detach=True, network_mode="none")
            after.callback(started.remove, force=True)
            running.append(started)
        yield running


def _way(ref: ContainerRef) -> str:
    """Return by which of the two ways the engine's containers are read."""
    with contextlib.closing(open_container(ref)) as probe:
        return "the engine's stream" if isinstance(probe, StreamedContainer) else "control groups"
