from harness.history.tally import SHOWN, Tally


def test_it_counts_all_and_shows_the_first() -> None:
    tally = Tally()
    assert (bool(tally), str(tally)) == (False, "")
    for n in range(SHOWN):
        tally.note(f"k{n}")
    assert str(tally) == "k0, k1, k2, k3, k4"
    tally.note("k5", 10)
    assert (tally.count, str(tally)) == (SHOWN + 10, "k0, k1, k2, k3, k4 and 10 more")


def test_it_may_begin_with_some() -> None:
    assert str(Tally(["a", "b"])) == "a, b"
    assert str(Tally(["a", "b"], 7)) == "a, b and 5 more"
    assert Tally(map(str, range(9))).examples == ["0", "1", "2", "3", "4"]
