# SPDX-License-Identifier: GPL-2.0-or-later
"""The ways in which files arrive, a row each: what people and their programs really do, with the tools that they really use."""

import contextlib
import ctypes
import io
import mmap
import os
import subprocess

import servers
from delivery import picture
from PIL import Image

SFTP_SERVER = "/usr/lib/openssh/sftp-server"

WAYS = {}


def way(settled=False):
    """A row.  `settled`: the file is closed before it is whole, so that only quiet can tell."""

    def add(function):
        WAYS[function.__name__] = (function, settled)
        return function

    return add


# Copied, moved, linked


@way()
def cp(d):
    d.fed("cp", "/dev/stdin", d.target, data=d.source(picture()).read_bytes())


@way()
def cp_with_its_time(d):
    d.run("cp", "-p", d.source(picture()), d.target)


@way()
def dd(d):
    d.source(picture())
    d.fed("dd", f"of={d.target}", "bs=1k", "status=none", data=picture())


@way()
def shell(d):
    d.source(picture())
    d.fed("sh", "-c", f"cat >'{d.target}'", data=picture())


@way()
def mv(d):
    d.run("mv", d.source(picture()), d.target)


@way()
def mv_from_another_file_system(d):
    source = d.source(picture(), elsewhere=True)
    assert source.stat().st_dev != d.folder.stat().st_dev
    d.run("mv", source, d.target)


@way()
def hard_link(d):
    d.run("ln", d.source(picture()), d.target)


@way()
def symbolic_link(d):
    source = d.source(picture())
    d.expected.clear()
    d.run("ln", "-s", source, d.target)
    assert d.post.daemon.wait_event("skipped", f"{d.name}/a.png").text("REASON") == "not-regular"


@way()
def unnamed_then_linked(d):
    d.expect("a.png", picture())
    fd = os.open(d.folder, os.O_TMPFILE | os.O_RDWR, 0o644)
    with os.fdopen(fd, "wb") as file:
        file.write(picture())
        file.flush()
        d.halfway()
        os.link(f"/proc/self/fd/{fd}", d.target, src_dir_fd=fd)  # naming any folder makes Python call linkat(2), which follows
        d.post.sentinel()
        d.assert_events("a.png", made=0)


@way()
def renamed_from_a_partial_name(d):
    part = d.folder / "a.png.part"
    d.fed("cp", "/dev/stdin", part, data=d.source(picture()).read_bytes())
    d.halfway()
    d.run("mv", part, d.target)


@way()
def as_webdav_does(d):
    """mod_dav: a temporary name, renamed when all has come."""
    part = d.folder / ".davfs.tmp00f3a1"
    d.fed("cp", "/dev/stdin", part, data=d.source(picture()).read_bytes())
    os.rename(part, d.target)


# Written by a program


@way()
def many_small_writes(d):
    data = d.source(picture()).read_bytes()
    with d.target.open("wb", buffering=0) as file:
        for i in range(5):
            file.write(data[len(data) * i // 5 : len(data) * (i + 1) // 5])
            d.halfway()


@way()
def preallocated(d):
    """Of its full size from the start."""
    data = d.source(picture(format="TIFF")).read_bytes()
    with d.target.open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, len(data))
        d.halfway()
        file.write(data[: len(data) // 2])
        d.halfway()
        file.write(data[len(data) // 2 :])


def closed_in_between(d, format):
    data = d.source(picture(format=format)).read_bytes()
    with d.target.open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, len(data))
    d.halfway()
    with d.target.open("r+b", buffering=0) as file:
        file.write(data[: len(data) // 2])
    d.halfway()
    with d.target.open("r+b", buffering=0) as file:
        file.seek(len(data) // 2)
        file.write(data[len(data) // 2 :])


@way(settled=True)
def preallocated_and_closed_in_between(d):
    closed_in_between(d, "TIFF")


@way(settled=True)
def preallocated_webp_closed_in_between(d):
    """Its header says how long it will be, and it is so long from the start."""
    closed_in_between(d, "WEBP")


@contextlib.contextmanager
def mapped(path, size):
    """Mapped for writing, and no descriptor kept."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    os.ftruncate(fd, size)
    address = libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, fd, 0)
    os.close(fd)
    assert address != ctypes.c_void_p(-1).value, os.strerror(ctypes.get_errno())
    yield (ctypes.c_char * size).from_address(address)
    libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(size))


def write_mapped(d, data):
    with mapped(d.target, len(data)) as memory:
        for start, end in ((0, len(data) // 2), (len(data) // 2, len(data))):
            memory[start:end] = data[start:end]
            d.halfway()


@way()
def memory_mapped(d):
    write_mapped(d, d.source(picture(format="TIFF")).read_bytes())


@way(settled=True)
def opened_and_closed_again_and_again(d):
    """As file managers on Windows do through Samba: made empty, its times set, written in parts, its times set."""
    data = d.source(picture()).read_bytes()
    d.target.write_bytes(b"")
    d.target.chmod(0o640)
    d.halfway()
    for i in range(3):
        with d.target.open("ab") as file:
            file.write(data[len(data) * i // 3 : len(data) * (i + 1) // 3])
        os.utime(d.target, (1_500_000_000 + i, 1_500_000_000 + i))
        if i < 2:
            d.halfway()


@way(settled=True)
def scanner_page_by_page(d):
    """A TIFF that is closed, and good, after each page."""
    for page in range(3):
        d.expect("a.png", b"")
        data = io.BytesIO(picture(page, "TIFF"))
        Image.open(data).save(d.target, "TIFF", save_all=True, append=page > 0)
        d.halfway()
    d.expect("a.png", d.target.read_bytes())


# From other machines


@way()
def rsync(d):
    gate = d.gate(skip=1)
    d.gated("rsync", "-e", gate, "--whole-file", d.source(picture()), f"host:{d.target}")


@way()
def rsync_with_times(d):
    d.run("rsync", "-a", d.source(picture()), d.target)


@way()
def rsync_inplace(d):
    gate = d.gate(skip=1)
    d.gated("rsync", "--inplace", "-e", gate, d.source(picture()), f"host:{d.target}")


@way()
def rsync_partial(d):
    gate = d.gate(skip=1)
    d.gated("rsync", "--partial", "-e", gate, d.source(picture()), f"host:{d.target}")


@way()
def rsync_delay_updates(d):
    gate = d.gate(skip=1)
    d.gated("rsync", "--delay-updates", "-e", gate, d.source(picture()), f"host:{d.target}")


@way(settled=True)
def rsync_partial_broken_off_and_resumed(d):
    source = d.source(picture())
    d.broken_off("rsync", "--partial", "-e", d.gate(skip=1), source, f"host:{d.target}", stderr=subprocess.DEVNULL)
    assert 0 < d.target.stat().st_size < len(picture())
    d.run("rsync", "--partial", source, d.target)


@way(settled=True)
def rsync_inplace_broken_off_and_resumed(d):
    source = d.source(picture())
    d.broken_off("rsync", "--inplace", "-e", d.gate(skip=1), source, f"host:{d.target}", stderr=subprocess.DEVNULL)
    assert 0 < d.target.stat().st_size < len(picture())
    d.run("rsync", "--inplace", source, d.target)


@way()
def scp(d):
    gate = d.gate(SFTP_SERVER)
    d.gated("scp", "-q", "-s", "-D", gate, d.source(picture()), f"host:{d.target}")


def batch(d, *lines):
    path = d.staging / "batch"
    path.write_text("\n".join(lines) + "\n")
    return path


def sftp(d, server, *lines):
    return ("sftp", "-q", "-b", batch(d, *lines), "-D", server, "host")


QUIET = {"stdout": subprocess.DEVNULL}


@way()
def sftp_put(d):
    source = d.source(picture())
    d.gated(*sftp(d, d.gate(SFTP_SERVER), f"put {source} {d.target}"), **QUIET)


@way()
def sftp_put_with_times(d):
    source = d.source(picture())
    d.gated(*sftp(d, d.gate(SFTP_SERVER), f"put -p {source} {d.target}"), **QUIET)


@way()
def sftp_put_and_rename(d):
    source, part = d.source(picture()), d.folder / "a.png.filepart"
    d.gated(*sftp(d, d.gate(SFTP_SERVER), f"put {source} {part}", f"rename {part} {d.target}"), **QUIET)


@way()
def sftp_put_and_plain_rename(d):
    """As the protocol has it: link(2), then unlink(2)."""
    source, part = d.source(picture()), d.folder / "a.png.filepart"
    d.gated(*sftp(d, d.gate(SFTP_SERVER), f"put {source} {part}", f"rename -l {part} {d.target}"), **QUIET)


@way(settled=True)
def sftp_put_broken_off_and_resumed(d):
    source = d.source(picture())
    d.broken_off(*sftp(d, d.gate(SFTP_SERVER), f"put {source} {d.target}"), **QUIET)
    assert 0 < d.target.stat().st_size < len(picture())
    d.run(*sftp(d, SFTP_SERVER, f"reput {source} {d.target}"), **QUIET)


CURL = ("curl", "--silent", "--show-error")


@way()
def curl_from_a_web_server(d):
    d.source(picture())
    web = servers.Web(picture())
    process = d.start(*CURL, "-o", d.target, web.url)
    d.wait_bytes()
    d.halfway()
    web.close()
    d.finish(process)


@way()
def ftp_put(d):
    d.source(picture())
    d.fed(*CURL, "-T", "-", d.ftp.url(f"{d.remote}/a.png"), data=picture())
    assert d.target.stat().st_mode & 0o777 == 0o600 and d.target.stat().st_uid != 0


@way()
def ftp_put_and_rename(d):
    d.source(picture())
    rename = ("-Q", f"-RNFR {d.remote}/a.png.part", "-Q", f"-RNTO {d.remote}/a.png")
    d.fed(*CURL, "--ftp-method", "nocwd", "-T", "-", *rename, d.ftp.url(f"{d.remote}/a.png.part"), data=picture())


@way(settled=True)
def ftp_put_broken_off_and_resumed(d):
    source = d.source(picture())
    process = d.start(*CURL, "-T", "-", d.ftp.url(f"{d.remote}/a.png"), stdin=subprocess.PIPE)
    process.stdin.write(picture()[: len(picture()) // 2])
    process.stdin.flush()
    d.wait_bytes()
    process.kill()
    process.wait()
    process.stdin.close()
    d.wait_closed()
    d.halfway()
    d.run(*CURL, "-C", "-", "-T", source, d.ftp.url(f"{d.remote}/a.png"))


def by_smb(d, *commands):
    """Half of it, a look, and the rest."""
    with servers.Held(d.smb.port, len(picture()) // 2) as held:
        process = d.start(*d.smb.client(held.port, f"cd {d.remote}", *commands), **QUIET)
        held.wait(d.watcher)
        d.halfway()
        held.go()
        d.finish(process)


@way()
def smb_put(d):
    by_smb(d, f"put {d.source(picture())} a.png")


@way()
def smb_put_and_rename(d):
    by_smb(d, f"put {d.source(picture())} a.png.tmp", "rename a.png.tmp a.png")


# Over what is there: one version more, and never a mixture of the two


@way()
def cp_over_another(d):
    d.first_version(picture(1))
    data = d.second_version(picture(2))
    d.fed("cp", "/dev/stdin", d.target, data=data)


@way()
def mv_over_another(d):
    d.first_version(picture(1))
    source = d.staging / "second"
    source.write_bytes(d.second_version(picture(2)))
    d.run("mv", source, d.target)


@way()
def dd_over_another(d):
    """Both of one size, and a mixture looks good."""
    d.first_version(picture(1, "TIFF"))
    data = d.second_version(picture(2, "TIFF"))
    d.fed("dd", f"of={d.target}", "conv=notrunc", "bs=1k", "status=none", data=data)


@way()
def memory_mapped_over_another(d):
    d.first_version(picture(1, "TIFF"))
    write_mapped(d, d.second_version(picture(2, "TIFF")))


@way()
def rsync_inplace_over_another(d):
    d.first_version(picture(1, "TIFF"))
    source = d.staging / "second"
    source.write_bytes(d.second_version(picture(2, "TIFF")))
    gate = d.gate(skip=1)
    d.gated("rsync", "--inplace", "--ignore-times", "-e", gate, source, f"host:{d.target}")


@way()
def smb_put_over_another(d):
    d.first_version(picture(1))
    source = d.staging / "second"
    source.write_bytes(d.second_version(picture(2)))
    by_smb(d, f"put {source} a.png")
