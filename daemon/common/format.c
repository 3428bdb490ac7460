/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Formats by their bytes, as one ordered list of checks.  Every read of the head goes through a bounded helper; nothing outside the
 * head and the tail is looked at. */

#include "format.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

static const struct {
        const char *name;
        const char *extension;
        bool trusted;
} formats[_FORMAT_MAX + 1] = {
        [FORMAT_NONE] = { .name = "", .extension = "" },
#define X(symbol, name_, extension_, trusted_) \
        [FORMAT_##symbol] = { .name = (name_), .extension = (extension_), .trusted = (trusted_) != 0 },
        FORMAT_LIST(X)
#undef X
                [FORMAT_SAME] = { .name = "same", .extension = "" },
};

const char *format_name(enum format format)
{
        assert(format <= FORMAT_SAME);
        return formats[format].name;
}

const char *format_extension(enum format format)
{
        assert(format <= FORMAT_SAME);
        return formats[format].extension;
}

bool format_trusted(enum format format)
{
        assert(format <= FORMAT_SAME);
        return formats[format].trusted;
}

enum format format_from_name(const char *name)
{
        for (unsigned i = FORMAT_NONE + 1; i <= FORMAT_SAME; i++)
                if (strcmp(formats[i].name, name) == 0)
                        return (enum format)i;
        return FORMAT_NONE;
}

/* The bytes that are looked at, and how many of them there are. */
struct head {
        const uint8_t *bytes;
        size_t size;
};

static bool has(const struct head *h, size_t offset, const void *bytes, size_t size)
{
        return offset <= h->size && size <= h->size - offset && memcmp(h->bytes + offset, bytes, size) == 0;
}

#define HAS(h, offset, literal) has(h, offset, literal, sizeof(literal) - 1)

static uint8_t byte_at(const struct head *h, size_t offset)
{
        return offset < h->size ? h->bytes[offset] : 0;
}

static uint32_t number(const struct head *h, size_t offset, unsigned bytes, bool big)
{
        uint32_t n = 0;

        for (unsigned i = 0; i < bytes; i++)
                n |= (uint32_t)byte_at(h, offset + i) << 8 * (big ? bytes - 1 - i : i);
        return n;
}

static bool is_space(uint8_t c)
{
        return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* Tags and values of a first directory that only cameras write: TIFF 6.0, TIFF/EP, DNG 1.6. */
enum {
        TAG_NEW_SUBFILE_TYPE = 0x00fe,
        TAG_COMPRESSION = 0x0103,
        TAG_PHOTOMETRIC = 0x0106,
        TAG_MAKE = 0x010f,
        TAG_SUB_IFDS = 0x014a,
        TAG_DNG_VERSION = 0xc612,
        COMPRESSION_SONY = 32767,
        COMPRESSION_NIKON = 34713,
        COMPRESSION_KODAK = 65000,
        COMPRESSION_PENTAX = 65535,
        PHOTOMETRIC_CFA = 32803,
        PHOTOMETRIC_LINEAR_RAW = 34892,
};

/* Whether the first directory of a classic TIFF is a camera's.  Its entries are within the head (offset 8) in the files of every
 * camera known; where they are not, this says no.  A directory that is itself a reduced picture (bit 0 of the subfile type), names its
 * camera and points to sub-directories is how NEF, ARW and their like begin; an edited TIFF begins with its picture. */
static bool is_camera_tiff(const struct head *h, bool big)
{
        size_t ifd = number(h, 4, 4, big);
        bool reduced = false, make = false, sub = false;
        unsigned n;

        if (ifd > FORMAT_HEAD_BYTES)
                return false;
        n = number(h, ifd, 2, big);
        for (unsigned i = 0; i < n; i++) {
                size_t entry = ifd + 2 + (size_t)i * 12;
                uint32_t tag, value;

                if (entry + 12 > h->size)
                        break;
                tag = number(h, entry, 2, big);
                value = number(h, entry + 2, 2, big) == 3 ? number(h, entry + 8, 2, big) : number(h, entry + 8, 4, big);
                if (tag == TAG_DNG_VERSION)
                        return true;
                if (tag == TAG_COMPRESSION && (value == COMPRESSION_SONY || value == COMPRESSION_NIKON || value == COMPRESSION_KODAK ||
                                               value == COMPRESSION_PENTAX))
                        return true;
                if (tag == TAG_PHOTOMETRIC && (value == PHOTOMETRIC_CFA || value == PHOTOMETRIC_LINEAR_RAW))
                        return true;
                reduced = reduced || (tag == TAG_NEW_SUBFILE_TYPE && (value & 1));
                make = make || tag == TAG_MAKE;
                sub = sub || tag == TAG_SUB_IFDS;
        }
        return reduced && make && sub;
}

static enum format sniff_tiff(const struct head *h)
{
        bool big = HAS(h, 0, "MM");

        if (HAS(h, 0, "IIRO") || HAS(h, 0, "IIRS") || HAS(h, 0, "MMOR") || HAS(h, 0, "IIU\0") || HAS(h, 0, "FUJIFILMCCD-RAW") ||
            HAS(h, 0, "FOVb") || HAS(h, 0, "\0MRM"))
                return FORMAT_RAW;
        if (HAS(h, 0, "II*\0") || HAS(h, 0, "MM\0*")) {
                if (HAS(h, 8, "CR\2") || HAS(h, 8, "IIII") || is_camera_tiff(h, big))
                        return FORMAT_RAW;
                return FORMAT_TIFF;
        }
        if (HAS(h, 0, "II+\0\10\0\0\0") || HAS(h, 0, "MM\0+\0\10\0\0"))
                return FORMAT_TIFF;
        return FORMAT_NONE;
}

static bool is_brand_of(const struct head *h, size_t offset, const char *const *brands)
{
        for (; *brands; brands++)
                if (has(h, offset, *brands, 4))
                        return true;
        return false;
}

/* ISO base media: the major brand decides, else the compatible ones; a film (isom, mp42, …) is not a picture. */
static enum format sniff_ftyp(const struct head *h)
{
        static const char *const avif[] = { "avif", "avis", NULL };
        static const char *const heic[] = { "heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs", "heif", NULL };
        static const char *const any[] = { "mif1", "msf1", "mif2", NULL };
        bool found_heic = false, found_any;
        size_t box;

        if (!HAS(h, 4, "ftyp"))
                return FORMAT_NONE;
        if (HAS(h, 8, "crx "))
                return FORMAT_RAW;
        if (is_brand_of(h, 8, avif))
                return FORMAT_AVIF;
        if (is_brand_of(h, 8, heic))
                return FORMAT_HEIF;
        found_any = is_brand_of(h, 8, any);
        box = number(h, 0, 4, true);
        for (size_t at = 16; at + 4 <= box && at + 4 <= h->size; at += 4) {
                if (is_brand_of(h, at, avif))
                        return FORMAT_AVIF;
                found_heic = found_heic || is_brand_of(h, at, heic);
                found_any = found_any || is_brand_of(h, at, any);
        }
        return found_heic || found_any ? FORMAT_HEIF : FORMAT_NONE;
}

/* The offset behind the next @end at or after @at, or the size of the head if there is none. */
static size_t behind(const struct head *h, size_t at, const char *end)
{
        size_t length = strlen(end);

        for (; at + length <= h->size; at++)
                if (memcmp(h->bytes + at, end, length) == 0)
                        return at + length;
        return h->size;
}

/* The root element, behind byte-order mark, white space, declaration, comments and document type, must be called svg. */
static bool is_svg(const struct head *h)
{
        size_t at = HAS(h, 0, "\xef\xbb\xbf") ? 3 : 0;

        while (at < h->size) {
                if (is_space(h->bytes[at])) {
                        at++;
                } else if (HAS(h, at, "<?")) {
                        at = behind(h, at, "?>");
                } else if (HAS(h, at, "<!--")) {
                        at = behind(h, at, "-->");
                } else if (HAS(h, at, "<!DOCTYPE")) {
                        for (at += 9; at < h->size && is_space(h->bytes[at]);)
                                at++;
                        return HAS(h, at, "svg");
                } else {
                        break;
                }
        }
        if (byte_at(h, at) != '<')
                return false;
        for (size_t colon = ++at; colon < h->size && colon < at + 16 && !is_space(h->bytes[colon]); colon++)
                if (h->bytes[colon] == ':')
                        at = colon + 1;
        return HAS(h, at, "svg") && (is_space(byte_at(h, at + 3)) || byte_at(h, at + 3) == '>' || byte_at(h, at + 3) == '/');
}

static bool is_bmp(const struct head *h)
{
        uint32_t header = number(h, 14, 4, false);

        return HAS(h, 0, "BM") && (header == 12 || header == 16 || (header >= 40 && header <= 64) || header == 108 || header == 124);
}

static bool is_ico(const struct head *h)
{
        uint32_t count = number(h, 4, 2, false);

        return HAS(h, 0, "\0\0\1\0") && count >= 1 && count <= 256 && h->size >= 22 && byte_at(h, 9) == 0;
}

static bool is_pnm(const struct head *h)
{
        uint8_t kind = byte_at(h, 1), next = byte_at(h, 3);

        if (byte_at(h, 0) != 'P' || !((kind >= '1' && kind <= '6') || kind == 'F' || kind == 'f') || !is_space(byte_at(h, 2)))
                return false;
        return next == '#' || is_space(next) || (next >= '0' && next <= '9');
}

/* Formats that a short, fixed string proves. */
static const struct {
        const char *magic;
        uint8_t size, offset;
        enum format format;
} magics[] = {
#define MAGIC(offset, literal, format) \
        { \
                literal, sizeof(literal) - 1, offset, format \
        }
        MAGIC(0, "\xff\xd8\xff", FORMAT_JPEG),
        MAGIC(0, "\x89PNG\r\n\x1a\n", FORMAT_PNG),
        MAGIC(0, "GIF87a", FORMAT_GIF),
        MAGIC(0, "GIF89a", FORMAT_GIF),
        MAGIC(0, "\0\0\0\x0cJXL \r\n\x87\n", FORMAT_JXL),
        MAGIC(0, "\xff\x0a", FORMAT_JXL),
        MAGIC(0, "\0\0\0\x0cjP  \r\n\x87\n", FORMAT_JP2),
        MAGIC(0, "\xff\x4f\xff\x51", FORMAT_JP2),
        MAGIC(0, "%PDF-", FORMAT_PDF),
        MAGIC(0, "8BPS", FORMAT_PSD),
        MAGIC(0, "\x76\x2f\x31\x01", FORMAT_EXR),
        MAGIC(0, "#?RADIANCE", FORMAT_HDR),
        MAGIC(0, "#?RGBE", FORMAT_HDR),
        MAGIC(0, "SIMPLE  =", FORMAT_FITS),
        MAGIC(0, "DDS ", FORMAT_DDS),
        MAGIC(0, "qoif", FORMAT_QOI),
#undef MAGIC
};

enum format format_sniff(const void *head, size_t size)
{
        const struct head h = { .bytes = (const uint8_t *)head, .size = size < FORMAT_HEAD_BYTES ? size : FORMAT_HEAD_BYTES };
        enum format found;

        for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
                if (has(&h, magics[i].offset, magics[i].magic, magics[i].size))
                        return magics[i].format;
        if (HAS(&h, 0, "RIFF") && HAS(&h, 8, "WEBP"))
                return FORMAT_WEBP;
        found = sniff_tiff(&h);
        if (found == FORMAT_NONE)
                found = sniff_ftyp(&h);
        if (found != FORMAT_NONE)
                return found;
        if (is_bmp(&h))
                return FORMAT_BMP;
        if (is_ico(&h))
                return FORMAT_ICO;
        if (is_pnm(&h))
                return FORMAT_PNM;
        return is_svg(&h) ? FORMAT_SVG : FORMAT_NONE;
}

bool format_picture_name(const char *file_name)
{
        static const char *const extensions[] = {
                "jpg",   "jpeg", "jpe", "jfif", "jif", "png", "apng", "webp", "gif", "tif",  "tiff", "heic", "heif", "hif", "avif",
                "avifs", "jxl",  "jp2", "j2k",  "j2c", "jpf", "jpx",  "jpm",  "svg", "svgz", "pdf",  "bmp",  "dib",  "ico", "cur",
                "pnm",   "ppm",  "pgm", "pbm",  "pam", "pfm", "psd",  "psb",  "exr", "hdr",  "fits", "fit",  "fts",  "dds", "qoi",
                "tga",   "pcx",  "xcf", "dng",  "cr2", "cr3", "crw",  "nef",  "nrw", "arw",  "srf",  "sr2",  "orf",  "rw2", "rwl",
                "raf",   "pef",  "srw", "x3f",  "3fr", "fff", "iiq",  "erf",  "dcr", "kdc",  "mrw",  "mef",  "mos",
        };
        const char *dot = strrchr(file_name, '.');

        if (!dot)
                return false;
        for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
                if (strcasecmp(dot + 1, extensions[i]) == 0)
                        return true;
        return false;
}

/* Whether the tail ends with @end, but for zeros and line ends behind it, which some programs append. */
static bool ends_with(const uint8_t *tail, size_t size, const char *end, size_t end_size)
{
        for (;;) {
                if (size >= end_size && memcmp(tail + size - end_size, end, end_size) == 0)
                        return true;
                if (size == 0 || (tail[size - 1] != 0 && tail[size - 1] != '\n' && tail[size - 1] != '\r'))
                        return false;
                size--;
        }
}

static bool is_empty(const uint8_t *tail, size_t size)
{
        for (size_t i = 0; i < size; i++)
                if (tail[i] != 0)
                        return false;
        return true;
}

#define ENDS_WITH(tail, size, literal) (ends_with(tail, size, literal, sizeof(literal) - 1) ? FORMAT_END_COMPLETE : FORMAT_END_MISSING)

enum format_end format_end(enum format format, uint64_t file_bytes, const void *head, size_t head_size, const void *tail,
                           size_t tail_size)
{
        const struct head h = { .bytes = (const uint8_t *)head, .size = head_size };
        const uint8_t *t = (const uint8_t *)tail;

        switch (format) {
        case FORMAT_JPEG:
                return ENDS_WITH(t, tail_size, "\xff\xd9");
        case FORMAT_PNG:
                return ENDS_WITH(t, tail_size, "IEND\xae\x42\x60\x82");
        case FORMAT_GIF:
                return ENDS_WITH(t, tail_size, ";");
        case FORMAT_QOI:
                return ENDS_WITH(t, tail_size, "\0\0\0\0\0\0\0\1");
        case FORMAT_WEBP: /* a length says nothing of a file that was made so long before it is filled */
                return file_bytes >= (uint64_t)number(&h, 4, 4, false) + 8 && !is_empty(t, tail_size) ? FORMAT_END_COMPLETE
                                                                                                      : FORMAT_END_MISSING;
        case FORMAT_PDF: /* anything may follow, and does: its presence says something, its absence nothing */
                return ENDS_WITH(t, tail_size, "%%EOF") == FORMAT_END_COMPLETE ? FORMAT_END_COMPLETE : FORMAT_END_UNKNOWN;
        case FORMAT_SVG:
                return ENDS_WITH(t, tail_size, "</svg>") == FORMAT_END_COMPLETE ? FORMAT_END_COMPLETE : FORMAT_END_UNKNOWN;
        default:
                return FORMAT_END_UNKNOWN;
        }
}
