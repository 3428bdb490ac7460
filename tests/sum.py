# SPDX-License-Identifier: GPL-2.0-or-later
"""Adds up what the suites wrote as JUnit XML.  Used by tests/run:

  sum.py sum FOLDER                   of SUITE.status (an exit status) and SUITE*.xml in it: name every failure, and say
                                      "N passed, N failed" in the last line
  sum.py case SUITE NAME FILE CMD...  run CMD as one test case and write FILE

A skipped test is a failed one: what cannot be tested here has not been shown."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree


def verdict(case):
    """None, or the first lines of why it did not pass."""
    for kind in ("failure", "error", "skipped"):
        found = case.find(kind)
        if found is not None:
            text = found.get("message") or found.text or ""
            return f"{kind}: {text.strip()}".splitlines()[0][:300]
    return None


def add_up(folder):
    passed, failed = 0, []
    for ended in sorted(Path(folder).glob("*.status")):
        suite, before = ended.stem, (passed, len(failed))
        for file in sorted(Path(folder).glob(f"{suite}*.xml")):
            for case in ElementTree.parse(file).getroot().iter("testcase"):
                why = verdict(case)
                if why is None:
                    passed += 1
                else:
                    failed.append(f"{suite}: {case.get('classname')}: {case.get('name')}\n    {why}")
        status = ended.read_text().strip()
        if (passed, len(failed)) == before:
            failed.append(f"{suite}: no test ran (exit status {status})")
        elif status != "0" and len(failed) == before[1]:
            failed.append(f"{suite}: every test passed, but it ended with {status}; its output is above")
    if failed:
        print("\nFailed:\n" + "\n".join(failed))
    print(f"\n{passed} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


def run_case(suite, name, file, command):
    status = subprocess.run(command, stdin=subprocess.DEVNULL).returncode
    print(f"{name}: {'passed' if status == 0 else f'failed with {status}'}")
    root = ElementTree.Element("testsuite", name=suite)
    case = ElementTree.SubElement(root, "testcase", classname=suite, name=name)
    if status != 0:
        ElementTree.SubElement(case, "failure", message=f"exit status {status} of {command[0]}; its output is above")
    ElementTree.ElementTree(root).write(file)
    return status


if __name__ == "__main__":
    if sys.argv[1] == "sum":
        sys.exit(add_up(sys.argv[2]))
    sys.exit(run_case(*sys.argv[2:5], sys.argv[5:]))
