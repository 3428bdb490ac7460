# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that a worker makes of a folder as one picture, to be looked at: contact_sheet.py FOLDER OUT.png [SIZE [FIRST [COUNT]]]."""

import io
import pathlib
import sys

from PIL import Image, ImageDraw

from worker import ALL, Died, Worker, spec


def checkers(size):
    tile = Image.new("RGB", (size, size), (200, 200, 200))
    draw = ImageDraw.Draw(tile)
    for y in range(0, size, 8):
        for x in range((y // 8 % 2) * 8, size, 16):
            draw.rectangle((x, y, x + 7, y + 7), (160, 160, 160))
    return tile


def contact_sheet(files, size=128, loaders=ALL, columns=12):
    rows = (len(files) + columns - 1) // columns
    sheet = Image.new("RGB", (columns * (size + 4), rows * (size + 16)), (40, 40, 40))
    draw, worker = ImageDraw.Draw(sheet), Worker()
    for i, path in enumerate(files):
        x, y = i % columns * (size + 4) + 2, i // columns * (size + 16) + 2
        label = path.name
        try:
            reply = worker.render(path, spec(size, size, format="png"), loaders=loaders)
            if reply.made:
                picture = Image.open(io.BytesIO(reply.bytes[0])).convert("RGBA")
                tile = checkers(size)
                tile.paste(picture, ((size - picture.width) // 2, (size - picture.height) // 2), picture)
                sheet.paste(tile, (x, y))
            else:
                draw.text((x + 2, y + size // 2), reply.reason, (255, 160, 0))
        except Died as e:
            draw.text((x + 2, y + size // 2), f"died {e.status}", (255, 0, 0))
            worker = Worker()
        draw.text((x, y + size + 1), label.encode("ascii", "replace").decode()[-20:], (255, 255, 255))
    worker.close()
    return sheet


if __name__ == "__main__":
    size, first, count = (int(a) for a in (sys.argv[3:] + ["128", "0", "100000"][len(sys.argv) - 3:])[:3])
    names = sorted(p for p in pathlib.Path(sys.argv[1]).rglob("*") if p.is_file())[first:first + count]
    contact_sheet(names, size).save(sys.argv[2])
