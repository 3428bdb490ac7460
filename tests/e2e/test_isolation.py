# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may touch what: the supervisor never decodes, a worker has nothing but descriptors.  What the sandbox forbids is tested from
inside, in tests/worker; here is what everybody can see from outside."""

import os
import subprocess
from pathlib import Path

import pictures
import pytest
from daemon import BUILD, PROGRAM, SANITIZED, open_files, process_status

SMALL = dict(width=120, height=90)
IMAGE_LIBRARIES = "vips jpeg png webp tiff gif heif de265 avif aom jxl magick Magick rsvg poppler pango cairo exif lcms orc".split()


@pytest.fixture(scope="module")
def busy(shared):
    """One that has worked."""
    daemon = shared.start("-i", shared.inbox, "-o", shared.outbox, "-w", "2")
    names = [f"{i}.jpg" for i in range(20)]
    for name in names:
        shared.drop(name, pictures.encoded(**SMALL))
    daemon.wait_made(*names)
    return daemon


def libraries(program):
    listed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return [line.split()[0] for line in listed.splitlines() if line.strip()]


def test_the_supervisor_links_no_image_library():
    linked = [name for name in libraries(PROGRAM) if any(library in name for library in IMAGE_LIBRARIES)]
    assert not linked
    assert any("inotifytools" in name for name in libraries(PROGRAM))
    assert any("vips" in name for name in libraries(BUILD / "thumbnail-worker")), "or this test looks in the wrong way"


def test_nothing_of_an_image_library_is_mapped_either(busy):
    with open(f"/proc/{busy.pid}/maps") as maps:
        mapped = {line.split()[-1] for line in maps}
    assert not [name for name in mapped if any(f"lib{library}" in name for library in IMAGE_LIBRARIES)]


def test_workers_are_processes_of_their_own(busy):
    for worker in busy.workers():
        assert os.readlink(f"/proc/{worker}/exe") == str((BUILD / "thumbnail-worker").resolve())


def test_workers_are_sandboxed(busy):
    assert len(busy.workers()) == 2
    for worker in busy.workers():
        status = process_status(worker)
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2", "a filter"


def test_workers_ignore_the_signals_of_a_terminal_from_their_start(busy):
    for worker in busy.workers():
        ignored = int(process_status(worker)["SigIgn"], 16)
        assert all(ignored >> (number - 1) & 1 for number in (1, 2, 15))


def test_workers_ask_for_huge_pages(busy):
    for pid in busy.workers():
        assert b"GLIBC_TUNABLES=glibc.malloc.hugetlb=1" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


def test_workers_hold_nothing_but_their_sockets(busy):
    """The wire to the supervisor, the one connected to the journal, and the three that everybody has."""
    for worker in busy.workers():
        held = open_files(worker)
        standard = {held.pop(fd) for fd in (0, 1, 2) if fd in held}
        assert standard <= {"/dev/null", str(busy._stderr)}
        allowed = [fd for fd, what in held.items() if what.startswith("socket:")]
        assert len(allowed) <= 2 and len(held) == len(allowed), f"{held}"


def test_the_supervisor_keeps_no_pictures_open(busy):
    held = open_files(busy.pid).values()
    assert not [what for what in held if what.endswith((".jpg", ".png", "(deleted)"))], held


def test_descriptors_do_not_grow_with_the_work(busy):
    before = {pid: len(open_files(pid)) for pid in [busy.pid, *busy.workers()]}
    names = [f"more-{i}.jpg" for i in range(100)] + [f"bad-{i}.jpg" for i in range(100)]
    for name in names:
        busy.folders.drop(name, pictures.encoded(**SMALL) if name.startswith("more") else b"bad")
    busy.wait_made(*names[:100])
    for name in names[100:]:
        busy.wait_event("failed", name)

    def settled():
        return all(len(open_files(pid)) <= count for pid, count in before.items())

    busy.wait(settled, f"as few descriptors as before: {before}")


@pytest.mark.parametrize("workers", [1, 3])
def test_as_many_workers_as_asked_for(folders, workers):
    assert len(folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", str(workers)).workers()) == workers


def test_as_many_workers_as_processors(folders):
    assert len(folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "0").workers()) == len(os.sched_getaffinity(0))


def test_affinity_is_respected(folders):
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, prefix=["taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))])
    assert len(daemon.workers()) == 1


def test_the_supervisor_is_small(busy):
    if SANITIZED:
        return  # a sanitizer's shadow memory is not ours to count
    assert int(process_status(busy.pid)["VmHWM"].split()[0]) < 8192
