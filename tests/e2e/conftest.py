# SPDX-License-Identifier: GPL-2.0-or-later
"""The session: a mount namespace with a journal of its own.  Each test gets folders, and daemons that must end cleanly."""

import subprocess

import daemon
import pytest
from journal import Journal, own_run
from watch import Watcher


def pytest_configure(config):
    """Before any thread exists: what is mounted from here on is seen by our daemons and ends with us."""
    try:
        own_run()
    except OSError as error:
        raise pytest.UsageError(str(error)) from error


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


@pytest.fixture
def mounts(folders):
    """Mount something for the test: mounts(path, "-t", "tmpfs", …).  Unmounted when the daemons are gone."""
    mounted = []

    def mount(path, *how):
        path.mkdir(exist_ok=True)
        subprocess.run(["mount", *how, path], check=True)
        mounted.append(path)
        return path

    yield mount
    for running in folders.daemons:
        if running.returncode is None:
            running.kill()
    for path in reversed(mounted):
        subprocess.run(["umount", "--lazy", path], check=True)


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
