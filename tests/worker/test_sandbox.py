# SPDX-License-Identifier: GPL-2.0-or-later
"""Renderers that have been taken over: which layer stops each."""

import os
import signal
import subprocess

import pytest

from worker import BUILD, LANDLOCK, NO_NEW_PRIVS, RLIMITS, SANITIZED, SECCOMP, Deadline, Died, Worker, spec

KILLED = -signal.SIGSYS  # seccomp ends the process
ANSWERS = {
    # deed: how it ends: a signal (the worker dies), or what the call returned
    "open_to_read": "EACCES",  # seccomp: libraries look for files
    "open_beside": "EACCES",
    "open_to_write": KILLED,
    "open_to_create": KILLED,
    "open_how": "ENOSYS",  # flags behind a pointer: libc falls back to openat()
    "delete_file": KILLED,
    "make_socket": KILLED,
    "connect_journal": KILLED,
    "send_to_address": KILLED,
    "send_message": KILLED,
    "execute": KILLED,
    "fork_child": KILLED,
    "clone_how": "ENOSYS",
    "kill_parent": KILLED,
    "kill_thread_of_init": KILLED,
    "kill_parent_by_its_message": KILLED,
    "kill_parent_by_owning": KILLED,
    "block_the_journal": "EPERM",
    "copy_files": "done",
    "trace_self": KILLED,
    "map_code": "EPERM",
    "make_code": "EPERM",
    "raise_limit": "EPERM",
    "write_beyond": "EFBIG",  # RLIMIT_FSIZE
    "hoard_files": "EMFILE",  # RLIMIT_NOFILE
    "trap_calls": KILLED,
    "start_thread": "done",
    "allocate": "ENOMEM",  # RLIMIT_AS, set by the supervisor for each job
    "crash": -signal.SIGABRT,
}


def evil(**options):
    return Worker(BUILD / "evil-worker", stderr=subprocess.DEVNULL, **options)


@pytest.mark.parametrize("deed", ANSWERS)
def test_deed_is_stopped(deed, journal):
    roomy = SANITIZED and deed != "allocate"  # what a sanitizer takes is not in what this renderer says it starts with
    w = evil(journal=journal[0], memory_bytes=1 << 60 if roomy else 64 << 20)
    try:
        outcome = w.render(b"x", spec(), name=deed.encode()).text
    except Died as e:
        outcome = e.status
    w.kill()
    assert outcome == ANSWERS[deed]


def test_every_deed_is_in_the_table():
    source = (os.path.dirname(__file__) + "/evil/evil.c")
    text = open(source).read()
    import re
    assert set(re.findall(r"DEED\((\w+)\)", text)) - {"function"} == set(ANSWERS) | {"stall", "flood", "lie"}


def test_stalling_is_ended_from_outside():
    w = evil()
    with pytest.raises(Deadline):
        w.render(b"x", spec(), name=b"stall", seconds=0.5)
    assert w.process.returncode == -signal.SIGKILL


def test_flooding_fills_its_own_socket_only():
    w = evil()
    reply = w.render(b"x", spec(), name=b"flood")  # the first of the flood
    assert reply.made and not reply.bytes[0]
    w.kill()
    assert w.process.returncode == -signal.SIGKILL


def test_a_lie_is_a_claim_that_can_be_checked():
    with evil() as w:
        reply = w.render(b"x", spec(), name=b"lie")
        assert reply.made and reply.outputs[0][2] == 12345 and reply.bytes[0] == b""


def test_all_layers_are_active(worker):
    assert worker.sandbox == NO_NEW_PRIVS | RLIMITS | LANDLOCK | SECCOMP
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{worker.process.pid}/status") if ":\t" in line)
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2"
    for task in os.listdir(f"/proc/{worker.process.pid}/task"):  # threads that were there before would be outside
        text = open(f"/proc/{worker.process.pid}/task/{task}/status").read()
        assert "Seccomp:\t2" in text


def test_worker_needs_its_parent():
    p = subprocess.run([BUILD / "thumbnail-worker", "0", "1"], stdin=subprocess.DEVNULL, capture_output=True)
    assert p.returncode == 1
