"""A real api behind a real Toxiproxy goes away and comes back: what its canary says of that, against the truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from harness.probes.health import toxiproxy_health
from harness.wait import wait_until
from infra.ports import free_ports
from infra.toxiproxy.server import find_or_build, toxiproxy_program
from tests.harness.canaries import Run, watching
from tests.infra.services.rig import LIMIT_S, Service, adopt

HOLD_S = 0.3


class Door:
    """The proxy before the api: where it listens, and how it is opened and closed."""

    def __init__(self, admin: str, port: int) -> None:
        self._proxy = f"{admin}/proxies/api"
        self.port = port

    def change(self, **fields: object) -> None:
        httpx.post(self._proxy, json=fields, trust_env=False, timeout=LIMIT_S).raise_for_status()

    def hang(self) -> None:
        toxic = {"name": "hang", "type": "timeout", "attributes": {"timeout": 0}}
        httpx.post(f"{self._proxy}/toxics", json=toxic, trust_env=False, timeout=LIMIT_S).raise_for_status()

    def go_on(self) -> None:
        httpx.delete(f"{self._proxy}/toxics/hang", trust_env=False, timeout=LIMIT_S).raise_for_status()


@pytest.fixture(scope="module")
def door(api: Service, scratch: Path) -> Iterator[Door]:
    admin, port = free_ports(2)
    folder = scratch / f"toxiproxy-{admin}"
    folder.mkdir()
    config = folder / "config.json"
    upstream = api.url.removeprefix("http://")
    proxies = [{"name": "api", "listen": f"127.0.0.1:{port}", "upstream": upstream, "enabled": True}]
    config.write_text(json.dumps(proxies), encoding="utf-8")
    url = f"http://127.0.0.1:{admin}"
    made = toxiproxy_program(find_or_build(), port=admin, config=config, folder=folder)
    server = adopt(made, lambda: toxiproxy_health(url, ["api"]), folder)
    server.start()
    yield Door(url, port)
    server.stop()


def failing(run: Run) -> None:
    """Go on for a few looks from now."""
    ends_s = run.now_s() + 0.2
    wait_until("a few looks", lambda: None if run.now_s() > ends_s else "not yet", limit_s=LIMIT_S)


@pytest.mark.parametrize(
    ("break_it", "mend_it"),
    [(lambda door: door.change(enabled=False), lambda door: door.change(enabled=True)), (Door.hang, Door.go_on)],
    ids=["down", "hang"],
)
def test_the_moment_of_return_is_seen_between_two_looks(
    door: Door, break_it: Callable[[Door], None], mend_it: Callable[[Door], None]
) -> None:
    with watching(door.port, hold_s=HOLD_S) as run:
        run.step("injected")
        break_it(door)
        # Called healed when it is not yet: so it is known when it truly is.
        run.step("proved", "healing", "healed")
        failing(run)
        before_s = run.now_s()
        mend_it(door)
        after_s = run.now_s()
        word = run.wait_for()
    healed_s = word["healed_s"]
    assert word["interrupted"]
    assert healed_s + word["first_success_s"] > before_s
    assert healed_s + word["lasting_bad_s"] <= after_s
    assert word["first_success_bad_s"] < word["first_success_s"] <= word["lasting_s"]
    # Orders of magnitude below what a second's windows can tell.
    assert healed_s + word["lasting_s"] < after_s + 0.5


def test_a_fault_that_only_delays_never_interrupts(door: Door) -> None:
    with watching(door.port, hold_s=HOLD_S) as run:
        run.step("injected", "proved")
        failing(run)
        run.step("healing", "healed")
        word = run.wait_for()
    assert (word["interrupted"], word["first_success_s"], word["failed"]) == (False, 0.0, 0)
