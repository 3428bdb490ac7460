# SPDX-License-Identifier: GPL-2.0-or-later
"""What is no picture gets its reason in the journal; nothing hangs, nothing is deleted, and the next picture is made."""

import os
import signal
import socket

import pictures
import pytest
from acting import Stage

SMALL = dict(width=120, height=90)


@pytest.fixture(scope="module")
def one(shared):
    return shared.start("-i", shared.inbox, "-o", shared.outbox, "-w", "1")


def assert_goes_on(one):
    """The one worker is free: nothing that came before holds it, or the supervisor, up."""
    name = f"behind-{len(one.events('made'))}.jpg"
    one.folders.drop(name, pictures.encoded(**SMALL))
    one.wait_made(name)


def assert_refused(one, name, event, reason):
    refused = one.wait_event(event, name)
    assert refused.text("REASON") == reason, f"{refused}"
    assert_goes_on(one)
    assert len(one.events(event, name)) == 1, "said once, tried once"
    assert not one.events("made", name) and not one.events("worker-lost")
    assert os.path.lexists(one.folders.path(name))
    assert not os.path.lexists(one.folders.thumbnail(name))


@pytest.mark.parametrize("name", ["notes.txt", "clip.mov", "a.jpg.xmp", "README"])
def test_what_is_no_picture_by_name_and_content_is_skipped(one, name):
    one.folders.drop(name, b"Hello, this is text.\n" * 100)
    skipped = one.wait_event("skipped", name)
    assert_goes_on(one)
    assert not one.events("failed", name)
    assert os.path.exists(one.folders.path(name)), skipped


def test_a_picture_under_another_name_is_a_picture(one):
    one.folders.drop("picture.txt", pictures.encoded(**SMALL))
    one.wait_made("picture.txt")


@pytest.mark.parametrize(
    "name, data, reason",
    [
        ("text.jpg", b"Hello, this is text.\n" * 100, "unsupported"),
        ("page.png", b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "unsupported"),
        ("empty.jpg", b"", "empty"),
        ("cut.jpg", pictures.encoded(width=640, height=480, seed=3)[:100_000], "truncated"),
        ("cut.png", pictures.encoded("PNG", 640, 480, seed=3)[:500_000], "truncated"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_claims_to_be_a_picture_fails_with_a_reason(one, name, data, reason):
    one.folders.drop(name, data)
    assert_refused(one, name, "failed", reason)
    with open(one.folders.path(name), "rb") as file:
        assert file.read() == data


@pytest.mark.parametrize("format", ["BMP", "PPM"])
def test_formats_that_are_off_by_default(one, format):
    name = f"untrusted.{format.lower()}"
    one.folders.drop(name, pictures.encoded(format, **SMALL))
    assert_refused(one, name, "failed", "unsupported")


def test_a_failed_file_is_tried_again_when_it_changes(one):
    one.folders.drop("mended.jpg", b"not yet")
    one.wait_event("failed", "mended.jpg")
    one.folders.drop("mended.jpg", pictures.encoded(**SMALL))
    one.wait_made("mended.jpg")


def make_fifo(path):
    os.mkfifo(path)


def make_socket(path):
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as listener:  # by a short way: a socket's name may have 107 bytes
        listener.bind(f"/proc/self/fd/{folder}/{os.fsdecode(os.path.basename(path))}")
    os.close(folder)


def make_device(path):
    os.mknod(path, 0o666 | 0o020000, os.makedev(1, 5))  # /dev/zero: would never end


def make_symlink_to_picture(path):
    outside = os.path.join(os.path.dirname(path), b"..", b"outside.jpg")
    with open(outside, "wb") as file:
        file.write(pictures.encoded(**SMALL))
    os.symlink(outside, path)


def make_symlink_to_secret(path):
    os.symlink("/etc/passwd", path)


def make_dangling_symlink(path):
    os.symlink("nowhere.jpg", path)


def make_loop(path):
    os.symlink(os.path.basename(path), path)


def make_symlink_to_folder(path):
    outside = os.path.join(os.path.dirname(path), b"..", b"outside")
    os.mkdir(outside)
    with open(os.path.join(outside, b"in.jpg"), "wb") as file:
        file.write(pictures.encoded(**SMALL))
    os.symlink(outside, path)


SPECIAL = [
    make_fifo,
    make_socket,
    make_device,
    make_symlink_to_picture,
    make_symlink_to_secret,
    make_dangling_symlink,
    make_loop,
    make_symlink_to_folder,
]


def assert_not_regular(one, name):
    said = one.wait(lambda: [r for r in one.events(file=name) if r.text("REASON") == "not-regular"], f"{name} named as not regular")
    assert said[0].event in ("failed", "skipped"), said
    assert_goes_on(one)
    assert not one.events("made", name)
    assert os.path.lexists(one.folders.path(name))
    assert not os.path.lexists(one.folders.thumbnail(name))


@pytest.mark.parametrize("make", SPECIAL)
def test_what_is_no_regular_file_is_named_and_never_opened(one, make):
    name = f"{make.__name__}.jpg"
    make(one.folders.path(name))
    assert_not_regular(one, name)
    assert not one.events("made", f"{name}/in.jpg")
    if make is make_fifo:
        with pytest.raises(OSError, match="No such device"):  # ENXIO: nobody has it open for reading
            os.open(one.folders.path(name), os.O_WRONLY | os.O_NONBLOCK)


def test_what_is_no_regular_file_at_the_start(folders):
    names = [f"{make.__name__}.jpg" for make in SPECIAL]
    for make, name in zip(SPECIAL, names):
        make(folders.path(name))
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1")
    for name in names:
        assert_not_regular(daemon, name)


def test_what_is_no_regular_file_any_more_when_its_turn_comes(folders):
    """The reading of the folder had listed one, and no event tells of what took its place."""
    stage = Stage(folders, "hang")
    names = [f"{n}.jpg" for n in range(len(SPECIAL) + 1)]
    for name in names:
        folders.drop(name, pictures.encoded(**SMALL))
    config = folders.config("workers = 1;", folder='watch = "poll"; poll_seconds = 86400;')
    daemon = folders.start("-c", config, program=stage.program)
    daemon.wait_busy()
    names.remove(next(name for name in names if daemon.has_open(os.fsdecode(folders.path(name)))))
    for make, name in zip(SPECIAL, names):
        os.unlink(folders.path(name))
        make(folders.path(name))
    stage.cast("")
    daemon.signal_worker(daemon.workers()[0], signal.SIGKILL)
    for name in names:
        daemon.wait(lambda: [r for r in daemon.events(file=name) if r.text("REASON") == "not-regular"], f"{name} named as not regular")
    daemon.wait(lambda: len(folders.thumbnails()) == 1, "the one picture")


def test_a_folder_named_like_a_picture_is_a_folder(one):
    folder = one.folders.inbox / "folder.jpg"
    folder.mkdir()
    (folder / "in.jpg").write_bytes(pictures.encoded(**SMALL))
    one.wait_made("folder.jpg/in.jpg")
    assert not one.events(file="folder.jpg") or not one.events("made", "folder.jpg")


def test_a_file_that_cannot_be_read_waits_until_it_can(folders):
    """As a daemon without privileges, for root can read everything."""
    uid = 42042
    os.chown(folders.outbox, uid, uid)
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1", uid=uid, program=folders.program_for_everybody)
    staged = folders.staging / "private.jpg"
    staged.write_bytes(pictures.encoded(**SMALL))
    staged.chmod(0o600)
    os.rename(staged, folders.path("private.jpg"))
    waiting = daemon.wait_event("waiting", "private.jpg")
    assert waiting.text("REASON") == "unreadable"
    assert "chmod" in waiting.message or "setfacl" in waiting.message, "the fix is said"
    assert_goes_on(daemon)
    os.chmod(folders.path("private.jpg"), 0o644)
    daemon.wait_made("private.jpg")
    assert os.stat(folders.thumbnail("private.jpg")).st_uid == uid


def test_a_bad_one_among_many_does_not_hold_the_others_up(folders):
    """All kinds at once, before the start, with pictures between them."""
    for i in range(20):
        folders.drop(f"{i:02}-good.jpg", pictures.encoded(**SMALL))
        folders.drop(f"{i:02}-bad.jpg", b"bad" * i)
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "2")
    daemon.wait_made(*[f"{i:02}-good.jpg" for i in range(20)])
    for i in range(20):
        daemon.wait_event("failed", f"{i:02}-bad.jpg")
    assert len(folders.thumbnails()) == 20
