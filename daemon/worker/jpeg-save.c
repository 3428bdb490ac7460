/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libjpeg reports errors by not returning: what calls it enters through setjmp(), and keeps what must survive in struct jpeg_writer. */

#include "jpeg-save.h"

#include "jpeg-marks.h"

#include <assert.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

struct jpeg_writer {
        struct jpeg_compress_struct c;
        struct jpeg_error_mgr errors;
        jmp_buf jump;
        uint8_t *bytes;
        unsigned long size;
};

static void on_message(j_common_ptr common)
{
}

static void on_write_error(j_common_ptr common)
{
        longjmp(((struct jpeg_writer *)common->client_data)->jump, 1);
}

static void write_marked(j_compress_ptr c, int number, const char *mark, size_t mark_bytes, GBytes *content)
{
        gsize n;
        const uint8_t *bytes;

        if (!content)
                return;
        bytes = (const uint8_t *)g_bytes_get_data(content, &n);
        if (n + mark_bytes > 65533) /* does not fit into one marker: nobody reads it from several */
                return;
        jpeg_write_m_header(c, JPEG_APP0 + number, (unsigned)(n + mark_bytes));
        for (size_t i = 0; i < mark_bytes; i++)
                jpeg_write_m_byte(c, mark[i]);
        for (size_t i = 0; i < n; i++)
                jpeg_write_m_byte(c, bytes[i]);
}

static void write_extras(j_compress_ptr c, const struct jpeg_extras *extras)
{
        gsize n;

        write_marked(c, 1, EXIF_MARK "\0", 6, extras->exif);
        write_marked(c, 1, XMP_MARK, sizeof XMP_MARK, extras->xmp);
        write_marked(c, 13, IPTC_MARK, sizeof IPTC_MARK, extras->iptc);
        if (extras->icc) {
                const void *icc = g_bytes_get_data(extras->icc, &n);

                jpeg_write_icc_profile(c, (const JOCTET *)icc, (unsigned)n);
        }
}

static void configure(j_compress_ptr c, const struct pixels *px, unsigned quality, unsigned effort)
{
        c->image_width = px->w_px;
        c->image_height = px->h_px;
        c->input_components = (int)px->bands;
        c->in_color_space = px->model == MODEL_YCC ? JCS_YCbCr : px->bands == 1 ? JCS_GRAYSCALE : JCS_RGB;
        jpeg_set_defaults(c);
        jpeg_set_quality(c, (int)quality, TRUE);
        c->optimize_coding = effort >= 5; /* a few per cent smaller for three times the time of encoding */
        if (effort >= 8)
                jpeg_simple_progression(c);
        if (!jpeg_halves_colour(quality) && px->bands == 3)
                c->comp_info[0].h_samp_factor = c->comp_info[0].v_samp_factor = 1;
        c->raw_data_in = px->model == MODEL_YCC;
}

static void write_rows(j_compress_ptr c, const struct pixels *px)
{
        while (c->next_scanline < c->image_height) {
                JSAMPROW row[1] = { (JSAMPROW)(uintptr_t)(px->data + (size_t)c->next_scanline * px->w_px * px->bands) };

                (void)jpeg_write_scanlines(c, row, 1);
        }
}

/* A unit is what jpeg_write_raw_data() takes at once: a row of blocks, or two of brightness if colour has half of it.  Blocks are
 * filled up by repeating what is last. */
#define UNIT_ROWS_MAX (2 * DCTSIZE)

static void fill_unit(const jpeg_component_info *c, const uint8_t *plane, uint32_t w, uint32_t h, uint32_t top, JSAMPARRAY rows)
{
        size_t stride = (size_t)c->width_in_blocks * DCTSIZE;

        for (uint32_t y = 0; y < (uint32_t)c->v_samp_factor * DCTSIZE; y++) {
                memcpy(rows[y], plane + (size_t)MIN(top + y, h - 1) * w, w);
                memset(rows[y] + w, rows[y][w - 1], stride - w);
        }
}

static void write_planes(j_compress_ptr c, const struct pixels *px)
{
        JSAMPROW rows[PLANES_MAX][UNIT_ROWS_MAX];
        JSAMPARRAY planes[PLANES_MAX] = { rows[0], rows[1], rows[2] };
        unsigned lines = (unsigned)c->max_v_samp_factor * DCTSIZE;

        for (int i = 0; i < c->num_components; i++) {
                const jpeg_component_info *component = c->comp_info + i;
                JDIMENSION width = component->width_in_blocks * DCTSIZE, height = (JDIMENSION)component->v_samp_factor * DCTSIZE;
                JSAMPARRAY unit = (*c->mem->alloc_sarray)((j_common_ptr)c, JPOOL_IMAGE, width, height);

                memcpy(rows[i], unit, height * sizeof *unit);
        }
        while (c->next_scanline < c->image_height) {
                const uint8_t *plane = px->data;
                uint32_t unit = c->next_scanline / lines;

                for (int i = 0; i < c->num_components; i++) {
                        const jpeg_component_info *component = c->comp_info + i;
                        uint32_t w = i == 0 ? px->w_px : pixels_colour_side(px->w_px, px->halved);
                        uint32_t h = i == 0 ? px->h_px : pixels_colour_side(px->h_px, px->halved);

                        fill_unit(component, plane, w, h, unit * (uint32_t)component->v_samp_factor * DCTSIZE, planes[i]);
                        plane += (size_t)w * h;
                }
                (void)jpeg_write_raw_data(c, planes, lines);
        }
}

static bool write_all(struct jpeg_writer *w, const struct pixels *px, const struct jpeg_extras *extras)
{
        if (setjmp(w->jump))
                return false;
        jpeg_start_compress(&w->c, TRUE);
        write_extras(&w->c, extras);
        if (px->model == MODEL_YCC)
                write_planes(&w->c, px);
        else
                write_rows(&w->c, px);
        jpeg_finish_compress(&w->c);
        return true;
}

static bool writer_begin(struct jpeg_writer *w)
{
        w->c.err = jpeg_std_error(&w->errors);
        w->errors.error_exit = on_write_error;
        w->errors.output_message = on_message;
        w->c.client_data = w;
        if (setjmp(w->jump))
                return false;
        jpeg_create_compress(&w->c);
        jpeg_mem_dest(&w->c, &w->bytes, &w->size);
        return true;
}

uint8_t *jpeg_encode(const struct pixels *px, unsigned quality, unsigned effort, const struct jpeg_extras *extras, size_t *ret_size)
{
        struct jpeg_writer w = { 0 };
        bool ok = writer_begin(&w);

        assert(px->model != MODEL_YCC || px->halved == jpeg_halves_colour(quality));
        if (ok) {
                configure(&w.c, px, quality, effort);
                ok = write_all(&w, px, extras);
        }
        jpeg_destroy_compress(&w.c);
        if (!ok)
                g_clear_pointer(&w.bytes, free);
        *ret_size = w.size;
        return w.bytes;
}
