/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each pixel is given a score, scores are added up by column and by row, and the box slides along each axis to where its sum is
 * highest; of equals the one nearest to the centre. */

#include "attention.h"

#include <glib.h>
#include <math.h>

struct view {
        const uint8_t *pixels;
        uint32_t w, h;
        unsigned bands, colours;
        bool alpha;
};

static int luma(const struct view *v, uint32_t x, uint32_t y)
{
        const uint8_t *p = v->pixels + ((size_t)y * v->w + x) * v->bands;

        return v->colours >= 3 ? (p[0] * 299 + p[1] * 587 + p[2] * 114) / 1000 : p[0];
}

/* How much a pixel differs from its neighbours. */
static float edge(const struct view *v, uint32_t x, uint32_t y)
{
        uint32_t left = x > 0 ? x - 1 : x, right = MIN(x + 1, v->w - 1), up = y > 0 ? y - 1 : y, down = MIN(y + 1, v->h - 1);

        return (float)abs(4 * luma(v, x, y) - luma(v, left, y) - luma(v, right, y) - luma(v, x, up) - luma(v, x, down));
}

/* How near a colour is to skin's, whatever its lightness, and how far from grey. */
static float colour(const uint8_t *p)
{
        static const float skin[3] = { 0.78F, 0.57F, 0.44F };
        float length = sqrtf((float)(p[0] * p[0] + p[1] * p[1] + p[2] * p[2])), distance = 0;
        int most = MAX(p[0], MAX(p[1], p[2])), least = MIN(p[0], MIN(p[1], p[2]));

        if (length < 40) /* too dark to tell */
                return 0;
        for (unsigned b = 0; b < 3; b++) {
                float d = p[b] / length - skin[b] / 1.062F;

                distance += d * d;
        }
        return MAX(0, 100 - 1000 * distance) + (float)(most - least) / 3;
}

static float score(const struct view *v, uint32_t x, uint32_t y, bool by_entropy)
{
        const uint8_t *p = v->pixels + ((size_t)y * v->w + x) * v->bands;
        float sum = edge(v, x, y);

        if (!by_entropy && v->colours >= 3)
                sum = 2 * sum + colour(p);
        else if (by_entropy) /* detail counts by its bits, so that one hard edge is not everything */
                sum = log2f(1 + sum);
        return v->alpha ? sum * (float)p[v->bands - 1] / 255 : sum;
}

/* Where a window of @size is best along @n sums. */
static uint32_t slide(const double *sums, uint32_t n, uint32_t size)
{
        uint32_t best = (n - size) / 2, centre = best;
        double sum = 0, most = -1;

        for (uint32_t i = 0; i < n; i++) {
                sum += sums[i] - (i >= size ? sums[i - size] : 0);
                if (i + 1 < size)
                        continue;

                uint32_t at = i + 1 - size;
                bool nearer = labs((long)at - (long)centre) < labs((long)best - (long)centre);

                if (sum > most * 1.0001 || (nearer && sum > most * 0.9999)) {
                        most = MAX(most, sum);
                        best = at;
                }
        }
        return best;
}

void attention_find(const uint8_t *pixels, uint32_t w, uint32_t h, unsigned bands, bool alpha, bool by_entropy, uint32_t box_w,
                    uint32_t box_h, uint32_t *ret_x, uint32_t *ret_y)
{
        const struct view v = { .pixels = pixels, .w = w, .h = h, .bands = bands, .colours = bands - alpha, .alpha = alpha };
        g_autofree double *columns = g_new0(double, w);
        g_autofree double *rows = g_new0(double, h);

        for (uint32_t y = 0; y < h; y++)
                for (uint32_t x = 0; x < w; x++) {
                        float s = score(&v, x, y, by_entropy);

                        columns[x] += (double)s;
                        rows[y] += (double)s;
                }
        *ret_x = slide(columns, w, box_w);
        *ret_y = slide(rows, h, box_h);
}
