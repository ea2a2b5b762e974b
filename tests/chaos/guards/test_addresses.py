"""Where anything may be broken, and whose containers: told one by one, never by the look of an address."""

from __future__ import annotations

import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.canary.canary import Canary
from chaos.guards.addresses import addresses_in, addresses_of, check_address, check_addresses
from chaos.targets import Store, Targets, Wire
from harness.errors import EnvironmentMissing, Refused
from harness.records import ContainerRef
from infra import engine
from tests.chaos.fakes import FakeLink


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "::1"])
def test_the_loopback_may_be_broken(host: str) -> None:
    check_address("redis", host, allow=())


@pytest.mark.parametrize("host", ["", "0.0.0.0", "10.1.2.3", "172.17.0.2", "localhost.example", "127.0.0.1.example"])  # noqa: S104 - text
def test_nothing_else_may_be_by_itself(host: str) -> None:
    with pytest.raises(Refused, match=r"redis is at .*: it may be broken only on this machine's loopback"):
        check_address("redis", host, allow={"db.staging.example"})


def test_a_host_that_is_allowed_may_and_so_may_a_container_of_ours() -> None:
    check_address("redis", "db.staging.example", allow={"db.staging.example"})
    check_address("redis", "172.18.0.3", allow=(), own={"172.18.0.3"})
    with pytest.raises(Refused):
        check_address("redis", "172.18.0.4", allow={"db.staging.example"}, own={"172.18.0.3"})


@given(st.ip_addresses() | st.text(max_size=20), st.sets(st.text(max_size=20), max_size=3))
def test_whatever_passes_is_loopback_or_was_allowed(
    host: ipaddress.IPv4Address | ipaddress.IPv6Address | str, allow: set[str]
) -> None:
    with contextlib.suppress(Refused):
        check_address("redis", str(host), allow=allow)
        assert str(host) in {*allow, "localhost"} or ipaddress.ip_address(str(host)).is_loopback


def test_everything_in_the_tables_is_looked_at_and_no_secret_told() -> None:
    url = "postgresql://me:s3cret@db.live.example:5432/x"
    targets = Targets(
        links={"api_redis": FakeLink("api_redis")},
        wires={"api_auth": Wire(1, "run-1", Canary("10.0.0.1", 1, "http"))},
        stores={"postgres": Store("postgres", url)},
    )
    found = addresses_in(targets)
    assert set(found) == {"the proxy server of api_redis", "hop api_auth", "postgres"}
    assert (found["hop api_auth"], found["postgres"]) == ("10.0.0.1", "db.live.example")
    assert "s3cret" not in f"{targets!r}{found}"
    with pytest.raises(Refused, match=r"postgres is at db\.live\.example"):
        check_addresses({"postgres": found["postgres"]}, (), run_id="run-1", allow=())


@pytest.mark.needs_docker
def test_a_container_vouches_for_its_address_only_with_our_label() -> None:
    try:
        client = engine.connect()
    except EnvironmentMissing as missing:
        pytest.skip(str(missing))
    with contextlib.closing(client):
        tags = [tag for image in client.images.list() for tag in image.tags if "redis" in tag or "services" in tag]
        if not tags:
            pytest.skip("no image of ours on the engine to make a container of")
        container = client.containers.run(
            tags[0], detach=True, entrypoint=["sleep", "60"], labels={"heavyweather.run": "run-1"}
        )
        try:
            ref = ContainerRef("redis", str(container.id), engine.address())
            (address,) = addresses_of(ref, "run-1")
            check_addresses({"redis": address}, [ref], run_id="run-1", allow=())
            with pytest.raises(Refused, match="not labelled as of run run-2"):
                check_addresses({"redis": address}, [ref], run_id="run-2", allow=())
        finally:
            container.remove(force=True)
        assert addresses_of(ref, "run-1") == frozenset()
