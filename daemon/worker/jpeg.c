/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libjpeg reports errors by not returning: every function that calls it enters through setjmp(), and keeps what must survive in
 * struct jpeg_reader.  Reads by position through struct input; never holds the picture. */

#include "jpeg.h"

#include "exif.h"
#include "jpeg-marks.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#define READ_BYTES 65536U

#define UNIT_ROWS_MAX (MAX_SAMP_FACTOR * DCTSIZE)

struct jpeg_reader {
        struct jpeg_decompress_struct d;
        struct jpeg_error_mgr errors;
        struct jpeg_source_mgr source;
        struct jpeg_progress_mgr progress;
        jmp_buf jump;
        struct picture *picture;
        uint64_t at;   /* of what is to be read next */
        bool ended;    /* the decoder wanted more than the file has */
        uint8_t *unit; /* owned: the rows of one unit, plane by plane */
        JSAMPROW rows[PLANES_MAX][UNIT_ROWS_MAX];
        JSAMPARRAY planes[PLANES_MAX];
        uint8_t buffer[READ_BYTES];
};

/* A unit is what jpeg_read_raw_data() gives at once: of each component as many rows of blocks as its sampling factor. */
#if JPEG_LIB_VERSION >= 70
#define DCT_SIDE(component)   ((component)->DCT_v_scaled_size)
#define DCT_SIDE_MIN(decoder) ((decoder)->min_DCT_v_scaled_size)
#else
#define DCT_SIDE(component)   ((component)->DCT_scaled_size)
#define DCT_SIDE_MIN(decoder) ((decoder)->min_DCT_scaled_size)
#endif

static unsigned lines_at_once(const struct jpeg_decompress_struct *d)
{
        return (unsigned)(d->max_v_samp_factor * DCT_SIDE_MIN(d));
}

static unsigned unit_rows(const struct jpeg_reader *r, int component)
{
        const jpeg_component_info *c = r->d.comp_info + component;

        return (unsigned)(c->v_samp_factor * DCT_SIDE(c));
}

static size_t unit_stride(const struct jpeg_reader *r, int component)
{
        const jpeg_component_info *c = r->d.comp_info + component;

        return (size_t)c->width_in_blocks * (size_t)DCT_SIDE(c);
}

static struct jpeg_reader *reader_of(j_common_ptr common)
{
        return (struct jpeg_reader *)common->client_data;
}

static void leave(struct jpeg_reader *r) __attribute__((noreturn));
static void leave(struct jpeg_reader *r)
{
        longjmp(r->jump, 1);
}

/* Whether the end of the data is missing, as opposed to something in the midst of it being wrong. */
static bool is_cut(struct jpeg_reader *r)
{
        return r->ended || input_end_missing(r->picture->input, FORMAT_JPEG);
}

static void fail(struct jpeg_reader *r, enum reason reason)
{
        char text[JMSG_LENGTH_MAX];

        r->errors.format_message((j_common_ptr)&r->d, text);
        (void)verdict_fail(r->picture->verdict, reason, "%s", text);
        leave(r);
}

static void on_error(j_common_ptr common)
{
        struct jpeg_reader *r = reader_of(common);

        switch (r->errors.msg_code) {
        case JERR_OUT_OF_MEMORY:
                fail(r, REASON_OUT_OF_MEMORY);
                break;
        case JERR_BAD_PRECISION:   /* 12 bits */
        case JERR_SOF_UNSUPPORTED: /* lossless, hierarchical */
        case JERR_NOT_COMPILED:
        case JERR_CONVERSION_NOTIMPL:
        case JERR_CCIR601_NOTIMPL:
        case JERR_FRACT_SAMPLE_NOTIMPL:
                fail(r, REASON_UNSUPPORTED);
                break;
        case JERR_IMAGE_TOO_BIG:
                fail(r, REASON_TOO_LARGE);
                break;
        default:
                fail(r, is_cut(r) ? REASON_TRUNCATED : REASON_CORRUPT);
        }
}

/* A warning of libjpeg: either data are missing or wrong, then nothing is gained by going on; or it is odd and does no harm. */
static void on_warning(j_common_ptr common, int level)
{
        struct jpeg_reader *r = reader_of(common);
        char text[JMSG_LENGTH_MAX];
        int marker = r->errors.msg_parm.i[1];

        if (level >= 0)
                return;
        switch (r->errors.msg_code) {
        case JWRN_JPEG_EOF: /* remembered by fill() */
                return;
        case JWRN_EXTRANEOUS_DATA: /* before a restart marker they are lost data, elsewhere junk */
                if (marker >= 0xd0 && marker <= 0xd7)
                        fail(r, is_cut(r) ? REASON_TRUNCATED : REASON_CORRUPT);
                break;
        case JWRN_HIT_MARKER:
        case JWRN_HUFF_BAD_CODE:
        case JWRN_ARITH_BAD_CODE:
        case JWRN_MUST_RESYNC:
                fail(r, is_cut(r) ? REASON_TRUNCATED : REASON_CORRUPT);
                break;
        default:
                break;
        }
        r->errors.num_warnings++;
        r->errors.format_message(common, text);
        verdict_warn(r->picture->verdict, "%s", text);
}

static void on_message(j_common_ptr common)
{
}

static void on_progress(j_common_ptr common)
{
        struct jpeg_reader *r = reader_of(common);
        uint64_t scans = (uint64_t)r->d.input_scan_number;

        if (scans <= JPEG_SCANS_MAX && scans * r->d.image_width * r->d.image_height <= JPEG_SCANNED_PIXELS_MAX)
                return;
        (void)verdict_fail(r->picture->verdict, REASON_TOO_LARGE, "more than %d scans, which no encoder writes", (int)scans - 1);
        leave(r);
}

static void source_none(j_decompress_ptr d)
{
}

static boolean fill(j_decompress_ptr d)
{
        struct jpeg_reader *r = reader_of((j_common_ptr)d);
        struct input *in = r->picture->input;
        size_t n;

        if (in->memory && r->at < in->size) { /* in one piece, where it lies */
                r->source.next_input_byte = in->memory + r->at;
                r->source.bytes_in_buffer = in->size - r->at;
                r->at = in->size;
                return TRUE;
        }
        n = input_read(in, r->at, r->buffer, sizeof r->buffer);
        r->at += n;
        if (n == 0) {
                if (in->error < 0) {
                        (void)verdict_fail(r->picture->verdict, reason_from_errno(in->error), "reading failed: %s",
                                           g_strerror(-in->error));
                        leave(r);
                }
                r->ended = true;
                r->buffer[0] = 0xff;
                r->buffer[1] = JPEG_EOI;
                n = 2;
        }
        r->source.next_input_byte = r->buffer;
        r->source.bytes_in_buffer = n;
        return TRUE;
}

static void skip(j_decompress_ptr d, long n)
{
        struct jpeg_reader *r = reader_of((j_common_ptr)d);

        if (n <= 0)
                return;
        if ((size_t)n <= r->source.bytes_in_buffer) {
                r->source.next_input_byte += n;
                r->source.bytes_in_buffer -= (size_t)n;
                return;
        }
        r->at += (uint64_t)n - r->source.bytes_in_buffer;
        r->source.bytes_in_buffer = 0;
}

static struct jpeg_reader *reader_new(struct picture *p)
{
        struct jpeg_reader *r = (struct jpeg_reader *)g_try_malloc(sizeof *r);

        if (!r)
                return NULL;
        memset(r, 0, offsetof(struct jpeg_reader, buffer));
        r->picture = p;
        r->d.err = jpeg_std_error(&r->errors);
        r->errors.error_exit = on_error;
        r->errors.emit_message = on_warning;
        r->errors.output_message = on_message;
        r->d.client_data = r;
        return r;
}

static void reader_begin(struct jpeg_reader *r, bool metadata)
{
        jpeg_create_decompress(&r->d);
        r->source = (struct jpeg_source_mgr){ .init_source = source_none,
                                              .fill_input_buffer = fill,
                                              .skip_input_data = skip,
                                              .resync_to_restart = jpeg_resync_to_restart,
                                              .term_source = source_none };
        r->d.src = &r->source;
        r->progress.progress_monitor = on_progress;
        r->d.progress = &r->progress;
        jpeg_save_markers(&r->d, JPEG_APP0 + 1, 0xffff);
        jpeg_save_markers(&r->d, JPEG_APP0 + 2, 0xffff);
        if (metadata)
                jpeg_save_markers(&r->d, JPEG_APP0 + 13, 0xffff);
        (void)jpeg_read_header(&r->d, TRUE);
}

/* What a marker of APP @number that begins with @mark holds behind @skip_bytes bytes. */
static GBytes *marked(const struct jpeg_reader *r, int number, const char *mark, size_t mark_bytes, size_t skip_bytes)
{
        for (jpeg_saved_marker_ptr m = r->d.marker_list; m; m = m->next)
                if (m->marker == JPEG_APP0 + number && m->data_length > skip_bytes && memcmp(m->data, mark, mark_bytes) == 0)
                        return g_bytes_new(m->data + skip_bytes, m->data_length - skip_bytes);
        return NULL;
}

static void read_metadata(struct jpeg_reader *r, bool all)
{
        struct picture *p = r->picture;
        g_autoptr(GBytes) exif = marked(r, 1, EXIF_MARK, sizeof EXIF_MARK - 1, 6);
        JOCTET *icc;
        unsigned icc_bytes;
        gsize n;

        if (exif) {
                const void *bytes = g_bytes_get_data(exif, &n);

                p->orientation = exif_orientation(bytes, n);
        }
        if (jpeg_read_icc_profile(&r->d, &icc, &icc_bytes))
                p->icc = g_bytes_new_with_free_func(icc, icc_bytes, free, icc);
        if (!all)
                return;
        p->exif = g_steal_pointer(&exif);
        p->xmp = marked(r, 1, XMP_MARK, sizeof XMP_MARK, sizeof XMP_MARK);
        p->iptc = marked(r, 13, IPTC_MARK, sizeof IPTC_MARK, sizeof IPTC_MARK);
}

/* Of what libjpeg cannot read at all nothing comes here, but for odd ratios of sampling: it would give such planes, but not pixels. */
static bool is_plain(const struct jpeg_decompress_struct *d)
{
        for (int i = 0; i < d->num_components; i++)
                if (d->max_h_samp_factor % d->comp_info[i].h_samp_factor != 0 ||
                    d->max_v_samp_factor % d->comp_info[i].v_samp_factor != 0)
                        return false;
        return d->data_precision == 8 && !d->arith_code &&
               (d->jpeg_color_space == JCS_GRAYSCALE || d->jpeg_color_space == JCS_YCbCr || d->jpeg_color_space == JCS_RGB);
}

/* Several scans (progressive, or one per component) keep all coefficients until the last; one scan keeps a few rows. */
static uint64_t predict(const struct jpeg_reader *r)
{
        const struct jpeg_decompress_struct *d = &r->d;
        uint64_t bytes = (uint64_t)d->image_width * d->num_components * 64 + (1U << 20);

        if (jpeg_has_multiple_scans((j_decompress_ptr)&r->d))
                for (int i = 0; i < d->num_components; i++) {
                        const jpeg_component_info *c = d->comp_info + i;

                        bytes += ((uint64_t)c->width_in_blocks + 4) * (c->height_in_blocks + 4) * sizeof(JBLOCK);
                }
        return bytes;
}

bool jpeg_open(struct picture *p, bool metadata)
{
        struct jpeg_reader *r = p->jpeg = reader_new(p);

        if (!r)
                return verdict_fail(p->verdict, REASON_OUT_OF_MEMORY, "no memory");
        if (setjmp(r->jump))
                return false;
        reader_begin(r, metadata);
        if (!is_plain(&r->d)) {
                jpeg_done(p);
                return true;
        }
        p->full_w_px = r->d.image_width;
        p->full_h_px = r->d.image_height;
        p->n_frames = 1;
        p->n_planes = (unsigned)r->d.num_components;
        p->bands = r->d.jpeg_color_space == JCS_GRAYSCALE ? 1 : 3;
        p->model = p->bands == 1 ? MODEL_GREY : r->d.jpeg_color_space == JCS_RGB ? MODEL_RGB : MODEL_YCC;
        r->d.out_color_space = r->d.jpeg_color_space;
        read_metadata(r, metadata);
        p->decode_bytes = predict(r);
        return true;
}

/* Where the decoder puts the rows of one unit: whole blocks, of which the last may reach beyond the picture. */
static bool allocate(struct jpeg_reader *r)
{
        size_t bytes = 0;
        uint8_t *at;

        for (int i = 0; i < r->d.num_components; i++)
                bytes += unit_stride(r, i) * unit_rows(r, i);
        at = r->unit = (uint8_t *)g_try_malloc0(bytes);
        if (!at)
                return verdict_fail(r->picture->verdict, REASON_OUT_OF_MEMORY, "no memory for rows");
        for (int i = 0; i < r->d.num_components; i++) {
                r->planes[i] = r->rows[i];
                for (unsigned y = 0; y < unit_rows(r, i); y++, at += unit_stride(r, i))
                        r->rows[i][y] = at;
        }
        return true;
}

bool jpeg_start(struct picture *p, unsigned shrink)
{
        struct jpeg_reader *r = p->jpeg;

        if (setjmp(r->jump))
                return false;
        r->d.scale_num = 8 / shrink;
        r->d.scale_denom = 8;
        r->d.raw_data_out = TRUE;
        (void)jpeg_start_decompress(&r->d);
        if (r->ended && jpeg_has_multiple_scans(&r->d))
                return verdict_fail(p->verdict, REASON_TRUNCATED, "the file ends before the last scan");
        for (unsigned i = 0; i < p->n_planes; i++) {
                const jpeg_component_info *c = r->d.comp_info + i;

                p->planes[i] = (struct plane){ .w_px = c->downsampled_width,
                                               .h_px = c->downsampled_height,
                                               .scale_x = (double)c->h_samp_factor * DCT_SIDE(c) / (r->d.max_h_samp_factor * DCTSIZE),
                                               .scale_y = (double)c->v_samp_factor * DCT_SIDE(c) / (r->d.max_v_samp_factor * DCTSIZE),
                                               .bands = 1 };
        }
        return allocate(r);
}

bool jpeg_rows(struct picture *p, struct rows ret[PLANES_MAX])
{
        struct jpeg_reader *r = p->jpeg;
        uint32_t unit = r->d.output_scanline / lines_at_once(&r->d);

        if (setjmp(r->jump))
                return false;
        if (jpeg_read_raw_data(&r->d, r->planes, lines_at_once(&r->d)) == 0)
                return verdict_fail(p->verdict, REASON_CORRUPT, "the decoder gave no rows");
        for (unsigned i = 0; i < p->n_planes; i++) {
                uint32_t done = MIN(unit * unit_rows(r, (int)i), p->planes[i].h_px);

                ret[i] = (struct rows){ .first = r->rows[i][0],
                                        .stride_bytes = unit_stride(r, (int)i),
                                        .n = MIN(unit_rows(r, (int)i), p->planes[i].h_px - done) };
        }
        return true;
}

bool jpeg_finish(struct picture *p)
{
        struct jpeg_reader *r = p->jpeg;

        if (setjmp(r->jump))
                return p->verdict->reason == REASON_NONE;
        (void)jpeg_finish_decompress(&r->d);
        if (r->ended)
                verdict_warn(p->verdict, "the end marker is missing");
        return true;
}

void jpeg_done(struct picture *p)
{
        struct jpeg_reader *r = p->jpeg;

        if (!r)
                return;
        if (!setjmp(r->jump))
                jpeg_destroy_decompress(&r->d);
        g_free(r->unit);
        g_free(r);
        p->jpeg = NULL;
}
