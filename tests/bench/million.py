#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A million files (or --files N): how long the scan at the start takes beside find(1) over both trees, how much memory the supervisor
takes, how soon the first thumbnail stands when none is made yet, and how long a new arrival waits meanwhile.

As root: million.py BUILD.  On a file system of its own, an image in --place, gone afterwards; nothing else of the machine is changed.
The caches are warm for both.  Originals are hard links of some pictures, thumbnails that stand already are sparse files with the record
that the daemon would have given them."""

import argparse
import contextlib
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

import standing  # noqa: E402  what was found by the line above

@contextlib.contextmanager
def file_system(place, files):
    """ext4, with room for that many files twice and nothing in them."""
    with tempfile.TemporaryDirectory(prefix="thumbnaild-million.", dir=place) as top:
        image, root = Path(top) / "image", Path(top) / "root"
        root.mkdir()
        with image.open("wb") as file:
            file.truncate(max(files * 3000, 256 << 20))
        subprocess.run(["mkfs.ext4", "-q", "-F", "-N", str(2 * files + 100000), "-E", "lazy_itable_init=1", image], check=True)
        subprocess.run(["mount", "-o", "loop,noatime", image, root], check=True)
        try:
            yield root
        finally:
            subprocess.run(["umount", root], check=True)


class Run:
    """The daemon, its lines as they come, and its memory at its peak."""

    def __init__(self, build, *arguments):
        self.began = time.monotonic()
        self.cpu = 0.0
        self.process = subprocess.Popen(
            [build / "thumbnaild", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
        )
        self.lines = []
        self.peak_kib = 0
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._measure, daemon=True).start()

    def _read(self):
        for line in self.process.stderr:
            self.lines.append((time.monotonic() - self.began, line))

    def _measure(self):
        with contextlib.suppress(OSError, StopIteration):
            while self.process.poll() is None:
                status = Path(f"/proc/{self.process.pid}/status").read_text()
                ticks = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
                self.cpu = sum(int(n) for n in ticks) / os.sysconf("SC_CLK_TCK")
                self.peak_kib = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
                time.sleep(0.02)

    def when(self, *words, after=0.0, patience=60):
        """Seconds from the start to the first line with all these words."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            for at, line in self.lines:
                if at >= after and all(word in line for word in words):
                    return at
            time.sleep(0.002)
        raise TimeoutError(f"no line with {words}: {self.lines[-3:]}")

    def end(self):
        status = self.process.wait()
        return time.monotonic() - self.began, status

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.end()


def find(*roots):
    """Seconds by the clock, and of CPU."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["find", *roots, "-printf", "%s %T@\n"], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def fingerprint_of(build, root):
    """What this program calls the default preset."""
    inbox, outbox = root / "probe-in", root / "probe-out"
    inbox.mkdir()
    (inbox / "a.jpg").write_bytes(standing.picture(1))
    subprocess.run([build / "thumbnaild", "--once", "-i", inbox, "-o", outbox], check=True, capture_output=True)
    return standing.fingerprint(outbox / "a.jpg.256.jpg")


def config(root, inbox, outbox, folder=""):
    path = root / "million.conf"
    path.write_text(f'folders = ( {{ inbox = "{inbox}"; outbox = "{outbox}"; {folder} }} ); limits = {{ free_mib = 0; }};\n')
    return path


def up_to_date(build, root, inbox, outbox, runs, folder, label):
    finds, scans, peaks = [], [], []
    path = config(root, inbox, outbox, folder)
    find(inbox, outbox)  # warms the caches
    for _ in range(runs):
        finds.append(find(inbox, outbox))
        run = Run(build, "--once", "-c", path)
        seconds, status = run.end()
        assert status == 0 and not any(line.startswith("made:") for _, line in run.lines), run.lines[:5]
        scans.append((seconds - run.when("ready:"), run.cpu))
        peaks.append(run.peak_kib)
    (took, cpu), (beside, cpu_beside) = ([statistics.median(column) for column in zip(*rows)] for rows in (scans, finds))
    print(
        f"{label}: scan {took:.2f} s, of CPU {cpu:.2f}; find over both trees {beside:.2f} s, of CPU {cpu_beside:.2f}; "
        f"{took / beside:.2f} times, of CPU {cpu / cpu_beside:.2f}; supervisor's peak {max(peaks) / 1024:.1f} MiB",
        flush=True,
    )


def not_made(build, root, inbox, outbox, arrivals):
    run = Run(build, "-c", config(root, inbox, outbox))
    first = run.when("made:")
    print(f"none made: ready after {run.when('ready'):.2f} s, first thumbnail after {first:.2f} s", flush=True)
    waits = []
    for number in range(arrivals):
        staged, name = root / "arrival", f"arrival-{number}.jpg"
        staged.write_bytes(standing.picture(number))
        began = time.monotonic() - run.began
        os.rename(staged, inbox / name)
        waits.append(run.when("made:", f" {name} ", after=began) - began)
        time.sleep(0.1)
    made = sum(line.startswith("made:") for _, line in run.lines) - arrivals
    seconds = time.monotonic() - run.began
    run.stop()
    waits.sort()
    print(
        f"arrivals before the backlog: p50 {waits[len(waits) // 2] * 1000:.0f} ms, slowest {waits[-1] * 1000:.0f} ms of {arrivals}; "
        f"the backlog meanwhile {made / seconds:.0f}/s; supervisor's peak {run.peak_kib / 1024:.1f} MiB"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=lambda path: Path(path).resolve())
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3, help="of find and scan, in turn; medians are shown")
    parser.add_argument("--arrivals", type=int, default=50)
    parser.add_argument("--place", default="/var/tmp", help="where the image is made")
    options = parser.parse_args()
    with file_system(options.place, options.files) as root:
        inbox, outbox, aside = root / "inbox", root / "outbox", root / "aside"
        for folder in (inbox, outbox, aside):
            folder.mkdir()
        fingerprint = fingerprint_of(options.build, root)
        standing.originals(inbox, aside, options.files)
        print(f"{options.files} files in folders of {standing.IN_A_FOLDER}", flush=True)
        not_made(options.build, root, inbox, root / "outbox-of-none", options.arrivals)
        for number in range(options.arrivals):
            (inbox / f"arrival-{number}.jpg").unlink()
        standing.thumbnails(inbox, outbox, options.files, fingerprint)
        up_to_date(options.build, root, inbox, outbox, options.runs, "", "all up to date")
        up_to_date(options.build, root, inbox, outbox, options.runs, 'orphans = "delete";', "and with orphans looked for")


if __name__ == "__main__":
    sys.exit(main())
