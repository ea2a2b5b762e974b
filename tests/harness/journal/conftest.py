"""One parent of writers for all tests that kill one."""

import sys
from collections.abc import Iterator

import pytest

from tests.harness.journal.writers import Writers, writers


@pytest.fixture(scope="module")
def forked() -> Iterator[Writers]:
    if sys.platform == "win32":
        pytest.skip("Windows cannot fork a writer")
    with writers() as ready:
        yield ready
