"""Deletes what dropped packets: the one table that the step names, in the one namespace that it names."""

from __future__ import annotations

from collections.abc import Mapping

from chaos.firewall import FAMILY, PREFIX, Table
from chaos.namespaces import namespace_from
from harness.errors import Refused


class DeleteTable:
    """`nft.delete`: `family`, `table`, and of a container's namespace `pid` and `created_s` (Unix seconds)."""

    def carry_out(self, args: Mapping[str, object]) -> None:
        """Delete the table. Raises ChaosError."""
        _table(args).delete()

    def amiss(self, args: Mapping[str, object]) -> str | None:
        """Return what is wrong while the table is still there. Raises ChaosError."""
        return f"table {args['table']} is still there" if _table(args).exists() else None


def _table(args: Mapping[str, object]) -> Table:
    name = str(args["table"])
    if args["family"] != FAMILY or not name.startswith(PREFIX):
        raise Refused(f"{args['family']} {name} is no table of ours")
    return Table(name, namespace_from(args))
