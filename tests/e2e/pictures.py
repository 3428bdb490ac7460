# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures to drop, and a second opinion on what became of them: Pillow, which shares no decoder code with libvips' pipelines."""

import functools
import io
import os
import re
from pathlib import Path

import numpy
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
LANCZOS = getattr(Image, "Resampling", Image).LANCZOS

# Top left, top right, bottom left, bottom right: tells every one of the eight orientations from the others.
CORNERS = ((220, 30, 30), (30, 200, 40), (30, 50, 220), (240, 240, 240))


def photos():
    found = sorted((CORPUS / "photos").iterdir())
    assert found, f"no photos in {CORPUS}"
    return found


def seeds(count=200):
    found = sorted((CORPUS / "seed1000").iterdir())[:count]
    assert len(found) == count, f"{len(found)} of {count} pictures in {CORPUS}/seed1000"
    return found


def corners(width=800, height=600):
    """Four coloured quarters over a soft gradient, so that scaling and compression hardly matter where it is looked at."""
    picture = Image.new("RGB", (width, height))
    for index, colour in enumerate(CORNERS):
        box = (index % 2 * (width // 2), index // 2 * (height // 2))
        picture.paste(colour, (*box, width, height))
    return picture


def noise(width, height, seed=0):
    """Hard to compress: work for a decoder, and bytes for an uploader."""
    return Image.fromarray(numpy.random.default_rng(seed).integers(0, 256, (height, width, 3), numpy.uint8))


@functools.lru_cache(maxsize=None)
def encoded(format="JPEG", width=800, height=600, seed=None, **options):
    picture = corners(width, height) if seed is None else noise(width, height, seed)
    return encode(picture, format, **options)


def encode(picture, format="JPEG", **options):
    data = io.BytesIO()
    picture.save(data, format, **options)
    return data.getvalue()


def with_orientation(orientation, width=800, height=600):
    """A JPEG that has to be turned by its Exif tag to look like corners(width, height)."""
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.transpose() methods that inverse orientations 2 to 8
    stored = corners(width, height)
    if orientation > 1:
        stored = stored.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x112] = orientation
    return encode(stored, "JPEG", quality=95, exif=exif)


def with_secrets():
    """A JPEG full of what must not leave the house."""
    exif = Image.Exif()
    exif[0x10F] = "SecretCamera"
    exif[0x8298] = "SecretOwner"
    exif[0x8825] = {1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 24.0, 0.0)}
    return encode(corners(), "JPEG", exif=exif, comment=b"SecretComment")


def png_with_text():
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "SecretComment")
    text.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>SecretOwner</x:xmpmeta>")
    return encode(corners(), "PNG", pnginfo=text)


def open_checked(path, format):
    """Decoded completely, so that a cut file does not pass."""
    with open(path, "rb") as file:
        picture = Image.open(io.BytesIO(file.read()))
    picture.load()
    assert picture.format == format, f"{path} is {picture.format}, not {format}"
    return picture


def assert_corners(picture, tolerance=12):
    width, height = picture.size
    picture = picture.convert("RGB")
    for index, colour in enumerate(CORNERS):
        at = (width // 4 + index % 2 * (width // 2), height // 4 + index // 2 * (height // 2))
        seen = picture.getpixel(at)
        assert all(abs(a - b) <= tolerance for a, b in zip(seen, colour)), f"{seen} instead of {colour} at {at} of {picture.size}"


def fitted(width, height, box_width, box_height):
    """The size "inside" a box: never larger, the proportion kept, at least one pixel."""
    scale = min(box_width / width, box_height / height, 1)
    return max(1, round(width * scale)), max(1, round(height * scale))


def upright_srgb(path):
    picture = ImageOps.exif_transpose(Image.open(path))
    profile = picture.info.get("icc_profile")
    if profile and picture.mode == "RGB":
        picture = ImageCms.profileToProfile(picture, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"))
    return picture.convert("RGB")


def psnr(a, b):
    difference = numpy.asarray(a.convert("RGB"), numpy.float64) - numpy.asarray(b.convert("RGB"), numpy.float64)
    error = numpy.mean(difference**2)
    return 99.0 if error == 0 else 10 * numpy.log10(255**2 / error)


def assert_shows(thumbnail, original, box=256, quality=80, loss=5.0):
    """That it is the picture, upright, in sRGB, of the right size, and about as good as Pillow's own in the same quality.  Compared
    with that one, for what JPEG alone costs goes from 5 to 45 dB with the picture.  Returns the difference in dB."""
    made, whole = open_checked(thumbnail, "JPEG"), upright_srgb(original)
    size = fitted(*whole.size, box, box)
    assert all(abs(a - b) <= 1 for a, b in zip(made.size, size)) and max(made.size) <= box, f"{made.size}, not {size}: {original}"
    pixels = whole.resize(made.size, LANCZOS)
    own = Image.open(io.BytesIO(encode(pixels, "JPEG", quality=quality)))
    theirs, ours = psnr(made, pixels), psnr(own, pixels)
    assert theirs >= ours - loss, f"{theirs:.1f} dB, Pillow's has {ours:.1f}: {os.fsdecode(thumbnail)}"
    return theirs - ours


def metadata(path):
    """Everything in a thumbnail's file that is neither pixels nor needed to decode them, as text to search for secrets."""
    with open(path, "rb") as file:
        data = file.read()
    picture = Image.open(io.BytesIO(data))
    kept = {key: value for key, value in picture.info.items() if re.match("exif|xmp|comment|photoshop|xml|gps", key, re.IGNORECASE)}
    return data, dict(picture.getexif()), kept
