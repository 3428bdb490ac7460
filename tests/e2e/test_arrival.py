# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of files that are still written, replaced, renamed or removed, and of names that are none of our business.  The ways in
which whole files arrive are in test_delivery.py."""

import fcntl
import os
import signal

import pictures
import pytest

SMALL = dict(width=120, height=90)


@pytest.fixture(scope="module")
def one(shared):
    return shared.start("-i", shared.inbox, "-o", shared.outbox, "-w", "2")


def fresh(one, request):
    """A folder of the test's own, watched already."""
    folder = one.folders.inbox / request.node.name.replace("[", "-").strip("]")
    folder.mkdir()
    (folder / "first.jpg").write_bytes(pictures.encoded(**SMALL))
    one.wait_event("made", relative(one, folder / "first.jpg"))
    return folder


def relative(one, path):
    return os.fsencode(path.relative_to(one.folders.inbox))


def test_the_tree_is_mirrored(one, request):
    folder = fresh(one, request)
    (folder / "x" / "y").mkdir(parents=True)
    (folder / "x" / "y" / "z.jpg").write_bytes(pictures.encoded(**SMALL))
    one.wait_made(relative(one, folder / "x" / "y" / "z.jpg"))
    assert (one.folders.outbox / folder.name / "x" / "y" / "z.jpg.256.jpg").exists()


def test_a_folder_that_moves_is_followed(one, request):
    folder = fresh(one, request)
    (folder / "old").mkdir()
    (folder / "old" / "a.jpg").write_bytes(pictures.encoded(**SMALL))
    one.wait_made(relative(one, folder / "old" / "a.jpg"))
    os.rename(folder / "old", folder / "new")
    one.wait_made(relative(one, folder / "new" / "a.jpg"))
    (folder / "new" / "b.jpg").write_bytes(pictures.encoded(**SMALL))
    one.wait_made(relative(one, folder / "new" / "b.jpg"))
    assert not one.events("made", relative(one, folder / "old" / "b.jpg"))


def test_a_file_being_written_is_waited_for(one, request):
    """Open for writing and already whole: nobody can know whether more comes, so it is made when it is closed, and once."""
    path = fresh(one, request) / "slow.jpg"
    name = relative(one, path)
    with path.open("wb") as file:
        file.write(pictures.encoded(**SMALL))
        file.flush()
        waiting = one.wait_event("waiting", name)
        assert waiting.text("REASON") == "being-written"
        (path.parent / "behind.jpg").write_bytes(pictures.encoded(**SMALL))
        one.wait_made(relative(one, path.parent / "behind.jpg"))
        assert not one.events("made", name)
    one.wait_made(name)


def test_a_file_that_gets_its_name_while_it_is_open_is_noticed_when_it_is_closed(one, request):
    """Nothing tells of that close: the file had no name when it was opened."""
    folder = fresh(one, request)
    fd = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o644)
    os.write(fd, pictures.encoded(**SMALL))
    os.link(f"/proc/self/fd/{fd}", folder / "named.jpg", src_dir_fd=fd)  # naming any folder makes Python call linkat(2), which follows
    name = relative(one, folder / "named.jpg")
    assert one.wait_event("waiting", name).text("REASON") == "being-written"
    os.close(fd)
    one.wait_made(name)


def test_a_file_whose_folder_is_moved_away_while_it_is_written_is_forgotten(folders):
    (folders.inbox / "sub").mkdir()
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1")
    with open(folders.inbox / "sub/slow.jpg", "wb") as file:
        file.write(b"some")
        file.flush()
        daemon.wait_event("waiting", "sub/slow.jpg")
        daemon.wait_status(r"\b1 waiting")
        os.rename(folders.inbox / "sub", folders.root / "elsewhere")
        folders.drop("a.jpg", pictures.encoded(**SMALL))
        daemon.wait_made("a.jpg")
        daemon.wait_status(r"\b0 waiting")


def test_a_half_written_file_is_made_as_what_it_becomes(one, request):
    """Opened and closed twice, as an interrupted upload is that goes on."""
    path = fresh(one, request) / "resumed.png"
    data = pictures.encoded("PNG", compress_level=0)
    path.write_bytes(data[: len(data) // 2])
    with path.open("ab") as file:
        file.write(data[len(data) // 2 :])
    one.wait_event("made", relative(one, path))
    pictures.assert_corners(pictures.open_checked(one.folders.thumbnail(relative(one, path)), "JPEG"))


def test_the_last_of_many_versions_stands(one, request):
    path = fresh(one, request) / "busy.png"
    for width in range(100, 131):
        path.write_bytes(pictures.encoded("PNG", width, 60))
    name = relative(one, path)
    one.wait(
        lambda: any(record.number("WIDTH") == 130 for record in one.events("made", name)),
        "the last version made",
    )
    assert pictures.open_checked(one.folders.thumbnail(name), "JPEG").size == (130, 60)


def test_a_version_behind_a_running_job_is_not_lost(folders):
    """Replaced while a worker has it: what is published in the end is the second."""
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1")
    (worker,) = daemon.workers()
    daemon.pause(worker)
    folders.drop("a.png", pictures.encoded("PNG", 100, 50))
    daemon.wait_busy()
    folders.drop("a.png", pictures.encoded("PNG", 50, 100))
    daemon.resume(worker)
    daemon.wait(lambda: any(r.number("HEIGHT") == 100 for r in daemon.events("made", "a.png")), "the second version made")
    assert pictures.open_checked(folders.thumbnail("a.png"), "JPEG").size == (50, 100)


@pytest.mark.parametrize("name", [".hidden.jpg", "a.jpg.part", "b.tmp", "c.crdownload", "Thumbs.db", "._d.jpg", "~$e.jpg"])
def test_partial_and_system_files_are_none_of_our_business(one, name):
    one.folders.drop(name, pictures.encoded(**SMALL))
    one.folders.drop(f"behind-{name.strip('.')}.jpg", pictures.encoded(**SMALL))
    one.wait_made(f"behind-{name.strip('.')}.jpg")
    assert not one.events(file=name)
    assert not os.path.exists(one.folders.thumbnail(name))


def test_a_file_that_goes_away_is_no_failure(folders):
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1")
    (worker,) = daemon.workers()
    daemon.pause(worker)
    for i in range(5):
        folders.drop(f"{i}.jpg", pictures.encoded(**SMALL))
    daemon.wait_busy()
    for i in range(5):
        os.unlink(folders.path(f"{i}.jpg"))
    daemon.resume(worker)
    folders.drop("behind.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("behind.jpg")
    assert not daemon.events("failed")


def rewrite(path, data):
    """In place, and with the times of before when it is closed, as programs do that are told to preserve them."""
    before = os.stat(path)
    with open(path, "r+b") as file:
        file.write(data)
        file.flush()
        os.utime(file.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_version_of_the_same_size_and_time(one, request):
    """Only that a writer closed it tells that it is another."""
    path = fresh(one, request) / "turned.tif"
    name = relative(one, path)
    first, second = (pictures.encode(pictures.corners().rotate(angle), "TIFF") for angle in (180, 0))
    assert len(first) == len(second)
    path.write_bytes(first)
    one.wait_event("made", name)
    rewrite(path, second)
    one.wait_event("made", name, count=2)
    pictures.assert_corners(pictures.open_checked(one.folders.thumbnail(name), "JPEG"))


def test_a_version_of_the_same_size_and_time_behind_a_running_job(folders):
    """What is rendered may be half of it, so it is not published."""
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1")
    (worker,) = daemon.workers()
    daemon.pause(worker)
    folders.drop("a.tif", pictures.encode(pictures.corners().rotate(180), "TIFF"))
    daemon.wait_busy()
    rewrite(folders.path("a.tif"), pictures.encode(pictures.corners(), "TIFF"))
    folders.drop("behind.jpg", pictures.encoded(**SMALL))
    daemon.wait_status("1 waiting")
    daemon.resume(worker)
    daemon.wait_made("a.tif", "behind.jpg")
    pictures.assert_corners(pictures.open_checked(folders.thumbnail("a.tif"), "JPEG"))


def touch_by_another_name(path):
    os.link(path, path.with_name("another.part"))
    os.unlink(path.with_name("another.part"))


IDLE = {
    "chmod": lambda path: path.chmod(0o600),
    "chown": lambda path: os.chown(path, 42042, 42042),
    "read": lambda path: path.read_bytes(),
    "atime": lambda path: os.utime(path, ns=(1, path.stat().st_mtime_ns)),
    "xattr": lambda path: os.setxattr(path, "user.comment", b"nice"),
    "second name": touch_by_another_name,
    "renamed and back": lambda path: [os.rename(path, path.with_name("x.part")), os.rename(path.with_name("x.part"), path)],
    "its folder's mode": lambda path: path.parent.chmod(0o700),
}


@pytest.mark.parametrize("what", IDLE)
def test_what_changes_no_content_causes_nothing(one, request, what):
    path = fresh(one, request) / "first.jpg"
    thumbnail = one.folders.thumbnail(relative(one, path))
    before = one.folders.state_of(thumbnail)
    IDLE[what](path)
    one.folders.drop(f"{path.parent.name}.behind.jpg", pictures.encoded(**SMALL))
    one.wait_made(f"{path.parent.name}.behind.jpg")
    assert [record.event for record in one.events(file=relative(one, path))] == ["made"]
    assert one.folders.state_of(thumbnail) == before


def test_a_change_of_its_time_alone_stamps_the_thumbnail_anew(one, request):
    """Seen live, it is known that nobody wrote.  A restart then finds it up to date."""
    path = fresh(one, request) / "first.jpg"
    thumbnail = one.folders.thumbnail(relative(one, path))
    inode, size, *_ = one.folders.state_of(thumbnail)
    os.utime(path, ns=(1_600_000_000_000_000_000,) * 2)
    one.wait(lambda: os.stat(thumbnail).st_mtime_ns == 1_600_000_000_000_000_000, "the thumbnail stamped anew")
    assert one.folders.state_of(thumbnail)[:2] == (inode, size)
    one.wait_made(relative(one, path))


def test_a_change_of_its_time_while_nobody_listened_costs_one_redo_at_most(folders):
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    folders.once()
    os.utime(folders.path("a.jpg"), ns=(1_600_000_000_000_000_000,) * 2)
    counts = []
    for _ in range(2):
        done, records = folders.once()
        counts.append(sum(record.event == "made" for record in records))
    assert counts in ([0, 0], [1, 0])
    assert os.stat(folders.thumbnail("a.jpg")).st_mtime_ns == 1_600_000_000_000_000_000


def test_a_version_of_the_same_size_and_time_behind_a_lost_worker(folders):
    """One thumbnail is up to date and the other in work when it is rewritten: both are made of what it is in the end."""
    presets = ['name = "a"; width = 200; height = 200;', 'name = "b"; width = 100; height = 100;']
    daemon = folders.start("-c", folders.config("workers = 1;", presets=presets[:1]))
    folders.drop("x.tif", pictures.encode(pictures.corners().rotate(180), "TIFF"))
    daemon.wait_made("x.tif")
    (worker,) = daemon.workers()
    daemon.pause(worker)
    folders.config("workers = 1;", presets=presets)
    assert daemon.reload().event == "reloaded"
    daemon.wait_busy()
    rewrite(folders.path("x.tif"), pictures.encode(pictures.corners(), "TIFF"))
    folders.drop("behind.jpg", pictures.encoded(**SMALL))
    daemon.wait_status("1 waiting")
    daemon.signal_worker(worker, signal.SIGKILL)
    daemon.wait_event("made", "x.tif", count=2)
    daemon.wait_made("behind.jpg")
    for preset in "ab":
        pictures.assert_corners(pictures.open_checked(folders.thumbnail("x.tif", preset), "JPEG"))


@pytest.mark.parametrize("mode", [os.O_RDONLY, os.O_RDWR], ids=["reader", "writer"])
def test_a_file_under_the_lease_of_another_program(one, request, mode):
    """As Samba takes one for a client with an oplock: who opens the file is kept out until it is given back.  Of a reader's end no event
    tells, so it is tried again by time."""
    path = fresh(one, request) / "leased.jpg"
    name = relative(one, path)
    staged = one.folders.staging / "leased"
    staged.write_bytes(pictures.encoded(**SMALL))
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)  # that somebody wants it back
    fd = os.open(staged, mode)
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        os.rename(staged, path)
        assert one.wait_event("waiting", name).text("REASON") == "being-written"
        assert not one.events("made", name)
    finally:
        os.close(fd)
        signal.signal(signal.SIGIO, before)
    one.wait_made(name)
