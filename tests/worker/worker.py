# SPDX-License-Identifier: GPL-2.0-or-later
"""The real thumbnail-worker, driven over its socket as the supervisor does, without a supervisor."""

import os
import pathlib
import re
import resource
import select
import signal
import socket
import struct
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("THUMBNAILD_BUILD", ROOT / "build")).resolve()
SANITIZED = bool(os.environ.get("THUMBNAILD_SANITIZED"))
# A refused allocation is no error of ours, and looking for leaks needs a system call that the sandbox forbids.
SANITIZER = {"ASAN_OPTIONS": "allocator_may_return_null=1:detect_leaks=0"} if SANITIZED else {}
CORPUS = ROOT.parent / "shared" / "corpus"

HELLO, RENDER, REPLY, PUBLISHED, REFUSED = range(1, 6)
FITS = ["inside", "cover", "pad", "stretch"]
CROPS = ["centre", "entropy", "attention", "north", "south", "east", "west"]
NO_NEW_PRIVS, RLIMITS, LANDLOCK, SECCOMP = 1, 2, 4, 8
PATH_MAX, OUTPUTS_MAX, TEXT_BYTES, VERSION = 4096, 32, 256, 1

SPEC = struct.Struct("=14I")
HELLO_S = struct.Struct("=2I2Q2IQ256s")
RENDER_S = struct.Struct("=2I4Q4I")
REPLY_S = struct.Struct("=2IQ2IQ2IQ2I")
OUTPUT_S = struct.Struct("=2IQ")
SETTLE_S = struct.Struct("=4I")
SETTLED_S = struct.Struct("=3Q2I")


def listed(header, first):
    """The names in the second column of an X-macro list of a header, in order."""
    text = (ROOT / "daemon/common" / header).read_text()
    names = re.findall(r'^\s*X\((\w+),\s*"([^"]*)"', text, re.M)
    return [first] + [n for _, n in names] if first is not None else [n for _, n in names]


FORMATS = listed("format.h", "none")
REASONS = ["made" if n == "" else n for n in listed("reason.h", None)]
TRUSTED = sum(1 << FORMATS.index(n) for n in ("jpeg", "png", "webp", "gif", "tiff", "heif", "avif", "raw"))
ALL = sum(1 << i for i in range(1, len(FORMATS)))


def spec(width=256, height=256, fit="inside", crop="centre", format="jpeg", quality=80, effort=255, upscale=0, lossless=0, strip=1,
         profile="srgb", animation="first", background=0xFFFFFF, sharpen=0):
    return SPEC.pack(width, height, FITS.index(fit), CROPS.index(crop), FORMATS.index(format), quality, effort, upscale, lossless, strip,
                     int(profile == "keep"), int(animation == "all"), background, sharpen)


class Died(Exception):
    """The worker is gone: .status is its exit code, or the negative number of the signal."""

    def __init__(self, status):
        super().__init__(f"worker died: {status}")
        self.status = status


class Deadline(Exception):
    pass


class Reply:
    def __init__(self, data, fds):
        (_, kind, self.job, reason, fmt, self.needs_bytes, self.width, self.height, self.usec, n, self.journal_lost) = \
            REPLY_S.unpack_from(data)
        assert kind == REPLY
        self.reason, self.format = REASONS[reason], FORMATS[fmt]
        outputs = [OUTPUT_S.unpack_from(data, REPLY_S.size + i * OUTPUT_S.size) for i in range(OUTPUTS_MAX)]
        self.outputs = outputs[:n]
        self.text = data[-TEXT_BYTES:].split(b"\0")[0].decode("utf-8", "replace")
        self.bytes = []
        for fd in fds:
            size = os.fstat(fd).st_size
            self.bytes.append(os.pread(fd, size, 0))

    @property
    def made(self):
        return self.reason == "made"


class Worker:
    def __init__(self, program=None, journal=None, memory_bytes=1 << 30, stderr=subprocess.PIPE, formats=ALL):
        self.program = str(program or BUILD / "thumbnail-worker")
        self.journal, self.memory_bytes, self.jobs = journal, memory_bytes, 0
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket = ours

        def prepare():
            keep = os.dup2(theirs.fileno(), 60), os.dup2(journal.fileno(), 61) if journal else -1
            os.dup2(keep[0], 3)
            if journal:
                os.dup2(keep[1], 4)
            else:
                try:
                    os.close(4)
                except OSError:
                    pass
            for fd in (60, 61):
                try:
                    os.close(fd)
                except OSError:
                    pass

        self.process = subprocess.Popen([self.program, "7", str(os.getpid()), f"{formats:x}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=stderr, close_fds=False, preexec_fn=prepare, env={**os.environ, **SANITIZER})
        theirs.close()
        data = self.receive(20)
        (_, kind, self.readable, self.writable, self.sandbox, _, self.address_space, engine) = HELLO_S.unpack(data)
        assert kind == HELLO
        self.engine = engine.split(b"\0")[0].decode()
        self.limit(memory_bytes)

    def limit(self, grant):
        self.memory_bytes = grant
        n = self.address_space + grant
        resource.prlimit(self.process.pid, resource.RLIMIT_AS, (n, resource.RLIM_INFINITY))

    def receive(self, seconds):
        ready, _, _ = select.select([self.socket], [], [], seconds)
        if not ready:
            raise Deadline()
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Died(self.process.wait(10))
        return data

    def send_render(self, input_fd, specs, output_fds, loaders=TRUSTED, memory_bytes=None, pixels_max=150_000_000, frames_max=500,
                    name=b"file", attempt=0):
        self.jobs += 1
        text = b"/inbox\0" + name[:PATH_MAX - 1] + b"\0"
        head = RENDER_S.pack(VERSION, RENDER, self.jobs, memory_bytes or self.memory_bytes, pixels_max, loaders, frames_max, len(specs),
                             attempt, len(text))
        body = b"".join(specs).ljust(SPEC.size * OUTPUTS_MAX, b"\0")
        socket.send_fds(self.socket, [head + body + text], [input_fd, *output_fds])
        return self.jobs

    def render(self, source, *specs, seconds=60, **options):
        """Render @source (a path, or bytes).  Raises Died or Deadline (the worker is killed then)."""
        if isinstance(source, bytes):
            input_fd = os.memfd_create("input")
            os.write(input_fd, source)
        else:
            input_fd = os.open(source, os.O_RDONLY)
        output_fds = [os.memfd_create("output") for _ in specs]
        try:
            job = self.send_render(input_fd, specs, output_fds, **options)
            reply = Reply(self.receive(seconds), output_fds)
            assert reply.job == job
            if reply.made:
                self.settle(job, kind=REFUSED)
            return reply
        except Deadline:
            self.kill()
            raise
        finally:
            for fd in (input_fd, *output_fds):
                os.close(fd)

    def settle(self, *jobs, kind=PUBLISHED, latency_usec=0, size=0, uid=0, slot=7):
        of_each = b"".join(SETTLED_S.pack(job, latency_usec, size, uid, 0) for job in jobs)
        self.socket.send(SETTLE_S.pack(VERSION, kind, slot, len(jobs)) + of_each)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.close()

    def close(self):
        """End the conversation; returns the exit status."""
        self.socket.close()
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        if self.process.stderr:
            self.stderr = self.process.stderr.read()
            self.process.stderr.close()
        return status

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
