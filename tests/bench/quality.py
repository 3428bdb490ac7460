# SPDX-License-Identifier: GPL-2.0-or-later
"""Quality beside speed: each thumbnail against a reference of the same size, scaled down from the full decode by a Lanczos filter in
double precision, as PSNR and SSIM over red, green and blue."""

import functools
import statistics

import numpy
from peers import PNG_PEER, REAL
from PIL import Image
from pictures import upright_srgb
from result import Line
from workloads import originals

SCALING_DB = 40  # at least, of ours before encoding
LOBES = 3
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # of Wang et al., 2004
WINDOW = 8


def weights(n_in, n_out):
    """Row by row, of the pixels from `first` on: a matrix with little but zeros, without them."""
    scale = max(1.0, n_in / n_out)
    centres = (numpy.arange(n_out) + 0.5) * n_in / n_out
    taps = int(numpy.ceil(LOBES * scale)) * 2 + 1
    first = numpy.floor(centres - LOBES * scale).astype(int)
    at = first[:, None] + numpy.arange(taps)
    x = (at + 0.5 - centres[:, None]) / scale
    w = numpy.where(abs(x) < LOBES, numpy.sinc(x) * numpy.sinc(x / LOBES), 0) * ((at >= 0) & (at < n_in))
    return numpy.clip(at, 0, n_in - 1), w / w.sum(axis=1, keepdims=True)


def scale_rows(pixels, n_out):
    at, w = weights(pixels.shape[0], n_out)
    return numpy.stack([numpy.tensordot(w[i], pixels[at[i]], 1) for i in range(n_out)])


@functools.lru_cache(maxsize=1)
def decoded(path):
    return numpy.asarray(upright_srgb(path))


@functools.lru_cache(maxsize=8)
def reference(original, size):
    """Of (width, height), which may differ by a pixel from program to program."""
    rows = scale_rows(decoded(original), size[1])
    return numpy.clip(scale_rows(rows.swapaxes(0, 1), size[0]).swapaxes(0, 1), 0, 255)


def psnr(a, b):
    error = numpy.mean((a - b) ** 2)
    return float(10 * numpy.log10(255**2 / error)) if error else 99.0


def _box_means(a):
    """Means of all WINDOW × WINDOW windows."""
    sums = numpy.pad(a, ((1, 0), (1, 0), (0, 0))).cumsum(0).cumsum(1)
    n = min(WINDOW, *a.shape[:2])
    return (sums[n:, n:] - sums[:-n, n:] - sums[n:, :-n] + sums[:-n, :-n]) / (n * n)


def ssim(a, b):
    mean_a, mean_b = _box_means(a), _box_means(b)
    variance_a, variance_b = _box_means(a * a) - mean_a**2, _box_means(b * b) - mean_b**2
    covariance = _box_means(a * b) - mean_a * mean_b
    like = (2 * mean_a * mean_b + C1) * (2 * covariance + C2) / ((mean_a**2 + mean_b**2 + C1) * (variance_a + variance_b + C2))
    return float(like.mean())


def is_plain(path):
    """Neither to be turned nor of a colour space of its own: what every program has to get right."""
    picture = Image.open(path)
    return picture.getexif().get(0x112, 1) == 1 and not picture.info.get("icc_profile")


def compare(thumbnail, original):
    made = numpy.asarray(thumbnail.convert("RGB"), numpy.float64)
    wanted = reference(original, thumbnail.size)
    return psnr(made, wanted), ssim(made, wanted)


def made_of(outbox, original, size):
    """vipsthumbnail leaves the original's extension out."""
    for extension in ("jpg", "png"):
        for name in (f"{original.name}.{size}.{extension}", f"{original.stem}.{size}.{extension}"):
            if (outbox / name).exists():
                return outbox / name
    raise RuntimeError(f"no thumbnail of {original.name} in {outbox}")


def pillow_alone(original, size):
    """What pillow_pool.py does, before it encodes."""
    picture = Image.open(original)
    picture.thumbnail((size, size))
    return picture


def measure(bench, workload):
    """Of the first size, once over every picture of the corpus folder."""
    size, found = workload.sizes[0], {}
    with bench.ground() as ground:
        source = ground.copies(workload.pictures, originals(workload.pictures), 2 if bench.form == "quick" else len(originals(workload.pictures)))
        runs = {"ours": bench.ours.once(ground, source, [size])} | {peer.name: peer.run(ground, source, [size]) for peer in REAL}
        exact = {"ours": bench.ours.once(ground, source, [size], 'format = "png";'), "vipsthumbnail": PNG_PEER.run(ground, source, [size])}
        for original in sorted(source.iterdir()):
            plain = is_plain(original)
            for kind, outboxes in (("", runs), (", before encoding", exact)):
                for program, (_, outbox) in outboxes.items():
                    path = made_of(outbox, original, size)
                    found.setdefault((program, kind), []).append((plain, *compare(Image.open(path), original), path.stat().st_size))
            found.setdefault(("pillow", ", before encoding"), []).append((plain, *compare(pillow_alone(original, size), original), 0))
    bench.say(f"quality: {len(found['ours', ''])} of {workload.pictures}")
    return [line for (program, kind), samples in found.items() for line in lines(workload, program, kind, samples)]


def lines(workload, program, kind, samples):
    row = f"quality, {workload.name}{kind}"
    plain = [sample for sample in samples if sample[0]]
    limit = SCALING_DB if program == "ours" and kind else None
    made = [
        Line(row, program, "PSNR mean", "dB", [statistics.mean(sample[1] for sample in plain)], no_less=limit),
        Line(row, program, "PSNR worst", "dB", [min(sample[1] for sample in plain)]),
        Line(row, program, "SSIM mean", "", [statistics.mean(sample[2] for sample in plain)]),
        Line(row, program, "SSIM worst", "", [min(sample[2] for sample in plain)]),
        Line(row, program, "PSNR mean, turned or tagged too", "dB", [statistics.mean(sample[1] for sample in samples)]),
    ]
    if not kind:
        made.append(Line(row, program, "size mean", "KiB", [statistics.mean(sample[3] for sample in samples) / 1024]))
    return made
