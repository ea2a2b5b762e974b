"""What a container's steps are checked for without an engine; test_containers.py has them carried out."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from chaos.faults.services.containers import ContainerService
from chaos.run_container import Place
from chaos.targets import Allowance
from harness.records import ContainerRef
from harness.root import ROOT


def test_no_process_loads_the_docker_client_before_it_meets_a_container() -> None:
    """The guardian of a local stack starts without: that takes longer than all the rest."""
    code = "import sys, chaos.healing.actions; raise SystemExit('docker' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@given(*(st.text() for _ in range(4)))
def test_a_step_tells_the_place_that_it_was_made_of(service: str, engine: str, container: str, run: str) -> None:
    target = ContainerService(ContainerRef(service, container, engine), run=run, health=lambda: None)
    restore = target.restore_step(Allowance(), cpu=True, memory=True)
    for step in (target.start_step(), target.resume_step(), restore):
        assert Place.of(step.args) == Place(service, engine, container, run)


@given(cpu=st.booleans(), memory=st.booleans())
def test_what_was_not_squeezed_is_nothing_in_the_step(*, cpu: bool, memory: bool) -> None:
    target = ContainerService(ContainerRef("api", "0" * 64), run="any", health=lambda: None)
    args = target.restore_step(Allowance(0.5, 64, 128), cpu=cpu, memory=memory).args
    assert args["cpu_cores"] == (0.5 if cpu else None)
    assert (args["memory_bytes"], args["memory_and_swap_bytes"]) == ((64, 128) if memory else (None, None))
