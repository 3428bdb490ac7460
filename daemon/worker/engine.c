/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts libvips tamed and tries every format.  What is readable is the only state that outlives a request. */

#include "engine.h"

#include "base.h"
#include "held.h"
#include "loaders.h"
#include "render.h"
#include "thumbnaild-build.h"
#include "verdict.h"

#include <fcntl.h>
#include <glib.h>
#include <gmodule.h>
#include <locale.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <vips/vector.h>
#include <vips/vips.h>

#define BIT(format) (UINT64_C(1) << FORMAT_##format)

static uint64_t readable, wanted;

uint64_t engine_readable(void)
{
        return readable;
}

/* The stack of a decoder's thread; the usual 8 MiB each would be charged to the picture's address space. */
#define THREAD_STACK_BYTES (1U << 20)

#define KEPT_CHUNK_BYTES (32 << 20) /* the most that malloc(3) keeps in its heap, see mallopt(3) */
#define KEPT_BYTES       (UINT64_C(64) << 20)

void engine_keep(uint64_t bytes)
{
        static uint64_t kept;

        bytes = MIN(bytes, KEPT_BYTES);
        if (bytes != kept)
                (void)mallopt(M_TRIM_THRESHOLD, (int)bytes);
        if (bytes < kept)
                render_rest(); /* the threshold is for what is freed from now on, and only for what lies at the heap's end */
        kept = bytes;
}

static void tame_process(void)
{
        pthread_attr_t attributes;

        (void)clearenv();                                /* VIPS_*, MAGICK_*, LC_*, TMPDIR: nothing of it is meant for us */
        (void)setenv("VIPS_DISC_THRESHOLD", "1000g", 1); /* in bytes decoded: never a temporary file */
        (void)setenv("VIPSHOME", "/nonexistent", 1);     /* where it would look for its modules: see load_modules() */
        (void)setenv("ORC_CODE", "backup", 1);           /* liborc: no compiling at run time, whoever asks for it */
        (void)setenv("OMP_NUM_THREADS", "1", 1);
        (void)setenv("MAGICK_THREAD_LIMIT", "1", 1);
        (void)setlocale(LC_ALL, "C");
        tzset();                       /* reads /etc/localtime */
        (void)mallopt(M_ARENA_MAX, 1); /* an arena for each thread would reserve 64 MiB of address space */
        /* What one picture needed serves the next: a page that is given back costs a fault, the kernel's work and its zeroing when it is
         * wanted again, which took half of the time of a progressive JPEG.  render_rest() gives it back. */
        (void)mallopt(M_MMAP_THRESHOLD, KEPT_CHUNK_BYTES);
        engine_keep(KEPT_BYTES);
        if (pthread_attr_init(&attributes) == 0) {
                (void)pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
                (void)pthread_setattr_default_np(&attributes);
                (void)pthread_attr_destroy(&attributes);
        }
}

static void tame_vips(void)
{
        vips_cache_set_max(0);
        vips_cache_set_max_mem(0);
        vips_cache_set_max_files(0);
        vips_concurrency_set(1);
#if VIPS_MAJOR_VERSION > 8 || (VIPS_MAJOR_VERSION == 8 && VIPS_MINOR_VERSION >= 15)
        /* Highway has no run-time compiler: leave it on */
#else
        vips_vector_set_enabled(FALSE); /* liborc compiles into writable and executable pages */
#endif
        vips_block_untrusted_set(TRUE);
        vips_operation_block_set("VipsForeignSaveJxl", FALSE); /* untrusted by name only: it encodes our own pixels */
}

#define PROBE_PX 16

/* A PPM that every format can hold: a slope in two colours. */
static uint8_t *probe_pixels(unsigned bands)
{
        uint8_t *p = (uint8_t *)g_malloc(PROBE_PX * PROBE_PX * bands);

        for (unsigned i = 0; i < PROBE_PX * PROBE_PX; i++)
                for (unsigned b = 0; b < bands; b++)
                        p[i * bands + b] = (uint8_t)(b == 0 ? i : b == 1 ? 255 - i : b == 2 ? 128 : 255 - i / 2);
        return p;
}

/* Files in memory for the trial, and what tells the size of the address space: opened while opening is allowed. */
enum { PROBE_FILES = 24 };

static struct {
        int files[PROBE_FILES];
        int statm_fd;
} prepared = { .statm_fd = -1 };

/* What libvips would load by itself, and more. */
static void load_modules(void)
{
        static const struct {
                const char *name;
                uint64_t formats;
        } modules[] = {
                { "heif", BIT(HEIF) | BIT(AVIF) },
                { "jxl", BIT(JXL) },
                { "magick", BIT(BMP) | BIT(ICO) | BIT(PSD) | BIT(DDS) },
                { "poppler", BIT(PDF) },
        };

        for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
                char path[sizeof VIPS_LIBDIR + 64];

                (void)snprintf(path, sizeof path, "%s/vips-modules-%d.%d/vips-%s.so", VIPS_LIBDIR, vips_version(0), vips_version(1),
                               modules[i].name);
                if (wanted & modules[i].formats) /* where it is not there, it may be built in */
                        (void)g_module_open(path, G_MODULE_BIND_LAZY);
        }
}

static int prepare(void)
{
        for (unsigned i = 0; i < PROBE_FILES; i++) {
                prepared.files[i] = memfd_create("probe", MFD_CLOEXEC);
                if (prepared.files[i] < 0)
                        return neg_errno();
        }
        prepared.statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
        return 0;
}

static void unprepare(void)
{
        for (unsigned i = 0; i < PROBE_FILES; i++)
                prepared.files[i] = fd_close(prepared.files[i]);
        prepared.statm_fd = fd_close(prepared.statm_fd);
}

static struct wire_spec probe_spec(enum format format)
{
        return (struct wire_spec){
                .width_px = 8, .height_px = 8, .format = format, .quality = 80, .effort = 0, .strip = 1, .profile = PROFILE_SRGB
        };
}

/* Whether @in_fd can be rendered to @out_fd, which is empty, as @output. */
static bool try_one(int in_fd, enum format output, int out_fd)
{
        g_autofree struct wire_render *request = g_new0(struct wire_render, 1);
        struct render_stages stages;
        struct wire_reply reply;

        request->memory_bytes = UINT64_MAX;
        request->pixels_max = 1 << 20;
        request->loaders = UINT64_MAX;
        request->frames_max = 1;
        request->n_outputs = 1;
        request->outputs[0] = probe_spec(output);
        render(request, in_fd, &out_fd, &reply, &stages);
        return reply.reason == REASON_NONE && reply.outputs[0].bytes > 0;
}

/* The first picture to start from, and the only TIFF that is ever written. */
static bool write_probe(int fd, bool tiff)
{
        g_autofree uint8_t *pixels = probe_pixels(4);
        _image_ *image = vips_image_new_from_memory(pixels, PROBE_PX * PROBE_PX * 4, PROBE_PX, PROBE_PX, 4, VIPS_FORMAT_UCHAR);
        void *bytes = NULL;
        size_t size = 0;
        bool ok;

        if (!image)
                return false;
        image->Type = VIPS_INTERPRETATION_sRGB;
        ok = (tiff ? vips_tiffsave_buffer(image, &bytes, &size, NULL) : vips_pngsave_buffer(image, &bytes, &size, NULL)) == 0 &&
             write(fd, bytes, size) == (ssize_t)size;
        g_free(bytes);
        return ok;
}

/* What can be written is read back; what can only be read is taken for readable if its loader is there. */
static void try_formats(struct wire_hello *ret)
{
        unsigned next = 2;

        if (!write_probe(prepared.files[0], false))
                return;
        for (unsigned f = FORMAT_NONE + 1; f < _FORMAT_MAX; f++) {
                bool can_write = saver_of((enum format)f), written;
                int file = prepared.files[next];

                if (!(wanted >> f & 1))
                        continue;
                if (!can_write || next + 2 > PROBE_FILES) {
                        if (loader_exists((enum format)f))
                                ret->readable |= 1ULL << f;
                        continue;
                }
                written = try_one(prepared.files[0], (enum format)f, file);
                ret->writable |= (uint64_t)written << f;
                if (written ? try_one(file, FORMAT_JPEG, prepared.files[next + 1]) : loader_exists((enum format)f))
                        ret->readable |= 1ULL << f;
                next += 2;
        }
        if (!write_probe(prepared.files[1], true) || !try_one(prepared.files[1], FORMAT_JPEG, prepared.files[next]))
                ret->readable &= ~(1ULL << FORMAT_TIFF);
}

static uint64_t address_space(void)
{
        char text[64] = "";

        if (pread(prepared.statm_fd, text, sizeof text - 1, 0) <= 0)
                return 0;
        return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ImageMagick opens its configuration, and a module for each format, when it first meets it: let it, with the least that begins like
 * one.  What comes of it does not matter. */
static void warm_up_magick(void)
{
        static const char bmp[58] = "BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\1\0\0\0\1\0\0\0\1\0\x18";
        static const char ico[64] = "\0\0\1\0\1\0\1\1\0\0\1\0\x18\0\x30\0\0\0\x16";
        static const char psd[64] = "8BPS\0\1";
        static const char dds[128] = "DDS \x7c";
        static const struct {
                enum format format;
                const char *bytes;
                size_t size;
        } firsts[] = {
                { FORMAT_BMP, bmp, sizeof bmp },
                { FORMAT_ICO, ico, sizeof ico },
                { FORMAT_PSD, psd, sizeof psd },
                { FORMAT_DDS, dds, sizeof dds },
        };

        for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
                _image_ *image = NULL;

                if (!(wanted >> firsts[i].format & 1) || !loader_exists(firsts[i].format))
                        continue;
                loader_allow(firsts[i].format, true);
                (void)vips_magickload_buffer((void *)(uintptr_t)firsts[i].bytes, firsts[i].size, &image, NULL);
                loader_allow(firsts[i].format, false);
        }
        verdict_clear_complaints();
}

int render_init(uint64_t formats)
{
        wanted = formats | BIT(JPEG);
        tame_process();
        verdict_install_log_writer();
        if (VIPS_INIT("thumbnail-worker"))
                return -ELIBACC;
        load_modules();
        tame_vips();
        warm_up_magick();
        return prepare();
}

int render_probe(struct wire_hello *ret)
{
        ret->readable = ret->writable = 0;
        readable = UINT64_MAX; /* while trying */
        try_formats(ret);
        readable = ret->readable;
        verdict_clear_complaints();
        (void)snprintf(ret->engine, sizeof ret->engine, "libvips %d.%d.%d", vips_version(0), vips_version(1), vips_version(2));
        render_rest();
        ret->address_space_bytes = address_space();
        unprepare();
        return ret->writable >> FORMAT_JPEG & ret->readable >> FORMAT_JPEG & 1 ? 0 : -ELIBBAD;
}

void render_rest(void)
{
        (void)malloc_trim(0);
}
