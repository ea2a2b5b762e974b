from __future__ import annotations

from typing import Any

import pytest

from infra.services.allocations import SITES_MOST, _relative
from tests.infra.services.rig import MakeApi, Service


def look(service: Service) -> Any:
    with service.client() as client:
        return client.get("/debug/allocations").json()


def test_without_being_asked_for_nothing_is_traced(api: Service, auth: Service) -> None:
    assert look(api) == look(auth) == {"tracing": False}


def test_where_the_memory_went_is_told_by_line_and_without_this_machine_s_paths(make_api: MakeApi) -> None:
    api = make_api(HW_ALLOCATIONS="1", HW_DEFECTS="leak_memory:10000")
    with api.client() as client:
        for _ in range(100):
            client.post("/rpc", json={"jsonrpc": "2.0", "method": "echo", "id": 1})
    seen, again = look(api), look(api)
    api.stop()
    assert seen["tracing"] is True
    assert 0 < len(seen["sites"]) <= SITES_MOST
    assert sum(site["bytes"] for site in seen["sites"]) <= seen["total_bytes"]
    sizes = [site["bytes"] for site in seen["sites"]]
    assert sizes == sorted(sizes, reverse=True)
    assert not any(site["where"].startswith("/") for site in seen["sites"])

    def leaked(told: Any) -> tuple[int, int]:
        (site,) = [
            site for site in told["sites"] if site["where"].startswith("services/harm.py:") and site["bytes"] > 1e6
        ]
        return site["bytes"] // 10_000, site["count"]

    assert leaked(seen)[0] >= 100
    assert leaked(again) == leaked(seen), "looking is no work that leaks"


@pytest.mark.parametrize(("filename", "told"), [("<frozen os>", "<frozen os>"), ("/nowhere/at/all.py", "all.py")])
def test_what_lies_nowhere_is_told_by_name(filename: str, told: str) -> None:
    assert _relative(filename) == told
