# SPDX-License-Identifier: GPL-2.0-or-later
"""What counts the CPU time of a tree of processes, where the tree does not hold still."""

import signal
import subprocess

import account


def start(group):
    child = subprocess.Popen([*group.prefix, "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
    assert child.stdout.readline()
    return child


def test_what_ends_after_it_was_listed_is_no_trouble(monkeypatch):
    pids, ended = account.Group.pids, []

    def list_then_end(group):
        listed = pids(group)
        if listed and not ended:
            child.kill()
            ended.append(child.wait())
        return listed

    with account.group("ending") as counted:
        child = start(counted)
        monkeypatch.setattr(account.Group, "pids", list_then_end)
    assert ended == [-signal.SIGKILL]


def test_what_starts_after_it_was_listed_is_ended(monkeypatch):
    pids, started = account.Group.pids, []

    def list_then_start(group):
        listed = pids(group)
        if listed and not started:
            started.append(start(group))
        return listed

    with account.group("starting") as counted:
        first = start(counted)
        monkeypatch.setattr(account.Group, "pids", list_then_start)
    assert [child.wait(timeout=10) for child in (first, *started)] == [-signal.SIGKILL] * 2
