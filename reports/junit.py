"""A run as JUnit XML: a suite named by its scenario, a case a finding, a property a measurement.

What could not be decided is an error, never a skip: a CI job that only reads
the file must not take an unknown for a pass.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from harness.verdict import Finding, Verdict
from reports.model import RunView

FILE_NAME = "junit.xml"

_TAGS = {Verdict.FAIL: "failure", Verdict.INCONCLUSIVE: "error"}
# All that XML 1.0 has no way to write, not even escaped.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(view: RunView, path: Path) -> None:
    """Write the run's findings and measurements to `path`."""
    tree = ET.ElementTree(_suite(view))
    ET.indent(tree)
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _suite(view: RunView) -> ET.Element:
    verdicts = [finding.verdict for finding in view.findings]
    suite = ET.Element(
        "testsuite",
        _clean(
            name=view.scenario,
            tests=str(len(verdicts)),
            failures=str(verdicts.count(Verdict.FAIL)),
            errors=str(verdicts.count(Verdict.INCONCLUSIVE)),
            skipped="0",
            time=f"{view.duration_s:.3f}",
            timestamp=view.started_at,
        ),
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in (("seed", view.seed), ("stack", view.stack), ("run_id", view.run_id)):
        ET.SubElement(properties, "property", _clean(name=name, value=value))
    for measured in view.measurements:
        name = f"measurement {measured.check} {measured.where}"
        ET.SubElement(properties, "property", _clean(name=name, value=measured.message))
    for finding in view.findings:
        suite.append(_case(finding))
    return suite


def _case(finding: Finding) -> ET.Element:
    case = ET.Element("testcase", _clean(classname=finding.check, name=finding.where))
    if finding.verdict in _TAGS:
        tag = ET.SubElement(case, _TAGS[finding.verdict], _clean(message=finding.message, type=finding.check))
        tag.text = _writable(f"observed: {finding.observed}\nallowed: {finding.allowed}")
    return case


def _clean(**attributes: str) -> dict[str, str]:
    return {name: _writable(value) for name, value in attributes.items()}


def _writable(text: str) -> str:
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)
