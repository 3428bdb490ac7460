# SPDX-License-Identifier: GPL-2.0-or-later
"""Workers that die, supervisors that die, and ends that are asked for.  A stopped worker keeps its job in flight for as long as a
test needs it there, so that nothing here depends on who is faster."""

import os
import signal
import subprocess

import pictures
import pytest
from daemon import ended, state
from watch import when_ended

SMALL = dict(width=120, height=90)
FILES = [f"{i}.jpg" for i in range(6)]


def start(folders, workers=1, **how):
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", str(workers), **how)
    assert len(daemon.workers()) == workers
    return daemon


def in_flight(folders, daemon, files=FILES):
    """Stop the workers, drop the files, and return once every worker has a job that it will not begin."""
    workers = daemon.workers()
    for worker in workers:
        daemon.pause(worker)
    for file in files:
        folders.drop(file, pictures.encoded(**SMALL))
    daemon.wait_busy()
    return workers


def wait_gone(daemon, pids):
    daemon.wait(lambda: all(map(ended, pids)), f"the end of {pids}")


def test_a_worker_killed_in_the_middle_of_a_job(folders):
    daemon = start(folders)
    (worker,) = in_flight(folders, daemon, ["a.jpg"])
    daemon.signal_worker(worker, signal.SIGKILL)
    lost = daemon.wait_event("worker-lost")
    assert lost.file == b"a.jpg" and lost.number("WORKER_PID") == worker and "SIGKILL" in lost.message
    made = daemon.wait_event("made", "a.jpg")
    daemon.wait_made("a.jpg")
    assert made.pid != worker and made.pid in daemon.workers()
    assert made.number("ATTEMPT") == 1, "a death from outside is not the picture's fault"
    assert len(daemon.events("worker-lost")) == 1 and not daemon.events("failed")


def test_both_workers_killed_in_the_middle_of_their_jobs(folders):
    daemon = start(folders, workers=2)
    workers = in_flight(folders, daemon)
    for worker in workers:
        daemon.signal_worker(worker, signal.SIGKILL)
    daemon.wait_event("worker-lost", count=2)
    daemon.wait_made(*FILES)
    assert {record.number("WORKER_PID") for record in daemon.events("worker-lost")} == set(workers)
    assert not daemon.events("failed")


def test_what_a_worker_made_is_said_although_it_dies_in_its_next_job(folders):
    daemon = start(folders)
    slow = pictures.encoded("PNG", 6000, 4000)
    for i in range(3):
        (worker,) = in_flight(folders, daemon, [f"{i}.jpg"])
        folders.drop(f"slow{i}.png", slow)
        daemon.resume(worker)
        daemon.wait(lambda i=i: os.path.exists(folders.thumbnail(f"{i}.jpg")), "the thumbnail")
        daemon.signal_worker(worker, signal.SIGKILL)
        daemon.wait_event("made", f"slow{i}.png")
        assert len(daemon.events("made", f"{i}.jpg")) == 1
    assert not daemon.events("failed")


def test_an_idle_worker_killed_is_replaced(folders):
    daemon = start(folders)
    (worker,) = daemon.workers()
    daemon.signal_worker(worker, signal.SIGKILL)
    lost = daemon.wait_event("worker-lost")
    assert lost.file is None and lost.number("WORKER_PID") == worker
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("a.jpg")


def test_workers_that_die_again_and_again_do_not_stop_the_work(folders):
    daemon = start(folders)
    for i in range(5):
        (worker,) = in_flight(folders, daemon, [f"{i}.jpg"])
        daemon.signal_worker(worker, signal.SIGKILL)
        daemon.wait_made(f"{i}.jpg")
    assert len(daemon.events("worker-lost")) == 5 and not daemon.events("failed")


def test_workers_leave_the_signals_of_a_terminal_to_the_supervisor(folders):
    daemon = start(folders)
    (worker,) = daemon.workers()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        daemon.signal_worker(worker, number)
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("a.jpg")
    assert daemon.workers() == [worker]


def test_a_job_beyond_its_deadline_costs_its_worker(folders):
    daemon = folders.start("-c", folders.config("workers = 1; limits = { seconds = 1; };"))
    (worker,) = in_flight(folders, daemon, ["a.jpg"])
    timeout = daemon.wait_event("worker-timeout")
    assert timeout.file == b"a.jpg" and timeout.number("WORKER_PID") == worker
    made = daemon.wait_event("made", "a.jpg")
    assert made.number("ATTEMPT") == 2 and made.pid != worker


def test_a_killed_supervisor_takes_its_workers_along_and_the_next_one_completes(folders):
    daemon = start(folders, workers=2)
    workers = in_flight(folders, daemon)
    ended = []
    for worker in workers:
        when_ended(folders.watcher, worker, lambda pid=worker: ended.append(pid))
    daemon.kill()
    daemon.wait(lambda: sorted(ended) == sorted(workers), f"the end of {workers}")
    assert folders.thumbnails() == []

    daemon = start(folders, workers=2)
    daemon.wait_made(*FILES)
    daemon.stop()
    assert len(folders.thumbnails()) == len(FILES)


def test_a_supervisor_killed_in_full_work_loses_nothing(folders):
    """Killed after each of its first ten thumbnails or so: whatever it was doing then, what stands is whole."""
    files = [f"{i:02}.jpg" for i in range(60)]
    for file in files:
        folders.drop(file, pictures.encoded(**SMALL))
    for _ in range(8):
        daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "2")
        daemon.wait(lambda: len(daemon.events("made")) >= 5 or len(folders.thumbnails()) == len(files), "some work")
        daemon.kill()
        for name in folders.thumbnails():
            if not name.startswith(b"."):
                pictures.open_checked(os.path.join(os.fsencode(folders.outbox), name), "JPEG")
    done, _ = folders.once()
    assert done.returncode == 0, done.stderr
    assert folders.thumbnails() == sorted(f"{file}.256.jpg".encode() for file in files), "temporaries of the dead are swept"
    folders.check_outbox()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_end_lets_workers_finish_and_leaves_the_rest(folders, number):
    daemon = start(folders)
    (worker,) = in_flight(folders, daemon)
    daemon.signal(number)
    daemon.wait_event("stopping")
    daemon.wait(lambda: "STOPPING=1" in daemon.notified, "STOPPING=1")
    daemon.resume(worker)
    assert daemon.wait_end() == 0
    made = {record.file for record in daemon.events("made")}
    assert len(made) == 1, "what was being rendered, and no more"
    assert len(folders.thumbnails()) == 1
    assert daemon.events("stopped") and not daemon.events("worker-lost") and not daemon.events("failed")
    wait_gone(daemon, [worker])

    daemon = start(folders)
    daemon.wait_made(*[file for file in FILES if os.fsencode(file) not in made])
    assert not [record for record in daemon.events("made") if record.file in made]


def test_a_second_signal_ends_it_now(folders):
    daemon = start(folders)
    (worker,) = in_flight(folders, daemon)
    daemon.signal(signal.SIGTERM)
    daemon.wait_event("stopping")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_end(timeout=10) == 0, "stop_seconds is 30"
    wait_gone(daemon, [worker])
    assert folders.thumbnails() == []


def test_an_end_waits_no_longer_than_stop_seconds(folders):
    daemon = folders.start("-c", folders.config("workers = 1; stop_seconds = 1;"))
    (worker,) = in_flight(folders, daemon)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_end(timeout=20) == 0
    wait_gone(daemon, [worker])


def test_hup_ends_a_daemon_that_has_no_configuration_file(folders):
    daemon = start(folders)
    daemon.signal(signal.SIGHUP)
    assert daemon.wait_end() == 0


def test_as_pid_1_of_a_container_it_reaps_and_obeys(folders):
    """In a pid namespace of its own, where signals without a handler do nothing and orphans become its children."""
    prefix = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1", prefix=prefix, ready=False)
    daemon.wait(lambda: "READY=1" in daemon.notified, "READY=1")
    (pid,) = [int(child) for child in open(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read().split()]
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    daemon.wait(lambda: os.path.exists(folders.thumbnail("a.jpg")), "a thumbnail")
    # A grandchild that its parent leaves behind inside the namespace falls to pid 1.
    subprocess.run(
        ["nsenter", "-t", str(pid), "-p", "-m", "sh", "-c", "(sh -c 'exit 7' &) ; exit 0"], check=True, stdin=subprocess.DEVNULL
    )
    children = f"/proc/{pid}/task/{pid}/children"
    daemon.wait(lambda: all(state(child) != "Z" for child in open(children).read().split()), "orphans reaped")
    os.kill(pid, signal.SIGTERM)
    assert daemon.wait_end() == 0
