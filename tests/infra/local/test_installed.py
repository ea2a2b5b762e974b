import sys

import pytest

from harness.errors import EnvironmentMissing
from infra.local.installed import find_installed
from infra.ports import free_ports


def test_what_the_target_names_is_not_looked_for() -> None:
    everything = find_installed({})
    assert everything.postgres is not None
    assert everything.redis is not None
    assert everything.toxiproxy.is_file()
    stores = find_installed({"postgres": "postgresql://localhost/x", "redis": "redis://localhost"})
    assert (stores.postgres, stores.redis) == (None, None)


def test_windows_is_told_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(EnvironmentMissing, match="no Redis server exists for Windows; use --stack compose"):
        find_installed({})


def test_a_store_that_does_not_answer_has_no_version_but_ends_no_run() -> None:
    [port] = free_ports(1)
    versions = find_installed({}).versions(
        dsn=f"postgresql://x:y@127.0.0.1:{port}/z", redis_url=f"redis://127.0.0.1:{port}"
    )
    assert versions["postgres"].startswith("unknown (ConnectionRefusedError)")
    assert versions["redis"].startswith("unknown (ConnectionError)")
