from infra.services.relapse import Relapse


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def relapsing(lasts_s: float = 4.0) -> tuple[Relapse, Clock]:
    clock = Clock()
    return Relapse(lasts_s, clock), clock


def test_the_first_readiness_of_all_is_no_recovery() -> None:
    relapse, _ = relapsing()
    for ready in (False, False, True, True):
        relapse.hear(ready=ready)
        assert not relapse.refuses


def test_after_an_outage_it_refuses_for_so_long_and_once() -> None:
    relapse, clock = relapsing()
    for ready in (True, False, True):
        assert not relapse.refuses
        relapse.hear(ready=ready)
    assert relapse.refuses
    # A check that hung since the outage ends, and begins no other.
    relapse.hear(ready=False)
    clock.now_s += 3.9
    assert relapse.refuses
    clock.now_s += 0.2
    relapse.hear(ready=True)
    assert not relapse.refuses
    relapse.hear(ready=False)
    relapse.hear(ready=True)
    assert relapse.refuses


def test_it_never_refuses_where_it_is_not_planted() -> None:
    relapse, _ = relapsing(0.0)
    for ready in (True, False, True):
        relapse.hear(ready=ready)
    assert not relapse.refuses
