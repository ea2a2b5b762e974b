"""Commands in namespaces: run in the one that was meant, or not at all. Containers' are in test_networks.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given

from chaos.faults.packets import namespaces
from chaos.faults.packets.namespaces import find_command, namespace_from, namespace_of, run_in
from chaos.undo import Step
from harness.errors import ChaosError, Unsupported
from harness.identity import ProcessId
from harness.records import ContainerRef
from tests.chaos.rounds import as_from_the_ledger
from tests.chaos.wires import Place, place_of_its_own
from tests.processes import process_ids, stranger_to

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has network namespaces")


@pytest.fixture(scope="module")
def place(folder: Path) -> Iterator[Place]:
    with place_of_its_own(folder) as made:
        yield made


@given(process_ids())
def test_a_namespace_comes_back_from_the_ledger(process: ProcessId) -> None:
    (step,) = as_from_the_ledger([Step("nft.delete", process.args())])
    assert namespace_from(step.args) == process
    assert namespace_from({}) is None


def test_a_command_runs_where_it_is_meant_to(place: Place) -> None:
    inside, outside = (run_in(where, ["readlink", "/proc/self/ns/net"]) for where in (place.namespace, None))
    assert inside is not None
    assert outside is not None
    assert outside.stdout.strip() == str(Path("/proc/self/ns/net").readlink())
    assert inside.stdout.strip() == str(Path(f"/proc/{place.namespace.pid}/ns/net").readlink())
    assert inside.stdout != outside.stdout


def test_a_command_reads_its_text_and_tells_how_it_ended() -> None:
    done = run_in(None, ["sh", "-c", "cat; echo no >&2; exit 3"], text="yes")
    assert done is not None
    assert (done.stdout, done.stderr, done.returncode) == ("yes", "no\n", 3)


def test_an_id_that_is_anothers_now_is_not_entered(place: Place) -> None:
    assert run_in(stranger_to(place.namespace), ["true"]) is None
    for created_s in (0.0, 4e9):
        assert run_in(ProcessId(place.namespace.pid, created_s), ["true"]) is None
        assert run_in(ProcessId(2**22 + 1, created_s), ["true"]) is None


def test_a_command_that_hangs_or_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ChaosError, match="no-such-command could not be run"):
        run_in(None, ["no-such-command"])
    assert find_command("no-such-command") is None
    monkeypatch.setattr(namespaces, "_COMMAND_S", 0.05)
    with pytest.raises(ChaosError, match=r"sleep could not be run: .*timed out"):
        run_in(None, ["sleep", "60"])


def test_system_commands_are_found_whatever_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_command("sh")
    assert run_in(None, ["true"])


def test_elsewhere_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(Unsupported, match="only Linux"):
        namespace_of(ContainerRef("toxiproxy", "c"), "run")
