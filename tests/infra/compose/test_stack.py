"""The compose provider on real containers, and docker-compose.yml held against the contract in infra/stack.py."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest
import yaml

from harness.errors import EnvironmentMissing, InputError, StackError
from harness.probes.health import http_health, postgres_health, redis_health
from harness.records import ContainerRef
from harness.wait import wait_until
from infra import engine
from infra.compose.stack import COMPOSE_FILE, ComposeStack, leftover_projects, remove_project
from infra.images.choice import KINDS, offline_tag
from infra.images.supply import is_present
from infra.stack import HOPS, SERVICES, StackPlan

LOWEST_EPHEMERAL = 32768
LIMIT_S = 60.0


@pytest.fixture(scope="module")
def declared() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    try:
        engine.compose_version()
        client = engine.connect()
    except EnvironmentMissing as error:
        pytest.skip(str(error))
    if not all(is_present(client, offline_tag(kind)) for kind in KINDS):
        client.close()
        pytest.skip("the offline images are not built: nox -s offline_images")
    yield client
    client.close()


@pytest.fixture(scope="module")
def stack(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    stack = ComposeStack(StackPlan(run_id(), tmp_path_factory.mktemp("run"), defects=("no_jitter",)))
    stack.up()
    yield stack
    stack.down()
    assert remains(client, stack.project) == []


def run_id() -> str:
    return f"test-{os.urandom(4).hex()}"


def remains(client: docker.DockerClient, project: str) -> list[str]:
    filters: dict[str, str | list[str] | bool] = {"label": f"com.docker.compose.project={project}"}
    return [
        *(str(found.name) for found in client.containers.list(all=True, filters=filters, ignore_removed=True)),
        *(str(found.name) for found in client.networks.list(filters=filters)),
        *(str(found.name) for found in client.volumes.list(filters=filters)),
    ]


def default_of(text: str) -> str:
    """Return a value as Compose sees it with none of its variables set."""
    return re.sub(r"\$\{\w+:?-([^}]*)\}", r"\1", text)


def broken_auth(folder: Path) -> tuple[Path, Path]:
    override = folder / "override.yml"
    override.write_text(
        "services: {auth: {command: [sh, -c, echo no secret was given >&2; exit 3]}}\n", encoding="utf-8"
    )
    return COMPOSE_FILE, override


def test_the_proxies_are_the_hops(declared: dict[str, Any]) -> None:
    proxies = yaml.safe_load(declared["configs"]["toxiproxy"]["content"])
    listening = {(proxy["name"], proxy["upstream"].split(":")[0], proxy["listen"]) for proxy in proxies}
    assert listening == {(hop.name, hop.callee, f"0.0.0.0:{hop.port}") for hop in HOPS}
    assert all(proxy["enabled"] for proxy in proxies)


def test_every_port_is_published_on_the_loopback_below_the_ephemeral_range(declared: dict[str, Any]) -> None:
    published = [default_of(port) for service in declared["services"].values() for port in service["ports"]]
    hosts, ports, inside = zip(*(text.split(":") for text in published), strict=True)
    assert set(hosts) == {"127.0.0.1"}
    assert all(1024 < int(port) < LOWEST_EPHEMERAL for port in ports)
    assert len(set(ports)) == len(SERVICES) + len(HOPS)
    assert {str(hop.port) for hop in HOPS} < set(inside)


def test_the_services_are_those_of_the_contract_each_checked_and_none_restarted(declared: dict[str, Any]) -> None:
    assert set(declared["services"]) == set(SERVICES)
    for service in declared["services"].values():
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
        assert "restart" not in service
        assert set(service["labels"]) == {"heavyweather.run", "heavyweather.runner"}


def test_images_from_a_registry_are_pinned(declared: dict[str, Any]) -> None:
    images = {default_of(declared["services"][name]["image"]) for name in ("postgres", "redis", "toxiproxy")}
    assert all(re.search(r":\d+\.\d+", image) for image in images)


def test_api_reaches_the_others_through_toxiproxy_alone(declared: dict[str, Any]) -> None:
    environment = declared["services"]["api"]["environment"]
    addresses = {name: default_of(environment[name]) for name in ("HW_POSTGRES_DSN", "HW_REDIS_URL", "HW_AUTH_URL")}
    ports = {hop.name: hop.port for hop in HOPS}
    assert f"@toxiproxy:{ports['api_postgres']}/" in addresses["HW_POSTGRES_DSN"]
    assert f"//toxiproxy:{ports['api_redis']}/" in addresses["HW_REDIS_URL"]
    assert addresses["HW_AUTH_URL"] == f"http://toxiproxy:{ports['api_auth']}"


def test_a_named_service_is_refused_before_anything_starts(tmp_path: Path) -> None:
    plan = StackPlan("named", tmp_path, named={"redis": "redis://127.0.0.1:1"})
    with pytest.raises(InputError, match=r"services\.redis\.url.*starts every service itself"):
        ComposeStack(plan).up()


def test_a_stack_that_is_not_up_has_no_addresses(tmp_path: Path) -> None:
    stack = ComposeStack(StackPlan("Not Up", tmp_path))
    assert stack.project == "heavyweather-not-up"
    stack.down()
    with pytest.raises(StackError, match="has: nothing"):
        stack.endpoint("api")
    with pytest.raises(StackError, match="is not up"):
        stack.services()


@pytest.mark.needs_docker
class TestUp:
    def test_every_service_is_there_and_is_a_container(self, stack: ComposeStack, client: docker.DockerClient) -> None:
        refs = stack.services()
        assert tuple(ref.service for ref in refs) == SERVICES
        assert all(client.containers.get(ref.container_id).status == "running" for ref in refs)
        assert stack.absent() == {}

    def test_it_says_what_runs(self, stack: ComposeStack) -> None:
        versions = stack.versions()
        assert set(SERVICES) | {"docker", "compose", "hops"} == set(versions)
        assert re.match(r"postgres \(PostgreSQL\) \d+", versions["postgres"])
        assert re.match(r"Redis server v=\d+", versions["redis"])

    def test_each_hop_answers_through_its_own_proxy(self, stack: ComposeStack) -> None:
        redis = stack.proxy_endpoint("api_redis")
        through = stack.postgres_dsn().replace(
            str(stack.endpoint("postgres")), str(stack.proxy_endpoint("api_postgres"))
        )
        assert postgres_health(through) is None
        assert redis_health(redis.host, redis.port) is None
        for hop in ("client_api", "client_auth", "api_auth"):
            assert http_health(f"{stack.proxy_endpoint(hop).url}/health") is None

    @pytest.mark.skipif(sys.platform != "linux", reason="containers' addresses are reachable on Linux only")
    def test_a_proxy_that_is_down_refuses_and_touches_no_other_hop(self, stack: ComposeStack) -> None:
        proxy = f"{stack.endpoint('toxiproxy').url}/proxies/client_api"
        httpx.post(proxy, json={"enabled": False}).raise_for_status()
        try:
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"{stack.proxy_endpoint('client_api').url}/health")
            assert http_health(f"{stack.proxy_endpoint('client_auth').url}/health") is None
        finally:
            httpx.post(proxy, json={"enabled": True}).raise_for_status()

    def test_all_but_the_instrument_may_be_ended_and_can_be_started_again(self, stack: ComposeStack) -> None:
        handles = stack.handles()
        assert set(handles) == {*SERVICES} - {"toxiproxy"}
        assert set(stack.spared()) == {"toxiproxy"}
        assert [handle.ref() for handle in handles.values()] == [r for r in stack.services() if r.service in handles]
        assert [handle.health() for handle in handles.values()] == [None] * len(handles)

    def test_one_that_was_killed_is_the_same_container_at_the_same_port_again(
        self, stack: ComposeStack, client: docker.DockerClient
    ) -> None:
        redis = stack.handles()["redis"]
        ref, address = redis.ref(), stack.endpoint("redis")
        assert isinstance(ref, ContainerRef)
        client.containers.get(ref.container_id).kill()
        with pytest.raises(StackError, match="redis exited with code 137"):
            redis.wait_healthy()
        for _ in range(2):
            redis.start_again()
        redis.wait_healthy()
        assert (redis.ref(), stack.endpoint("redis")) == (ref, address)
        through = stack.proxy_endpoint("api_redis")
        assert redis_health(through.host, through.port) is None

    def test_the_services_got_their_defects(self, stack: ComposeStack, client: docker.DockerClient) -> None:
        ids = {ref.service: ref.container_id for ref in stack.services()}
        assert "HW_DEFECTS=no_jitter" in client.containers.get(ids["api"]).attrs["Config"]["Env"]

    def test_a_living_runner_leaves_nothing_over(self, stack: ComposeStack) -> None:
        assert stack.project not in leftover_projects()

    def test_a_second_run_of_the_same_id_is_refused_and_does_no_harm(self, stack: ComposeStack, tmp_path: Path) -> None:
        same = stack.project.removeprefix("heavyweather-")
        with pytest.raises(StackError, match="exists already"):
            ComposeStack(StackPlan(same, tmp_path)).up()
        assert len(stack.services()) == len(SERVICES)


@pytest.mark.thorough
@pytest.mark.needs_docker
def test_a_stack_whose_optional_auth_dies_goes_on_without_it(client: docker.DockerClient, tmp_path: Path) -> None:
    stack = ComposeStack(StackPlan(run_id(), tmp_path), files=broken_auth(tmp_path))
    stack.up()
    try:
        assert "auth exited with code 3:\nno secret was given" in stack.absent()["auth"]
        assert {ref.service for ref in stack.services()} == set(SERVICES) - {"auth"}
        # Ready although there is no auth: api was told so.
        assert http_health(f"{stack.proxy_endpoint('client_api').url}/ready") is None
    finally:
        stack.down()
    assert remains(client, stack.project) == []


@pytest.mark.thorough
@pytest.mark.needs_docker
def test_a_required_service_that_dies_fails_the_start_and_leaves_only_logs(
    client: docker.DockerClient, tmp_path: Path
) -> None:
    plan = StackPlan(run_id(), tmp_path, required=frozenset({*SERVICES}))
    stack = ComposeStack(plan, files=broken_auth(tmp_path))
    with pytest.raises(StackError, match="auth exited with code 3:\nno secret was given"):
        stack.up()
    assert remains(client, stack.project) == []
    assert "no secret was given" in (tmp_path / "auth.log").read_text(encoding="utf-8")
    assert "ready to accept connections" in (tmp_path / "postgres.log").read_text(encoding="utf-8")


@pytest.mark.thorough
@pytest.mark.needs_docker
def test_down_ends_paused_and_killed_containers_too(client: docker.DockerClient, tmp_path: Path) -> None:
    stack = ComposeStack(StackPlan(run_id(), tmp_path))
    stack.up()
    ids = {ref.service: ref.container_id for ref in stack.services()}
    client.containers.get(ids["postgres"]).pause()
    client.containers.get(ids["redis"]).kill()
    stack.down()
    stack.down()
    assert remains(client, stack.project) == []
    assert {path.stem for path in tmp_path.glob("*.log")} == set(SERVICES)


# A runner of its own process, as only a real signal shows what a Ctrl-C or a kill does.
RUNNER = """
import sys
from pathlib import Path
from infra.compose.stack import ComposeStack
from infra.stack import StackPlan
ComposeStack(StackPlan(sys.argv[1], Path(sys.argv[2]))).up()
print("up", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    name = run_id()
    command = [sys.executable, "-c", RUNNER, name, str(tmp_path)]
    root = COMPOSE_FILE.parent
    with subprocess.Popen(command, cwd=root, stdin=-1, stdout=-1, stderr=-1, text=True) as process:
        yield process, f"heavyweather-{name}"
        process.kill()


@pytest.mark.thorough
@pytest.mark.needs_docker
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize("made", [1, 4, 7])
def test_a_start_interrupted_at_any_moment_leaves_nothing(
    client: docker.DockerClient, runner: tuple[subprocess.Popen[str], str], made: int
) -> None:
    process, project = runner
    wait_until(
        f"the first {made} of its things",
        lambda: None if len(remains(client, project)) >= made else "fewer",
        limit_s=LIMIT_S,
        poll_s=0.01,
    )
    process.send_signal(signal.SIGINT)
    said, complained = process.communicate(timeout=LIMIT_S)
    assert "KeyboardInterrupt" in complained
    assert "up" not in said
    assert remains(client, project) == []


@pytest.mark.thorough
@pytest.mark.needs_docker
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_what_a_killed_runner_left_is_found_and_removed(
    client: docker.DockerClient, runner: tuple[subprocess.Popen[str], str]
) -> None:
    process, project = runner
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    assert project not in leftover_projects()
    process.kill()
    process.communicate(timeout=LIMIT_S)
    assert project in leftover_projects()
    remove_project(project)
    assert remains(client, project) == []
    assert project not in leftover_projects()
