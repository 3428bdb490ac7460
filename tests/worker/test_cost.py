# SPDX-License-Identifier: GPL-2.0-or-later
"""What one job costs in instructions, which load and clocks do not change: as a multiple of what its library alone needs, so that the
version of the library hardly matters.  What makes a job slower fails here; what makes it faster is written down here.  And what it
costs in pages of memory, each of them a fault and a page of zeros."""

import re
import subprocess
import time
from pathlib import Path

import pytest

from worker import BUILD, CORPUS, SANITIZED, Worker, spec

TOLERANCE = 0.08
LANE = "-DWITHOUT_JPEG_LANE" not in (BUILD / "meson-info/intro-buildoptions.json").read_text()
COST = {  # with the wide vectors of resample.c, and without
    "seed1000/n01440764_tench.JPEG": (1.05, 1.10) if LANE else (1.93, 2.10),  # 500×375, the lane of jpeg.c or else libvips
    "formats/png/testdata__P3-sRGB-color-ring.png": (1.29, 1.37),  # libvips, with alpha and a profile
}
PROGRESSIVE = CORPUS / "photos/budgie-backgrounds__lake-sherburne.jpg"  # 8 megapixels: 25 MB of coefficients
SMALL = CORPUS / "seed1000/n01440764_tench.JPEG"
LITTLE_MIB = 8
FAULTS = 500  # of a picture; 6,500 where nothing is kept
SLACK_MIB = 8
NARROW = " avx2" not in Path("/proc/cpuinfo").read_text()


def faults(worker):
    return int(Path(f"/proc/{worker.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[7])


def own_mib(worker):
    return int(re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{worker.process.pid}/status").read_text()).group(1)) / 1024


def instructions(what, picture):
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--toggle-collect=job", "--callgrind-out-file=/dev/null", BUILD / "cost", what, CORPUS / picture, "128"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(re.search(r"refs:\s+([\d,]+)", done.stderr).group(1).replace(",", ""))


if not SANITIZED:  # whose instructions would be counted, too
    @pytest.mark.parametrize("picture", COST)
    def test_instructions_of_a_job(picture):
        ratio = instructions("render", picture) / instructions("floor", picture)
        expected = COST[picture][NARROW]
        assert expected * (1 - TOLERANCE) < ratio < expected * (1 + TOLERANCE), f"{ratio:.3f}, expected {expected}"

    def test_memory_serves_the_next_picture_and_is_given_back_at_rest():
        with Worker() as worker:
            started = own_mib(worker)
            worker.render(PROGRESSIVE, spec())
            before = faults(worker)
            for _ in range(4):
                assert worker.render(PROGRESSIVE, spec()).made
            assert faults(worker) - before < 4 * FAULTS
            worker.render(SMALL, spec(), memory_bytes=LITTLE_MIB << 20)
            assert own_mib(worker) < started + LITTLE_MIB + SLACK_MIB  # no more is kept than a picture may take
            assert worker.render(PROGRESSIVE, spec()).made
            deadline = time.monotonic() + 60
            while own_mib(worker) > started + SLACK_MIB:
                assert time.monotonic() < deadline, f"{own_mib(worker)} MiB, {started} after the start"
                time.sleep(0.01)
