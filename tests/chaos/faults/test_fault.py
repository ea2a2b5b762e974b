"""An empty target is an error in every fault that there is."""

from __future__ import annotations

import pytest

from chaos.faults.fault import check_target
from chaos.faults.kinds import KINDS
from tests.chaos.matrix import IN_CONTAINERS


@pytest.mark.parametrize("target", ["", " ", "\t\n"])
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"noop"}))
def test_nothing_is_broken_by_default(kind: str, target: str) -> None:
    with pytest.raises(ValueError, match=r"target = .*: must name what is to be broken"):
        KINDS[kind](**{**IN_CONTAINERS[kind], "target": target})


def test_any_name_is_one() -> None:
    check_target("redis")
