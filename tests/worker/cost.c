/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cost render|floor FILE SIZE: one job as a worker does it, or the least that it takes: its library alone, decoding FILE and, of JPEG,
 * encoding as many pixels.  For an instrument that counts what happens within job(); everything is done once before, so that what is
 * set up only once is not counted. */

#include "jpeg.h"
#include "render.h"

#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <jpeglib.h>

static const char *path;
static unsigned size_px;
static int input_fd, output_fd;
static void *bytes;
static size_t n_bytes;

static void do_render(void)
{
        static struct wire_render request;
        struct render_stages stages;
        struct wire_reply reply;

        request = (struct wire_render){
                .memory_bytes = UINT64_MAX, .pixels_max = UINT64_MAX, .loaders = UINT64_MAX, .frames_max = 1, .n_outputs = 1
        };
        request.outputs[0] = (struct wire_spec){ .width_px = size_px,
                                                 .height_px = size_px,
                                                 .format = FORMAT_JPEG,
                                                 .quality = 80,
                                                 .effort = WIRE_EFFORT_DEFAULT,
                                                 .strip = 1 };
        if (ftruncate(output_fd, 0) < 0)
                err(1, "output");
        render(&request, input_fd, &output_fd, &reply, &stages);
        if (reply.reason != REASON_NONE)
                errx(1, "%s: %s", path, reply.text);
}

static void encode(unsigned width, unsigned height, uint8_t *row)
{
        struct jpeg_compress_struct c;
        struct jpeg_error_mgr errors;
        unsigned char *out = NULL;
        unsigned long size = 0;

        c.err = jpeg_std_error(&errors);
        jpeg_create_compress(&c);
        jpeg_mem_dest(&c, &out, &size);
        c.image_width = width;
        c.image_height = height;
        c.input_components = 3;
        c.in_color_space = JCS_RGB;
        jpeg_set_defaults(&c);
        jpeg_set_quality(&c, 80, TRUE);
        jpeg_start_compress(&c, TRUE);
        while (c.next_scanline < height)
                (void)jpeg_write_scanlines(&c, &row, 1);
        jpeg_finish_compress(&c);
        jpeg_destroy_compress(&c);
        free(out);
}

/* At the smallest scale that leaves the size. */
static void do_floor_jpeg(void)
{
        struct jpeg_decompress_struct d;
        struct jpeg_error_mgr errors;
        uint8_t *row;

        d.err = jpeg_std_error(&errors);
        jpeg_create_decompress(&d);
        jpeg_mem_src(&d, bytes, n_bytes);
        (void)jpeg_read_header(&d, TRUE);
        for (d.scale_num = d.scale_denom = 8; d.scale_num > 1 && d.image_width * d.scale_num / 2 >= 8 * size_px;)
                d.scale_num /= 2;
        (void)jpeg_start_decompress(&d);
        row = malloc((size_t)d.output_width * 4);
        while (d.output_scanline < d.output_height)
                (void)jpeg_read_scanlines(&d, &row, 1);
        encode(size_px, size_px * d.output_height / d.output_width, row);
        free(row);
        jpeg_destroy_decompress(&d);
}

static void do_floor_vips(void)
{
        VipsImage *image = vips_image_new_from_buffer(bytes, n_bytes, "", "access", VIPS_ACCESS_SEQUENTIAL, NULL);
        VipsRegion *region = vips_region_new(image);

        for (int y = 0; y < image->Ysize; y += 16) {
                VipsRect strip = { 0, y, image->Xsize, MIN(16, image->Ysize - y) };

                if (vips_region_prepare(region, &strip))
                        errx(1, "%s: %s", path, vips_error_buffer());
        }
        g_object_unref(region);
        g_object_unref(image);
}

/* What is counted. */
void __attribute__((noinline)) job(void (*what)(void));
void __attribute__((noinline)) job(void (*what)(void))
{
        what();
}

int main(int argc, char **argv)
{
        uint64_t formats = UINT64_C(1) << FORMAT_JPEG | UINT64_C(1) << FORMAT_PNG;
        struct wire_hello hello;
        struct stat st;
        void (*what)(void);

        if (argc != 4 || render_init(formats) < 0 || render_probe(&hello) < 0)
                errx(1, "cannot start");
        path = argv[2];
        size_px = (unsigned)strtoul(argv[3], NULL, 10);
        input_fd = open(path, O_RDONLY);
        output_fd = memfd_create("output", 0);
        if (input_fd < 0 || fstat(input_fd, &st) < 0)
                err(1, "%s", path);
        n_bytes = (size_t)st.st_size;
        bytes = malloc(n_bytes);
        if (pread(input_fd, bytes, n_bytes, 0) != (ssize_t)n_bytes)
                err(1, "%s", path);
        what = strcmp(argv[1], "render") == 0 ? do_render : memcmp(bytes, "\xff\xd8", 2) == 0 ? do_floor_jpeg : do_floor_vips;
        what();
        job(what);
        return 0;
}
