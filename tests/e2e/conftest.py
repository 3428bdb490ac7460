# SPDX-License-Identifier: GPL-2.0-or-later
"""The session: a mount namespace with a journal of its own.  Each test gets folders, and daemons that must end cleanly."""

import ctypes
import os
import subprocess

import daemon
import pytest
from journal import Journal
from watch import Watcher

CLONE_NEWNS = 0x00020000


def pytest_configure(config):
    """Before any thread exists: what is mounted from here on is seen by our daemons and ends with us."""
    if os.geteuid() != 0:
        raise pytest.UsageError("the end-to-end tests need root (a journal and file systems of their own): run tests/run")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise pytest.UsageError(f"unshare(CLONE_NEWNS): {os.strerror(ctypes.get_errno())}; a container without CAP_SYS_ADMIN?")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "thumbnaild-tests", "/run"], check=True)


@pytest.fixture(scope="session")
def watcher():
    return Watcher()


@pytest.fixture(scope="session")
def journal(watcher):
    return Journal(watcher)


def _folders(tmp_path_factory, request, watcher, journal):
    root = tmp_path_factory.mktemp("t")
    # Daemons of other users have to get there.
    tmp_path_factory.getbasetemp().chmod(0o755)
    root.chmod(0o755)
    folders = daemon.Folders(root, watcher, journal)
    request.node.stash.setdefault(FOLDERS, []).append(folders)
    yield folders
    failed = request.node.stash.get(FAILED, False)
    for running in folders.daemons:
        if running.returncode is not None and not failed:
            continue  # the test saw to its end
        if failed:
            running.kill()
        else:
            running.stop()


FOLDERS = pytest.StashKey()
FAILED = pytest.StashKey()


@pytest.fixture
def folders(tmp_path_factory, request, watcher, journal):
    yield from _folders(tmp_path_factory, request, watcher, journal)


@pytest.fixture(scope="module")
def shared(tmp_path_factory, request, watcher, journal):
    """For tests that only add files: one daemon for all of a module."""
    yield from _folders(tmp_path_factory, request, watcher, journal)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what each daemon said, whatever it was that failed."""
    report = (yield).get_result()
    if report.failed:
        for node in item.listchain():
            node.stash[FAILED] = True
            for folders in node.stash.get(FOLDERS, []):
                for running in folders.daemons:
                    report.sections.append((f"daemon {running.pid}", running.evidence()))
