# SPDX-License-Identifier: GPL-2.0-or-later
"""originals = "move" and "delete": an original is taken away when all its thumbnails are durable, and is never lost or altered."""

import os
import shutil
import struct
import subprocess

import pictures
import pytest
from daemon import state

SMALL = dict(width=120, height=90)
GOOD = pictures.encoded(**SMALL)
OTHER = pictures.encoded(width=200, height=90)
MTIME_NS = 1_600_000_000_123_456_789
SOMEBODY = 4711


class Taking:
    def __init__(self, folders):
        self.folders = folders
        self.processed = folders.root / "processed"
        self.mounted = []

    def config(self, originals, folder="", text="workers = 1;", **more):
        extra = f'processed = "{self.processed}";' if originals == "move" else ""
        return self.folders.config(text, folder=f'originals = "{originals}"; {extra} {folder}', **more)

    def start(self, originals, uid=None, program=None, folder="", **more):
        how = {"program": program} if program else {}
        return self.folders.start("-c", self.config(originals, folder, **more), uid=uid, **how)

    def wait_taken(self, daemon, *names):
        daemon.wait(lambda: not any(os.path.exists(self.folders.path(name)) for name in names), f"{names} taken away")

    def mount(self, path, *how):
        path.mkdir(exist_ok=True)
        subprocess.run(["mount", *how, path], check=True)
        self.mounted.append(path)


@pytest.fixture
def taking(folders):
    taking = Taking(folders)
    yield taking
    for daemon in folders.daemons:
        if daemon.returncode is None:
            daemon.stop()
    for path in reversed(taking.mounted):
        subprocess.run(["umount", "--lazy", path], check=True)


def read(path):
    with open(path, "rb") as file:
        return file.read()


# Both


@pytest.mark.parametrize("originals", ["move", "delete"])
def test_an_original_goes_when_its_thumbnails_stand(taking, originals):
    daemon = taking.start(originals, presets=['name = "a"; width = 32;', 'name = "b"; width = 64;'])
    (taking.folders.inbox / "sub").mkdir()
    for name in ("x.jpg", "sub/y.jpg"):
        taking.folders.drop(name, GOOD)
    taking.wait_taken(daemon, "x.jpg", "sub/y.jpg")
    daemon.wait_made("x.jpg", "sub/y.jpg")
    for name in ("x.jpg", "sub/y.jpg"):
        for preset in "ab":
            pictures.open_checked(taking.folders.thumbnail(name, preset), "JPEG")
    if originals == "move":
        assert taking.folders.listing(taking.processed) == [b"sub/y.jpg", b"x.jpg"]
        assert read(taking.processed / "sub/y.jpg") == GOOD
    assert taking.folders.listing(taking.folders.inbox) == []
    assert (taking.folders.inbox / "sub").is_dir(), "a folder of somebody else's"


@pytest.mark.parametrize("originals", ["move", "delete"])
def test_what_failed_is_not_taken(taking, originals):
    daemon = taking.start(originals)
    taking.folders.drop("x.jpg", GOOD[: len(GOOD) // 2])
    daemon.wait_event("failed", "x.jpg")
    taking.folders.drop("y.jpg", GOOD)
    taking.wait_taken(daemon, "y.jpg")
    assert read(taking.folders.path("x.jpg")) == GOOD[: len(GOOD) // 2]


@pytest.mark.parametrize("originals", ["move", "delete"])
def test_what_is_no_picture_is_not_taken(taking, originals):
    daemon = taking.start(originals)
    taking.folders.drop("x.xmp", b"<xmp/>")
    taking.folders.drop("y.jpg", GOOD)
    taking.wait_taken(daemon, "y.jpg")
    assert os.path.exists(taking.folders.path("x.xmp"))


@pytest.mark.parametrize("originals", ["move", "delete"])
def test_an_original_with_one_of_two_thumbnails_is_not_taken(taking, originals):
    """The other name is held by something that is not ours."""
    (taking.folders.outbox / "x.jpg.b.jpg").write_bytes(b"mine")
    daemon = taking.start(originals, presets=['name = "a"; width = 32;', 'name = "b"; width = 64;'])
    taking.folders.drop("x.jpg", GOOD)
    daemon.wait_event("failed", "x.jpg")
    taking.folders.drop("y.jpg", GOOD)
    taking.wait_taken(daemon, "y.jpg")
    assert read(taking.folders.path("x.jpg")) == GOOD
    assert (taking.folders.outbox / "x.jpg.b.jpg").read_bytes() == b"mine"


@pytest.mark.parametrize("originals", ["move", "delete"])
def test_what_was_made_earlier_is_taken_at_the_next_start(taking, originals):
    daemon = taking.start("keep")
    for name in ("x.jpg", "y.jpg"):
        taking.folders.drop(name, GOOD)
    daemon.wait_made("x.jpg", "y.jpg")
    daemon.stop()
    before = taking.folders.states()
    daemon = taking.start(originals)
    taking.wait_taken(daemon, "x.jpg", "y.jpg")
    assert taking.folders.states() == before and not daemon.events("made")


@pytest.mark.parametrize("originals", ["move", "delete"])
def test_a_reload_can_ask_for_it(taking, originals):
    daemon = taking.start("keep")
    taking.folders.drop("x.jpg", GOOD)
    daemon.wait_made("x.jpg")
    daemon.stop()
    taking.config(originals)
    daemon = taking.start(originals)
    taking.wait_taken(daemon, "x.jpg")


@pytest.mark.parametrize("originals", ["move", "delete"])
def test_once_takes_away_before_it_ends(taking, originals):
    names = [f"{n}.jpg" for n in range(30)]
    for name in names:
        taking.folders.drop(name, GOOD)
    done, _ = taking.folders.once("-c", taking.config(originals, text="workers = 2;"))
    assert done.returncode == 0, done.stderr
    assert taking.folders.listing(taking.folders.inbox) == []
    assert len(taking.folders.thumbnails()) == 30
    if originals == "move":
        assert len(taking.folders.listing(taking.processed)) == 30


# A version that is not the one that was made


def in_flight(taking, originals, name="x.jpg", data=GOOD):
    daemon = taking.start(originals)
    (worker,) = daemon.workers()
    daemon.pause(worker)
    taking.folders.drop(name, data)
    daemon.wait_busy()
    return daemon, worker


@pytest.mark.parametrize("originals", ["keep", "move", "delete"])
def test_a_file_that_is_replaced_while_it_is_rendered(taking, originals):
    """What stands in the end is a thumbnail of the new version, and the old one's is never seen under the new mtime."""
    daemon, worker = in_flight(taking, originals)
    taking.folders.drop("x.jpg", OTHER)
    daemon.resume(worker)
    daemon.wait_event("made", "x.jpg")
    if originals != "keep":
        taking.wait_taken(daemon, "x.jpg")
    made = pictures.open_checked(taking.folders.thumbnail("x.jpg"), "JPEG")
    assert made.size == (200, 90), "the new version"
    assert len(daemon.events("made")) == 1
    if originals == "move":
        assert read(taking.processed / "x.jpg") == OTHER


@pytest.mark.parametrize("originals", ["keep", "move", "delete"])
def test_a_file_that_goes_while_it_is_rendered(taking, originals):
    daemon, worker = in_flight(taking, originals)
    os.rename(taking.folders.path("x.jpg"), taking.folders.root / "elsewhere")
    daemon.resume(worker)
    taking.folders.drop("y.jpg", GOOD)
    daemon.wait_made("y.jpg")
    daemon.wait(lambda: daemon.events("skipped", "x.jpg"), "a word about it")
    assert taking.folders.thumbnails() == [b"y.jpg.256.jpg"]


@pytest.mark.parametrize("originals", ["move", "delete"])
def test_a_file_that_is_opened_again_while_it_is_rendered_stays(taking, originals):
    """A resumed upload, a scanner's next page: nothing is written yet, so size and mtime are those of what was made."""
    daemon, worker = in_flight(taking, originals)
    with open(taking.folders.path("x.jpg"), "r+b") as writer:
        daemon.resume(worker)
        daemon.wait(lambda: os.path.exists(taking.folders.thumbnail("x.jpg")) or daemon.events("waiting", "x.jpg"), "made, or waiting")
        taking.folders.drop("y.jpg", GOOD)
        taking.wait_taken(daemon, "y.jpg")
        writer.write(OTHER)
        writer.truncate()
    taking.wait_taken(daemon, "x.jpg")
    daemon.wait(lambda: pictures.open_checked(taking.folders.thumbnail("x.jpg"), "JPEG").size == (200, 90), "the whole upload made")
    if originals == "move":
        assert read(taking.processed / "x.jpg") == OTHER


@pytest.mark.parametrize("originals", ["move", "delete"])
def test_a_file_that_is_replaced_again_and_again_is_never_lost(taking, originals):
    """Whoever is faster: the last version is made, and what was moved away is whole."""
    daemon = taking.start(originals)
    sizes = [(120 + n, 90) for n in range(60)]
    for width, height in sizes:
        taking.folders.drop("x.jpg", pictures.encoded(width=width, height=height))
    taking.wait_taken(daemon, "x.jpg")
    daemon.wait(lambda: pictures.open_checked(taking.folders.thumbnail("x.jpg"), "JPEG").size == sizes[-1], "the last version")
    daemon.stop()
    assert taking.folders.listing(taking.folders.inbox) == []
    if originals == "move":
        moved = [read(os.path.join(os.fsencode(taking.processed), name)) for name in taking.folders.listing(taking.processed)]
        known = {pictures.encoded(width=width, height=height) for width, height in sizes}
        assert set(moved) <= known and len(moved) == len(set(moved))
        assert pictures.encoded(width=sizes[-1][0], height=90) in moved


# Moving


def test_a_name_that_is_taken_is_numbered(taking):
    taking.processed.mkdir()
    for name in ("x.jpg", "x~2.jpg", "archive.tar.jpg", "noext"):
        (taking.processed / name).write_bytes(b"mine")
    daemon = taking.start("move")
    for name in ("x.jpg", "archive.tar.jpg", "noext"):
        taking.folders.drop(name, GOOD)
        taking.wait_taken(daemon, name)
    assert {name: read(taking.processed / name) for name in os.listdir(taking.processed)} == {
        "x.jpg": b"mine",
        "x~2.jpg": b"mine",
        "x~3.jpg": GOOD,
        "archive.tar.jpg": b"mine",
        "archive.tar~2.jpg": GOOD,
        "noext": b"mine",
        "noext~2": GOOD,
    }


def test_a_long_name_that_is_taken_is_numbered_too(taking):
    name = "ä" * 125 + ".jpg"
    taking.processed.mkdir()
    (taking.processed / name).write_bytes(b"mine")
    daemon = taking.start("move")
    taking.folders.drop(name, GOOD)
    taking.wait_taken(daemon, name)
    (other,) = [found for found in os.listdir(taking.processed) if found != name]
    assert other.endswith("~2.jpg") and other.startswith("ä" * 100) and read(taking.processed / other) == GOOD
    assert (taking.processed / name).read_bytes() == b"mine"


ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, perm, who) for tag, perm, who in [(1, 6, 2**32 - 1), (2, 4, SOMEBODY), (4, 4, 2**32 - 1), (16, 4, 2**32 - 1), (32, 0, 2**32 - 1)]
)


@pytest.mark.parametrize("where", ["same", "disk-to-memory", "memory-to-disk", "bind"])
def test_a_move_keeps_what_belongs_to_a_file(taking, where):
    """Across file systems too, and between two mounts of one, where rename(2) fails although st_dev is the same."""
    if where == "disk-to-memory":
        taking.mount(taking.processed, "-t", "tmpfs", "none")
    elif where == "memory-to-disk":
        taking.mount(taking.folders.inbox, "-t", "tmpfs", "none")
    elif where == "bind":
        (taking.folders.root / "real").mkdir()
        taking.mount(taking.processed, "--bind", taking.folders.root / "real")
    staged = taking.folders.staging / "x.jpg"
    staged.write_bytes(GOOD)
    os.chown(staged, SOMEBODY, SOMEBODY)
    staged.chmod(0o640)
    on_tmpfs = "memory" in where
    names = {"system.posix_acl_access": ACL, "trusted.test": b"\0\1"} | ({} if on_tmpfs else {"user.test": b"caption", "user.empty": b""})
    final = taking.folders.inbox / "x.jpg"
    hidden = taking.folders.inbox / ".x.jpg"
    shutil.copy2(staged, hidden)
    os.chown(hidden, SOMEBODY, SOMEBODY)
    for name, value in names.items():
        os.setxattr(hidden, name, value)
    os.utime(hidden, ns=(MTIME_NS, MTIME_NS))
    before = hidden.stat()
    kept = {name: os.getxattr(hidden, name) for name in names}
    daemon = taking.start("move")
    os.rename(hidden, final)
    taking.wait_taken(daemon, "x.jpg")
    moved = taking.processed / "x.jpg"
    after = moved.stat()
    assert read(moved) == GOOD
    assert (after.st_mode, after.st_uid, after.st_gid, after.st_mtime_ns) == (before.st_mode, SOMEBODY, SOMEBODY, MTIME_NS)
    assert {name: os.getxattr(moved, name) for name in names} == kept
    assert (after.st_ino == before.st_ino) == (where == "same")
    assert os.listdir(taking.processed) == ["x.jpg"] and os.listdir(taking.folders.inbox) == []


def test_a_copy_that_finds_no_room_leaves_the_original(taking):
    taking.mount(taking.processed, "-t", "tmpfs", "-o", "size=64k", "none")
    big = pictures.encoded(width=400, height=300, seed=1, quality=95)
    assert len(big) > 65536
    daemon = taking.start("move")
    taking.folders.drop("x.jpg", big)
    daemon.wait_made("x.jpg")
    assert daemon.wait_event("waiting", "x.jpg").text("REASON") == "no-space"
    assert read(taking.folders.path("x.jpg")) == big and os.listdir(taking.processed) == []
    taking.folders.drop("y.jpg", GOOD)
    taking.wait_taken(daemon, "y.jpg")
    assert os.listdir(taking.processed) == ["y.jpg"]


# Deleting


def camera_raw():
    """A TIFF with DNGVersion, and a JPEG in it."""
    preview = pictures.encoded(width=640, height=480)
    entries = [
        (0x00FE, 4, 1, 1),
        (0x0100, 4, 1, 640),
        (0x0101, 4, 1, 480),
        (0x0102, 3, 1, 8),
        (0x0103, 3, 1, 7),
        (0x0106, 3, 1, 6),
        (0x0111, 4, 1, 0),
        (0x0112, 3, 1, 1),
        (0x0115, 3, 1, 3),
        (0x0116, 4, 1, 480),
        (0x0117, 4, 1, len(preview)),
        (0xC612, 1, 4, 0x00000401),
    ]
    offset = 8 + 2 + 12 * len(entries) + 4
    body = b"".join(struct.pack("<HHII", tag, kind, count, offset if tag == 0x0111 else value) for tag, kind, count, value in entries)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + body + struct.pack("<I", 0) + preview


def test_camera_raw_is_never_deleted(taking):
    data = camera_raw()
    daemon = taking.start("delete")
    taking.folders.drop("x.dng", data)
    daemon.wait(lambda: daemon.events("made", "x.dng") or daemon.events("failed", "x.dng"), "a word about it")
    taking.folders.drop("y.jpg", GOOD)
    taking.wait_taken(daemon, "y.jpg")
    assert daemon.events("made", "x.dng"), daemon.evidence()
    assert read(taking.folders.path("x.dng")) == data
    daemon.stop()
    daemon = taking.start("delete")
    taking.folders.drop("z.jpg", GOOD)
    taking.wait_taken(daemon, "z.jpg")
    assert read(taking.folders.path("x.dng")) == data


def test_camera_raw_is_moved(taking):
    daemon = taking.start("move")
    taking.folders.drop("x.dng", camera_raw())
    taking.wait_taken(daemon, "x.dng")
    assert read(taking.processed / "x.dng") == camera_raw()


def test_one_of_two_links_is_deleted(taking):
    daemon = taking.start("delete")
    staged = taking.folders.root / "mine.jpg"
    staged.write_bytes(GOOD)
    os.link(staged, taking.folders.path("x.jpg"))
    taking.wait_taken(daemon, "x.jpg")
    assert read(staged) == GOOD


def test_a_delete_that_was_interrupted_gives_the_name_back(taking):
    """What a kill leaves set aside is an original like any other at the next start."""
    (taking.folders.inbox / "sub").mkdir()
    for folder in ("", "sub/"):
        with open(taking.folders.path(f"{folder}.thumbnaild~x.jpg"), "wb") as file:
            file.write(GOOD)
    daemon = taking.start("keep")
    daemon.wait_made("x.jpg", "sub/x.jpg")
    assert taking.folders.listing(taking.folders.inbox) == [b"sub/x.jpg", b"x.jpg"]


# Not ours to take


@pytest.mark.parametrize("originals", ["move", "delete"])
def test_what_cannot_be_taken_away_is_said_once(taking, originals):
    """The folder is somebody else's: thumbnails stand, the originals too."""
    folders = taking.folders
    os.chown(folders.outbox, SOMEBODY, SOMEBODY)
    taking.processed.mkdir()
    os.chown(taking.processed, SOMEBODY, SOMEBODY)
    path = taking.config(originals)
    daemon = folders.start("-c", path, uid=SOMEBODY, program=folders.program_for_everybody)
    names = [f"{n}.jpg" for n in range(5)]
    for name in names:
        folders.drop(name, GOOD)
    daemon.wait_made(*names)
    waiting = daemon.wait_event("waiting")
    assert waiting.text("REASON") == "not-removable" and "write" in waiting.message
    assert sorted(os.listdir(folders.inbox)) == names and len(folders.thumbnails()) == 5
    assert os.listdir(taking.processed) == []
    os.chown(folders.inbox, SOMEBODY, SOMEBODY)
    daemon.signal(1)
    daemon.wait(lambda: daemon.events("reloaded"), "a reload")
    taking.wait_taken(daemon, *names)
    assert len(daemon.events("waiting")) == 1 and len(daemon.events("made")) == 5


@pytest.mark.parametrize("inbox", ["not writable", "of everybody"])
def test_what_cannot_be_taken_away_leaves_no_copies_elsewhere(taking, inbox):
    """Across file systems a move begins with a copy, and is tried again and again."""
    folders = taking.folders
    os.chown(folders.outbox, SOMEBODY, SOMEBODY)
    taking.mount(taking.processed, "-t", "tmpfs", "none")
    os.chown(taking.processed, SOMEBODY, SOMEBODY)
    folders.inbox.chmod(0o755 if inbox == "not writable" else 0o1777)
    folders.drop("x.jpg", GOOD)
    for tries in range(3):
        daemon = folders.start("-c", taking.config("move"), uid=SOMEBODY, program=folders.program_for_everybody)
        assert daemon.wait_event("waiting", "x.jpg").text("REASON") == "not-removable"
        daemon.stop()
        assert os.listdir(taking.processed) == [] and read(folders.path("x.jpg")) == GOOD
    folders.inbox.chmod(0o777)
    daemon = folders.start("-c", taking.config("move"), uid=SOMEBODY, program=folders.program_for_everybody)
    taking.wait_taken(daemon, "x.jpg")
    assert os.listdir(taking.processed) == ["x.jpg"]


OWNER = 4712
AS_THE_SERVICE = [
    *("setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups"),
    *("--inh-caps=-all,+lease,+fowner", "--ambient-caps=+lease,+fowner", "--"),
]


def folder_of_somebody_else(taking, name, mode=0o755, acl=None):
    """Made by another user, with an original, and closed to the daemon's user for writing."""
    place = taking.folders.inbox / name
    place.mkdir()
    (place / "x.jpg").write_bytes(GOOD)
    os.chown(place, OWNER, OWNER)
    place.chmod(mode)
    if acl:
        subprocess.run(["setfacl", "-m", acl, place], check=True)
    return place


def acl_of(path):
    done = subprocess.run(["getfacl", "-cpnE", path], capture_output=True, text=True, check=True)
    return done.stdout.split()


def start_as_the_service(taking, originals, folder=""):
    folders = taking.folders
    os.chown(folders.inbox, SOMEBODY, SOMEBODY)
    os.chown(folders.outbox, SOMEBODY, SOMEBODY)
    for store in (taking.processed, folders.root / "failed"):
        store.mkdir()
        os.chown(store, SOMEBODY, SOMEBODY)
    return folders.start("-c", taking.config(originals, folder), prefix=AS_THE_SERVICE, program=folders.program_for_everybody)


@pytest.mark.parametrize("originals", ["move", "delete"])
def test_originals_are_taken_out_of_folders_that_somebody_else_made(taking, originals):
    """With CAP_FOWNER: the daemon admits itself to the folder, and nobody else."""
    plain = folder_of_somebody_else(taking, "plain")
    # As "cp -r" leaves it below a default ACL: the mask is the mode's, and hides what the ACL would give.
    masked = folder_of_somebody_else(taking, "masked", acl=f"u:{SOMEBODY}:rwx,u:4713:rwx,g::rwx,g:4714:rwx,m::r-x")
    sticky = folder_of_somebody_else(taking, "sticky", mode=0o1755)
    daemon = start_as_the_service(taking, originals)
    taking.wait_taken(daemon, "plain/x.jpg", "masked/x.jpg", "sticky/x.jpg")
    assert acl_of(plain) == ["user::rwx", f"user:{SOMEBODY}:rwx", "group::r-x", "mask::rwx", "other::r-x"]
    assert sorted(acl_of(masked)) == sorted(
        ["user::rwx", f"user:{SOMEBODY}:rwx", "user:4713:r-x", "group::r-x", "group:4714:r-x", "mask::rwx", "other::r-x"]
    )
    assert sticky.stat().st_mode & 0o7777 == 0o1775, "mask in the place of the group, sticky as before"
    assert (plain.stat().st_uid, plain.stat().st_gid) == (OWNER, OWNER)
    daemon.stop()
    assert not daemon.events("waiting")


def test_a_failure_is_set_apart_from_a_folder_that_somebody_else_made_and_goes_back_there(taking):
    place = folder_of_somebody_else(taking, "sub")
    (place / "x.jpg").write_text("no picture")
    failed = taking.folders.root / "failed"
    daemon = start_as_the_service(taking, "keep", f'failed = "{failed}";')
    daemon.wait((failed / "sub/x.jpg").exists, "x.jpg among the failed")
    subprocess.run(["setfacl", "-b", place], check=True)
    place.chmod(0o755)
    os.unlink(failed / "sub/x.jpg.why.txt")
    daemon.wait_event("failed", "sub/x.jpg", count=2)


def test_an_inbox_itself_is_left_as_it_is(taking):
    """Who made that is its administrator, and meant it."""
    (taking.folders.inbox / "x.jpg").write_bytes(GOOD)
    daemon = start_as_the_service(taking, "delete")
    taking.wait_taken(daemon, "x.jpg")
    os.chown(taking.folders.inbox, OWNER, OWNER)
    before = acl_of(taking.folders.inbox)
    taking.folders.drop("y.jpg", GOOD)
    assert daemon.wait_event("waiting", "y.jpg").text("REASON") == "not-removable"
    assert acl_of(taking.folders.inbox) == before


def test_without_the_capability_a_folder_is_left_as_it_is(taking):
    folders = taking.folders
    place = folder_of_somebody_else(taking, "sub")
    os.chown(folders.outbox, SOMEBODY, SOMEBODY)
    daemon = folders.start("-c", taking.config("delete"), uid=SOMEBODY, program=folders.program_for_everybody)
    assert daemon.wait_event("waiting", "sub/x.jpg").text("REASON") == "not-removable"
    assert acl_of(place) == ["user::rwx", "group::r-x", "other::r-x"]


def test_a_folder_of_the_daemons_own_user_is_left_as_it_is(taking):
    """Who runs it on folders of their own, and closed one, meant it."""
    folders = taking.folders
    place = folder_of_somebody_else(taking, "sub", mode=0o555)
    os.chown(place, SOMEBODY, SOMEBODY)
    daemon = start_as_the_service(taking, "delete")
    assert daemon.wait_event("waiting", "sub/x.jpg").text("REASON") == "not-removable"
    assert place.stat().st_mode & 0o7777 == 0o555 and len(acl_of(place)) == 3


def test_a_read_only_inbox_is_said(taking):
    """A bind mount of the inbox that the daemon may only read."""
    folders = taking.folders
    with open(folders.path("x.jpg"), "wb") as file:
        file.write(GOOD)
    taking.mount(folders.inbox, "--bind", folders.inbox)
    subprocess.run(["mount", "-o", "remount,ro,bind", folders.inbox], check=True)
    daemon = taking.start("delete")
    daemon.wait_made("x.jpg")
    assert daemon.wait_event("waiting", "x.jpg").text("REASON") == "not-removable"
    assert read(folders.path("x.jpg")) == GOOD


# Kept


def test_kept_originals_are_not_touched_in_any_way(taking):
    folders = taking.folders
    folders.drop("x.jpg", GOOD, MTIME_NS)
    os.utime(folders.path("x.jpg"), ns=(MTIME_NS, MTIME_NS))  # a read that was noted would show
    before, folder = folders.state_of(folders.path("x.jpg")), os.stat(folders.inbox)
    daemon = taking.start("keep")
    daemon.wait_made("x.jpg")
    daemon.stop()
    assert os.stat(folders.path("x.jpg")).st_atime_ns == MTIME_NS
    assert folders.state_of(folders.path("x.jpg")) == before
    after = os.stat(folders.inbox)
    assert (after.st_mtime_ns, after.st_ctime_ns) == (folder.st_mtime_ns, folder.st_ctime_ns)


# Killed in between


@pytest.mark.parametrize("originals", ["move", "delete"])
def test_a_supervisor_that_is_killed_while_it_takes_away_loses_nothing(taking, originals):
    names = [f"{n:02}.jpg" for n in range(40)]
    for name in names:
        taking.folders.drop(name, GOOD)
    while True:
        daemon = taking.start(originals, text="workers = 2;")
        left = len(os.listdir(taking.folders.inbox))
        daemon.wait(lambda: len(os.listdir(taking.folders.inbox)) <= max(0, left - 8), "some taken away")
        daemon.kill()
        here = [name for name in os.listdir(taking.folders.inbox)]
        moved = os.listdir(taking.processed) if originals == "move" else []
        if originals == "move":
            assert sorted(here + moved) == names
        for name in names:
            if name not in [entry.replace(".thumbnaild~", "") for entry in here]:
                pictures.open_checked(taking.folders.thumbnail(name), "JPEG")
        if left == 0:
            break
    assert state(daemon.pid) is None
