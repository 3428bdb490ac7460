# SPDX-License-Identifier: GPL-2.0-or-later
"""What one job costs in instructions, which load and clocks do not change: as a multiple of what its library alone needs, so that the
version of the library hardly matters.  What makes a job slower fails here; what makes it faster is written down here."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from worker import BUILD, CORPUS

TOLERANCE = 0.08
COST = {  # with the wide vectors of resample.c, and without
    "seed1000/n01440764_tench.JPEG": (1.05, 1.10),  # 500×375, the lane of jpeg.c
    "formats/png/testdata__P3-sRGB-color-ring.png": (1.29, 1.37),  # libvips, with alpha and a profile
}
NARROW = " avx2" not in Path("/proc/cpuinfo").read_text()


def instructions(what, picture):
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--toggle-collect=job", "--callgrind-out-file=/dev/null", BUILD / "cost", what, CORPUS / picture, "128"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(re.search(r"refs:\s+([\d,]+)", done.stderr).group(1).replace(",", ""))


if "THUMBNAILD_SANITIZED" not in os.environ:  # whose instructions would be counted, too
    @pytest.mark.parametrize("picture", COST)
    def test_instructions_of_a_job(picture):
        ratio = instructions("render", picture) / instructions("floor", picture)
        expected = COST[picture][NARROW]
        assert expected * (1 - TOLERANCE) < ratio < expected * (1 + TOLERANCE), f"{ratio:.3f}, expected {expected}"
