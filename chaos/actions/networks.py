"""Puts containers back into their networks, by the engine that the step names."""

from __future__ import annotations

from collections.abc import Mapping

from chaos.networks import Membership


class ConnectNetwork:
    """`network.connect`: a container by `service`, `engine`, `container`, `run`; `network`, `aliases`, `address`."""

    def carry_out(self, args: Mapping[str, object]) -> None:
        """Have the container in its network. Raises ChaosError."""
        Membership.of(args).restore()

    def amiss(self, args: Mapping[str, object]) -> str | None:
        """Return what is missing from its place in its network. Raises ChaosError."""
        return Membership.of(args).amiss()
