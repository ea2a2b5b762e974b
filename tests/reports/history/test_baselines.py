from pathlib import Path

import pytest

from harness.comparison.earlier_runs import FIGURES_NAME
from harness.errors import InputError
from reports.history.baselines import baseline_path, load_baseline, save_baseline
from tests.harness.pasts import keep, run


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    one = run(0, failed=("trend", "baseline"))
    folder = tmp_path / "baselines"
    save_baseline("main-2.1", keep(one, tmp_path), folder)
    assert load_baseline("main-2.1", folder) == one


@pytest.mark.parametrize("failed", [("errors",), ("trend", "errors")])
def test_a_run_that_is_wrong_is_no_baseline(tmp_path: Path, failed: tuple[str, ...]) -> None:
    folder = keep(run(0, failed=failed), tmp_path)
    with pytest.raises(InputError, match=f"must have passed, but for its trend; it did not: {', '.join(failed)}"):
        save_baseline("main", folder, tmp_path / "baselines")
    assert not (tmp_path / "baselines").exists()


def test_a_run_without_figures_is_none_either(tmp_path: Path) -> None:
    folder = keep(run(0), tmp_path)
    (folder / FIGURES_NAME).unlink()
    with pytest.raises(InputError, match=r"must have left its figures: .*No such file"):
        save_baseline("main", folder, tmp_path / "baselines")


@pytest.mark.parametrize("name", ["", "../a", "a/b", "a b", ".hidden", "x" * 65, "a\n"])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(InputError, match="letters, digits"):
        baseline_path(name)


def test_one_that_is_absent_or_damaged_is_told_with_those_there_are(tmp_path: Path) -> None:
    save_baseline("main", keep(run(0), tmp_path), tmp_path)
    with pytest.raises(InputError, match=r"--baseline = 'nosuch': .*there are: main.*nox -s baseline -- nosuch"):
        load_baseline("nosuch", tmp_path)
    (tmp_path / "main.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"main\.json: not a run's figures"):
        load_baseline("main", tmp_path)
