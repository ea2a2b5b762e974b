"""The fault that leaves a container less of its machine: cores, memory, or both.

Its proof is what the engine then reports as the container's limits. A limit of
memory below what is in use is refused by some kernels, and kills on others;
both are errors, and a container that died of it is started again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from chaos.faults.fault import Aimed
from chaos.faults.ranges import Within
from chaos.faults.registered import Declared, Needs, register
from chaos.faults.services.lifecycle import claims
from chaos.observed import Observed, State
from chaos.targets import Allowance, Squeezable, Targets
from chaos.undo import Step
from harness.errors import Unsupported
from harness.tables import Number, Size

# Finer than any service notices, and still a whole number of the microseconds that a kernel counts.
_CORES_DECIMALS = 3
_NEEDS = Needs("", "service", "local processes have no engine that could limit them")


@register("squeeze", on="container", needs=_NEEDS, example={"cpu_cores": 0.5, "memory_bytes": 400_000_000})
@dataclass(frozen=True, slots=True)
class SqueezeFault(Declared):
    """Allows it less of the machine; what is not given stays as it is."""

    # No engine takes less.
    cpu_cores: Annotated[Number, Within(0.01)] | None = None
    """Cores that it may use; below 1 a share of one."""
    memory_bytes: Annotated[Size, Within(6 * 1024 * 1024, unit="bytes")] | None = None
    """Memory that it may use, without swap."""

    def check(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with a squeeze of nothing."""
        if self.cpu_cores is None and self.memory_bytes is None:
            yield "cpu_cores", "must be given, or memory_bytes"

    @property
    def claims(self) -> frozenset[str]:
        """What is squeezed; for want of memory the service may die as well."""
        parts = [*(["cpu"] if self.cpu_cores is not None else []), *(["memory", "life"] if self.memory_bytes else [])]
        return claims(self.target, *parts)

    def aim(self, targets: Targets, name: str) -> Aimed:  # noqa: ARG002 - the protocol's own
        """Return the fault on its container. Raises Unsupported, also where it would leave it no less than it has."""
        container = targets.container(self.kind, self.target)
        former = container.allowance()
        machine = container.machine()
        for asked, had, what in (
            (self.cpu_cores, former.cpu_cores or machine.cpu_cores, "cores"),
            (self.memory_bytes, former.memory_bytes or machine.memory_bytes, "bytes"),
        ):
            if asked is not None and asked >= had:
                raise Unsupported(
                    f"squeeze on {self.target}: {asked:g} {what} are no less than the {had:g} that it has"
                )
        return _AimedSqueeze(self, container, former)


class _AimedSqueeze:
    def __init__(self, fault: SqueezeFault, container: Squeezable, former: Allowance) -> None:
        self._fault = fault
        self._container = container
        self._memory_bytes = None if fault.memory_bytes is None else int(fault.memory_bytes)
        self._cores = None if fault.cpu_cores is None else round(fault.cpu_cores, _CORES_DECIMALS)
        cpu, memory = self._cores is not None, self._memory_bytes is not None
        # In reverse: what died of want gets its share before it is started again.
        self._steps = (
            *([container.start_step()] if memory else []),
            container.restore_step(former, cpu=cpu, memory=memory),
        )

    def undo(self) -> Sequence[Step]:
        return self._steps

    def inject(self) -> None:
        self._container.squeeze(cpu_cores=self._cores, memory_bytes=self._memory_bytes)

    def observe(self) -> Observed:
        """Return what it is allowed where it lives at all; it need not answer in time with so little."""
        life = self._container.observe()
        if life.state is State.GONE:
            return life
        return Observed(State.RUNNING, detail=_words(self._container.allowance(), self._fault), amount=life.amount)

    def missing(self, before: Observed, now: Observed) -> str | None:
        if before.state is not State.RUNNING:
            return f"the container was not whole before the fault: it was {before}"
        asked = _words(Allowance(self._cores or 0.0, self._memory_bytes or 0), self._fault)
        if now.state is State.RUNNING and now.detail == asked:
            return None
        return f"to be allowed {asked}, but it was {now}"

    def remaining(self, before: Observed, now: Observed) -> str | None:
        if now.state is before.state is State.RUNNING and now.detail == before.detail:
            return None
        return f"restored, but it was {now} against {before}"


def _words(allowance: Allowance, fault: SqueezeFault) -> str:
    """Return what is allowed of what the fault squeezes."""
    parts = []
    if fault.cpu_cores is not None:
        parts.append(f"{allowance.cpu_cores:.{_CORES_DECIMALS}f} cores" if allowance.cpu_cores else "all cores")
    if fault.memory_bytes is not None:
        parts.append(f"{allowance.memory_bytes} bytes" if allowance.memory_bytes else "all memory")
    return ", ".join(parts)
