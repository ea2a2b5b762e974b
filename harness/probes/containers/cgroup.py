"""A container's figures from the kernel's own files, control groups of version 1 and 2, and mixtures of both.

Reading them costs microseconds where the engine takes over a second. Memory is
what Docker shows: the group's usage less the page cache that the kernel would
give back first (`inactive_file`), which is no service's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from harness.probes.containers.kernel_file import read_file

# Their controllers of version 1; version 2 has all of them in one folder.
_CONTROLLERS = ("memory", "cpuacct", "pids", "blkio")


class Group(NamedTuple):
    """Where one controller's files of one group are."""

    version: int
    folder: Path


Groups = Mapping[str, Group]


def find_groups(mountinfo: str, membership: str, member: str) -> Groups:
    """Return controller to group, by the texts of /proc/self/mountinfo and /proc/PID/cgroup.

    Only groups whose path holds `member`, the container's id, are its own. Empty where the hierarchies of its groups
    are not mounted here from their roots: what can be seen then is another machine's, or this container's own.
    """
    mounts = _mounts(mountinfo)
    groups: dict[str, Group] = {}
    for controllers, path in _memberships(membership):
        if member not in path:
            continue
        for controller in controllers or _CONTROLLERS:
            version = 1 if controllers else 2
            mount = mounts.get(controller if controllers else "")
            # A mixture has an empty hierarchy of version 2 beside those of version 1.
            if controller in _CONTROLLERS and mount and not (version == 2 and controller in groups):
                groups[controller] = Group(version, Path(mount) / PurePosixPath(path).relative_to("/"))
    return groups


def _memberships(text: str) -> Iterable[tuple[tuple[str, ...], str]]:
    """Yield (controllers, path) for each line of /proc/PID/cgroup, version 1 first; version 2 names no controllers."""
    lines = [line.split(":", 2) for line in text.splitlines() if line.count(":") >= 2]
    for _, names, path in sorted(lines, key=lambda line: not line[1]):
        # Beyond our own root the kernel writes a path that leads up, to where nothing is mounted.
        if path.startswith("/") and ".." not in PurePosixPath(path).parts:
            yield tuple(names.split(",")) if names else (), path


def _mounts(text: str) -> dict[str, str]:
    """Return controller to mount point by /proc/self/mountinfo, that of version 2 under an empty name."""
    mounts: dict[str, str] = {}
    for line in text.splitlines():
        before, dash, after = line.partition(" - ")
        fields, kinds = before.split(), after.split()
        if not dash or len(fields) < 5 or len(kinds) < 3 or fields[3] != "/":
            continue
        place = fields[4].replace("\\040", " ")
        if kinds[0] == "cgroup2":
            mounts.setdefault("", place)
        elif kinds[0] == "cgroup":
            for option in kinds[2].split(","):
                mounts.setdefault(option, place)
    return mounts


def read_groups(groups: Groups) -> dict[str, float]:
    """Return the figures of a container's groups, sizes in bytes and CPU in seconds.

    What a controller does not tell is left out. Raises FileNotFoundError or OSError once the group is gone.
    """
    figures: dict[str, float] = {}
    for controller, (version, folder) in groups.items():
        figures |= _READERS[controller, version](str(folder))
    return figures


def _memory_1(folder: str) -> dict[str, float]:
    usage = int(_read(folder, "memory.usage_in_bytes"))
    cache = parse_flat(_read(folder, "memory.stat")).get("total_inactive_file", 0)
    return _memory(usage, cache, parse_flat(_optional(folder, "memory.oom_control") or b""))


def _memory_2(folder: str) -> dict[str, float]:
    usage = int(_read(folder, "memory.current"))
    cache = parse_flat(_read(folder, "memory.stat")).get("inactive_file", 0)
    return _memory(usage, cache, parse_flat(_optional(folder, "memory.events") or b""))


def _memory(usage: int, cache: int, events: Mapping[str, int]) -> dict[str, float]:
    kills = {"oom_kills": float(events["oom_kill"])} if "oom_kill" in events else {}
    return {"memory_bytes": float(max(0, usage - cache)), **kills}


def _cpu_1(folder: str) -> dict[str, float]:
    return {"cpu_s": int(_read(folder, "cpuacct.usage")) / 1e9}


def _cpu_2(folder: str) -> dict[str, float]:
    return {"cpu_s": parse_flat(_read(folder, "cpu.stat")).get("usage_usec", 0) / 1e6}


def _pids(folder: str) -> dict[str, float]:
    text = _optional(folder, "pids.current")
    return {} if text is None else {"pids": float(text)}


def _block_1(folder: str) -> dict[str, float]:
    for name in ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"):
        if (text := _optional(folder, name)) is not None:
            return parse_blkio(text)
    return {}


def _block_2(folder: str) -> dict[str, float]:
    text = _optional(folder, "io.stat")
    return {} if text is None else parse_io_stat(text)


_READERS = {
    ("memory", 1): _memory_1,
    ("memory", 2): _memory_2,
    ("cpuacct", 1): _cpu_1,
    ("cpuacct", 2): _cpu_2,
    ("pids", 1): _pids,
    ("pids", 2): _pids,
    ("blkio", 1): _block_1,
    ("blkio", 2): _block_2,
}


def parse_flat(text: bytes) -> dict[str, int]:
    """Return the numbers of a file of lines `NAME NUMBER`, as memory.stat and cpu.stat are."""
    words = [line.split() for line in text.splitlines()]
    return {line[0].decode("ascii", "replace"): int(line[1]) for line in words if len(line) == 2 and line[1].isdigit()}


def parse_blkio(text: bytes) -> dict[str, float]:
    """Return what all devices read and wrote, by lines `MAJOR:MINOR OPERATION BYTES` of version 1."""
    total = {b"Read": 0, b"Write": 0}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in total and words[2].isdigit():
            total[words[1]] += int(words[2])
    return {"block_read_bytes": float(total[b"Read"]), "block_written_bytes": float(total[b"Write"])}


def parse_io_stat(text: bytes) -> dict[str, float]:
    """Return what all devices read and wrote, by lines `MAJOR:MINOR rbytes=N wbytes=N ...` of version 2."""
    total = {b"rbytes": 0, b"wbytes": 0}
    for word in text.split():
        key, _, value = word.partition(b"=")
        if key in total and value.isdigit():
            total[key] += int(value)
    return {"block_read_bytes": float(total[b"rbytes"]), "block_written_bytes": float(total[b"wbytes"])}


def parse_net_dev(text: bytes) -> dict[str, float]:
    """Return what all interfaces but the loopback received and sent, by the text of /proc/PID/net/dev."""
    received = sent = 0
    for line in text.splitlines():
        name, colon, numbers = line.partition(b":")
        words = numbers.split()
        if colon and name.strip() != b"lo" and len(words) >= 9:
            received, sent = received + int(words[0]), sent + int(words[8])
    return {"net_received_bytes": float(received), "net_sent_bytes": float(sent)}


def _read(folder: str, name: str) -> bytes:
    return read_file(f"{folder}/{name}")


def _optional(folder: str, name: str) -> bytes | None:
    """Return a file that not every kernel has, or whose controller may be off; None where there is none."""
    try:
        return _read(folder, name)
    except (FileNotFoundError, PermissionError):
        return None
