# SPDX-License-Identifier: GPL-2.0-or-later
import pathlib
import socket
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from worker import BUILD, CORPUS, Deadline, Died, Worker  # noqa: E402


def pytest_configure(config):
    for needed in (BUILD / "thumbnail-worker", BUILD / "evil-worker", CORPUS / "formats"):
        if not needed.exists():
            raise pytest.UsageError(f"{needed} is not there: build first, and set THUMBNAILD_BUILD")


@pytest.fixture(scope="module")
def worker():
    with Worker() as w:
        yield w


@pytest.fixture
def journal():
    """Two ends of a datagram pair: what the worker logs can be read from the second."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    yield ends
    for end in ends:
        end.close()


def sweep(files, job, workers=2, **options):
    """job(worker, file) for every file, on two workers side by side; a dead or late worker is replaced and its file named.
    Returns {file: result, or the exception}."""
    results, lock, rest = {}, threading.Lock(), iter(files)

    def run():
        w = None
        while True:
            with lock:
                file = next(rest, None)
            if file is None:
                break
            w = w or Worker(**options)
            try:
                result = job(w, file)
            except (Died, Deadline) as e:
                result, w = e, None
            with lock:
                results[file] = result
        if w:
            w.close()

    threads = [threading.Thread(target=run) for _ in range(workers)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results
