"""Control groups of both versions and their mixture, in the kernel's own words."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.containers.cgroup import (
    Group,
    find_groups,
    parse_blkio,
    parse_flat,
    parse_io_stat,
    parse_net_dev,
    read_groups,
)

ID = "4f1c" * 16
MOUNTS_1 = """\
24 23 0:22 / /proc rw,relatime - proc proc rw
33 32 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct
34 32 0:30 / /sys/fs/cgroup/memory rw,nosuid shared:7 master:2 - cgroup cgroup rw,memory
35 32 0:31 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
36 32 0:32 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio
"""
MOUNT_2 = "30 23 0:26 / {place} rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
MOUNTS_2 = MOUNT_2.format(place="/sys/fs/cgroup")
MEMBER_1 = "\n".join(
    f"{n}:{names}:/docker/{ID}" for n, names in [(9, "cpu,cpuacct"), (7, "memory"), (6, "pids"), (2, "blkio")]
)
MEMBER_2 = f"0::/system.slice/docker-{ID}.scope"

FILES_1 = {
    "memory.usage_in_bytes": "30000000\n",
    "memory.stat": "cache 9000000\nrss 20000000\ninactive_file 1\ntotal_inactive_file 8000000\n",
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    "cpuacct.usage": "2500000000\n",
    "pids.current": "12\n",
    "blkio.throttle.io_service_bytes_recursive": (
        "253:0 Read 4096\n253:0 Write 512\n253:0 Sync 4608\n8:0 Read 1\n8:0 Write 2\nTotal 4611\n"
    ),
}
FILES_2 = {
    "memory.current": "30000000\n",
    "memory.stat": "anon 20000000\nfile 9000000\ninactive_file 8000000\n",
    "memory.events": "low 0\nhigh 0\nmax 5\noom 3\noom_kill 2\noom_group_kill 0\n",
    "cpu.stat": "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n",
    "pids.current": "12\n",
    "io.stat": "253:0 rbytes=4096 wbytes=512 rios=1 wios=1 dbytes=0 dios=0\n8:0 rbytes=1 wbytes=2 rios=1 wios=1\n",
}
FIGURES = {
    "memory_bytes": 22_000_000.0,
    "oom_kills": 2.0,
    "cpu_s": 2.5,
    "pids": 12.0,
    "block_read_bytes": 4097.0,
    "block_written_bytes": 514.0,
}


def groups(folder: Path, version: int, files: Mapping[str, str]) -> dict[str, Group]:
    for name, text in files.items():
        (folder / name).write_text(text)
    return {controller: Group(version, folder) for controller in ("memory", "cpuacct", "pids", "blkio")}


@pytest.mark.parametrize(("version", "files"), [(1, FILES_1), (2, FILES_2)])
def test_both_versions_say_the_same(version: int, files: Mapping[str, str], tmp_path: Path) -> None:
    assert read_groups(groups(tmp_path, version, files)) == FIGURES


@pytest.mark.parametrize(("version", "files"), [(1, FILES_1), (2, FILES_2)])
def test_a_file_that_a_kernel_has_not_leaves_out_its_figures_alone(
    version: int, files: Mapping[str, str], tmp_path: Path
) -> None:
    optional = {"memory.oom_control", "memory.events", "pids.current", "io.stat"}
    optional.add("blkio.throttle.io_service_bytes_recursive")
    some = {name: text for name, text in files.items() if name not in optional}
    assert read_groups(groups(tmp_path, version, some)) == {"memory_bytes": 22_000_000.0, "cpu_s": 2.5}


def test_an_older_kernel_has_the_block_figures_under_another_name(tmp_path: Path) -> None:
    old = {"blkio.throttle.io_service_bytes": "8:0 Read 7\n8:0 Write 9\n"}
    assert read_groups({"blkio": groups(tmp_path, 1, old)["blkio"]}) == {
        "block_read_bytes": 7.0,
        "block_written_bytes": 9.0,
    }


def test_a_page_cache_beyond_the_usage_makes_no_negative_memory(tmp_path: Path) -> None:
    files = {**FILES_2, "memory.current": "5\n"}
    assert read_groups(groups(tmp_path, 2, files))["memory_bytes"] == 0


def test_a_group_that_is_gone_is_an_error_and_no_zero(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_groups({"memory": Group(2, tmp_path / "gone")})


def test_the_groups_of_version_1() -> None:
    root = Path("/sys/fs/cgroup")
    assert find_groups(MOUNTS_1, MEMBER_1, ID) == {
        "cpuacct": Group(1, root / "cpu,cpuacct" / "docker" / ID),
        "memory": Group(1, root / "memory" / "docker" / ID),
        "pids": Group(1, root / "pids" / "docker" / ID),
        "blkio": Group(1, root / "blkio" / "docker" / ID),
    }


def test_the_groups_of_version_2_are_one_folder() -> None:
    folder = Path(f"/sys/fs/cgroup/system.slice/docker-{ID}.scope")
    found = find_groups(MOUNTS_2, MEMBER_2, ID)
    assert found == dict.fromkeys(("memory", "cpuacct", "pids", "blkio"), Group(2, folder))


def test_in_a_mixture_version_1_has_the_figures() -> None:
    mounts = MOUNT_2.format(place="/sys/fs/cgroup/unified") + MOUNTS_1
    both = f"0::/docker/{ID}\n{MEMBER_1}"
    assert find_groups(mounts, both, ID) == find_groups(MOUNTS_1, MEMBER_1, ID)


@pytest.mark.parametrize(
    ("mounts", "member"),
    [
        (MOUNTS_2, "0::/"),
        (MOUNTS_2, f"0::/../../docker/{ID}"),
        (MOUNTS_2, "0::/system.slice/sshd.service"),
        (MOUNTS_2, MEMBER_1),
        (MOUNTS_1, MEMBER_2),
        (MOUNTS_2.replace(" / /sys", f" /docker/{ID} /sys"), MEMBER_2),
        ("", MEMBER_2),
        (MOUNTS_2, ""),
    ],
    ids=["our own", "above us", "another's", "other hierarchy", "not mounted", "a part mounted", "no mounts", "none"],
)
def test_what_cannot_be_seen_from_here_is_not_taken_for_the_containers(mounts: str, member: str) -> None:
    assert find_groups(mounts, member, ID) == {}


@given(st.text(max_size=200), st.text(max_size=200))
def test_texts_that_are_none_name_no_groups(mounts: str, member: str) -> None:
    assert find_groups(mounts, member, ID) == {}
    assert find_groups(MOUNTS_1 + mounts, MEMBER_1 + "\n" + member, ID) == find_groups(MOUNTS_1, MEMBER_1, ID)


names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)
numbers = st.integers(0, 2**63)


@given(st.dictionaries(names, numbers, max_size=20))
def test_a_flat_file_is_read_as_it_was_written(entries: dict[str, int]) -> None:
    text = "".join(f"{name} {number}\n" for name, number in entries.items())
    assert parse_flat(text.encode()) == entries


@given(st.lists(st.tuples(numbers, numbers), max_size=8))
def test_devices_are_added_up_in_either_version(devices: list[tuple[int, int]]) -> None:
    whole = {
        "block_read_bytes": float(sum(read for read, _ in devices)),
        "block_written_bytes": float(sum(written for _, written in devices)),
    }
    old = [f"8:{n} Read {read}\n8:{n} Write {written}\n8:{n} Total 1\n" for n, (read, written) in enumerate(devices)]
    new = [f"8:{n} rbytes={read} wbytes={written} rios=1 wios=2\n" for n, (read, written) in enumerate(devices)]
    assert parse_blkio("".join([*old, "Total 5\n"]).encode()) == whole
    assert parse_io_stat("".join(new).encode()) == whole


@given(st.lists(st.tuples(numbers, numbers), max_size=5))
def test_interfaces_are_added_up_without_the_loopback(interfaces: list[tuple[int, int]]) -> None:
    heading = "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop|bytes packets errs drop\n"
    lines = [
        f"  eth{n}:{received} 1 0 0 0 0 0 0 {sent} 1 0 0 0 0 0 0\n" for n, (received, sent) in enumerate(interfaces)
    ]
    text = heading + "    lo: 77 1 0 0 0 0 0 0 88 1 0 0 0 0 0 0\n" + "".join(lines)
    assert parse_net_dev(text.encode()) == {
        "net_received_bytes": float(sum(received for received, _ in interfaces)),
        "net_sent_bytes": float(sum(sent for _, sent in interfaces)),
    }


@given(st.binary(max_size=300))
def test_files_that_are_cut_off_do_no_harm(text: bytes) -> None:
    assert all(number >= 0 for number in parse_flat(text).values())
    for parse in (parse_blkio, parse_io_stat):
        assert all(number >= 0 for number in parse(text).values())
