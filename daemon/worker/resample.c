/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside, a pixel is one float (grey) or four (everything else), so that the inner loops are vectors of four on any machine.
 * Order of work per row: average blocks → weight by alpha → filter along the row → keep as one of a ring of rows → filter down. */

#include "resample.h"

#include <glib.h>
#include <math.h>
#include <string.h>

#define LOBES 3.0F

typedef float v4 __attribute__((vector_size(16)));

/* The filter of one axis: for each result, @taps weights from input @first[] on. */
struct axis {
        unsigned block; /* input samples that are averaged to one first */
        uint32_t n_in;  /* after averaging */
        uint32_t n_out, taps;
        uint32_t *first; /* [n_out] */
        float *weights;  /* [n_out][taps] */
};

struct resampler {
        uint32_t in_w, in_h, out_w, out_h;
        unsigned bands, lanes;
        bool alpha;
        struct axis across, down;
        uint32_t row, next_out; /* rows taken, rows given */
        uint32_t *sums;         /* [in_w × bands], of the rows of a block so far */
        float *line;            /* [across.n_in × lanes] */
        float *ring;            /* [down.taps + 1][out_w × lanes] */
        const float **rows;     /* [down.taps], into the ring */
        float *line_out;        /* [out_w × lanes] */
        uint8_t *out;
};

/* In single precision: for a small picture, the sines would cost as much as the filter. */
static float lanczos(float x)
{
        float px = x * (float)G_PI;

        if (fabsf(x) >= LOBES)
                return 0;
        return fabsf(x) < 1e-4F ? 1 : LOBES * sinf(px) * sinf(px / LOBES) / (px * px);
}

static void axis_weigh(struct axis *a, uint32_t i, double centre, double spread)
{
        float *w = a->weights + (size_t)i * a->taps;
        double sum = 0;
        long first = lrint(floor(centre - (double)LOBES * spread + 0.5));
        uint32_t from = (uint32_t)CLAMP(first, 0, (long)a->n_in - (long)MIN(a->taps, a->n_in));

        for (uint32_t t = 0; t < a->taps; t++) {
                w[t] = from + t < a->n_in ? lanczos((float)((from + t + 0.5 - centre) / spread)) : 0;
                sum += w[t];
        }
        a->first[i] = from;
        for (uint32_t t = 0; t < a->taps; t++)
                w[t] = (float)(w[t] / sum);
}

/* The factor that is left to the filter after averaging is below 3, which bounds the taps. */
static bool axis_init(struct axis *a, uint32_t n_in, double from, double length, uint32_t n_out)
{
        double scale = length / n_out;

        a->block = scale >= 4 ? MIN((unsigned)(scale / 2), 256U) : 1;
        a->n_in = (n_in + a->block - 1) / a->block;
        a->n_out = n_out;
        scale /= a->block;

        double spread = MAX(scale, 1.0);

        a->taps = (uint32_t)MIN(ceil(2 * (double)LOBES * spread) + 1, 4096);
        a->first = g_try_new(uint32_t, n_out);
        a->weights = (float *)g_try_malloc_n((size_t)n_out * a->taps, sizeof(float));
        if (!a->first || !a->weights)
                return false;
        for (uint32_t i = 0; i < n_out; i++)
                axis_weigh(a, i, from / a->block + (i + 0.5) * scale, spread);
        return true;
}

static void axis_done(struct axis *a)
{
        g_free(a->first);
        g_free(a->weights);
}

uint64_t resampler_bytes(uint32_t in_w, unsigned bands, uint32_t out_w, uint32_t out_h)
{
        uint64_t lanes = bands == 1 ? 1 : 4;

        return (uint64_t)out_w * out_h * bands + (uint64_t)in_w * (bands + lanes) * 4 + (uint64_t)out_w * lanes * 4 * 28 +
               ((uint64_t)out_w + out_h) * 4 * 28;
}

struct resampler *resampler_new(uint32_t in_w, uint32_t in_h, unsigned bands, bool alpha, struct rect part, uint32_t out_w,
                                uint32_t out_h)
{
        struct resampler *r = g_new0(struct resampler, 1);
        size_t line;

        r->in_w = in_w;
        r->in_h = in_h;
        r->out_w = out_w;
        r->out_h = out_h;
        r->bands = bands;
        r->lanes = bands == 1 ? 1 : 4;
        r->alpha = alpha;
        if (axis_init(&r->across, in_w, part.x, part.w, out_w) && axis_init(&r->down, in_h, part.y, part.h, out_h)) {
                line = (size_t)r->across.n_in * r->lanes;
                r->sums = (uint32_t *)g_try_malloc0_n((size_t)in_w * bands, sizeof(uint32_t));
                r->line = (float *)g_try_malloc_n(line + 4, sizeof(float));
                r->ring = (float *)g_try_malloc_n((size_t)(r->down.taps + 1) * out_w * r->lanes + 4, sizeof(float));
                r->rows = (const float **)g_try_malloc_n(r->down.taps, sizeof *r->rows);
                r->line_out = (float *)g_try_malloc_n((size_t)out_w * r->lanes, sizeof(float));
                r->out = (uint8_t *)g_try_malloc_n((size_t)out_w * out_h, bands);
        }
        if (r->sums && r->line && r->ring && r->rows && r->line_out && r->out)
                return r;
        resampler_free(r);
        return NULL;
}

void resampler_free(struct resampler *r)
{
        if (!r)
                return;
        axis_done(&r->across);
        axis_done(&r->down);
        g_free(r->sums);
        g_free(r->line);
        g_free(r->ring);
        g_free(r->rows);
        g_free(r->line_out);
        g_free(r->out);
        g_free(r);
}

bool resampler_complete(const struct resampler *r)
{
        return r->next_out == r->out_h;
}

uint8_t *resampler_steal(struct resampler *r)
{
        return (uint8_t *)g_steal_pointer(&r->out);
}

/* Add one row to the sums of its block. */
static void sum_row(struct resampler *r, const uint8_t *row)
{
        size_t n = (size_t)r->in_w * r->bands;
        uint32_t *sums = r->sums;

        if (!r->alpha) {
                for (size_t i = 0; i < n; i++)
                        sums[i] += row[i];
                return;
        }
        for (size_t i = 0; i < n; i += r->bands) {
                uint32_t alpha = row[i + r->bands - 1];

                for (unsigned b = 0; b + 1 < r->bands; b++)
                        sums[i + b] += row[i + b] * alpha;
                sums[i + r->bands - 1] += alpha * 255; /* the same scale as what it weighs */
        }
}

/* Average the @rows rows of sums along the row too, into the line, and forget them. */
static void average(struct resampler *r, unsigned rows)
{
        const unsigned bands = r->bands, lanes = r->lanes, block = r->across.block;
        const float unit = r->alpha ? 1.0F / 255 : 1.0F;

        for (uint32_t x = 0, i = 0; x < r->across.n_in; x++) {
                uint32_t n = MIN(block, r->in_w - x * block);
                float each = unit / ((float)n * (float)rows), sum[4] = { 0, 0, 0, 0 };

                for (uint32_t k = 0; k < n; k++)
                        for (unsigned b = 0; b < bands; b++)
                                sum[b] += (float)r->sums[i++];
                for (unsigned b = 0; b < lanes; b++)
                        r->line[(size_t)x * lanes + b] = sum[b] * each;
        }
        memset(r->sums, 0, (size_t)r->in_w * bands * sizeof(uint32_t));
}

/* The quick way from a row to the line where nothing is averaged or weighed. */
static void widen(struct resampler *r, const uint8_t *row)
{
        float *line = r->line;

        if (r->bands == 3) {
                for (uint32_t x = 0; x < r->in_w; x++, row += 3, line += 4) {
                        line[0] = row[0];
                        line[1] = row[1];
                        line[2] = row[2];
                        line[3] = 0;
                }
        } else if (r->bands == r->lanes) {
                for (size_t i = 0; i < (size_t)r->in_w * r->lanes; i++)
                        line[i] = row[i];
        } else {
                for (uint32_t x = 0; x < r->in_w; x++)
                        for (unsigned b = 0; b < r->lanes; b++)
                                *line++ = b < r->bands ? *row++ : 0;
        }
}

static void filter_across(const struct resampler *r, float *out)
{
        const struct axis *a = &r->across;

        for (uint32_t x = 0; x < a->n_out; x++) {
                const float *w = a->weights + (size_t)x * a->taps;
                uint32_t n = MIN(a->taps, a->n_in - a->first[x]);

                if (r->lanes == 1) {
                        const float *in = r->line + a->first[x];
                        float sum = 0;

                        for (uint32_t t = 0; t < n; t++)
                                sum += w[t] * in[t];
                        out[x] = sum;
                } else {
                        const float *in = r->line + (size_t)a->first[x] * 4;
                        v4 sum = { 0, 0, 0, 0 }, odd = { 0, 0, 0, 0 }; /* two, so that one addition need not wait for the last */
                        uint32_t t = 0;

                        for (; t + 1 < n; t += 2) {
                                v4 pixel[2];

                                memcpy(pixel, in + (size_t)t * 4, sizeof pixel);
                                sum += pixel[0] * w[t];
                                odd += pixel[1] * w[t + 1];
                        }
                        if (t < n) {
                                v4 pixel;

                                memcpy(&pixel, in + (size_t)t * 4, sizeof pixel);
                                sum += pixel * w[t];
                        }
                        sum += odd;
                        memcpy(out + (size_t)x * 4, &sum, sizeof sum);
                }
        }
}

static uint8_t to_byte(float f)
{
        return f <= 0 ? 0 : f >= 255 ? 255 : (uint8_t)(f + 0.5F);
}

static void store(const struct resampler *r, const float *in, uint8_t *out, uint32_t n)
{
        const unsigned bands = r->bands, lanes = r->lanes;

        for (uint32_t x = 0; x < n; x++, in += lanes, out += bands) {
                float factor = 1;

                if (r->alpha) {
                        float alpha = in[bands - 1];

                        factor = alpha > 0.5F ? 255 / MIN(alpha, 255.0F) : 0;
                }
                for (unsigned b = 0; b < bands; b++)
                        out[b] = to_byte(r->alpha && b == bands - 1 ? in[b] : in[b] * factor);
        }
}

/* Weigh @n floats of each of @taps rows into @sums, sixteen at a time, so that the sums stay in registers. */
static void weigh_rows(const float *const *rows, const float *w, uint32_t taps, size_t n, float *sums)
{
        size_t i = 0;

        for (; i + 16 <= n; i += 16) {
                v4 a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 }; /* by name: an array would be kept in memory */

                for (uint32_t t = 0; t < taps; t++) {
                        v4 in[4];

                        memcpy(in, rows[t] + i, sizeof in);
                        a += in[0] * w[t];
                        b += in[1] * w[t];
                        c += in[2] * w[t];
                        d += in[3] * w[t];
                }

                const v4 sum[4] = { a, b, c, d };

                memcpy(sums + i, sum, sizeof sum);
        }
        for (; i < n; i++) {
                sums[i] = 0;
                for (uint32_t t = 0; t < taps; t++)
                        sums[i] += rows[t][i] * w[t];
        }
}

/* One row of the result from the ring. */
static void filter_down(struct resampler *r)
{
        const struct axis *a = &r->down;
        uint32_t first = a->first[r->next_out], taps = MIN(a->taps, a->n_in - first);
        size_t width = (size_t)r->out_w * r->lanes;

        for (uint32_t t = 0; t < taps; t++)
                r->rows[t] = r->ring + (first + t) % (a->taps + 1) * width;
        weigh_rows(r->rows, a->weights + (size_t)r->next_out * a->taps, taps, width, r->line_out);
        store(r, r->line_out, r->out + (size_t)r->next_out * r->out_w * r->bands, r->out_w);
        r->next_out++;
}

void resampler_push(struct resampler *r, const uint8_t *row)
{
        const struct axis *down = &r->down;
        uint32_t y = r->row, line = y / down->block, in_block = y % down->block + 1;

        if (y >= r->in_h || resampler_complete(r))
                return;
        r->row++;
        if (line < down->first[0])
                return;
        if (down->block == 1 && r->across.block == 1 && !r->alpha) {
                widen(r, row);
        } else {
                sum_row(r, row);
                if (in_block < down->block && y + 1 < r->in_h)
                        return;
                average(r, in_block);
        }
        filter_across(r, r->ring + line % (down->taps + 1) * (size_t)r->out_w * r->lanes);
        while (!resampler_complete(r) && MIN(down->first[r->next_out] + down->taps, down->n_in) <= line + 1)
                filter_down(r);
}
