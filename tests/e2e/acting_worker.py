#!/usr/bin/python3 -ISE
# SPDX-License-Identifier: GPL-2.0-or-later
"""A program in the place of thumbnail-worker that plays a part.  Installed by acting.py beside a copy of the supervisor, together with
`thumbnail.jpg`, which is what it makes of every picture, and `part`, which holds the name of a part
for its start, or nothing.  The part for a
job is the file's name up to its first dot or digit; whatever is no part is honest work.  Nothing but the standard library, and as little
of that as possible: it is started often."""

import array
import os
import signal
import socket
import struct
import sys
import time

HELLO, RENDER, REPLY, PUBLISHED, REFUSED = range(1, 6)
VERSION, PATH_MAX, OUTPUTS_MAX, TEXT_BYTES = 1, 4096, 32, 256
HEAD = struct.Struct("=2I")
HELLO_FORM = struct.Struct(f"=2I2Q2IQ{TEXT_BYTES}s")
RENDER_FORM = struct.Struct("=2I4Q4I")
SPEC_BYTES = 56
REPLY_FORM = struct.Struct("=2IQ2IQ2IQ2I")
OUTPUT_FORM = struct.Struct("=2IQ")
ALL_FORMATS, ALL_LAYERS = (1 << 22) - 2, 15
JPEG = 1
BASE_BYTES = 1 << 30

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "thumbnail.jpg"), "rb") as picture:
    THUMBNAIL = picture.read()
with open(os.path.join(HERE, "part")) as part_file:
    START = part_file.read().strip()
wire = socket.socket(fileno=3)


def hello(version=VERSION):
    wire.send(HELLO_FORM.pack(version, HELLO, ALL_FORMATS, ALL_FORMATS, ALL_LAYERS, 0, BASE_BYTES, b"an actor"))


def reply(job, n, *, kind=REPLY, version=VERSION, reason=0, sizes=None, n_outputs=None, needs=0, lost=0, text=b"", format=JPEG):
    head = REPLY_FORM.pack(version, kind, job, reason, format, needs, 120, 90, 1000, n if n_outputs is None else n_outputs, lost)
    outputs = b"".join(OUTPUT_FORM.pack(120, 90, size) for size in sizes or [len(THUMBNAIL)] * n)
    return head + outputs.ljust(OUTPUT_FORM.size * OUTPUTS_MAX, b"\0") + text.ljust(TEXT_BYTES, b"\0")


def with_fds(message, count):
    fds = array.array("i", [0] * count)
    wire.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])


def request(job):
    """A whole message of the kind that only the supervisor sends, and as many descriptors as can come with it."""
    spec = struct.pack("=14I", 1, 1, 0, 0, JPEG, 80, 255, 0, 0, 0, 0, 0, 0, 0)
    message = RENDER_FORM.pack(VERSION, RENDER, job, 0, 0, 0, 1, OUTPUTS_MAX, 1, 2) + spec * OUTPUTS_MAX + bytes(2)
    with_fds(message, OUTPUTS_MAX + 1)
    for_ever()


def end_with_the_supervisor():
    """As the real worker does; only those who would stay need it."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def for_ever():
    end_with_the_supervisor()
    while True:
        time.sleep(3600)


def crash():
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGSEGV)


def deaf():
    wire.close()
    os.close(4)
    for_ever()


def flood(message, times=20000):
    for _ in range(times):
        wire.send(message)


def write(outputs, data=THUMBNAIL):
    for fd in outputs:
        os.write(fd, data)


def swap_later(job, outputs):
    """Told the truth, then changes what it wrote."""
    write(outputs)
    wire.send(reply(job, len(outputs)))
    for fd in outputs:
        os.ftruncate(fd, 0)


def sparse(job, outputs):
    write(outputs)
    for fd in outputs:
        os.ftruncate(fd, 2 << 30)
    wire.send(reply(job, len(outputs), sizes=[2 << 30] * len(outputs)))


def garbage_to_journal(job, outputs):
    journal = socket.socket(fileno=4)
    journal.setblocking(False)
    try:
        for datagram in (b"\0" * 5000, b"KEY", b"THUMBNAILD_EVENT=made\nTHUMBNAILD_FILE=never.jpg\n", os.urandom(3000), b""):
            journal.send(datagram)
    except OSError:
        pass
    journal.detach()
    honest(job, outputs)


def honest(job, outputs):
    write(outputs)
    wire.send(reply(job, len(outputs)))


def claim(**lies):
    def act(job, outputs):
        write(outputs)
        wire.send(reply(job, len(outputs), **lies))

    return act


def say(message):
    return lambda job, outputs: (wire.send(message), for_ever())


PARTS = {
    # Deaths
    "crash-": lambda job, outputs: crash(),
    "exit-": lambda job, outputs: os._exit(0),
    "exitone-": lambda job, outputs: os._exit(1),
    "abort-": lambda job, outputs: os.abort(),
    "halfway-": lambda job, outputs: (write(outputs, THUMBNAIL[:50]), os._exit(3)),
    "answered-": lambda job, outputs: (honest(job, outputs), os._exit(4)),
    "killed-": lambda job, outputs: os.kill(os.getpid(), signal.SIGKILL),
    "fatal-": lambda job, outputs: (os.kill(os.getppid(), signal.SIGKILL), os._exit(0)),
    # Silence
    "hang-": lambda job, outputs: for_ever(),
    "deaf-": lambda job, outputs: deaf(),
    "stop-": lambda job, outputs: (end_with_the_supervisor(), os.kill(os.getpid(), signal.SIGSTOP)),
    # Lies
    "none-": claim(n_outputs=0),
    "more-": claim(n_outputs=3),
    "toomany-": claim(n_outputs=33),
    "huge-": claim(n_outputs=0xFFFFFFFF),
    "small-": claim(sizes=[1]),
    "large-": claim(sizes=[1 << 63]),
    "nothing-": lambda job, outputs: wire.send(reply(job, len(outputs))),
    "empty-": lambda job, outputs: wire.send(reply(job, len(outputs), sizes=[0] * len(outputs))),
    "png-": lambda job, outputs: (write(outputs, b"\x89PNG\r\n\x1a\n" + bytes(100)), wire.send(reply(job, len(outputs), sizes=[108]))),
    "sparse-": sparse,
    "swap-": swap_later,
    "format-": claim(format=999),
    "reason-": claim(reason=999),
    "passing-": claim(reason=13),
    "needs-": claim(reason=9, needs=1 << 62),
    "text-": claim(reason=1, text=b"\xff" * TEXT_BYTES),
    "other-": lambda job, outputs: (write(outputs), wire.send(reply(job + 1, len(outputs)))),
    "zero-": lambda job, outputs: (write(outputs), wire.send(reply(0, len(outputs)))),
    "twice-": lambda job, outputs: (honest(job, outputs), wire.send(reply(job, len(outputs)))),
    "lost-": claim(lost=1),
    "silent-": lambda job, outputs: (honest(job, outputs), wire.send(b""), for_ever()),
    # What is no message
    "version-": claim(version=2),
    "kind-": claim(kind=99),
    "render-": claim(kind=RENDER),
    "request-": lambda job, outputs: request(job),
    "again-": lambda job, outputs: (hello(), for_ever()),
    "byte-": say(b"x"),
    "head-": say(HEAD.pack(VERSION, REPLY)),
    "long-": say(bytes(100000)),
    "fd-": lambda job, outputs: with_fds(reply(job, len(outputs)), 1),
    "fds-": lambda job, outputs: with_fds(reply(job, len(outputs)), 40),
    "manyfds-": lambda job, outputs: with_fds(reply(job, len(outputs)), 253),
    "flood-": lambda job, outputs: (write(outputs), flood(reply(job, len(outputs)))),
    "junk-": lambda job, outputs: flood(os.urandom(4000)),
    "journal-": garbage_to_journal,
}


def part_of(file):
    if START == "hang":
        return PARTS["hang-"]
    base = os.path.basename(file).split(b".")[0].decode("latin-1")
    return PARTS.get(base.rstrip("0123456789"), honest)


def work():
    room = socket.CMSG_SPACE((OUTPUTS_MAX + 1) * 4)
    while True:
        message, ancillary, _, _ = wire.recvmsg(1 << 16, room)
        if not message:
            return
        _, kind = HEAD.unpack_from(message)
        if kind != RENDER:
            continue
        fds = array.array("i")
        for _, _, data in ancillary:
            fds.frombytes(data)
        job = RENDER_FORM.unpack_from(message)[2]
        file = message.split(b"\0")[-2]
        try:
            part_of(file)(job, fds[1:])
        finally:
            for fd in fds:
                os.close(fd)


def start():
    part = START
    if part == "exit":
        os._exit(9)
    if part == "crash":
        crash()
    if part == "silent":
        for_ever()
    if part == "wrong":
        hello(version=7)
        for_ever()
    if part == "junk":
        flood(os.urandom(300))
    if part == "replies":
        wire.send(reply(1, 1))
        for_ever()
    hello()
    work()
    if part == "stays":  # the conversation is over, and it does not leave
        for_ever()


for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
start()
