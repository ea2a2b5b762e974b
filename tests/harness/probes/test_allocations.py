"""Snapshots of allocations: what grew between two, and services that cannot or will not tell."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.allocations import Grower, Site, Snapshot, grown, parse_snapshot, take_snapshot
from harness.probes.reading import Unreadable
from tests.harness.servers import serving

BODY = {
    "tracing": True,
    "total_bytes": 70,
    "sites": [{"where": "api.py:3", "bytes": 50, "count": 2}, {"where": "pool.py:9", "bytes": 20, "count": 1}],
}
REFUSAL = "the service does not trace its allocations"


def of(**sites: tuple[int, int]) -> Snapshot:
    return Snapshot(sum(size for size, _ in sites.values()), {where: Site(*held) for where, held in sites.items()})


def test_the_line_that_grew_most_comes_first() -> None:
    before, after = of(a=(10, 1), b=(50, 5), c=(9, 1)), of(a=(40, 4), b=(20, 2), c=(9, 1), d=(100, 1))
    assert grown(before, after) == (Grower("d", 100, 1, 100), Grower("a", 30, 3, 40))
    assert grown(before, after, most=1) == (Grower("d", 100, 1, 100),)
    assert grown(after, after) == ()


@pytest.mark.parametrize("refused", ["before", "after"])
def test_against_nothing_no_line_grew(refused: str) -> None:
    told, nothing = of(a=(40, 4)), Snapshot(refused=REFUSAL)
    assert grown(*((nothing, told) if refused == "before" else (told, nothing))) == ()


held = st.builds(Site, st.integers(0, 10**12), st.integers(0, 10**6))
snapshots = st.builds(Snapshot, st.integers(0), st.dictionaries(st.text(max_size=4), held, max_size=12))


@given(snapshots, snapshots, st.integers(1, 12))
def test_growers_are_those_that_grew_in_order(before: Snapshot, after: Snapshot, most: int) -> None:
    found = grown(before, after, most)
    sizes = [grower.grown_bytes for grower in found]
    assert sizes == sorted(sizes, reverse=True)
    growth = {
        where: site.bytes_held - before.sites[where].bytes_held if where in before.sites else site.bytes_held
        for where, site in after.sites.items()
    }
    assert sizes == sorted((more for more in growth.values() if more > 0), reverse=True)[:most]
    assert all(growth[grower.where] == grower.grown_bytes for grower in found)
    assert grown(before, after, most) == found


def test_a_service_is_asked_at_the_place_for_it() -> None:
    with serving(lambda _method, path, _body: (200 if path == "/debug/allocations" else 500, BODY)) as server:
        snapshot = take_snapshot(f"{server.url}/")
    assert snapshot == Snapshot(70, {"api.py:3": Site(50, 2), "pool.py:9": Site(20, 1)})


@pytest.mark.parametrize(
    ("status", "document", "refused"),
    [
        (404, {}, "status 404"),
        (200, {"tracing": False}, REFUSAL),
        (200, {"tracing": True}, "no snapshot of allocations"),
        (200, [], "no snapshot of allocations"),
        (200, {**BODY, "total_bytes": "70"}, "no snapshot of allocations"),
        (200, {**BODY, "sites": [{"where": "a", "bytes": True, "count": 1}]}, "no snapshot of allocations"),
    ],
)
def test_a_service_that_cannot_tell_is_an_answer(status: int, document: object, refused: str) -> None:
    with serving(lambda *_: (status, document)) as server:
        assert take_snapshot(server.url) == Snapshot(refused=refused)


def test_a_service_that_does_not_answer_is_an_answer_too() -> None:
    with serving() as server:
        server.stall()
        assert take_snapshot(server.url, limit_s=0.05) == Snapshot(refused="no answer within 0.05 s")
        server.go_on()
        url = server.url
    assert take_snapshot(url).refused == "ConnectionRefusedError"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["tracing", "total_bytes", "sites", "where", "bytes", "count"]), inner)
    ),
    max_leaves=12,
)


@given(json_values)
def test_a_document_that_is_no_snapshot_is_unreadable_at_worst(document: object) -> None:
    try:
        snapshot = parse_snapshot(json.dumps(document).encode())
    except Unreadable:
        return
    assert isinstance(document, dict)
    assert bool(snapshot.refused) == (document["tracing"] is not True)
