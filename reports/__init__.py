"""Reports: from a run folder, and from nothing else, to a page, a JUnit file and a JSON profile."""
