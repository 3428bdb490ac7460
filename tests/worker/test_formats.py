# SPDX-License-Identifier: GPL-2.0-or-later
"""Every good picture of the corpus: the expected outcome, and what another decoder says of the result."""

import io
import pathlib

import pytest
from PIL import Image

import judge
from conftest import sweep
from worker import ALL, CORPUS, FORMATS, SANITIZED, TRUSTED, Died, Worker, spec

ROOT = CORPUS / "formats"
TABLE = [line.rstrip("\n").split("\t") for line in open(pathlib.Path(__file__).with_name("formats.tsv")) if not line.startswith("#")]
OVERREAD = ("jp2/libvips__Bretagne2_4.j2k", "jp2/openjpeg-data__b1_mono.j2c")  # libvips 8.14 reads beyond a tile: a sanitizer may end it


def render(worker, name):
    """Outcome, Pillow's judgement, and what is left of metadata."""
    reply = worker.render(ROOT / name, spec(format="png"), loaders=ALL)
    if not reply.made:
        return reply.reason, "", ""
    width, height, size = reply.outputs[0]
    picture = Image.open(io.BytesIO(reply.bytes[0]))
    picture.load()
    leftover = [k for k in picture.info if k not in ("transparency", "dpi")] if size == len(reply.bytes[0]) else ["size"]
    if picture.size != (width, height):
        leftover.append("dimensions")
    theirs, verdict = judge.upright(ROOT / name), "unknown"
    if theirs:
        size, other = theirs
        if judge.inside(*size, 256) != (width, height):
            verdict = f"size {size}"
        else:
            mean, most = judge.difference(judge.on_white(picture), other.resize((width, height), Image.LANCZOS))
            verdict = f"colour {mean:.1f} {most}" if mean > 4 or most > 16 else "same"
    return f"made {width}x{height}", verdict, " ".join(leftover)


def is_made(result):
    return isinstance(result, tuple) and result[0].startswith("made")


@pytest.fixture(scope="module")
def results():
    return sweep([row[0] for row in TABLE], render)


def test_table_is_complete():
    assert {r[0] for r in TABLE} == {str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file()}


def test_outcomes(results):
    wrong = {}
    for name, expected, *_ in TABLE:
        got = results[name]
        outcome = f"died {got.status}" if isinstance(got, Died) else str(got) if isinstance(got, Exception) else got[0]
        if outcome not in expected.split(" | ") and expected != "any" and not (SANITIZED and name in OVERREAD):
            wrong[name] = (expected, outcome)
    assert not wrong


def test_another_decoder_agrees(results):
    asked = {name: results[name][1] for name, _, *why in TABLE if not why and is_made(results[name])}
    assert not {n: v for n, v in asked.items() if v not in ("same", "unknown")}
    assert sum(v == "same" for v in asked.values()) > 750


def test_nothing_but_pixels_is_left(results):
    assert not {n: r[2] for n, r in results.items() if isinstance(r, tuple) and r[2]}


def test_untrusted_formats_are_refused_by_default(results):
    names = [n for n, result in results.items() if is_made(result)]
    refused = sweep(names[::7], lambda w, n: w.render(ROOT / n, spec()))
    for name, reply in refused.items():
        trusted = TRUSTED >> FORMATS.index(reply.format) & 1
        assert reply.made if trusted else reply.reason == "unsupported" and reply.format in reply.text, name


def test_what_works_is_announced():
    with Worker() as w:
        names = {n for i, n in enumerate(FORMATS) if w.writable >> i & 1}
        assert {"jpeg", "png", "webp", "gif"} <= names
        assert {"jpeg", "png", "webp", "gif", "tiff", "raw"} <= {n for i, n in enumerate(FORMATS) if w.readable >> i & 1}
        assert w.engine.startswith("libvips 8.")


def test_only_what_may_be_asked_for_is_loaded():
    """Libraries of formats that the configuration does not name cost memory, and are what an attacker would look for."""
    def libraries(worker):
        return {pathlib.Path(line.split()[-1]).name.split(".")[0] for line in open(f"/proc/{worker.process.pid}/maps") if "/" in line}
    few = sum(1 << FORMATS.index(n) for n in ("jpeg", "png"))
    with Worker(formats=few) as least, Worker(formats=TRUSTED) as usual, Worker(formats=few | 1 << FORMATS.index("bmp")) as other:
        assert least.readable == least.writable == few
        assert not libraries(least) & {"vips-heif", "vips-jxl", "vips-magick", "vips-poppler", "vips-openslide"}
        assert "vips-heif" in libraries(usual) and not libraries(usual) & {"vips-magick", "vips-poppler"}
        assert "vips-magick" in libraries(other) and "vips-heif" not in libraries(other)
        assert other.readable == few | 1 << FORMATS.index("bmp")
