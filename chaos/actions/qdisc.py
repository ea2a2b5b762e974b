"""Takes our queueing disciplines off the devices of the one namespace that the step names."""

from __future__ import annotations

from collections.abc import Mapping

from chaos.namespaces import namespace_from
from chaos.qdisc import Mangling
from harness.errors import Refused


class DeleteQdisc:
    """`qdisc.delete`: a container's namespace by `pid` and `created_s` (Unix seconds)."""

    def carry_out(self, args: Mapping[str, object]) -> None:
        """Take them off. Raises ChaosError."""
        _mangling(args).delete()

    def amiss(self, args: Mapping[str, object]) -> str | None:
        """Return what is wrong while any is still there. Raises ChaosError."""
        return "a queueing discipline of ours is still there" if _mangling(args).exists() else None


def _mangling(args: Mapping[str, object]) -> Mangling:
    namespace = namespace_from(args)
    if namespace is None:
        raise Refused("qdisc.delete names no namespace, and our own devices carry nothing of ours")
    return Mangling(namespace)
