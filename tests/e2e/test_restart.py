# SPDX-License-Identifier: GPL-2.0-or-later
"""What is up to date is left alone, whoever made it in whatever run; what is not is made, and nothing else."""

import os
import subprocess

import pictures
import pytest
from daemon import RECORD_XATTR

NAMES = ["a.jpg", "b.png", "x/y/c.jpg"]
SMALL, WIDE = 'name = "small"; width = 128;', 'name = "wide"; width = 640; height = 360; format = "webp";'


def fill(folders, names=NAMES):
    for name in names:
        (folders.inbox / name).parent.mkdir(parents=True, exist_ok=True)
        folders.drop(name, pictures.encoded("PNG" if name.endswith("png") else "JPEG"), mtime_ns=1_500_000_000_000_000_000)


def made_by(records):
    return sorted(os.fsdecode(record.file) for record in records if record.event == "made")


def changed(before, after):
    return sorted(os.fsdecode(name) for name in after if before.get(name) != after[name])


def test_what_is_there_is_made_at_the_start(folders):
    fill(folders)
    daemon = folders.start()
    daemon.wait_made(*NAMES)
    assert len(folders.thumbnails()) == 3


def test_a_restart_makes_nothing_again(folders):
    fill(folders)
    daemon = folders.start()
    daemon.wait_made(*NAMES)
    daemon.stop()
    before = folders.states()

    done, records = folders.once()
    assert (done.returncode, made_by(records)) == (0, [])

    daemon = folders.start()
    folders.drop("new.jpg", pictures.encoded())
    daemon.wait_made("new.jpg")
    daemon.stop()
    assert made_by(daemon.events()) == ["new.jpg"]
    assert changed(before, folders.states()) == ["new.jpg.256.jpg"]


def presets_once(folders, *presets):
    done, records = folders.once("-c", folders.config(presets=presets))
    assert done.returncode == 0, done.stderr
    return made_by(records)


def test_a_changed_preset_makes_only_what_it_changes(folders):
    fill(folders)
    assert presets_once(folders, SMALL, WIDE) == NAMES
    before = folders.states()
    assert presets_once(folders, SMALL, WIDE + " quality = 60;") == NAMES
    assert changed(before, folders.states()) == [f"{name}.wide.webp" for name in NAMES]


def test_an_added_preset_makes_only_the_new(folders):
    fill(folders)
    assert presets_once(folders, SMALL) == NAMES
    before = folders.states()
    assert presets_once(folders, WIDE, SMALL) == NAMES
    assert changed(before, folders.states()) == [f"{name}.wide.webp" for name in NAMES]


def test_a_preset_that_goes_takes_nothing_with_it(folders):
    fill(folders)
    presets_once(folders, SMALL, WIDE)
    before = folders.states()
    assert presets_once(folders, WIDE) == []
    assert folders.states() == before


def test_defaults_written_out_change_nothing(folders):
    fill(folders)
    presets_once(folders, SMALL)
    assert presets_once(folders, SMALL + ' quality = 80; fit = "inside"; format = "jpeg"; upscale = false;') == []


def replaced(folders):
    """Same name, size and mtime, another file."""
    folders.drop("a.jpg", pictures.encoded(), mtime_ns=1_500_000_000_000_000_000)


def grown(folders):
    with open(folders.path("a.jpg"), "ab") as file:
        file.write(b"trailer")


def touched(folders):
    os.utime(folders.path("a.jpg"), ns=(1_600_000_000_000_000_000,) * 2)


def thumbnail_emptied(folders):
    """As a power cut may leave it, with the right time."""
    path = folders.thumbnail("a.jpg")
    info = os.stat(path)
    os.truncate(path, 0)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def thumbnail_removed(folders):
    os.unlink(folders.thumbnail("a.jpg"))


@pytest.mark.parametrize("change", [replaced, grown, touched, thumbnail_emptied, thumbnail_removed])
def test_what_changed_in_our_absence_is_made_again(folders, change):
    fill(folders)
    done, records = folders.once()
    assert (done.returncode, made_by(records)) == (0, NAMES), done.stderr
    before = folders.states()
    change(folders)
    done, records = folders.once()
    assert (done.returncode, made_by(records)) == (0, ["a.jpg"]), done.stderr
    assert changed(before, folders.states()) == ["a.jpg.256.jpg"]
    assert os.stat(folders.thumbnail("a.jpg")).st_mtime_ns == os.stat(folders.path("a.jpg")).st_mtime_ns
    assert made_by(folders.once()[1]) == []


def test_without_its_record_the_time_speaks(folders):
    """A backup without extended attributes was restored, say.  With another time it cannot be told from somebody else's file."""
    fill(folders)
    folders.once()
    for name in NAMES:
        os.removexattr(folders.thumbnail(name), RECORD_XATTR)
    before = folders.states()
    assert made_by(folders.once()[1]) == []
    os.utime(folders.thumbnail("b.png"), ns=(1, 1))
    done, records = folders.once()
    assert done.returncode == 1 and made_by(records) == []
    assert [record.text("REASON") for record in records if record.matches("failed", "b.png")] == ["name-taken"]
    assert sorted(before) == sorted(folders.states())


@pytest.fixture
def without_xattrs(folders):
    """An outbox on ramfs, which has no extended attributes at all."""
    subprocess.run(["mount", "-t", "ramfs", "thumbnaild-test", folders.outbox], check=True)
    probe = folders.outbox / "probe"
    probe.touch()
    with pytest.raises(OSError, match="not supported"):
        os.setxattr(probe, RECORD_XATTR, b"")
    probe.unlink()
    yield folders
    subprocess.run(["umount", "--lazy", folders.outbox], check=True)


def test_where_records_cannot_be_kept_the_time_speaks(without_xattrs):
    folders = without_xattrs
    fill(folders)
    assert presets_once(folders, SMALL) == NAMES
    before = folders.states()
    assert presets_once(folders, SMALL) == []
    assert folders.states() == before
    touched(folders)
    assert presets_once(folders, SMALL) == ["a.jpg"]
    thumbnail = folders.thumbnail("b.png", "small")
    os.truncate(thumbnail, 0)
    os.utime(thumbnail, ns=(1_500_000_000_000_000_000,) * 2)
    assert presets_once(folders, SMALL) == ["b.png"]


def test_where_records_cannot_be_kept_a_changed_preset_is_noticed(without_xattrs):
    folders = without_xattrs
    fill(folders)
    assert presets_once(folders, SMALL, WIDE) == NAMES
    before = folders.states()
    assert presets_once(folders, SMALL, WIDE + " quality = 60;") == NAMES
    assert changed(before, folders.states()) == [f"{name}.wide.webp" for name in NAMES]
    assert presets_once(folders, SMALL, WIDE + " quality = 60;") == []
