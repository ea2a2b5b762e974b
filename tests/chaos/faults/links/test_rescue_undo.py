"""The actions of links: by the step alone, harmless twice, and honest about what remains."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from chaos.canary.canary import Canary
from chaos.faults.links.hop import proxy_step, toxic_step
from chaos.faults.links.rescue import EnableProxy, RemoveToxic
from chaos.faults.links.toxics import Latency
from chaos.faults.links.toxiproxy import ToxiproxyLink
from chaos.healing.actions import ACTIONS
from chaos.undo import Step, undo
from harness.errors import ChaosError
from infra.ports import free_ports
from tests.chaos.conftest import Toxiproxy


@pytest.fixture
def link(server: Toxiproxy) -> ToxiproxyLink:
    return ToxiproxyLink("127.0.0.1", server.port, "redis", Canary("127.0.0.1", server.doors["redis"], "redis"))


def written(step: Step) -> Mapping[str, object]:
    """Return the arguments as they come back from the ledger."""
    read: Mapping[str, object] = json.loads(json.dumps(dict(step.args)))
    return read


def test_a_toxic_is_taken_off_and_stays_off(link: ToxiproxyLink) -> None:
    args = written(toxic_step(link, "late"))
    action = RemoveToxic()
    assert action.remaining(args) is None
    link.add("late", Latency(0.1))
    assert action.remaining(args) == "late is still there"
    for _ in range(2):
        action.carry_out(args)
        assert action.remaining(args) is None
    assert link.state().whole


def test_a_proxy_listens_again_and_goes_on(link: ToxiproxyLink) -> None:
    args = written(proxy_step(link))
    action = EnableProxy()
    assert action.remaining(args) is None
    link.set_enabled(False)
    assert action.remaining(args) == "the proxy is closed"
    for _ in range(2):
        action.carry_out(args)
        assert action.remaining(args) is None
    assert link.state().whole


def test_only_what_the_step_names_is_touched(link: ToxiproxyLink) -> None:
    link.add("late", Latency(0.1))
    link.add("later", Latency(0.2))
    link.set_enabled(False)
    undo([toxic_step(link, "late")], ACTIONS)
    assert list(link.state().toxics) == ["later"]
    assert not link.state().enabled


def test_a_step_of_an_older_ledger_needs_no_more_than_its_place(link: ToxiproxyLink) -> None:
    link.add("late", Latency(0.1))
    undo([Step("toxic.remove", {"api": link.address, "proxy": "redis", "toxic": "late"})], ACTIONS)
    assert link.state().whole


@pytest.mark.parametrize("name", ["toxic.remove", "proxy.enable"])
def test_with_a_server_that_is_gone_everything_of_it_went(name: str) -> None:
    (port,) = free_ports(1)
    args = {"api": f"127.0.0.1:{port}", "proxy": "redis", "toxic": "late"}
    ACTIONS[name].carry_out(args)
    assert ACTIONS[name].remaining(args) is None


@pytest.mark.parametrize("name", ["toxic.remove", "proxy.enable"])
def test_a_proxy_that_the_server_does_not_have_is_told(name: str, server: Toxiproxy) -> None:
    args = {"api": f"127.0.0.1:{server.port}", "proxy": "nobody", "toxic": "late"}
    for act in (ACTIONS[name].carry_out, ACTIONS[name].remaining):
        with pytest.raises(ChaosError, match="nobody: the Toxiproxy server has no such proxy"):
            act(args)


def test_nothing_secret_is_in_a_step(link: ToxiproxyLink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOXIPROXY_AUTH_TOKEN", "a token of the tests")
    again = ToxiproxyLink("127.0.0.1", int(link.address.partition(":")[2]), "redis", link.canary)
    assert "a token of the tests" not in str(toxic_step(again, "late"))
    assert set(toxic_step(again, "late").args) == {"api", "proxy", "listen", "upstream", "toxic"}
