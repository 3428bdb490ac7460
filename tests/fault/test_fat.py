# SPDX-License-Identifier: GPL-2.0-or-later
"""Sticks and cards: file systems of the FAT family have no unnamed files, no extended attributes, no links, no modes; times are coarse,
case does not count, and a file has another inode number each time that it is looked for.  Here exFAT, served by a program, since not every
kernel has one of them."""

import os
import subprocess

import pictures
import pytest

SMALL = dict(width=120, height=90)
WHEN = 1_600_000_001  # odd, where some count in twos
NAMES = ["a.jpg", "sub/b.jpg", "sub/deep/ümläut.jpg", "c d.jpg"]


@pytest.fixture
def stick(folders, mounts):
    """Mount one: stick(path); put it in again: stick.mount(path)."""
    image = folders.root / "stick"
    with open(image, "wb") as file:
        file.truncate(256 << 20)  # with holes
    subprocess.run(["mkfs.exfat", image], check=True, capture_output=True)
    loop = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True, text=True).stdout.strip()

    def stick(path):
        return mounts(path, *how)

    how = ["-t", "exfat-fuse", loop]
    stick.mount = lambda path: subprocess.run(["mount", *how, path], check=True)
    yield stick
    subprocess.run(["losetup", "--detach", loop], check=True)  # takes effect when it is unmounted


def test_it_is_what_this_is_about(stick, folders):
    stick(folders.outbox)
    (folders.outbox / "a").write_text("a")
    with pytest.raises(OSError):
        os.open(folders.outbox, os.O_TMPFILE | os.O_RDWR)
    with pytest.raises(OSError):
        os.setxattr(folders.outbox / "a", "user.x", b"1")
    with pytest.raises(OSError):
        os.link(folders.outbox / "a", folders.outbox / "b")
    assert (folders.outbox / "A").exists()


def fill(folders, names=NAMES):
    for n, name in enumerate(names):
        path = folders.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(pictures.encoded(width=120 + n, height=90))
        os.utime(path, (WHEN + n, WHEN + n))


def wait_thumbnails(folders, daemon, names=NAMES):
    daemon.wait(lambda: all(os.path.exists(folders.thumbnail(name)) for name in names), "all thumbnails")
    for name in names:
        pictures.open_checked(folders.thumbnail(name), "JPEG")
    daemon.wait_status("^0/. workers? busy, 0 waiting")


def temporaries(folders):
    return list((folders.outbox / ".thumbnaild" / "tmp").glob("*"))


@pytest.mark.parametrize("which", ["inbox", "outbox"])
def test_thumbnails_are_made_and_found_up_to_date_later(folders, stick, which):
    stick(getattr(folders, which))
    fill(folders)
    daemon = folders.start()
    wait_thumbnails(folders, daemon)
    fill(folders, ["late.jpg"])
    wait_thumbnails(folders, daemon, [*NAMES, "late.jpg"])
    daemon.wait(lambda: os.stat(folders.thumbnail("late.jpg")).st_mtime == WHEN, "its time")
    assert not temporaries(folders)
    daemon.stop()
    before = folders.states()
    for _ in range(2):
        done, records = folders.once()
        assert done.returncode == 0, done.stderr
        assert not [record for record in records if record.event in ("made", "failed", "retry")], records
    assert folders.states() == before


def test_a_changed_preset_is_noticed(folders, stick):
    stick(folders.outbox)
    fill(folders)
    for quality, made in ((80, NAMES), (60, NAMES), (60, [])):
        done, records = folders.once("-c", folders.config(presets=[f'name = "256"; width = 256; quality = {quality};']))
        assert done.returncode == 0, done.stderr
        assert sorted(os.fsdecode(record.file) for record in records if record.event == "made") == sorted(made)


def test_a_stick_that_was_pulled_and_put_in_again_makes_nothing_again(folders, stick):
    """Read in another order then, so that the numbers differ."""
    stick(folders.inbox)
    fill(folders)
    done, _ = folders.once()
    assert done.returncode == 0
    before, numbers = folders.states(), {name: os.stat(folders.path(name)).st_ino for name in NAMES}
    subprocess.run(["umount", folders.inbox], check=True)
    stick.mount(folders.inbox)
    for name in reversed(NAMES):
        os.stat(folders.path(name))
    assert {name: os.stat(folders.path(name)).st_ino for name in NAMES} != numbers
    done, records = folders.once()
    assert done.returncode == 0 and not [record for record in records if record.event == "made"]
    assert folders.states() == before


@pytest.mark.parametrize("which", ["inbox", "outbox"])
def test_a_new_version_replaces_the_thumbnail(folders, stick, which):
    stick(getattr(folders, which))
    daemon = folders.start()
    for width in (400, 100):
        with open(folders.path("a.jpg"), "wb") as file:
            file.write(pictures.encoded(width=width, height=100))
        path = folders.thumbnail("a.jpg")
        wide = min(width, 256)
        daemon.wait(lambda: os.path.exists(path) and pictures.open_checked(path, "JPEG").size[0] == wide, "that version")
    assert not temporaries(folders)


@pytest.mark.parametrize("which", ["inbox", "processed", "both"])
def test_originals_are_moved(folders, stick, which):
    """To a stick, from one, and on one: by a copy or by a rename, and a name that is taken stays."""
    processed = folders.root / "processed"
    if which == "both":
        stick(folders.root / "disk")
        folders.inbox, processed = folders.root / "disk" / "in", folders.root / "disk" / "processed"
        folders.inbox.mkdir()
    else:
        stick(folders.inbox if which == "inbox" else processed)
    processed.mkdir(exist_ok=True)
    (processed / "a.jpg").write_bytes(b"mine")
    daemon = folders.start("-c", folders.config(folder=f'originals = "move"; processed = "{processed}";'))
    fill(folders)
    data = {name: open(folders.path(name), "rb").read() for name in NAMES if os.path.exists(folders.path(name))}
    places = {name: processed / ("a~2.jpg" if name == "a.jpg" else name) for name in NAMES}
    daemon.wait(lambda: all(path.exists() for path in places.values()), "all moved")
    daemon.wait(lambda: folders.listing(folders.inbox) == [], "an empty inbox")
    for name, content in data.items():
        assert places[name].read_bytes() == content
    assert (processed / "a.jpg").read_bytes() == b"mine"
    assert len(folders.listing(processed)) == len(places) + 1
    wait_thumbnails(folders, daemon)


def test_originals_are_deleted(folders, stick):
    stick(folders.inbox)
    daemon = folders.start("-c", folders.config(folder='originals = "delete";'))
    fill(folders)
    daemon.wait(lambda: folders.listing(folders.inbox) == [], "an empty inbox")
    wait_thumbnails(folders, daemon)


def test_failures_go_to_a_stick_and_back(folders, stick):
    failed = folders.root / "failed"
    stick(failed)
    daemon = folders.start("-c", folders.config(folder=f'failed = "{failed}";'))
    folders.drop("u.jpg", b"no picture of any kind\n" * 20)
    daemon.wait(lambda: (failed / "u.jpg").exists() and (failed / "u.jpg.why.txt").exists(), "u.jpg set apart")
    daemon.wait(lambda: not os.path.exists(folders.path("u.jpg")), "taken from the inbox")
    (failed / "u.jpg").write_bytes(pictures.encoded(**SMALL))
    (failed / "u.jpg.why.txt").unlink()
    wait_thumbnails(folders, daemon, ["u.jpg"])
    assert folders.listing(failed) == []


def test_a_name_that_the_stick_cannot_hold_stops_nobody_else(folders, stick):
    stick(folders.outbox)
    daemon = folders.start()
    folders.drop("12:30.jpg", pictures.encoded(**SMALL))
    daemon.wait(lambda: [r for r in daemon.events(file="12:30.jpg") if r.event in ("retry", "failed")], "a word about it")
    fill(folders)
    wait = lambda: all(os.path.exists(folders.thumbnail(name)) for name in NAMES)  # noqa: E731
    daemon.wait(wait, "all others")
    assert not daemon.events("paused")
    os.unlink(folders.path("12:30.jpg"))
    wait_thumbnails(folders, daemon)
    assert not temporaries(folders)
