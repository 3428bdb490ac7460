# SPDX-License-Identifier: GPL-2.0-or-later
"""Every hostile file of the corpus through the real daemon: each ends in `made` or with a reason, and the daemon stands."""

import collections
import os
import pathlib
import shutil

import pictures
import pytest
from daemon import SANITIZED, process_status

HOSTILE = pathlib.Path(__file__).resolve().parents[3] / "shared" / "corpus" / "hostile"


@pytest.fixture(scope="module")
def names():
    assert HOSTILE.is_dir(), f"{HOSTILE} is missing"
    found = [path.relative_to(HOSTILE) for path in HOSTILE.rglob("*") if path.is_file()]
    kept = [os.fsencode(name) for name in found if not any(part.startswith(".") for part in name.parts)]
    assert len(kept) > 4000
    return kept


@pytest.fixture(scope="module")
def dropped(shared, names):
    daemon = shared.start("-i", shared.inbox, "-o", shared.outbox, "-w", "2")
    staged = shared.staging / "hostile"
    shutil.copytree(HOSTILE, staged)
    os.rename(staged, shared.inbox / "hostile")
    ended = ("made", "failed", "skipped")
    daemon.wait(lambda: sum(record.stands_for for event in ended for record in daemon.events(event)) >= len(names) - len(ignored(names)) or daemon.returncode is not None,
                "everything ended", timeout=600)
    shared.drop("behind.jpg", pictures.encoded())
    daemon.wait_made("behind.jpg")
    return daemon


def ignored(names):
    """What the built-in list leaves alone."""
    ends = (b".part", b".partial", b".filepart", b".crdownload", b".tmp")
    return [n for n in names if n.endswith(ends) or os.path.basename(n) in (b"Thumbs.db", b"desktop.ini") or os.path.basename(n).startswith(b"~$")]


def test_every_file_ends_once(dropped, names, capsys):
    outcomes, unnamed = collections.defaultdict(list), 0
    for event in ("made", "failed", "skipped"):
        for record in dropped.events(event):
            outcomes[record.file].append(event if event == "made" else f"{event} {record.text('REASON')}")
            unnamed += record.stands_for - 1  # what is left alone for the same reason is counted
    expected = {b"hostile/" + name for name in names} - {b"hostile/" + name for name in ignored(names)}
    assert {name for name, found in outcomes.items() if len(found) != 1} == set()
    assert len(expected - outcomes.keys()) == unnamed, "without an outcome"
    with capsys.disabled():
        print("\n" + ", ".join(f"{n} {what}" for what, n in collections.Counter(o for found in outcomes.values() for o in found).most_common()), f"and {unnamed} more skipped", end="")


def test_no_worker_is_lost(dropped):
    """By default only formats whose decoders stand this are read."""
    assert not dropped.events("worker-lost") and not dropped.events("worker-timeout")


def test_the_supervisor_is_untouched(dropped):
    assert dropped.returncode is None
    assert SANITIZED or int(process_status(dropped.pid)["VmRSS"].split()[0]) < 12288


def test_nothing_stands_outside_the_outbox(dropped, names):
    found = [path for path in dropped.folders.root.rglob("CANARY-*")]
    assert not found
    assert len(dropped.folders.thumbnails()) == len(dropped.events("made"))


def test_originals_are_as_they_were(dropped, names):
    assert all((dropped.folders.inbox / "hostile" / os.fsdecode(name)).read_bytes() == (HOSTILE / os.fsdecode(name)).read_bytes() for name in names)
