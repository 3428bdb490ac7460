# SPDX-License-Identifier: GPL-2.0-or-later
"""Real photos, all at once, two workers: each published exactly once and as it should look, both workers busy, little memory."""

import collections
import os
import shutil

import pictures
import pytest
from daemon import SANITIZED, process_status

WORKERS = 2


@pytest.fixture(scope="module")
def originals():
    return {path.name: path for path in pictures.photos() + pictures.seeds()}


@pytest.fixture(scope="module")
def loaded(shared, originals):
    daemon = shared.start("-i", shared.inbox, "-o", shared.outbox, "-w", str(WORKERS))
    staged = shared.staging / "album"
    staged.mkdir()
    for name, path in originals.items():
        shutil.copyfile(path, staged / name)
    os.rename(staged, shared.inbox / "album")  # one step: all of them are there at once
    daemon.wait(lambda: len(daemon.events("made")) >= len(originals) or daemon.returncode is not None, "all made", timeout=240)
    shared.drop("behind.jpg", pictures.encoded())
    daemon.wait_made("behind.jpg")
    return daemon


@pytest.fixture
def figures(capsys):
    """Shown when the test passes, too."""

    def show(line):
        with capsys.disabled():
            print(f"\n{line}", end="")

    return show


def test_every_one_is_published_and_none_twice(loaded, originals):
    made = collections.Counter(os.fsdecode(record.file) for record in loaded.events("made"))
    assert made == collections.Counter({f"album/{name}": 1 for name in originals} | {"behind.jpg": 1})
    assert not loaded.events("failed") and not loaded.events("worker-lost") and not loaded.events("dropped")
    expected = [f"album/{name}.256.jpg".encode() for name in originals] + [b"behind.jpg.256.jpg"]
    assert loaded.folders.thumbnails() == sorted(expected)


def test_they_show_what_they_should(loaded, originals, figures):
    found = sorted(pictures.assert_shows(loaded.folders.thumbnail(f"album/{name}"), path) for name, path in originals.items())
    median = found[len(found) // 2]
    figures(f"PSNR against Pillow's own in the same quality: least {found[0]:+.1f} dB, median {median:+.1f} dB")
    assert median > -2


def test_both_workers_are_busy_throughout(loaded, figures):
    """Rendering time over the time from the first request to the last thumbnail; all of it on one clock, so that a slow machine
    changes nothing."""
    made = [record for record in loaded.events("made") if record.file != b"behind.jpg"]
    busy = collections.Counter()
    for record in made:
        busy[record.number("WORKER")] += record.number("USEC")
    began = min(record.received_usec - record.number("USEC") for record in made)
    wall = max(record.received_usec for record in made) - began
    shares = {worker: usec / wall for worker, usec in busy.items()}
    figures(f"{len(made)} in {wall / 1e6:.2f} s, {len(made) / wall * 1e6:.1f}/s, each worker busy for " + ", ".join(f"{share:.0%}" for share in shares.values()))
    assert len(shares) == WORKERS
    assert sum(shares.values()) / WORKERS > 0.75 and min(shares.values()) > 0.6, shares


def test_the_supervisor_stays_small(loaded, figures):
    status = process_status(loaded.pid)
    figures(f"VmRSS {status['VmRSS']}, at its peak {status['VmHWM']}")
    if not SANITIZED:  # a sanitizer's shadow memory is not ours to count
        assert int(status["VmHWM"].split()[0]) < 8192
