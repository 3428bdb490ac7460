# SPDX-License-Identifier: GPL-2.0-or-later
"""HUP: the new configuration in one step, or the old one goes on and says why."""

import os

import pictures
from daemon import children

SMALL, WIDE = 'name = "small"; width = 128;', 'name = "wide"; width = 640; height = 360; format = "webp";'
NAMES = ["a.jpg", "b.png"]


def start(folders, *presets, text=""):
    """Serving by a configuration file, with two pictures made."""
    for name in NAMES:
        folders.drop(name, pictures.encoded(name[-3:].upper().replace("JPG", "JPEG")))
    daemon = folders.start("-c", folders.config(text, presets=presets))
    daemon.wait_made(*NAMES)
    return daemon


def test_an_added_preset_makes_only_what_is_missing(folders):
    daemon = start(folders, SMALL)
    before, files = folders.states(), daemon.workers()
    folders.config(presets=[SMALL, WIDE])
    assert daemon.reload().event == "reloaded"
    for name in NAMES:
        again = daemon.wait_event("made", name, count=2)
        assert again[1].number("OUTPUTS") == 1, "only the new one"
    states = folders.states()
    assert {name: states[name] for name in before} == before
    assert len(states) == 4
    assert "RELOADING=1" in daemon.notified
    assert any(line.startswith("MONOTONIC_USEC=") for line in daemon.notified)
    assert daemon.notified.count("READY=1") == 2
    folders.drop("c.jpg", pictures.encoded())
    daemon.wait_made("c.jpg")
    assert daemon.events("made", "c.jpg")[0].number("OUTPUTS") == 2
    assert daemon.workers() == files, "workers are kept"


def test_a_broken_configuration_is_refused_and_the_old_one_goes_on(folders):
    daemon = start(folders, SMALL)
    path = folders.config("wrokers = 1;", presets=[SMALL, WIDE])
    refused = daemon.reload()
    assert refused.event == "reload-refused"
    assert f"{path}:1: " in refused.message and "'workers'" in refused.message
    folders.drop("c.jpg", pictures.encoded())
    daemon.wait_made("c.jpg")
    assert daemon.events("made", "c.jpg")[0].number("OUTPUTS") == 1
    assert daemon.notified.count("RELOADING=1") == daemon.notified.count("READY=1") - 1, "systemd is not left in 'reloading'"

    folders.config(presets=[SMALL, WIDE])
    assert daemon.reload().event == "reloaded"
    for name in NAMES:
        daemon.wait_event("made", name, count=2)


def test_a_configuration_that_went_away_is_refused(folders):
    daemon = start(folders, SMALL)
    path = folders.root / "thumbnaild.conf"
    os.unlink(path)
    refused = daemon.reload()
    assert refused.event == "reload-refused" and str(path) in refused.message
    folders.drop("c.jpg", pictures.encoded())
    daemon.wait_made("c.jpg")


def test_a_preset_that_is_added_while_a_picture_is_rendered(folders):
    """It is made of that picture, too, and only then the original goes."""
    daemon = folders.start("-c", folders.config("workers = 1;", folder='originals = "delete";', presets=[SMALL]))
    (worker,) = daemon.workers()
    daemon.pause(worker)
    folders.drop("a.jpg", pictures.encoded())
    daemon.wait_busy()
    folders.config("workers = 1;", folder='originals = "delete";', presets=[SMALL, WIDE])
    assert daemon.reload().event == "reloaded"
    daemon.resume(worker)
    daemon.wait(lambda: not os.path.exists(folders.path("a.jpg")), "the original gone")
    assert sorted(folders.thumbnails()) == [b"a.jpg.small.jpg", b"a.jpg.wide.webp"]


def test_the_same_again_makes_nothing(folders):
    daemon = start(folders, SMALL)
    before = folders.states()
    for _ in range(3):
        assert daemon.reload().event == "reloaded"
    folders.drop("c.jpg", pictures.encoded())
    daemon.wait_made(*NAMES, "c.jpg")
    after = folders.states()
    assert {name: after[name] for name in before} == before


def test_a_changed_preset_is_made_again(folders):
    daemon = start(folders, SMALL, WIDE)
    before = folders.states()
    folders.config(presets=[SMALL, WIDE + " quality = 60;"])
    assert daemon.reload().event == "reloaded"
    for name in NAMES:
        assert daemon.wait_event("made", name, count=2)[1].number("OUTPUTS") == 1
    after = folders.states()
    assert sorted(name for name in after if after[name] != before[name]) == [f"{name}.wide.webp".encode() for name in NAMES]


def test_a_folder_is_added_and_another_goes(folders):
    daemon = start(folders, SMALL)
    inbox, outbox = folders.root / "inbox2", folders.root / "outbox2"
    inbox.mkdir()
    (inbox / "second.jpg").write_bytes(pictures.encoded())
    path = folders.config(presets=[SMALL])
    one = path.read_text()
    two = one.replace("folders = (", f'folders = ( {{ inbox = "{inbox}"; outbox = "{outbox}"; }},')
    path.write_text(two)
    assert daemon.reload().event == "reloaded"
    made = daemon.wait_event("made", "second.jpg")
    assert made["INBOX"] == os.fsencode(inbox)
    assert (outbox / "second.jpg.small.jpg").exists()

    path.write_text(one)
    assert daemon.reload().event == "reloaded"
    (inbox / "third.jpg").write_bytes(pictures.encoded())
    folders.drop("c.jpg", pictures.encoded())
    daemon.wait_made("c.jpg")
    assert not daemon.events("made", "third.jpg")


def test_workers_that_are_not_wanted_any_more_before_they_are_ready(folders):
    daemon = start(folders, SMALL, text="workers = 1;")
    for workers in (8, 2):
        folders.config(f"workers = {workers};", presets=[SMALL])
        assert daemon.reload().event == "reloaded"
    daemon.wait_event("worker-started", count=2)
    daemon.wait(lambda: len(children(daemon.pid)) == 2, "two workers and no other process")
    folders.drop("c.jpg", pictures.encoded())
    daemon.wait_made("c.jpg")


def test_the_number_of_workers_changes(folders):
    daemon = start(folders, SMALL, text="workers = 1;")
    assert len(daemon.workers()) == 1
    folders.config("workers = 3;", presets=[SMALL])
    assert daemon.reload().event == "reloaded"
    daemon.wait(lambda: len(daemon.workers()) == 3, "three workers")
    folders.config("workers = 1;", presets=[SMALL])
    assert daemon.reload().event == "reloaded"
    daemon.wait(lambda: len(daemon.workers()) == 1, "one worker")
    folders.drop("c.jpg", pictures.encoded())
    daemon.wait_made("c.jpg")
    assert not daemon.events("worker-lost")
