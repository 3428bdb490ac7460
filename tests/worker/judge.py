# SPDX-License-Identifier: GPL-2.0-or-later
"""What another decoder, Pillow, says a picture looks like: upright, in sRGB, on white."""

import io
import pathlib

import numpy
from PIL import Image, ImageCms, ImageOps

Image.MAX_IMAGE_PIXELS = None
SRGB = ImageCms.createProfile("sRGB")


def to_srgb(image):
    icc = image.info.get("icc_profile")
    if icc and image.mode in ("RGB", "L", "CMYK"):
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            return ImageCms.profileToProfile(image, profile, SRGB, renderingIntent=1, outputMode="RGB",
                                             flags=ImageCms.FLAGS["BLACKPOINTCOMPENSATION"])
        except (ImageCms.PyCMSError, OSError):
            pass
    return image.convert("RGB")


def on_white(image):
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        colours = rgba.convert("RGB")
        colours.info["icc_profile"] = image.info.get("icc_profile") if image.mode == "RGBA" else None
        rgba = Image.merge("RGBA", (*to_srgb(colours).split(), rgba.getchannel("A")))
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        white.alpha_composite(rgba)
        return white.convert("RGB")
    if image.mode.startswith("I;16") or image.mode == "I":
        return Image.fromarray((numpy.asarray(image, dtype=numpy.uint32) // 257).clip(0, 255).astype(numpy.uint8)).convert("RGB")
    if image.mode == "F":
        return Image.fromarray((numpy.asarray(image) * 255).clip(0, 255).astype(numpy.uint8)).convert("RGB")
    return to_srgb(image)


def upright(source):
    """(size, picture) of the first frame, or None if Pillow cannot read it."""
    if isinstance(source, pathlib.Path):  # from memory: Pillow closes a TIFF's descriptor twice, and so another thread's
        source = io.BytesIO(source.read_bytes())
    try:
        image = Image.open(source)
        image.seek(0)
        image.load()
        if image.format != "TIFF":  # Pillow has done it
            image = ImageOps.exif_transpose(image)
    except Exception:  # Pillow raises anything
        return None
    return image.size, on_white(image)


def inside(w, h, box):
    """The documented rule: half up, at least 1, never larger."""
    if w <= box and h <= box:
        return w, h
    if w >= h:
        return box, max(1, (2 * h * box + w) // (2 * w))
    return max(1, (2 * w * box + h) // (2 * h)), box


def difference(a, b, grid=12):
    """The mean and the largest difference of two pictures on a coarse grid, in 8-bit steps."""
    a, b = (numpy.asarray(i.convert("RGB").resize((grid, grid), Image.BOX), dtype=int) for i in (a, b))
    d = abs(a - b)
    return d.mean(), d.max()
