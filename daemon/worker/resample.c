/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Order of work: average blocks → weight by alpha → keep as one of a ring of rows → filter down → filter along the row.  Down first: it
 * takes whole rows as they come, and leaves fewer of them.
 *
 * Inside, everything is 16 bits: samples with SAMPLE_BITS behind the point, weights with WEIGHT_BITS.  The loops are written for
 * the compiler to make vector instructions of: a product of 16 by 16 bits of which the upper half is kept, and a sum of such products
 * in 32 bits, exist on every machine that has vectors.  For the same reason lines are padded, and taps are whole multiples. */

#include "resample.h"

#include <glib.h>
#include <math.h>
#include <string.h>

#define LOBES 3

/* 255 is 32,640: there is no room above, since samples are only weighed. */
#define SAMPLE_BITS 7
#define WEIGHT_BITS 15

/* After filtering down, where the ringing of the filter needs room; and after filtering along. */
#define DOWN_BITS (SAMPLE_BITS + WEIGHT_BITS - 16)
#define SUM_BITS  (DOWN_BITS + WEIGHT_BITS)

/* Taps are a multiple of these, lines are padded by PAD samples and a multiple of it. */
#define DOWN_TAPS   4U
#define ACROSS_TAPS 8U
#define PAD         16U

/* Beyond what these bound, a picture of 10^8 × 1 pixels for instance, quality does not matter. */
#define BLOCK_MAX 32768U
#define TAPS_MAX  4096.0

/* Machines with wider vectors than the least that is sure to be there use them. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define VECTORS __attribute__((target_clones("avx2", "default")))
#else
#define VECTORS
#endif

/* What a filter of one axis follows from. */
struct axis_shape {
        uint32_t n_in, n_out;
        double from, length;
        uint32_t multiple; /* of the number of taps */
        bool linear;
};

/* The filter of one axis: for each result, @taps weights from input @first[] on. */
struct axis {
        struct axis_shape shape;
        unsigned users;
        unsigned block; /* input samples that are averaged to one first */
        uint32_t n_in;  /* after averaging */
        uint32_t n_out, taps;
        uint32_t *first;  /* [n_out] */
        int16_t *weights; /* [n_out][taps] */
};

struct resampler {
        uint32_t in_w, in_h, out_w, out_h;
        unsigned bands;
        bool alpha;
        struct axis *across, *down; /* shared */
        uint32_t row, next_out;     /* rows taken, rows given */
        size_t line_samples;        /* across.n_in × bands, padded */
        size_t plane_samples;       /* across.n_in, padded */
        uint32_t ring_rows;
        uint32_t *sums;       /* [in_w × bands], of the rows of a block so far; NULL if nothing is averaged or weighted */
        int16_t *ring;        /* [ring_rows][line_samples] */
        const int16_t **rows; /* [down.taps], into the ring */
        int16_t *line;        /* [line_samples], filtered down */
        int16_t *planes;      /* [bands][plane_samples], the line band by band; NULL for one band */
        int32_t *result;      /* [bands][out_w], filtered along */
        uint8_t *out;
};

static size_t round_up(size_t n, size_t multiple)
{
        return (n + multiple - 1) / multiple * multiple;
}

enum { TABLE_STEPS = 512 }; /* for each lobe */

/* Of a small picture the sines would cost as much as the filter. */
static const float *lanczos_table(void)
{
        static float table[LOBES * TABLE_STEPS + 2];

        if (table[0] == 0) {
                table[0] = 1;
                for (int i = 1; i < LOBES * TABLE_STEPS; i++) {
                        double x = G_PI * i / TABLE_STEPS;

                        table[i] = (float)(LOBES * sin(x) * sin(x / LOBES) / (x * x));
                }
        }
        return table;
}

/* At @steps of the table from the middle. */
static float lanczos(const float *table, float steps)
{
        int i = (int)steps;

        return i >= LOBES * TABLE_STEPS ? 0 : table[i] + (table[i + 1] - table[i]) * (steps - (float)i);
}

/* Whole numbers that add up to one exactly, so that an even surface stays what it is; what rounding leaves goes to the largest. */
static void quantise(const float *w, float sum, uint32_t taps, int16_t *ret)
{
        const float one = (float)(1 << WEIGHT_BITS), factor = one / sum;
        int left = 1 << WEIGHT_BITS;
        uint32_t largest = 0;

        for (uint32_t t = 0; t < taps; t++) { /* above 0, where to cut off is to round */
                int n = (int)(w[t] * factor + one + 0.5F) - (1 << WEIGHT_BITS);

                ret[t] = (int16_t)MIN(n, INT16_MAX);
                left -= ret[t];
                largest = ret[t] > ret[largest] ? t : largest;
        }
        ret[largest] = (int16_t)MIN(ret[largest] + left, INT16_MAX);
}

static void axis_weigh(struct axis *a, uint32_t i, double centre, double spread, bool linear, float *w)
{
        const float *table = lanczos_table();
        long first = (long)floor(centre - LOBES * spread + 0.5);
        uint32_t from = (uint32_t)CLAMP(first, 0, (long)a->n_in - (long)MIN(a->taps, a->n_in));
        float sum = 0, step = (float)(TABLE_STEPS / spread), at = (float)((from + 0.5 - centre) * (TABLE_STEPS / spread));

        for (uint32_t t = 0; t < a->taps; t++, at += step) {
                w[t] = from + t >= a->n_in ? 0 : linear ? MAX(1 - fabsf(at) / TABLE_STEPS, 0) : lanczos(table, fabsf(at));
                sum += w[t];
        }
        a->first[i] = from;
        quantise(w, sum, a->taps, a->weights + (size_t)i * a->taps);
}

static void axis_unref(struct axis *a)
{
        if (!a || --a->users > 0)
                return;
        g_free(a->first);
        g_free(a->weights);
        g_free(a);
}

/* The factor that is left to the filter after averaging is below 4 for anything but absurd sizes, which bounds the taps. */
static struct axis *axis_new(const struct axis_shape *s)
{
        double scale = s->length / s->n_out, spread;
        g_autofree float *w = NULL;
        struct axis *a = g_new0(struct axis, 1);

        a->shape = *s;
        a->users = 1;
        a->block = scale >= 4 ? MIN((unsigned)(scale / 2), BLOCK_MAX) : 1;
        a->n_in = (s->n_in + a->block - 1) / a->block;
        a->n_out = s->n_out;
        scale /= a->block;
        spread = MAX(scale, 1.0);
        a->taps = (uint32_t)round_up((size_t)MIN(ceil(2 * LOBES * spread), TAPS_MAX), s->multiple);
        w = g_try_new(float, a->taps);
        a->first = g_try_new(uint32_t, a->n_out);
        a->weights = (int16_t *)g_try_malloc_n((size_t)a->n_out * a->taps, sizeof(int16_t));
        if (!w || !a->first || !a->weights) {
                axis_unref(a);
                return NULL;
        }
        for (uint32_t i = 0; i < a->n_out; i++)
                axis_weigh(a, i, s->from / a->block + (i + 0.5) * scale, spread, s->linear && scale < 1, w);
        return a;
}

static bool shape_equal(const struct axis_shape *a, const struct axis_shape *b)
{
        return a->n_in == b->n_in && a->n_out == b->n_out && a->multiple == b->multiple && a->linear == b->linear &&
               memcmp(&a->from, &b->from, sizeof a->from) == 0 && memcmp(&a->length, &b->length, sizeof a->length) == 0;
}

#define KEPT_AXES  8U
#define KEPT_BYTES 65536U

/* The filter for @s.  The last few small ones are kept: both planes of colour have the same, and pictures of one camera. */
static struct axis *axis_ref(const struct axis_shape *s)
{
        static struct axis *kept[KEPT_AXES];
        static unsigned next;
        struct axis *a;

        for (unsigned i = 0; i < KEPT_AXES; i++)
                if (kept[i] && shape_equal(&kept[i]->shape, s)) {
                        kept[i]->users++;
                        return kept[i];
                }
        a = axis_new(s);
        if (a && (size_t)a->n_out * (a->taps * sizeof *a->weights + sizeof *a->first) <= KEPT_BYTES) {
                axis_unref(kept[next]);
                kept[next] = a;
                next = (next + 1) % KEPT_AXES;
                a->users++;
        }
        return a;
}

uint64_t resampler_bytes(uint32_t in_w, unsigned bands, uint32_t out_w, uint32_t out_h)
{
        uint64_t line = MIN((uint64_t)in_w, (uint64_t)out_w * 4) * bands * 2 + 2 * PAD;

        return line * (2 * LOBES * 4 + DOWN_TAPS + 3) + (uint64_t)in_w * bands * 4 + (uint64_t)out_w * bands * 4 +
               ((uint64_t)out_w + out_h) * (4 + 2 * (2 * LOBES * 4 + ACROSS_TAPS));
}

static bool allocate(struct resampler *r)
{
        size_t plane = round_up(r->across->n_in + r->across->taps, PAD);

        r->line_samples = round_up(r->across->n_in * (size_t)r->bands + r->across->taps, PAD);
        r->ring_rows = r->down->taps + 1;
        r->ring = (int16_t *)g_try_malloc0_n(r->ring_rows * r->line_samples, sizeof *r->ring);
        r->rows = g_try_new0(const int16_t *, r->down->taps);
        r->line = (int16_t *)g_try_malloc_n(r->line_samples, sizeof *r->line);
        r->result = (int32_t *)g_try_malloc_n((size_t)r->out_w * r->bands, sizeof *r->result);
        if (r->bands > 1)
                r->planes = (int16_t *)g_try_malloc0_n(plane * r->bands, sizeof *r->planes);
        if (r->alpha || r->across->block > 1 || r->down->block > 1)
                r->sums = (uint32_t *)g_try_malloc0_n((size_t)r->in_w * r->bands, sizeof *r->sums);
        r->plane_samples = plane;
        return r->ring && r->rows && r->line && r->result && (r->bands == 1 || r->planes) &&
               (!(r->alpha || r->across->block > 1 || r->down->block > 1) || r->sums);
}

struct resampler *resampler_new(uint32_t in_w, uint32_t in_h, unsigned bands, bool alpha, bool linear, struct rect part,
                                uint32_t out_w, uint32_t out_h, uint8_t *out)
{
        struct resampler *r = g_new0(struct resampler, 1);

        r->in_w = in_w;
        r->in_h = in_h;
        r->out_w = out_w;
        r->out_h = out_h;
        r->bands = bands;
        r->alpha = alpha;
        r->out = out;
        r->across = axis_ref(&(struct axis_shape){ in_w, out_w, part.x, part.w, ACROSS_TAPS, linear });
        r->down = axis_ref(&(struct axis_shape){ in_h, out_h, part.y, part.h, DOWN_TAPS, linear });
        if (r->across && r->down && allocate(r))
                return r;
        resampler_free(r);
        return NULL;
}

void resampler_free(struct resampler *r)
{
        if (!r)
                return;
        axis_unref(r->across);
        axis_unref(r->down);
        g_free(r->sums);
        g_free(r->ring);
        g_free(r->rows);
        g_free(r->line);
        g_free(r->planes);
        g_free(r->result);
        g_free(r);
}

static inline __attribute__((always_inline)) void sum_weighted(const uint8_t *restrict row, size_t n, unsigned bands,
                                                               uint32_t *restrict sums)
{
        for (size_t i = 0; i < n; i += bands) {
                uint32_t alpha = row[i + bands - 1];

                for (unsigned b = 0; b + 1 < bands; b++)
                        sums[i + b] += row[i + b] * alpha;
                sums[i + bands - 1] += alpha * 255; /* the same scale as what it weighs */
        }
}

/* Add one row to the sums of its block. */
VECTORS static void sum_row(const struct resampler *r, const uint8_t *restrict row)
{
        size_t n = (size_t)r->in_w * r->bands;
        uint32_t *restrict sums = r->sums;

        if (!r->alpha)
                for (size_t i = 0; i < n; i++)
                        sums[i] += row[i];
        else if (r->bands == 4)
                sum_weighted(row, n, 4, sums);
        else
                sum_weighted(row, n, r->bands, sums);
}

/* Average the @rows rows of sums along the row too, into @line. */
static inline __attribute__((always_inline)) void average_bands(const struct resampler *r, unsigned bands, unsigned rows,
                                                                int16_t *restrict line)
{
        const unsigned block = r->across->block;
        const float unit = (1 << SAMPLE_BITS) / (r->alpha ? 255.0F : 1.0F) / (float)rows;
        const uint32_t *sums = r->sums;

        for (uint32_t x = 0; x < r->across->n_in; x++) {
                uint32_t n = MIN(block, r->in_w - x * block);
                float each = unit / (float)n, sum[4] = { 0, 0, 0, 0 };

                for (uint32_t k = 0; k < n; k++, sums += bands)
                        for (unsigned b = 0; b < bands; b++)
                                sum[b] += (float)sums[b];
                for (unsigned b = 0; b < bands; b++)
                        *line++ = (int16_t)(sum[b] * each + 0.5F);
        }
}

/* And forget them. */
VECTORS static void average(const struct resampler *r, unsigned rows, int16_t *line)
{
        if (r->bands == 1)
                average_bands(r, 1, rows, line);
        else if (r->bands == 3)
                average_bands(r, 3, rows, line);
        else if (r->bands == 4)
                average_bands(r, 4, rows, line);
        else
                average_bands(r, r->bands, rows, line);
        memset(r->sums, 0, (size_t)r->in_w * r->bands * sizeof *r->sums);
}

/* The quick way from a row to a line where nothing is averaged or weighted. */
VECTORS static void widen(const uint8_t *restrict row, size_t n, int16_t *restrict line)
{
        for (size_t i = 0; i < n; i++)
                line[i] = (int16_t)(row[i] << SAMPLE_BITS);
}

/* Add the upper halves of the products of four rows with their weights. */
VECTORS static void add_rows(int16_t *restrict sums, const int16_t *restrict a, const int16_t *restrict b, const int16_t *restrict c,
                             const int16_t *restrict d, const int16_t *w, size_t n)
{
        const int16_t u = w[0], v = w[1], x = w[2], y = w[3];

        n &= ~(size_t)(PAD - 1);
        for (size_t i = 0; i < n; i++)
                sums[i] = (int16_t)(sums[i] + (int16_t)((int32_t)a[i] * u >> 16) + (int16_t)((int32_t)b[i] * v >> 16) +
                                    (int16_t)((int32_t)c[i] * x >> 16) + (int16_t)((int32_t)d[i] * y >> 16));
}

/* One line from the ring.  Each product loses half a unit by rounding down: begin with the sum of what will be lost. */
static void filter_down(struct resampler *r, uint32_t y)
{
        const struct axis *a = r->down;
        const int16_t *w = a->weights + (size_t)y * a->taps;
        int16_t lost = 0;

        for (uint32_t t = 0; t < a->taps; t++) {
                uint32_t line = MIN(a->first[y] + t, a->n_in - 1);

                r->rows[t] = r->ring + line % r->ring_rows * r->line_samples;
                lost = (int16_t)(lost + (w[t] != 0));
        }
        for (size_t i = 0; i < r->line_samples; i++)
                r->line[i] = (int16_t)(lost / 2);
        for (uint32_t t = 0; t < a->taps; t += DOWN_TAPS)
                add_rows(r->line, r->rows[t], r->rows[t + 1], r->rows[t + 2], r->rows[t + 3], w + t, r->line_samples);
}

static inline __attribute__((always_inline)) void filter_along(const struct axis *a, const int16_t *line, uint32_t taps,
                                                               int32_t *restrict result)
{
        for (uint32_t x = 0; x < a->n_out; x++) {
                const int16_t *in = line + a->first[x], *w = a->weights + (size_t)x * taps;
                int32_t sum = 0;

#pragma GCC unroll 1 /* a sum that was unrolled is no vector any more */
                for (uint32_t t = 0; t < (taps & ~(ACROSS_TAPS - 1)); t++)
                        sum += (int32_t)in[t] * w[t];
                result[x] = sum;
        }
}

/* By the commonest numbers of taps, so that the compiler can unroll the sum. */
VECTORS static void filter_across(const struct axis *a, const int16_t *line, int32_t *result)
{
        if (a->taps == ACROSS_TAPS)
                filter_along(a, line, ACROSS_TAPS, result);
        else if (a->taps == 2 * ACROSS_TAPS)
                filter_along(a, line, 2 * ACROSS_TAPS, result);
        else if (a->taps == 3 * ACROSS_TAPS)
                filter_along(a, line, 3 * ACROSS_TAPS, result);
        else
                filter_along(a, line, a->taps, result);
}

VECTORS static void split(const struct resampler *r)
{
        const unsigned bands = r->bands;

        for (unsigned b = 0; b < bands; b++) {
                int16_t *plane = r->planes + b * r->plane_samples;

                for (uint32_t x = 0; x < r->across->n_in; x++)
                        plane[x] = r->line[(size_t)x * bands + b];
        }
}

static uint8_t to_byte(int32_t sum)
{
        return (uint8_t)CLAMP((sum + (1 << (SUM_BITS - 1))) >> SUM_BITS, 0, 255);
}

static inline __attribute__((always_inline)) void store_band(const int32_t *restrict result, size_t n, unsigned bands,
                                                             uint8_t *restrict out)
{
        for (size_t x = 0; x < n; x++)
                out[x * bands] = to_byte(result[x]);
}

VECTORS static void store(const struct resampler *r, uint8_t *out)
{
        if (r->bands == 1) {
                store_band(r->result, r->out_w, 1, out);
                return;
        }
        for (unsigned b = 0; b < r->bands; b++)
                store_band(r->result + (size_t)b * r->out_w, r->out_w, r->bands, out + b);
}

/* Undo the weighting. */
static void store_alpha(const struct resampler *r, uint8_t *out)
{
        const unsigned colours = r->bands - 1;
        const int32_t *alphas = r->result + (size_t)colours * r->out_w;

        for (uint32_t x = 0; x < r->out_w; x++, out += r->bands) {
                float alpha = MIN((float)alphas[x] / (1 << SUM_BITS), 255.0F);
                float factor = alpha > 0.5F ? 255 / alpha : 0;

                for (unsigned b = 0; b < colours; b++) {
                        float colour = (float)r->result[(size_t)b * r->out_w + x] * factor / (1 << SUM_BITS);

                        out[b] = (uint8_t)(CLAMP(colour, 0, 255) + 0.5F);
                }
                out[colours] = to_byte(alphas[x]);
        }
}

/* One row of the result from the ring. */
static void finish_row(struct resampler *r)
{
        uint8_t *out = r->out + (size_t)r->next_out * r->out_w * r->bands;

        filter_down(r, r->next_out);
        if (r->bands == 1) {
                filter_across(r->across, r->line, r->result);
        } else {
                split(r);
                for (unsigned b = 0; b < r->bands; b++)
                        filter_across(r->across, r->planes + b * r->plane_samples, r->result + (size_t)b * r->out_w);
        }
        if (r->alpha)
                store_alpha(r, out);
        else
                store(r, out);
        r->next_out++;
}

void resampler_push(struct resampler *r, const uint8_t *row)
{
        const struct axis *down = r->down;
        uint32_t y = r->row, line = y / down->block, in_block = y % down->block + 1;
        int16_t *samples = r->ring + line % r->ring_rows * r->line_samples;

        if (y >= r->in_h || r->next_out == r->out_h)
                return;
        r->row++;
        if (line < down->first[0])
                return;
        if (!r->sums) {
                widen(row, (size_t)r->in_w * r->bands, samples);
        } else {
                sum_row(r, row);
                if (in_block < down->block && y + 1 < r->in_h)
                        return;
                average(r, in_block, samples);
        }
        while (r->next_out < r->out_h && MIN(down->first[r->next_out] + down->taps, down->n_in) <= line + 1)
                finish_row(r);
}
