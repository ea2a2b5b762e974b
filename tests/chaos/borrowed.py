"""A stack brought up by one process and broken by another: told as JSON, and taken up again as the real thing.

So a stack survives the death of the runner that breaks it, and every kind of fault has its target in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from chaos.canary.canary import Canary
from chaos.faults.links.toxiproxy import ToxiproxyLink
from chaos.targets import Targets
from fixtures.joins.targets import make_targets
from harness.errors import StackError
from infra import engine
from infra.compose.stack import ComposeStack
from infra.local.children import Children
from infra.local.stack import LocalStack
from infra.processes import ServiceProcess
from infra.stack import HOPS, Endpoint, StackPlan

RUN = "killed"
PROTOCOLS = {"postgres": "postgres", "redis": "redis"}
_LIMIT_S = 1.0


class BorrowedChildren:
    """What a runner that did not start a local stack can know of it: its processes, and where its data is."""

    def __init__(self, marks: Mapping[str, ServiceProcess], folder: Path) -> None:
        self._marks = marks
        self.folder = folder

    def marks(self) -> Mapping[str, ServiceProcess]:
        return self._marks

    def mark(self, service: str) -> ServiceProcess:
        return self._marks[service]

    def start_again(self, service: str) -> None:
        raise StackError(f"{service} was started by somebody else")


def describe(stack: LocalStack | ComposeStack) -> dict[str, Any]:
    """Return what another process needs to take up the stack: JSON-safe, with its passwords."""
    if isinstance(stack, ComposeStack):
        kept = ("project", "_ports", "_password", "_proxy_address", "_absent")
        return {"provider": "compose", "state": {name: getattr(stack, name) for name in kept}}
    children = stack._running()
    marks = [m.as_json() for m in children.marks().values()]
    addresses = [{name: [at.host, at.port] for name, at in table.items()} for table in (stack._services, stack._hops)]
    about = {"marks": marks, "addresses": addresses, "password": stack._password, "folder": str(children.folder)}
    return {"provider": "local", **about}


def borrow(described: Mapping[str, Any], folder: Path) -> LocalStack | ComposeStack:
    """Take up a stack that was described; it is never taken down from here."""
    plan = StackPlan(RUN, folder)
    if described["provider"] == "compose":
        compose = ComposeStack(plan)
        vars(compose).update(described["state"], _docker=engine.connect())
        return compose
    local = LocalStack(plan)
    marks = {str(mark["service"]): ServiceProcess.read(mark) for mark in described["marks"]}
    services, hops = ({name: Endpoint(*at) for name, at in table.items()} for table in described["addresses"])
    children = cast("Children", BorrowedChildren(marks, Path(described["folder"])))
    vars(local).update(_services=services, _hops=hops, _password=described["password"], _children=children)
    return local


def targets_of(stack: LocalStack | ComposeStack, *, run_folder: Path, disk: Path | None) -> Targets:
    """Return everything of a stack that can be broken, as every run does; `disk` is one more, to be filled."""
    targets = make_targets(stack, run_id=RUN, folder=run_folder)
    # Those who are to die need not wait as long as a run does for what hangs.
    wires = {hop: replace(wire, canary=replace(wire.canary, limit_s=_LIMIT_S)) for hop, wire in targets.wires.items()}
    folders = {**targets.folders, **({"disk": disk} if disk else {})}
    return replace(targets, links=links_of(stack), wires=wires, folders=folders)


def canary_of(stack: LocalStack | ComposeStack, hop: str) -> Canary:
    """Return a canary through a hop's proxy, which gives up soon."""
    (callee,) = (each.callee for each in HOPS if each.name == hop)
    door = stack.proxy_endpoint(hop)
    return Canary(door.host, door.port, PROTOCOLS.get(callee, "http"), _LIMIT_S)


def links_of(stack: LocalStack | ComposeStack) -> dict[str, ToxiproxyLink]:
    """Return every hop's link."""
    api = stack.endpoint("toxiproxy")
    return {hop.name: ToxiproxyLink(api.host, api.port, hop.name, canary_of(stack, hop.name)) for hop in HOPS}
