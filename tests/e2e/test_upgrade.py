# SPDX-License-Identifier: GPL-2.0-or-later
"""New programs are installed while the old ones run: as package managers and `meson install` do it, a new file takes the old one's
name.  Until it is restarted, the old supervisor goes on with the workers that were built together with it."""

import os
import shutil
import signal
from pathlib import Path

import pictures
import pytest
from daemon import PROGRAM

SMALL = dict(width=120, height=90)
FILES = [f"{i}.jpg" for i in range(8)]


@pytest.fixture
def installed(folders):
    """A copy of both programs that can be replaced."""
    place = folders.root / "installed"
    place.mkdir()
    for name in ("thumbnaild", "thumbnail-worker"):
        shutil.copy2(PROGRAM.with_name(name), place / name)
    return place


def install(place, name, content):
    fresh = place / "fresh"
    fresh.write_bytes(content)
    fresh.chmod(0o755)
    os.rename(fresh, place / name)


# What says hello in another language, and what cannot be started at all.
OTHERS = {
    "another wire": b"#!/usr/bin/python3 -I\nimport socket\nsocket.socket(fileno=3).send(b'\\x63' + bytes(63))\n",
    "no program": b"not a program",
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_supervisor_keeps_to_the_workers_it_was_built_with(folders, installed, other):
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "2", program=installed / "thumbnaild")
    install(installed, "thumbnail-worker", OTHERS[other])
    for worker in daemon.workers():
        daemon.signal_worker(worker, signal.SIGKILL)
    daemon.wait_event("worker-started", count=4)
    for file in FILES:
        folders.drop(file, pictures.encoded(**SMALL))
    daemon.wait_made(*FILES)
    assert all(Path(f"/proc/{worker}/comm").read_text() == "thumbnail-worke\n" for worker in daemon.workers()), "as ps(1) shows it"
    daemon.stop()
    assert not daemon.events("trouble")


def test_an_upgrade_in_the_middle_of_a_backlog_loses_nothing_and_makes_nothing_again(folders, installed):
    """The old one is stopped with some made and some in work, as a restart does it; the new one makes the rest."""
    old = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1", program=installed / "thumbnaild")
    folders.drop(FILES[0], pictures.encoded(**SMALL))
    old.wait_made(FILES[0])
    (worker,) = old.workers()
    old.pause(worker)
    for file in FILES[1:]:
        folders.drop(file, pictures.encoded(**SMALL))
    old.wait_busy()
    for name in ("thumbnaild", "thumbnail-worker"):
        install(installed, name, PROGRAM.with_name(name).read_bytes())
    before = folders.states()
    old.signal(signal.SIGTERM)
    old.wait(lambda: "STOPPING=1" in old.notified, "STOPPING=1")
    old.resume(worker)
    old.wait_end()
    made = {record.text("FILE") for record in old.events("made")}
    assert len(made) == 2, "what was in work is finished"
    new = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1", program=installed / "thumbnaild")
    assert os.readlink(f"/proc/{new.pid}/exe") == str(installed / "thumbnaild")
    new.wait_made(*(file for file in FILES if file not in made))
    new.stop()
    assert len(new.events("made")) == len(FILES) - 2
    assert {name: state for name, state in folders.states().items() if name in before} == before
    assert len(folders.thumbnails()) == len(FILES)


def test_a_worker_that_is_not_of_this_build_is_named(folders, installed):
    """A half-finished installation: nothing is started by it, and who looks is told which program to look at."""
    install(installed, "thumbnail-worker", OTHERS["another wire"])
    done = folders.run("-i", folders.inbox, "-o", folders.outbox, "-w", "1", program=installed / "thumbnaild")
    assert done.returncode == 70
    said = "".join(f"{record.message}\n" for record in folders.journal.records)
    assert "not of the same build" in said and str(installed / "thumbnail-worker") in said, said
