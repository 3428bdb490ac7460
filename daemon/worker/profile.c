/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps the last few conversions.  What lcms prepares for a profile of three curves and a matrix, as most are, takes longer than a small
 * thumbnail, and its use longer than the arithmetic needs: there, lcms reads the profile, and the conversion is done here.  Reads by itself only the tags of ICC.1 that define a matrix profile: three colorants and three
 * curves, every offset checked. */

#include "profile.h"

#include <lcms2.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct icc {
        const uint8_t *bytes;
        size_t size;
};

static uint32_t u32(const struct icc *p, size_t at)
{
        if (at > p->size || p->size - at < 4)
                return 0;
        return (uint32_t)p->bytes[at] << 24 | (uint32_t)p->bytes[at + 1] << 16 | (uint32_t)p->bytes[at + 2] << 8 | p->bytes[at + 3];
}

static double s15f16(const struct icc *p, size_t at)
{
        return (double)(int32_t)u32(p, at) / 65536;
}

#define TAG(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

/* The offset of a tag's data, 0 if there is none. */
static size_t find(const struct icc *p, uint32_t tag)
{
        uint32_t n = MIN(u32(p, 128), 100U);

        for (uint32_t i = 0; i < n; i++)
                if (u32(p, 132 + (size_t)i * 12) == tag)
                        return u32(p, 132 + (size_t)i * 12 + 4);
        return 0;
}

static bool colorant_is(const struct icc *p, uint32_t tag, double x, double y, double z)
{
        size_t at = find(p, tag);

        return at && u32(p, at) == TAG('X', 'Y', 'Z', ' ') && fabs(s15f16(p, at + 8) - x) < 0.002 &&
               fabs(s15f16(p, at + 12) - y) < 0.002 && fabs(s15f16(p, at + 16) - z) < 0.002;
}

static double srgb_curve(double v)
{
        return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

/* A curve's value at @v of 0 to 1: sampled, or the parametric kind 3 that sRGB is written as. */
static double curve_at(const struct icc *p, size_t at, double v)
{
        uint32_t n = u32(p, at + 8);

        if (u32(p, at) == TAG('p', 'a', 'r', 'a') && u32(p, at + 8) >> 16 == 3) {
                double g = s15f16(p, at + 12), a = s15f16(p, at + 16), b = s15f16(p, at + 20), c = s15f16(p, at + 24),
                       d = s15f16(p, at + 28);

                return v >= d ? pow(a * v + b, g) : c * v;
        }
        if (u32(p, at) != TAG('c', 'u', 'r', 'v') || n < 16 || n > 65536)
                return -1;

        uint32_t i = (uint32_t)(v * (n - 1) + 0.5);

        return (u32(p, at + 12 + (size_t)i * 2) >> 16) / 65535.0;
}

static bool curve_is_srgb(const struct icc *p, uint32_t tag)
{
        size_t at = find(p, tag);

        for (int i = 0; at && i <= 16; i++)
                if (fabs(curve_at(p, at, i / 16.0) - srgb_curve(i / 16.0)) > 0.004)
                        return false;
        return at != 0;
}

bool profile_is_srgb(GBytes *icc)
{
        gsize size;
        const void *bytes = g_bytes_get_data(icc, &size);
        const struct icc p = { .bytes = (const uint8_t *)bytes, .size = size };

        return size > 132 && u32(&p, 16) == TAG('R', 'G', 'B', ' ') && !find(&p, TAG('A', '2', 'B', '0')) &&
               colorant_is(&p, TAG('r', 'X', 'Y', 'Z'), 0.4361, 0.2225, 0.0139) &&
               colorant_is(&p, TAG('g', 'X', 'Y', 'Z'), 0.3851, 0.7169, 0.0971) &&
               colorant_is(&p, TAG('b', 'X', 'Y', 'Z'), 0.1431, 0.0606, 0.7141) && curve_is_srgb(&p, TAG('r', 'T', 'R', 'C')) &&
               curve_is_srgb(&p, TAG('g', 'T', 'R', 'C')) && curve_is_srgb(&p, TAG('b', 'T', 'R', 'C'));
}

/* Of three curves and a matrix: each sample to light, light to that of sRGB. */
struct shaper {
        float light[3][256]; /* 0 to 1 */
        float matrix[3][3];  /* [of sRGB][of the profile] */
};

/* Prepared conversions, the most recent first. */
enum { KEPT = 16 };

static struct kept {
        GBytes *icc;
        enum profile_space space;
        bool alpha;
        struct shaper *shaper; /* one of these two */
        cmsHTRANSFORM transform;
} kept[KEPT];

static char complaint[160];

static void on_complaint(cmsContext context, cmsUInt32Number code, const char *text)
{
        (void)snprintf(complaint, sizeof complaint, "%s", text);
}

static void drop(struct kept *k)
{
        if (k->transform)
                cmsDeleteTransform(k->transform);
        if (k->icc)
                g_bytes_unref(k->icc);
        g_free(k->shaper);
        *k = (struct kept){ 0 };
}

/* Light of sRGB in steps so small that each gives the right byte or the one beside it: near black the curve is steep. */
enum { LIGHT_STEPS = 16384 };

static const uint8_t *srgb_of_light(void)
{
        static uint8_t bytes[LIGHT_STEPS + 1];

        if (bytes[LIGHT_STEPS] == 0)
                for (int i = 0; i <= LIGHT_STEPS; i++) {
                        double v = (double)i / LIGHT_STEPS;

                        bytes[i] = (uint8_t)(255 * (v <= 0.0031308 ? v * 12.92 : 1.055 * pow(v, 1 / 2.4) - 0.055) + 0.5);
                }
        return bytes;
}

static const cmsTagSignature colorants[] = { cmsSigRedColorantTag, cmsSigGreenColorantTag, cmsSigBlueColorantTag };

/* The colorants of a matrix profile add up to its white, which is adapted to D50: X 0.96, Y 1, Z 0.82 (ICC.1:2022, F.3).  Not quite so in
 * old profiles that were never adapted, and far from it only in broken ones, by which a picture becomes a plane of one colour. */
static bool makes_white(cmsHPROFILE from)
{
        cmsCIEXYZ white = { 0 };

        for (size_t c = 0; c < G_N_ELEMENTS(colorants); c++) {
                const cmsCIEXYZ *xyz = (const cmsCIEXYZ *)cmsReadTag(from, colorants[c]);

                if (!xyz)
                        return false;
                white = (cmsCIEXYZ){ white.X + xyz->X, white.Y + xyz->Y, white.Z + xyz->Z };
        }
        return fabs(white.X - 1) < 0.4 && fabs(white.Y - 1) < 0.4 && fabs(white.Z - 1) < 0.8; /* false of what is no number, too */
}

static struct shaper *shaper_new(cmsHPROFILE from)
{
        static const cmsTagSignature curves[] = { cmsSigRedTRCTag, cmsSigGreenTRCTag, cmsSigBlueTRCTag };
        /* from the XYZ of D50, to which profiles are adapted, to the light of sRGB: the inverse of sRGB's own colorants */
        static const double inverse[3][3] = {
                { 3.1338561, -1.6168667, -0.4906146 },
                { -0.9787684, 1.9161415, 0.0334540 },
                { 0.0719453, -0.2289914, 1.4052427 },
        };
        struct shaper *s = g_new(struct shaper, 1);

        for (int c = 0; c < 3; c++) {
                const cmsToneCurve *curve = (const cmsToneCurve *)cmsReadTag(from, curves[c]);
                const cmsCIEXYZ *xyz = (const cmsCIEXYZ *)cmsReadTag(from, colorants[c]);

                if (!curve || !xyz) {
                        g_free(s);
                        return NULL;
                }
                for (int i = 0; i < 256; i++) {
                        const float light = cmsEvalToneCurveFloat(curve, (float)i / 255);

                        s->light[c][i] = light > 0 ? MIN(light, 1) : 0; /* of a hostile curve, what is no number, too */
                }
                for (int to = 0; to < 3; to++)
                        s->matrix[to][c] = (float)(inverse[to][0] * xyz->X + inverse[to][1] * xyz->Y + inverse[to][2] * xyz->Z);
        }
        return s;
}

static void shape(const struct shaper *s, bool alpha, const uint8_t *in, uint8_t *out, size_t n)
{
        const uint8_t *bytes = srgb_of_light();
        const unsigned bands = 3U + alpha;

        for (size_t i = 0; i < n; i++, in += bands, out += bands) {
                const float r = s->light[0][in[0]], g = s->light[1][in[1]], b = s->light[2][in[2]];

                for (int c = 0; c < 3; c++) {
                        float light = s->matrix[c][0] * r + s->matrix[c][1] * g + s->matrix[c][2] * b;

                        out[c] = bytes[(int)(CLAMP(light, 0.0F, 1.0F) * LIGHT_STEPS + 0.5F)];
                }
                if (alpha)
                        out[3] = in[3];
        }
}

static void prepare_between(cmsHPROFILE from, cmsHPROFILE to, struct kept *k)
{
        static const cmsColorSpaceSignature signatures[] = {
                [PROFILE_GREY] = cmsSigGrayData, [PROFILE_RGB] = cmsSigRgbData, [PROFILE_CMYK] = cmsSigCmykData
        };
        static const cmsUInt32Number formats[] = {
                [PROFILE_GREY] = TYPE_GRAY_8, [PROFILE_RGB] = TYPE_RGB_8, [PROFILE_CMYK] = TYPE_CMYK_8
        };
        cmsUInt32Number intent = cmsIsIntentSupported(from, INTENT_RELATIVE_COLORIMETRIC, LCMS_USED_AS_INPUT)
                                         ? INTENT_RELATIVE_COLORIMETRIC
                                         : INTENT_PERCEPTUAL;
        cmsUInt32Number extra = EXTRA_SH(k->alpha ? 1 : 0);

        if (cmsGetColorSpace(from) != signatures[k->space]) {
                on_complaint(NULL, 0, "it is not for pictures of this kind");
                return;
        }
        if (k->space == PROFILE_RGB && cmsGetPCS(from) == cmsSigXYZData && cmsIsMatrixShaper(from) &&
            !cmsIsCLUT(from, intent, LCMS_USED_AS_INPUT)) {
                if (!makes_white(from)) {
                        on_complaint(NULL, 0, "its colours make no white");
                        return;
                }
                k->shaper = shaper_new(from);
        }
        if (!k->shaper)
                k->transform = cmsCreateTransform(from, formats[k->space] | extra, to, TYPE_RGB_8 | extra, intent,
                                                  cmsFLAGS_BLACKPOINTCOMPENSATION | (k->alpha ? cmsFLAGS_COPY_ALPHA : 0));
}

/* Returns false, with a complaint, if the profile cannot be used. */
static bool prepare(GBytes *icc, struct kept *k)
{
        gsize size;
        const void *bytes = g_bytes_get_data(icc, &size);
        static cmsHPROFILE to; /* kept too: its curve is computed point by point */
        cmsHPROFILE from;

        (void)snprintf(complaint, sizeof complaint, "lcms gave no reason");
        cmsSetLogErrorHandler(on_complaint);
        from = cmsOpenProfileFromMem(bytes, (cmsUInt32Number)size);
        if (!to)
                to = cmsCreate_sRGBProfile();
        if (from && to)
                prepare_between(from, to, k);
        if (from)
                (void)cmsCloseProfile(from);
        return k->shaper || k->transform;
}

const char *profile_to_srgb(GBytes *icc, enum profile_space space, bool alpha, const uint8_t *in, uint8_t *out, size_t n)
{
        unsigned i = 0;
        struct kept hit;

        while (i < KEPT && kept[i].icc && !(kept[i].space == space && kept[i].alpha == alpha && g_bytes_equal(kept[i].icc, icc)))
                i++;
        if (i < KEPT && kept[i].icc) {
                hit = kept[i];
        } else {
                hit = (struct kept){ .space = space, .alpha = alpha };
                if (!prepare(icc, &hit))
                        return complaint;
                hit.icc = g_bytes_ref(icc);
                i = MIN(i, KEPT - 1U);
                drop(kept + i);
        }
        memmove(kept + 1, kept, i * sizeof *kept);
        kept[0] = hit;
        if (hit.shaper) {
                shape(hit.shaper, alpha, in, out, n);
                return NULL;
        }
        while (n > 0) { /* lcms counts in 32 bits */
                cmsUInt32Number part = (cmsUInt32Number)MIN(n, (size_t)1 << 20);
                static const unsigned bands[] = { [PROFILE_GREY] = 1, [PROFILE_RGB] = 3, [PROFILE_CMYK] = 4 };

                cmsDoTransform(hit.transform, in, out, part);
                in += part * (bands[space] + alpha);
                out += part * (3U + alpha);
                n -= part;
        }
        return NULL;
}
