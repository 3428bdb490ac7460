# SPDX-License-Identifier: GPL-2.0-or-later
"""The short form of tests/bench/run: that it measures, not how fast anything is."""

import csv
import math
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy
import pytest
from PIL import Image

BENCH = Path(__file__).resolve().parent / "bench.py"
SECONDS = 300
SCALING_DB = 40  # ours, before encoding, to a Lanczos in double precision
BEHIND_PILLOW_DB = 1  # at most

PEERS = {"pillow", "vipsthumbnail", "sharp"}
PROGRAMS = PEERS | {"ours", "ours --once", "floor"}
EXPECTED = (
    {(row, program, metric) for row in ("small", "photos", "sizes") for program in PROGRAMS for metric in ("cpu", "wall")}
    | {(f"scaling, {row}", f"{n} worker{'s' * (n > 1)}", "throughput") for row in ("small", "photos") for n in (1, 2)}
    | {("latency", program, quantile) for program in ("ours", "inotifywait") for quantile in ("p50", "p99")}
    | {(f"quality, {row}", program, f"{kind} {which}") for row in ("small", "photos") for program in PEERS | {"ours"}
       for kind in ("PSNR", "SSIM") for which in ("mean", "worst")}
    | {("idle", "supervisor", "resident memory"), ("idle", "each worker, started", "private memory")}
    | {("supervisor", "200 files", metric) for metric in ("cpu", "floor")}
    | {(f"profile, {row}", "workers", stage) for row in ("small", "photos") for stage in ("decode", "resize")}
)  # fmt: skip
CURVES = {"files in one folder", "folders with a file", "presets", "megapixels"}


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    output = tmp_path_factory.mktemp("bench")
    with subprocess.Popen([sys.executable, BENCH, "--quick", "--output", output], stderr=subprocess.PIPE, text=True) as running:
        told = running.communicate(timeout=SECONDS)[1]
    assert running.returncode == 0, f"exit status {running.returncode}\n{told[-5000:]}"
    left = [path for folder in ("/dev/shm", "/var/tmp", "/sys/fs/cgroup") for path in Path(folder).glob(f"**/*-bench-{running.pid}-*")]
    assert not left
    return output


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_row_is_complete(output):
    rows = read(output / "bench.csv")
    missing = EXPECTED - {(row["row"], row["program"], row["metric"]) for row in rows}
    assert not missing
    for row in rows:
        low, median, high = (float(row[key]) for key in ("low", "median", "high"))
        assert math.isfinite(median) and low <= median <= high and int(row["rounds"]) >= 1, row
        assert (row["goal"] == "") == (row["met"] == ""), row
        if row["row"] in ("small", "photos", "sizes") and row["program"] in PEERS | {"floor"}:
            assert float(row["ratio"]) > 0 and float(row["ratio_with_start"]) > 0, row
        if row["metric"] in ("cpu", "wall", "throughput", "p50", "p99"):
            assert low > 0, row


def test_samples_are_those_of_the_table(output):
    samples = defaultdict(list)
    for row in read(output / "samples.csv"):
        samples[row["row"], row["program"], row["metric"]].append(float(row["value"]))
    for row in read(output / "bench.csv"):
        assert len(samples[row["row"], row["program"], row["metric"]]) == int(row["rounds"]), row


def test_curves_have_exponents(output):
    points = defaultdict(list)
    for row in read(output / "growth.csv"):
        assert float(row["y"]) > 0 and math.isfinite(float(row["exponent"])), row
        points[row["of"]].append(float(row["x"]))
    assert points.keys() == CURVES and all(len(set(x)) >= 2 for x in points.values())


@pytest.mark.parametrize("name", ["bench.png", "growth.png"])
def test_picture_is_drawn(output, name):
    with Image.open(output / name) as picture:
        pixels = numpy.asarray(picture.convert("RGB"))
    assert pixels.shape[0] > 500 and pixels.shape[1] > 1000
    assert len(numpy.unique(pixels.astype(numpy.uint32) @ (1, 256, 65536))) > 50


@pytest.mark.parametrize("pictures", ["small", "photos"])
def test_quality_is_not_below_that_of_others(output, pictures):
    found = {(row["row"], row["program"]): float(row["median"]) for row in read(output / "bench.csv") if row["metric"] == "PSNR mean"}
    exact = f"quality, {pictures}, before encoding"
    assert found[exact, "ours"] >= SCALING_DB
    for row in (f"quality, {pictures}", exact):
        assert found[row, "ours"] >= found[row, "pillow"] - BEHIND_PILLOW_DB, row

