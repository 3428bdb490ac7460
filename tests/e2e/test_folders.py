# SPDX-License-Identifier: GPL-2.0-or-later
"""Several folders in one daemon: what one of them has to do does not hold up another."""

import os

import pictures
import pytest

TINY = dict(width=32, height=24)
MANY = 2000
FEW = 20
UNSETTLED = 64  # WIRE_UNSETTLED_MAX: what a worker may have rendered before it hears that it is published, and says so


@pytest.fixture
def other(folders):
    """A second inbox, which stands behind the first one in the configuration."""
    for what in ("other", "other-out"):
        (folders.root / what).mkdir()
    return folders.root / "other"


def config(folders, other):
    path = folders.root / "two.conf"
    groups = ", ".join(f'{{ inbox = "{inbox}"; outbox = "{outbox}"; }}' for inbox, outbox in ((folders.inbox, folders.outbox), (other, f"{other}-out")))
    path.write_text(f"workers = 1; limits = {{ free_mib = 0; }}; folders = ( {groups} );\n")
    return path


def fill(folder, count, name="many"):
    folder.mkdir(exist_ok=True)
    data = pictures.encoded(**TINY)
    for i in range(count):
        (folder / f"{name}{i}.jpg").write_bytes(data)


def made(daemon):
    """Which of the two each thumbnail was made for, in order."""
    return [os.path.basename(os.fsdecode(record["INBOX"])) for record in daemon.events("made")]


def test_a_long_backlog_does_not_hold_up_anothers(folders, other):
    fill(folders.inbox, MANY)
    fill(other, FEW)
    daemon = folders.start("-c", config(folders, other))
    daemon.wait(lambda: made(daemon).count("other") == FEW, "all of the other folder")
    order = made(daemon)
    assert order.index("inbox") < 5 and len(order) - order[::-1].index("other") < 4 * FEW, order
    daemon.kill()  # with the rest of the backlog


def test_a_long_backlog_does_not_hold_up_anothers_arrivals(folders, other):
    fill(folders.inbox, MANY)
    daemon = folders.start("-c", config(folders, other))
    daemon.wait_event("made")
    (worker,) = daemon.workers()
    daemon.pause(worker)  # so that it does not come to the end meanwhile
    before = len(made(daemon))
    (other / "arrival.jpg").write_bytes(pictures.encoded(**TINY))
    daemon.resume(worker)
    daemon.wait_event("made", "arrival.jpg")
    assert made(daemon).index("other") < before + UNSETTLED + FEW, f"{before} were made before it, then {made(daemon)[before:]}"
    daemon.kill()


def test_a_flood_of_arrivals_does_not_hold_up_anothers(folders, other):
    daemon = folders.start("-c", config(folders, other))
    fill(folders.staging / "flood", MANY)
    fill(folders.staging / "few", FEW, "few")
    (worker,) = daemon.workers()
    daemon.pause(worker)
    os.rename(folders.staging / "flood", folders.inbox / "flood")
    os.rename(folders.staging / "few", other / "few")
    daemon.resume(worker)
    daemon.wait(lambda: made(daemon).count("other") == FEW, "all of the other folder")
    assert made(daemon).count("inbox") < MANY / 4, made(daemon).count("inbox")
    daemon.kill()


def test_what_waits_in_a_folder_does_not_keep_another_from_being_read(folders, other, mounts):
    """A full disk under more files than all folders together may keep in mind, and a folder that is only read now and then."""
    mounts(folders.outbox, "-t", "tmpfs", "-o", "size=64k", "none")
    (folders.outbox / "full").write_bytes(bytes(64 << 10))
    fill(folders.inbox, 9000)
    groups = f'{{ inbox = "{folders.inbox}"; outbox = "{folders.outbox}"; }}, {{ inbox = "{other}"; outbox = "{other}-out"; watch = "poll"; poll_seconds = 1; }}'
    path = folders.root / "two.conf"
    path.write_text(f"workers = 1; limits = {{ free_mib = 0; }}; folders = ( {groups} );\n")
    daemon = folders.start("-c", path)
    daemon.wait_event("paused")
    daemon.wait_status(r"\b[4-9]\d{3}\+? waiting")  # as many as are kept in mind
    fill(other, FEW)
    daemon.wait(lambda: made(daemon).count("other") == FEW, "all of the other folder")
    daemon.kill()


def test_a_folder_that_cannot_be_used_does_not_hold_up_another(folders, other):
    other.rename(folders.root / "away")
    fill(folders.inbox, FEW)
    daemon = folders.start("-c", config(folders, other))
    daemon.wait_event("paused", inbox=other)
    daemon.wait_event("made", count=FEW)
    (folders.root / "away").rename(other)
    fill(other, FEW, "few")
    daemon.wait(lambda: made(daemon).count("other") == FEW, "all of the folder that came back")
