# SPDX-License-Identifier: GPL-2.0-or-later
"""The surroundings of the end-to-end tests, with a journal that takes anything, and the options of the campaigns."""

import importlib.util
import sys
from pathlib import Path

import pytest

E2E = Path(__file__).resolve().parent.parent / "e2e"
sys.path.insert(0, str(E2E))
_spec = importlib.util.spec_from_file_location("e2e_conftest", E2E / "conftest.py")
_e2e = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_e2e)

pytest_configure = _e2e.pytest_configure
pytest_runtest_makereport = _e2e.pytest_runtest_makereport
watcher, folders, shared, mounts = _e2e.watcher, _e2e.folders, _e2e.shared, _e2e.mounts

import journal as journal_module  # noqa: E402  what was found by the line above


class TolerantJournal(journal_module.Journal):
    """As a real one: what is no record, since a worker gone bad has sent it, is nobody's trouble."""

    def _receive(self):
        while True:
            try:
                super()._receive()
                return
            except (AssertionError, ValueError, UnicodeDecodeError, IndexError, journal_module.struct.error):
                continue


@pytest.fixture(scope="session")
def journal(watcher):
    return TolerantJournal(watcher)


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="campaigns of hundreds of runs, and the whole soak")
    parser.addoption("--seed", type=int, default=1, help="of the campaigns")


@pytest.fixture
def long(request):
    return request.config.getoption("--long")


@pytest.fixture
def seed(request):
    seed = request.config.getoption("--seed")
    print(f"--seed {seed}")
    return seed
