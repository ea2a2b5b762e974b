"""What is drawn of series that only ever grow."""

import numpy as np

from reports.page.curves import _rates


def test_a_fall_of_a_total_is_a_restart_and_has_no_rate() -> None:
    (line,) = _rates("api", np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 5.0, 1.0, 3.0]))
    assert (line.name, set(line.values[np.isfinite(line.values)])) == ("api", {5.0, 2.0})
