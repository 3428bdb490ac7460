# SPDX-License-Identifier: GPL-2.0-or-later
"""orphans = "delete": thumbnails go with their originals, and nothing else ever does."""

import os
import shutil
import subprocess

import pictures
import pytest
from daemon import RECORD_XATTR

SMALL = dict(width=120, height=90)
DELETE = 'orphans = "delete";'
TWO = ['name = "a"; width = 24;', 'name = "b"; width = 40;']


def config(folders, folder="", **how):
    return folders.config("workers = 1; limits = { free_mib = 0; };", folder=DELETE + folder, **how)


def serve(folders, folder="", **how):
    return folders.start("-c", config(folders, folder, **how))


def drop(folders, *names):
    for name in names:
        os.makedirs(os.path.dirname(folders.path(name)), exist_ok=True)
        with open(folders.path(name), "wb") as file:  # not by a rename: some of the places are file systems of their own
            file.write(pictures.encoded(**SMALL))


def made(folders, *names, folder="", **how):
    """A daemon that has made the thumbnails of these."""
    daemon = serve(folders, folder, **how)
    drop(folders, *names)
    daemon.wait_made(*names)
    return daemon


def once(folders, *arguments):
    done, records = folders.once(*arguments)
    assert done.returncode == 0, f"{done.stderr}\n{records}"
    return [record for record in records if record.event == "removed"]


def offline(folders, *names, folder="", **how):
    """Thumbnails of these stand, and the daemon is not there."""
    path = config(folders, folder, **how)
    drop(folders, *names)
    assert once(folders, "-c", path) == []
    return path


def name(original):
    return os.fsencode(original) + b".256.jpg"


# Seen to go


def test_it_goes_with_its_original(folders):
    daemon = made(folders, "a.jpg", "b.jpg")
    os.unlink(folders.path("a.jpg"))
    removed = daemon.wait_event("removed", "a.jpg", outputs=1)
    assert removed["INBOX"] == os.fsencode(folders.inbox)
    assert folders.thumbnails() == [name("b.jpg")]
    os.rename(folders.path("b.jpg"), folders.staging / "b.jpg")
    daemon.wait_event("removed", "b.jpg", outputs=1)
    assert folders.thumbnails() == []


def test_all_presets_go_whatever_the_format_was(folders):
    daemon = serve(folders, presets=[*TWO, 'name = "c"; width = 30; format = "same";'])
    drop(folders, "a.jpg")
    folders.drop("b.png", pictures.encoded("PNG", **SMALL))
    daemon.wait_made("a.jpg", "b.png")
    assert len(folders.thumbnails()) == 6
    for original in ("a.jpg", "b.png"):
        os.unlink(folders.path(original))
        daemon.wait_event("removed", original, outputs=3)
    assert folders.thumbnails() == []


def test_a_renamed_original_takes_its_thumbnail_along(folders):
    daemon = made(folders, "old.jpg")
    os.rename(folders.path("old.jpg"), folders.path("new.jpg"))
    daemon.wait_made("new.jpg")
    daemon.wait_event("removed", "old.jpg")
    assert folders.thumbnails() == [name("new.jpg")]


def test_a_renamed_folder_takes_its_thumbnails_along(folders):
    daemon = made(folders, "old/x/a.jpg", "old/b.jpg", "c.jpg")
    os.rename(folders.path("old"), folders.path("new"))
    daemon.wait_made("new/x/a.jpg", "new/b.jpg")
    daemon.wait_event("removed", outputs=2)
    assert folders.thumbnails() == [name("c.jpg"), name("new/b.jpg"), name("new/x/a.jpg")]
    assert not (folders.outbox / "old").exists()


def test_a_folder_that_is_moved_out_takes_its_thumbnails_along(folders):
    daemon = made(folders, "album/a.jpg", "c.jpg")
    os.rename(folders.path("album"), folders.staging / "album")
    daemon.wait_event("removed", outputs=1)
    assert sorted(os.listdir(folders.outbox)) == [".thumbnaild", "c.jpg.256.jpg"]


def test_an_original_that_comes_back_keeps_its_thumbnail(folders):
    daemon = made(folders, "a.jpg", "b.jpg")
    before = folders.state_of(folders.thumbnail("a.jpg"))
    os.rename(folders.path("a.jpg"), folders.staging / "a.jpg")
    os.rename(folders.staging / "a.jpg", folders.path("a.jpg"))
    os.unlink(folders.path("b.jpg"))  # behind it: what is due is taken in order
    daemon.wait_event("removed", "b.jpg")
    assert folders.state_of(folders.thumbnail("a.jpg")) == before


def test_many_at_once_are_summed_up(folders):
    names = [f"many/{i}.jpg" for i in range(200)]
    daemon = made(folders, *names)
    shutil.rmtree(folders.path("many"))
    daemon.wait(lambda: folders.thumbnails() == [], "an empty outbox")
    daemon.wait(lambda: sum(r.number("OUTPUTS") for r in daemon.events("removed")) == 200, "all accounted for")
    assert len(daemon.events("removed")) < 100
    daemon.wait(lambda: os.listdir(folders.outbox) == [".thumbnaild"], "the folder gone as well")


def test_what_somebody_else_put_there_stays(folders):
    daemon = made(folders, "ours/a.jpg", "mixed/b.jpg")
    (folders.outbox / "theirs").mkdir()
    (folders.outbox / "mixed" / "note.txt").write_text("mine")
    drop(folders, "theirs/c.jpg")
    daemon.wait_made("theirs/c.jpg")
    for folder in ("ours", "mixed", "theirs"):
        shutil.rmtree(folders.path(folder))
    daemon.wait(lambda: folders.thumbnails() == [b"mixed/note.txt"], "thumbnails gone")
    drop(folders, "last.jpg")
    daemon.wait_made("last.jpg")
    os.unlink(folders.path("last.jpg"))
    daemon.wait_event("removed", "last.jpg")
    assert sorted(os.listdir(folders.outbox)) == [".thumbnaild", "mixed", "theirs"]


def test_a_thumbnail_that_is_not_ours_stays(folders):
    """Under our name, but without our record, or with that of another original."""
    daemon = made(folders, "a.jpg", "b.jpg", "c.jpg")
    os.removexattr(folders.thumbnail("a.jpg"), RECORD_XATTR)
    os.setxattr(folders.thumbnail("b.jpg"), RECORD_XATTR, os.getxattr(folders.thumbnail("c.jpg"), RECORD_XATTR))
    for original in ("a.jpg", "b.jpg", "c.jpg"):
        os.unlink(folders.path(original))
    daemon.wait_event("removed", "c.jpg")
    assert folders.thumbnails() == [name("a.jpg"), name("b.jpg")]
    daemon.reload()
    assert folders.thumbnails() == [name("a.jpg"), name("b.jpg")]


# Found gone


def test_what_went_unseen_is_found_by_a_scan(folders):
    path = offline(folders, "a.jpg", "x/y/b.jpg", "x/c.jpg", "d.jpg")
    shutil.rmtree(folders.path("x"))
    os.unlink(folders.path("a.jpg"))
    (removed,) = once(folders, "-c", path)
    assert removed.number("OUTPUTS") == 3 and removed.file is None
    assert sorted(os.listdir(folders.outbox)) == [".thumbnaild", "d.jpg.256.jpg"]


def test_what_went_unseen_is_found_by_a_reload(folders):
    daemon = made(folders, "a.jpg", "b.jpg")
    (folders.outbox / "a.jpg.256.jpg").rename(folders.staging / "kept.jpg")
    os.unlink(folders.path("a.jpg"))
    drop(folders, "c.jpg")
    daemon.wait_made("c.jpg")
    os.unlink(folders.path("c.jpg"))
    daemon.wait_event("removed", "c.jpg")
    (folders.staging / "kept.jpg").rename(folders.outbox / "a.jpg.256.jpg")  # as from a backup
    daemon.reload()
    daemon.wait_event("removed", None, outputs=1, count=2)
    assert folders.thumbnails() == [name("b.jpg")]


@pytest.mark.parametrize("template", ["{preset}/{dir}/{file}.{ext}", "{dir}/{stem}/{preset}-{file}.{ext}", "{folder}/{dir}/{file}.{preset}.{ext}"])
def test_whatever_the_names_are_made_of(folders, template):
    how = dict(folder=f'name = "{template}";', presets=TWO)
    path = offline(folders, "a.jpg", "x/b.jpg", "x/y/c.a.jpg", "keep/d.b.jpg", **how)
    shutil.rmtree(folders.path("x"))
    (removed,) = once(folders, "-c", path)
    assert removed.number("OUTPUTS") == 4
    left = folders.thumbnails()
    assert len(left) == 4 and all(b"a.jpg" in thumbnail or b"d.b.jpg" in thumbnail for thumbnail in left)
    daemon = folders.start("-c", path)
    shutil.rmtree(folders.path("keep"))
    os.unlink(folders.path("a.jpg"))
    daemon.wait(lambda: folders.thumbnails() == [], "an empty outbox")


def test_names_that_were_cut(folders):
    long = ["x" * 245 + f"{i}.jpg" for i in range(6)] + [f"deep/{'y' * 245}{i}.jpg" for i in range(3)]
    path = offline(folders, *long)
    assert len(folders.thumbnails()) == 9
    for gone in (long[0], long[1], long[6]):
        os.unlink(folders.path(gone))
    (removed,) = once(folders, "-c", path)
    assert removed.number("OUTPUTS") == 3
    daemon = folders.start("-c", path)
    os.unlink(folders.path(long[2]))
    daemon.wait(lambda: len(folders.thumbnails()) == 5, "the next one gone")
    shutil.rmtree(folders.path("deep"))
    daemon.wait(lambda: len(folders.thumbnails()) == 3, "those in the folder gone as well")


def test_presets_that_are_not_in_force_go_with_the_original_only(folders):
    offline(folders, "a.jpg", "b.jpg", presets=TWO)
    daemon = serve(folders, presets=TWO[:1])
    drop(folders, "c.jpg")
    daemon.wait_made("c.jpg")
    assert len(folders.thumbnails()) == 5
    os.unlink(folders.path("c.jpg"))
    daemon.wait(lambda: len(folders.thumbnails()) == 4, "its one thumbnail gone")
    os.unlink(folders.path("a.jpg"))
    daemon.wait(lambda: folders.thumbnails() == [b"b.jpg.a.jpg", b"b.jpg.b.jpg"], "both thumbnails gone")


def test_a_folder_and_its_thumbnails_renamed_together(folders):
    """Nothing is made again, and the thumbnails still go with their originals."""
    path = offline(folders, "old/a.jpg", "old/b.jpg")
    for root in (folders.inbox, folders.outbox):
        (root / "old").rename(root / "new")
    before = os.stat(folders.thumbnail("new/a.jpg")).st_ino
    assert once(folders, "-c", path) == []
    assert os.stat(folders.thumbnail("new/a.jpg")).st_ino == before
    os.unlink(folders.path("new/b.jpg"))
    assert len(once(folders, "-c", path)) == 1
    assert folders.thumbnails() == [name("new/a.jpg")]


def test_folders_that_share_an_outbox(folders):
    """The same name in both, and only one of them deletes."""
    other = folders.root / "other"
    other.mkdir()
    for root in (folders.inbox, other):
        (root / "a.jpg").write_bytes(pictures.encoded(**SMALL))
        (root / "b.jpg").write_bytes(pictures.encoded(**SMALL))
    group = '{ inbox = "%s"; outbox = "%s"; name = "{dir}/{file}.{folder}.{preset}.{ext}"; %s }'
    path = folders.root / "shared.conf"
    path.write_text("workers = 1; folders = (%s, %s);" % (group % (folders.inbox, folders.outbox, DELETE), group % (other, folders.outbox, "")))
    assert once(folders, "-c", path) == []
    assert len(folders.thumbnails()) == 4
    for root in (folders.inbox, other):
        (root / "a.jpg").unlink()
    (removed,) = once(folders, "-c", path)
    assert removed.number("OUTPUTS") == 1 and removed["INBOX"] == os.fsencode(folders.inbox)
    assert folders.thumbnails() == [b"a.jpg.other.256.jpg", b"b.jpg.inbox.256.jpg", b"b.jpg.other.256.jpg"]


# Never


def test_an_inbox_that_is_empty_says_nothing(folders):
    path = offline(folders, "a.jpg", "x/b.jpg")
    shutil.rmtree(folders.path("x"))
    os.unlink(folders.path("a.jpg"))
    (folders.inbox / ".hidden").write_text("no picture")
    assert once(folders, "-c", path) == []
    assert folders.thumbnails() == [name("a.jpg"), name("x/b.jpg")]


def test_another_file_system_in_its_place_says_nothing(folders):
    path = offline(folders, "a.jpg", "b.jpg")
    subprocess.run(["mount", "-t", "tmpfs", "stranger", folders.inbox], check=True)
    try:
        drop(folders, "c.jpg")
        assert once(folders, "-c", path) == []
        assert folders.thumbnails() == [name("a.jpg"), name("b.jpg"), name("c.jpg")]
    finally:
        subprocess.run(["umount", folders.inbox], check=True)
    os.unlink(folders.path("a.jpg"))  # and back: a and what was the stranger's
    (removed,) = once(folders, "-c", path)
    assert removed.number("OUTPUTS") == 2
    assert folders.thumbnails() == [name("b.jpg")]


def test_a_new_inbox_in_its_place_says_nothing_until_told(folders):
    path = offline(folders, "a.jpg", "b.jpg")
    folders.inbox.rename(folders.root / "old")
    folders.inbox.mkdir()
    drop(folders, "b.jpg")
    done, records = folders.once("-c", path)
    assert [r for r in records if r.event == "trouble" and "not looked through" in r.message], records
    assert folders.thumbnails() == [name("a.jpg"), name("b.jpg")]
    (folders.outbox / ".thumbnaild" / "inboxes").unlink()  # as that line says
    assert once(folders, "-c", path) == []  # what it is, is known from now on
    assert len(once(folders, "-c", path)) == 1
    assert folders.thumbnails() == [name("b.jpg")]


def test_an_inbox_that_vanishes_takes_nothing_along(folders):
    daemon = made(folders, "a.jpg", "x/b.jpg")
    os.rename(folders.inbox, folders.root / "elsewhere")  # at once: of files that are removed one by one it sees that they go
    daemon.wait_event("paused")
    folders.inbox.mkdir()
    daemon.wait_event("resumed")
    drop(folders, "c.jpg")
    daemon.wait_made("c.jpg")
    os.unlink(folders.path("c.jpg"))
    daemon.wait_event("removed", "c.jpg")
    assert folders.thumbnails() == [name("a.jpg"), name("x/b.jpg")]


def test_an_inbox_that_is_mounted_over_takes_nothing_along(folders):
    subprocess.run(["mount", "-t", "tmpfs", "first", folders.inbox], check=True)
    try:
        daemon = made(folders, "a.jpg", "x/b.jpg")
        subprocess.run(["mount", "-t", "tmpfs", "second", folders.inbox], check=True)
        daemon.wait_event("paused")
        daemon.wait_event("resumed")
        drop(folders, "c.jpg")
        daemon.wait_made("c.jpg")
        daemon.reload()
        daemon.wait_event("trouble", None)
        os.unlink(folders.path("c.jpg"))
        daemon.wait_event("removed", "c.jpg")
        assert folders.thumbnails() == [name("a.jpg"), name("x/b.jpg")]
        daemon.stop()
        subprocess.run(["umount", folders.inbox], check=True)
    finally:
        subprocess.run(["umount", folders.inbox], check=True)


def test_a_disk_below_the_inbox_that_is_not_there_says_nothing(folders):
    disk = folders.inbox / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "disk", disk], check=True)
    path = offline(folders, "a.jpg", "b.jpg", "disk/c.jpg", "disk/x/d.jpg")
    subprocess.run(["umount", disk], check=True)
    os.unlink(folders.path("a.jpg"))
    assert len(once(folders, "-c", path)) == 1
    assert folders.thumbnails() == [name("b.jpg"), name("disk/c.jpg"), name("disk/x/d.jpg")]


def test_what_cannot_be_looked_at_says_nothing(folders):
    path = offline(folders, "closed/a.jpg", "b.jpg", "c.jpg")
    for folder in (folders.inbox, folders.outbox):
        subprocess.run(["chown", "-R", "daemon", folder], check=True)
    os.chown(folders.path("closed"), 0, 0)
    os.chmod(folders.path("closed"), 0o700)
    os.unlink(folders.path("b.jpg"))
    folders.root.chmod(0o777)
    daemon = folders.start("-c", path, uid=1, program=folders.program_for_everybody)
    daemon.wait_event("removed", outputs=1)
    assert folders.thumbnails() == [name("c.jpg"), name("closed/a.jpg")]


def test_where_nothing_can_be_proven_nothing_goes(folders):
    subprocess.run(["mount", "-t", "ramfs", "no-attributes", folders.outbox], check=True)
    try:
        with pytest.raises(OSError):
            probe = folders.outbox / "probe"
            probe.write_bytes(b"")
            os.setxattr(probe, RECORD_XATTR, b"")
        probe.unlink()
        path = offline(folders, "a.jpg", "b.jpg")
        os.unlink(folders.path("a.jpg"))
        done, records = folders.once("-c", path)
        assert [r for r in records if r.event == "trouble" and "extended attributes" in r.message], records
        assert folders.thumbnails() == [name("a.jpg"), name("b.jpg")]
    finally:
        subprocess.run(["umount", folders.outbox], check=True)


def test_by_default_thumbnails_stay(folders):
    daemon = folders.start()
    drop(folders, "a.jpg", "b.jpg")
    daemon.wait_made("a.jpg", "b.jpg")
    os.unlink(folders.path("a.jpg"))
    drop(folders, "c.jpg")
    daemon.wait_made("c.jpg")
    daemon.stop()
    folders.once()
    assert len(folders.thumbnails()) == 3


@pytest.mark.parametrize("originals", ['originals = "delete";', 'originals = "move"; processed = "/tmp/processed";'])
def test_not_together_with_taking_originals_away(folders, originals):
    done = folders.run("--check-config", "-c", config(folders, originals))
    assert done.returncode == 78 and "orphans" in done.stderr, done.stderr
