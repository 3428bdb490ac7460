# SPDX-License-Identifier: GPL-2.0-or-later
"""More files that wait, maybe for ever, than are kept in mind: they hold up nobody, and are made as soon as they can be."""

import os

import checker

SOMEBODY = 4711
COUNT = 4096 + 200  # LONG_WAITS_MAX of outcome.c, and some


def test_thousands_that_cannot_be_read(folders):
    for folder in (folders.inbox, folders.outbox):
        os.chown(folder, SOMEBODY, SOMEBODY)
    data = checker.picture(1)
    names = [f"{n:04}.jpg" for n in range(COUNT)]
    for name in names:
        with open(folders.path(name), "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(data)
    daemon = folders.start("-c", folders.config("workers = 2;", presets=['name = "a"; width = 24;']), uid=SOMEBODY, program=folders.program_for_everybody)
    daemon.wait_status("^0/2 workers busy, 4[01][0-9][0-9] waiting")
    assert daemon.events("waiting")[0].text("REASON") == "unreadable"
    folders.drop("good.jpg", data)
    made = lambda: {os.fsdecode(name)[: -len(".a.jpg")] for name in folders.thumbnails()}  # noqa: E731
    daemon.wait(lambda: made() == {"good.jpg"}, "the one that can be read")
    for name in names:
        os.chmod(folders.path(name), 0o644)
    daemon.wait(lambda: len(os.listdir(folders.outbox)) > COUNT + 1, "all of them")
    assert made() == {*names, "good.jpg"}
    assert not daemon.events("failed") and daemon.returncode is None
