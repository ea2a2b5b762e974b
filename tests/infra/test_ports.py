import random
import socket

import pytest

from harness.errors import StackError
from infra import ports


def test_ports_are_distinct_bindable_and_below_the_ephemeral_range() -> None:
    found = ports.free_ports(50)
    assert len(set(found)) == 50
    assert all(10_000 <= port <= 29_999 for port in found)
    for port in found:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_a_port_in_use_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        used = taken.getsockname()[1]
        [free] = ports.free_ports(1)
        monkeypatch.setattr(random, "sample", lambda *_: [used, free])
        assert ports.free_ports(1) == [free]
        with pytest.raises(StackError, match="only 1 of 2 free ports"):
            ports.free_ports(2)
