# SPDX-License-Identifier: GPL-2.0-or-later
"""Geometry, colours, animation, metadata, limits: against pictures made here, and Pillow's eyes."""

import io
import os
import socket
import struct

import numpy
import pytest
from PIL import Image, ImageCms, ImageDraw

from judge import difference, inside
from worker import ALL, CORPUS, REFUSED, SANITIZED, Died, Reply, Worker, spec


def encode(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def decode(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def quarters(w=200, h=100, mode="RGB"):
    """Red, green above blue, white: tells every orientation from every other."""
    image = Image.new(mode, (w, h), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, w // 2 - 1, h // 2 - 1), "red")
    draw.rectangle((w // 2, 0, w - 1, h // 2 - 1), "lime")
    draw.rectangle((0, h // 2, w // 2 - 1, h - 1), "blue")
    return image


def made(reply):
    assert reply.made, f"{reply.reason}: {reply.text}"
    return decode(reply.bytes[0])


@pytest.mark.parametrize("w, h, options, expected", [
    (4000, 3000, {}, (256, 192)),
    (3000, 4000, {}, (192, 256)),
    (100, 50, {}, (100, 50)),  # never larger
    (100, 50, {"upscale": 1}, (256, 128)),
    (333, 250, {"width": 128, "height": 128}, (128, 96)),  # 96.096
    (512, 3, {}, (256, 2)),  # 1.5, half up
    (512, 1, {}, (256, 1)),
    (1, 5000, {}, (1, 256)),  # extreme, never 0
    (5000, 1, {}, (256, 1)),
    (640, 480, {"height": 0, "width": 320}, (320, 240)),
    (640, 480, {"height": 120, "width": 0}, (160, 120)),
    (640, 480, {"height": 0, "width": 320, "fit": "cover"}, (320, 240)),
    (640, 480, {"fit": "cover", "width": 200, "height": 100}, (200, 100)),
    (480, 640, {"fit": "cover", "width": 200, "height": 100, "crop": "north"}, (200, 100)),
    (640, 480, {"fit": "cover", "width": 100, "height": 100, "crop": "attention"}, (100, 100)),
    (640, 480, {"fit": "cover", "width": 100, "height": 100, "crop": "entropy"}, (100, 100)),
    (4000, 3, {"fit": "cover", "width": 100, "height": 100, "crop": "attention"}, (3, 3)),
    (100, 50, {"fit": "cover"}, (50, 50)),  # the largest box of that shape
    (500, 1000, {"fit": "cover", "width": 640, "height": 360}, (500, 281)),
    (100, 50, {"fit": "cover", "upscale": 1}, (256, 256)),
    (640, 480, {"fit": "pad"}, (256, 256)),
    (10, 20, {"fit": "pad"}, (256, 256)),
    (640, 480, {"fit": "stretch", "width": 100, "height": 300}, (100, 300)),
    (64, 480, {"fit": "stretch", "width": 100, "height": 300}, (64, 300)),
    (64, 48, {"fit": "stretch", "width": 100, "height": 300, "upscale": 1}, (100, 300)),
    (1, 30000, {"width": 16, "height": 0, "format": "webp"}, (1, 16383)),  # what WebP can hold
])
def test_size(worker, w, h, options, expected):
    for source in ("PNG", "JPEG"):
        reply = worker.render(encode(Image.new("RGB", (w, h), "teal"), source), spec(**options))
        assert made(reply).size == expected == reply.outputs[0][:2]
        assert (reply.width, reply.height) == (w, h)


@pytest.mark.parametrize("crop, where", [("centre", (0.5, 0.5)), ("north", (0.5, 0)), ("south", (0.5, 1)), ("east", (1, 0.5)), ("west", (0, 0.5))])
@pytest.mark.parametrize("size", [(400, 100), (100, 400)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_crop_shows_the_right_part(worker, crop, where, size, orientation):
    wide = Image.fromarray(numpy.fromfunction(lambda y, x, c: (x * 255 // size[0]) * (c == 0) + (y * 255 // size[1]) * (c == 1),
                                              (size[1], size[0], 3), dtype=int).astype(numpy.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = wide if orientation == 1 else wide.transpose(Image.ROTATE_90)
    image = made(worker.render(encode(stored, "PNG", exif=exif), spec(50, 50, fit="cover", crop=crop, format="png")))
    left, top = (where[0] * (size[0] - 100), where[1] * (size[1] - 100))
    expected = wide.crop((int(left), int(top), int(left) + 100, int(top) + 100)).resize((50, 50), Image.LANCZOS)
    assert difference(image, expected)[1] <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation(worker, orientation, format):
    upside = {2: Image.FLIP_LEFT_RIGHT, 3: Image.ROTATE_180, 4: Image.FLIP_TOP_BOTTOM, 5: Image.TRANSPOSE, 6: Image.ROTATE_90,
              7: Image.TRANSVERSE, 8: Image.ROTATE_270}
    upright = quarters()
    stored = upright.transpose(upside[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"tiffinfo": {274: orientation}} if format == "TIFF" else {"exif": exif, "quality": 95}
    reply = worker.render(encode(stored, format, **options), spec(100, 100, format="png"), spec(100, 100, strip=0))
    assert (reply.width, reply.height) == upright.size
    for i in range(2):
        image = decode(reply.bytes[i])
        assert image.getexif().get(0x0112, 1) == 1  # never applied twice
        assert image.size == (100, 50) and difference(image, upright.resize((100, 50), Image.BOX), 4)[1] < 24


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0", "grey"])
def test_planes_end_where_pixels_do(worker, orientation, sampling):
    """A JPEG from a JPEG never becomes pixels: its colour must still be where a PNG from it has it, at odd sizes, too."""
    y, x = numpy.mgrid[0:331, 0:451]
    waves = numpy.stack((128 + 90 * numpy.sin(x / 23), 60 + x / 5 + y / 9, 128 + 90 * numpy.sin(y / 17)), axis=-1).astype(numpy.uint8)
    image = Image.fromarray(waves).convert("L" if sampling == "grey" else "RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    source = encode(image, "JPEG", quality=95, exif=exif, **({} if sampling == "grey" else {"subsampling": sampling}))
    sizes = [(107, 107), (64, 0), (51, 51)]
    shapes = [spec(w, h, format=format, quality=quality) for w, h in sizes for format, quality in (("png", 80), ("jpeg", 89), ("jpeg", 95))]
    shapes += [spec(75, 45, fit="cover", crop="east", format=format, quality=95) for format in ("png", "jpeg")]
    pictures = [decode(data) for data in worker.render(source, *shapes).bytes]
    for png, jpeg, quality in ((0, 1, 89), (0, 2, 95), (3, 4, 89), (3, 5, 95), (6, 7, 89), (6, 8, 95), (9, 10, 95)):
        expected = decode(encode(pictures[png], "JPEG", quality=quality, subsampling="4:2:0" if quality < 90 else "4:4:4"))
        assert pictures[jpeg].size == expected.size
        mean, most = difference(pictures[jpeg], expected, 24)
        assert (mean <= 2.5 and most <= 14) if quality < 90 else (mean <= 0.1 and most <= 2)
    assert pictures[0].mode == pictures[1].mode == image.mode


def test_alpha_is_kept_or_flattened(worker):
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((0, 0, 31, 63), (0, 255, 0, 255))
    reply = worker.render(encode(image, "PNG"), spec(16, 16, format="png"), spec(16, 16, format="webp", lossless=1),
                          spec(16, 16, background=0x0000FF, quality=95), spec(16, 16, fit="pad", format="png", upscale=1))
    for data in reply.bytes[:2]:
        kept = decode(data)
        assert kept.mode == "RGBA" and kept.getpixel((2, 8)) == (0, 255, 0, 255) and kept.getpixel((14, 8))[3] == 0
        edge = [kept.getpixel((x, 8)) for x in range(16) if kept.getpixel((x, 8))[3] > 30]
        assert all(p[0] < 10 for p in edge)  # no red from what was invisible
    flat = decode(reply.bytes[2])
    assert flat.mode == "RGB" and difference(flat.crop((10, 2, 16, 14)), Image.new("RGB", (6, 12), (0, 0, 255)))[1] < 16


def test_grey_stays_grey(worker):
    for image in (Image.linear_gradient("L"), Image.linear_gradient("L").convert("1")):
        assert made(worker.render(encode(image, "PNG"), spec(64, 64))).mode == "L"
    assert made(worker.render(encode(Image.linear_gradient("L"), "JPEG"), spec(64, 64))).mode == "L"
    padded = made(worker.render(encode(Image.new("L", (10, 20), 77), "PNG"), spec(40, 40, fit="pad", background=0xFF0000, format="png")))
    assert padded.getpixel((0, 0)) == (255, 0, 0) and padded.getpixel((20, 20)) == (77, 77, 77)


def test_sixteen_bits(worker):
    slope = numpy.linspace(0, 65535, 256 * 64).reshape(64, 256).astype(numpy.uint16)
    image = made(worker.render(encode(Image.fromarray(slope), "PNG"), spec(format="png")))
    assert abs(numpy.asarray(image, dtype=int) - slope // 257).max() <= 1


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("samples", [1, 2, 3, 4, 5, 6])
def test_grey_with_more_samples_than_grey_has(worker, samples, bits):
    """A TIFF that calls itself grey: the second sample is alpha, what is behind that is not shown, and no row is read too far."""
    w, h = 64, 40
    grey = numpy.arange(w * h).reshape(h, w) % 251
    pixels = numpy.zeros((h, w, samples), dtype=numpy.uint8)
    pixels[..., 0] = grey
    pixels[..., 1:2] = 255  # opaque
    pixels[..., 2:] = 7
    data = pixels.repeat(bits // 8, axis=2).tobytes()  # twice the same byte is that value of 16 bits
    tags = [(256, 4, w), (257, 4, h), (258, 3, bits), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, samples), (278, 4, h), (279, 4, len(data))]
    beside = 8 + len(data)
    extra = struct.pack(f"<{samples}H", *[bits] * samples)
    entries = b""
    for tag, kind, value in tags:
        if tag == 258 and samples > 2:
            entries += struct.pack("<HHII", tag, kind, samples, beside)
        elif tag == 258 and samples == 2:
            entries += struct.pack("<HHIHH", tag, kind, 2, bits, bits)
        else:
            entries += struct.pack("<HHII", tag, kind, 1, value)
    tiff = b"II*\0" + struct.pack("<I", beside + len(extra)) + data + extra + struct.pack("<H", len(tags)) + entries + bytes(4)
    image = made(worker.render(tiff, spec(w, h, format="png")))
    assert image.mode == ("L" if samples == 1 else "LA")
    assert (numpy.asarray(image.getchannel(0)) == grey).all()


def test_profiles(worker):
    lab = ImageCms.createProfile("LAB")
    source = encode(quarters(), "PNG", icc_profile=ImageCms.ImageCmsProfile(lab).tobytes())  # not one for RGB
    reply = worker.render(source, spec(100, 50, format="png"))
    assert difference(made(reply), quarters(100, 50))[1] < 12 and "profile" in reply.text
    reply = worker.render(encode(quarters(), "JPEG", quality=95, icc_profile=b"rubbish" * 40), spec(100, 50, format="png"))
    assert difference(made(reply), quarters(100, 50))[1] < 24 and "profile" in reply.text


def profiles():
    """One file of the corpus for each profile of three curves and a matrix that there is."""
    found = {}
    for path in sorted((CORPUS / "seed1000").iterdir()):
        icc = Image.open(path).info.get("icc_profile")
        if icc and icc[16:24] == b"RGB XYZ ":
            found.setdefault(icc, path)
    return found


def test_profiles_of_curves_and_a_matrix_are_converted_as_the_library_does(worker):
    assert len(profiles()) >= 12
    colours = numpy.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=numpy.uint8)
    colours[0] = numpy.arange(64)[:, None]  # near black
    for icc, path in profiles().items():
        image = Image.fromarray(colours)
        theirs = ImageCms.profileToProfile(image, io.BytesIO(icc), ImageCms.createProfile("sRGB"), renderingIntent=1)
        ours = made(worker.render(encode(image, "PNG", icc_profile=icc), spec(64, 64, format="png")))
        off = numpy.abs(numpy.asarray(theirs, dtype=int) - numpy.asarray(ours))
        assert off.max() <= 1 and off.mean() < 0.05, path.name


SRGB_COLORANTS = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)


def profile_of(curve, colorants):
    """Three colorants, in XYZ, and three times the same curve."""
    white, body, tags = (0.9642, 1, 0.8249), b"", b""
    for name, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt", b"rTRC", b"gTRC", b"bTRC"), (*colorants, white, *[None] * 3)):
        data = (b"XYZ \0\0\0\0" + struct.pack(">iii", *(round(v * 65536) for v in xyz)) if xyz else curve).ljust(40, b"\0")
        tags += name + struct.pack(">II", 132 + 7 * 12 + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s12s4s", 132 + len(tags) + len(body), b"lcms", 0x02400000, b"mntr", b"RGB ", b"XYZ ", bytes(12), b"acsp")
    return head.ljust(68, b"\0") + struct.pack(">iii", 63190, 65536, 54061) + bytes(48) + struct.pack(">I", 7) + tags + body


@pytest.mark.parametrize("curve", [b"para\0\0\0\0\0\4\0\0" + bytes.fromhex("80000000" * 7), b"curv\0\0\0\0\0\0\0\1\0\0\0\0",
                                   b"curv\0\0\0\0\0\0\0\2\xff\xff\0\0"])  # fmt: skip
def test_a_profile_with_hostile_curves(worker, curve):
    """Powers that are no numbers, of zero, and a slope that falls: whatever comes of it is a picture, and the worker lives."""
    icc = profile_of(curve, SRGB_COLORANTS)
    reply = worker.render(encode(quarters(), "PNG", icc_profile=icc), spec(100, 50, format="png"))
    assert made(reply).size == (100, 50) and not reply.text, "it is a profile that can be used"


@pytest.mark.parametrize("colorants", [[(32767, 32767, 32767)] * 3, [(0, 0, 0)] * 3, [(0, -32768, 0), *SRGB_COLORANTS[1:]]])
def test_a_profile_whose_colours_make_no_white_is_ignored(worker, colorants):
    gamma = b"curv\0\0\0\0\0\0\0\1\2\x33"
    swapped = profile_of(gamma, SRGB_COLORANTS[::-1])
    reply = worker.render(encode(quarters(), "PNG", icc_profile=swapped), spec(100, 50, format="png"))
    assert difference(made(reply), quarters(100, 50))[1] > 100 and not reply.text, "odd, but a profile"
    reply = worker.render(encode(quarters(), "PNG", icc_profile=profile_of(gamma, colorants)), spec(100, 50, format="png"))
    assert difference(made(reply), quarters(100, 50))[1] < 12 and "its colours make no white" in reply.text


@pytest.mark.parametrize("output", ["jpeg", "png", "webp"])
def test_profile_is_kept_with_its_colours(worker, output):
    path = next((CORPUS / "formats/jpeg").glob("*DisplayP3*"))
    source = Image.open(path)
    kept = made(worker.render(path, spec(format=output, quality=95, profile="keep")))
    assert kept.info["icc_profile"] == source.info["icc_profile"]
    assert difference(kept, source.resize(kept.size, Image.LANCZOS))[1] <= 6
    srgb = made(worker.render(path, spec(format=output, quality=95)))
    assert "icc_profile" not in srgb.info and difference(kept, srgb)[1] > 1


def animation(n=5, size=(60, 40)):
    frames = [Image.new("RGB", size, (40 * i, 255 - 40 * i, 128)) for i in range(n)]
    return encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=[100 + 10 * i for i in range(n)], loop=3)


def test_animation(worker):
    reply = worker.render(animation(), spec(30, 30, format="gif", animation="all"), spec(30, 30, format="webp", animation="all"),
                          spec(30, 30, animation="all"), spec(30, 30, format="gif"), spec(15, 15, format="webp", animation="all"))
    assert reply.made
    images = [Image.open(io.BytesIO(b)) for b in reply.bytes]
    assert [getattr(i, "n_frames", 1) for i in images] == [5, 5, 1, 1, 5]
    assert [i.size for i in images] == [(30, 20)] * 4 + [(15, 10)]
    for image in (images[0], images[1], images[4]):
        assert image.info["loop"] == (3 if image.format == "GIF" else 4)  # GIF counts repetitions, WebP times
        for frame in range(5):
            image.seek(frame)
            image.load()
            assert image.info["duration"] == 100 + 10 * frame
            assert difference(image, Image.new("RGB", image.size, (40 * frame, 255 - 40 * frame, 128)))[1] < 16


def test_frames_limit_counts_what_is_written(worker):
    assert worker.render(animation(), spec(format="gif", animation="all"), frames_max=4).reason == "too-many-frames"
    assert worker.render(animation(), spec(format="gif"), frames_max=4).made
    assert worker.render(animation(), spec(format="jpeg", animation="all"), frames_max=4).made
    assert worker.render(animation(), spec(format="gif", animation="all"), pixels_max=60 * 40 * 4).reason == "too-large"


@pytest.mark.parametrize("output", ["jpeg", "png", "webp", "avif", "jxl", "gif"])
def test_nothing_is_left_when_stripped(worker, output):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    for image in (quarters(), quarters(mode="RGBA")):
        data = worker.render(encode(image, "PNG", exif=exif), spec(format=output)).bytes[0].lower()
        assert not [mark for mark in (b"maker", b"exif", b"icc", b"xmp", b"libvips") if mark in data]


@pytest.mark.parametrize("output", ["jpeg", "png", "webp"])
def test_metadata(worker, output):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    exif.get_ifd(0x8825)[1] = "N"
    source = encode(quarters(), "JPEG", exif=exif)
    stripped, kept = worker.render(source, spec(format=output)).bytes[0], worker.render(source, spec(format=output, strip=0)).bytes[0]
    assert b"Maker" not in stripped and not dict(decode(stripped).getexif())
    assert decode(kept).getexif()[0x010F] == "Maker" and decode(kept).getexif().get(0x0112, 1) == 1


def test_sizes_agree_with_each_other(worker):
    path = CORPUS / "photos/OpenSfM__02.jpg"
    sizes = [2048, 1500, 1024, 256, 64, 256]
    together = worker.render(path, *[spec(s, s, format="png", effort=1) for s in sizes])
    for size, data in zip(sizes, together.bytes):
        alone = made(worker.render(path, spec(size, size, format="png", effort=1)))
        a, b = (numpy.asarray(i, dtype=float) for i in (decode(data), alone))
        psnr = 10 * numpy.log10(255 ** 2 / max(((a - b) ** 2).mean(), 1e-9))
        assert psnr > 38, size


@pytest.mark.parametrize("output", ["jpeg", "png", "webp", "avif", "jxl", "gif"])
def test_outputs_begin_like_their_format(worker, output):
    begins = {"jpeg": b"\xff\xd8\xff", "png": b"\x89PNG", "webp": b"RIFF", "avif": b"\0\0\0", "jxl": b"", "gif": b"GIF89a"}
    for options in ({}, {"quality": 1}, {"quality": 100}, {"effort": 0}, {"effort": 9}, {"lossless": 1}):
        reply = worker.render(encode(quarters(), "PNG"), spec(40, 40, format=output, **options))
        assert reply.made and reply.bytes[0].startswith(begins[output]) and len(reply.bytes[0]) == reply.outputs[0][2]


def test_failure_classes(worker):
    jpeg, png = encode(quarters(800, 600), "JPEG"), encode(Image.effect_noise((300, 300), 50), "PNG")
    reason = lambda data, **o: worker.render(data, spec(), **o).reason
    assert reason(b"") == "empty"
    assert reason(b"hello world, no picture") == "unsupported"
    assert reason(jpeg[:len(jpeg) // 2]) == reason(png[:len(png) // 2]) == "truncated"
    assert reason(encode(quarters(), "WEBP")[:-200]) == "truncated"
    assert reason(png[:5000] + b"\0" * 200 + png[5200:]) == "corrupt"
    assert reason(jpeg, pixels_max=800 * 600 - 1) == "too-large"
    assert reason(encode(quarters(), "BMP")) == "unsupported"
    assert reason(jpeg, loaders=ALL & ~2) == "unsupported"


def test_memory_is_predicted(worker):
    big = Image.new("RGB", (6000, 4000), "navy")
    for data in (encode(big, "JPEG", progressive=True), encode(big, "WEBP", quality=10, method=0)):
        reply = worker.render(data, spec(), memory_bytes=40 << 20)
        assert reply.reason == "out-of-memory" and 40 << 20 < reply.needs_bytes < 500 << 20
        assert worker.render(data, spec(), memory_bytes=reply.needs_bytes).made
    assert worker.render(encode(big, "JPEG"), spec(), memory_bytes=40 << 20).made  # baseline: a few rows


def test_predicted_memory_is_enough():
    """What was predicted, as the limit of the address space, suffices."""
    big = Image.effect_noise((3000, 2000), 60).convert("RGB")
    with Worker() as w:
        for data in (encode(big, "JPEG", progressive=True), encode(big, "WEBP", method=0), encode(big, "TIFF"), encode(big, "PNG", compress_level=1)):
            reply = w.render(data, spec(1024, 1024), spec(format="png"), memory_bytes=1 << 20)
            assert reply.reason == "out-of-memory" and reply.needs_bytes > 0
            if not SANITIZED:  # which has memory of its own
                w.limit(reply.needs_bytes)
            assert w.render(data, spec(1024, 1024), spec(format="png")).made


def test_full_disk_is_told(worker):
    source = os.memfd_create("input")
    os.write(source, encode(quarters(), "PNG"))
    full = os.open("/dev/full", os.O_WRONLY)
    worker.send_render(source, [spec()], [full])
    assert Reply(worker.receive(10), []).reason == "no-space"
    os.close(full)
    os.close(source)


def test_made_is_logged_after_publication(journal):
    with Worker(journal=journal[0]) as w:
        source, output = os.memfd_create("input"), os.memfd_create("output")
        os.write(source, encode(quarters(), "PNG"))
        for job in (w.send_render(source, [spec()], [output], name=b"holiday/a\nb.png"), w.send_render(source, [spec()], [output], name=b"refused")):
            assert Reply(w.receive(10), []).made
        w.settle(2, kind=REFUSED)
        w.settle(1, latency_usec=55, size=123, uid=9)
        line = journal[1].recv(1 << 16)
        os.close(source)
        os.close(output)
    for field in (b"THUMBNAILD_EVENT=made\n", b"THUMBNAILD_LATENCY_USEC=55\n", b"THUMBNAILD_BYTES=123\n", b"THUMBNAILD_OWNER=9\n",
                  b"THUMBNAILD_WORKER=7\n", b"THUMBNAILD_FORMAT=png\n", b"THUMBNAILD_WIDTH=200\n", b"THUMBNAILD_OUTPUTS=1\n",
                  b"THUMBNAILD_DECODE_USEC=", b"THUMBNAILD_RESIZE_USEC=", b"THUMBNAILD_ENCODE_USEC=",
                  b"THUMBNAILD_FILE\n" + (15).to_bytes(8, "little") + b"holiday/a\nb.png\n", b"MESSAGE=Made 1 thumbnail of holiday/a\\x0ab.png in "):
        assert field in line
    usec = {key: int(value) for key, value in (part.split(b"=", 1) for part in line.split(b"\n") if b"USEC=" in part)}
    parts = [usec[b"THUMBNAILD_" + stage + b"_USEC"] for stage in (b"DECODE", b"RESIZE", b"ENCODE")]
    assert 0 < sum(parts) <= usec[b"THUMBNAILD_USEC"]
    journal[1].setblocking(False)
    with pytest.raises(BlockingIOError):
        journal[1].recv(1)


def test_several_are_settled_at_once(journal):
    with Worker(journal=journal[0]) as w:
        source, output = os.memfd_create("input"), os.memfd_create("output")
        os.write(source, encode(quarters(), "PNG"))
        jobs = [w.send_render(source, [spec()], [output], name=b"%d.png" % n) for n in range(3)]
        for _ in jobs:
            assert Reply(w.receive(10), []).made
        w.settle(jobs[2], jobs[0])
        told = [journal[1].recv(1 << 16) for _ in range(2)]
        w.settle(jobs[1])
        told.append(journal[1].recv(1 << 16))
        os.close(source)
        os.close(output)
    assert [line.split(b"Made 1 thumbnail of ")[1].split(b" ")[0] for line in told] == [b"2.png", b"0.png", b"1.png"]


def test_nothing_unknown_is_settled():
    with Worker() as w:
        w.settle(5)
        with pytest.raises(Died) as e:
            w.receive(10)
    assert e.value.status == 1


def test_conversation_ends():
    w = Worker()
    assert w.close() == 0
    w = Worker()
    w.socket.send(b"rubbish")
    with pytest.raises(Died) as e:
        w.receive(10)
    assert e.value.status == 1
    w.close()
    assert b"The worker ends" in w.stderr


def test_camera_raw(worker):
    """A TIFF that begins as a camera's, with its preview in a sub-directory, turned by the first."""
    preview, small = encode(quarters(400, 200), "JPEG", quality=95), encode(quarters(40, 20), "JPEG")
    import struct
    at = 8 + 2 + 6 * 12 + 4
    sub = at
    data_at = sub + 2 + 3 * 12 + 4

    def entry(tag, kind, value):
        return struct.pack("<HHI", tag, kind, 1) + (struct.pack("<HH", value, 0) if kind == 3 else struct.pack("<I", value))
    head = b"II*\0" + struct.pack("<IH", 8, 6) + entry(0xFE, 4, 1) + entry(0x0112, 3, 6) + entry(0x014A, 4, sub) + \
        entry(0x0201, 4, data_at) + entry(0x0202, 4, len(small)) + entry(0xC612, 1, 1) + b"\0" * 4
    head += struct.pack("<H", 3) + entry(0x0103, 3, 6) + entry(0x0201, 4, data_at + len(small)) + entry(0x0202, 4, len(preview)) + b"\0" * 4
    raw = head + small + preview + b"\0" * 10000
    reply = worker.render(raw, spec(100, 100, format="png"))
    assert reply.made and reply.outputs[0][:2] == (50, 100) and (reply.width, reply.height) == (200, 400)
    assert difference(decode(reply.bytes[0]), quarters(100, 50).transpose(Image.ROTATE_270), 4)[1] < 24
    assert worker.render(head + b"\0" * 10000, spec()).reason == "unsupported"


@pytest.mark.parametrize("most", [1, 255, 65535])
@pytest.mark.parametrize("side", [64, 1400])  # the larger one is read from its descriptor
def test_floats(worker, most, side):
    slope = numpy.linspace(0, most, side * side, dtype=numpy.float32).reshape(side, side)
    image = made(worker.render(encode(Image.fromarray(slope, "F"), "TIFF"), spec(64, 64, format="png")))
    expected = numpy.asarray(Image.fromarray(slope / most * 255, "F").resize((64, 64), Image.BOX))
    assert abs(numpy.asarray(image, dtype=float) - expected).max() <= 2


@pytest.mark.parametrize("format, options", [("TIFF", {}), ("PNG", {"compress_level": 0}), ("WEBP", {"lossless": True}), ("JPEG", {"quality": 100})])
def test_large_files_are_read_from_any_offset(worker, format, options):
    noise = Image.effect_noise((2600, 2000), 90).convert("RGB")
    source, output = os.memfd_create("input"), os.memfd_create("output")
    os.write(source, encode(noise, format, **options))
    assert os.fstat(source).st_size > 4 << 20
    for offset in (0, 12345):
        os.lseek(source, offset, os.SEEK_SET)
        worker.send_render(source, [spec()], [output])
        assert Reply(worker.receive(60), [output]).reason == "made"
        worker.settle(worker.jobs, kind=REFUSED)
    os.close(source)
    os.close(output)
