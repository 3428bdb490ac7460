/* SPDX-License-Identifier: GPL-2.0-or-later */
/* floor SRC OUT QUALITY SIZE...: the least that thumbnails of a folder of JPEG files can cost.  libjpeg-turbo and nothing else: one
 * decode at the smallest scale that serves the largest size, nearest pixels, one encode for each size, in one process for each usable
 * CPU.  No pictures to look at, but a limit to measure against. */

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jpeglib.h>

struct box {
        unsigned w_px, h_px;
};

static struct box inside(unsigned w_px, unsigned h_px, unsigned size_px)
{
        unsigned longer = w_px > h_px ? w_px : h_px;
        struct box b = { w_px, h_px };

        if (longer > size_px) {
                b.w_px = (w_px * size_px + longer / 2) / longer;
                b.h_px = (h_px * size_px + longer / 2) / longer;
        }
        return (struct box){ b.w_px ? b.w_px : 1, b.h_px ? b.h_px : 1 };
}

static unsigned char *read_whole(int dir_fd, const char *name, size_t *ret_bytes)
{
        int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
        unsigned char *data;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || !(data = malloc((size_t)st.st_size)) || read(fd, data, (size_t)st.st_size) != st.st_size)
                err(1, "%s", name);
        (void)close(fd);
        *ret_bytes = (size_t)st.st_size;
        return data;
}

/* Returns the pixels, the caller's to free, and what they are in *d, which is finished but not destroyed. */
static unsigned char *decode(struct jpeg_decompress_struct *d, const unsigned char *data, size_t bytes, unsigned size_px)
{
        unsigned char *pixels;
        struct box wanted;

        jpeg_mem_src(d, data, bytes);
        (void)jpeg_read_header(d, TRUE);
        wanted = inside(d->image_width, d->image_height, size_px);
        /* Only these have SIMD: the sizes between cost more than they save. */
        d->scale_denom = 8;
        for (d->scale_num = 1; d->scale_num < 8; d->scale_num *= 2) {
                jpeg_calc_output_dimensions(d);
                if (d->output_width >= wanted.w_px && d->output_height >= wanted.h_px)
                        break;
        }
        (void)jpeg_start_decompress(d);
        pixels = malloc((size_t)d->output_width * d->output_height * (unsigned)d->output_components);
        if (!pixels)
                err(1, "malloc");
        while (d->output_scanline < d->output_height) {
                JSAMPROW row = pixels + (size_t)d->output_scanline * d->output_width * (unsigned)d->output_components;

                (void)jpeg_read_scanlines(d, &row, 1);
        }
        return pixels;
}

static void encode(const struct jpeg_decompress_struct *d, const unsigned char *pixels, struct box size, int quality, FILE *to)
{
        unsigned n = (unsigned)d->output_components;
        unsigned char *row = malloc((size_t)size.w_px * n);
        struct jpeg_compress_struct c;
        struct jpeg_error_mgr errors;

        if (!row)
                err(1, "malloc");
        c.err = jpeg_std_error(&errors);
        jpeg_create_compress(&c);
        jpeg_stdio_dest(&c, to);
        c.image_width = size.w_px;
        c.image_height = size.h_px;
        c.input_components = d->output_components;
        c.in_color_space = d->out_color_space;
        jpeg_set_defaults(&c);
        jpeg_set_quality(&c, quality, TRUE);
        jpeg_start_compress(&c, TRUE);
        for (unsigned y = 0; y < size.h_px; y++) {
                const unsigned char *from = pixels + (size_t)(y * d->output_height / size.h_px) * d->output_width * n;

                for (unsigned x = 0; x < size.w_px; x++)
                        memcpy(row + (size_t)x * n, from + (size_t)(x * d->output_width / size.w_px) * n, n);
                (void)jpeg_write_scanlines(&c, &row, 1);
        }
        jpeg_finish_compress(&c);
        jpeg_destroy_compress(&c);
        free(row);
}

static void thumbnails(int from_fd, const char *name, const char *to, int quality, const unsigned *sizes, unsigned n)
{
        struct jpeg_decompress_struct d;
        struct jpeg_error_mgr errors;
        unsigned char *data, *pixels;
        unsigned largest_px = 0;
        char path[4096];
        size_t bytes;

        for (unsigned i = 0; i < n; i++)
                largest_px = sizes[i] > largest_px ? sizes[i] : largest_px;
        data = read_whole(from_fd, name, &bytes);
        d.err = jpeg_std_error(&errors);
        jpeg_create_decompress(&d);
        pixels = decode(&d, data, bytes, largest_px);
        for (unsigned i = 0; i < n; i++) {
                FILE *file;

                (void)snprintf(path, sizeof path, "%s/%s.%u.jpg", to, name, sizes[i]);
                file = fopen(path, "wxe");
                if (!file)
                        err(1, "%s", path);
                encode(&d, pixels, inside(d.image_width, d.image_height, sizes[i]), quality, file);
                if (fclose(file) != 0)
                        err(1, "%s", path);
        }
        (void)jpeg_finish_decompress(&d);
        jpeg_destroy_decompress(&d);
        free(pixels);
        free(data);
}

static int is_visible(const struct dirent *entry)
{
        return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
        int n_files, quality, from_fd, status, failed = 0;
        struct dirent **files;
        unsigned sizes[32];
        cpu_set_t cpus;

        if (argc < 5 || argc > 36)
                errx(64, "usage: floor SRC OUT QUALITY SIZE...");
        quality = atoi(argv[3]);
        for (int i = 4; i < argc; i++)
                sizes[i - 4] = (unsigned)atoi(argv[i]);
        n_files = scandir(argv[1], &files, is_visible, alphasort);
        from_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (n_files < 0 || from_fd < 0 || sched_getaffinity(0, sizeof cpus, &cpus) < 0)
                err(1, "%s", argv[1]);
        for (int first = 0; first < CPU_COUNT(&cpus); first++) {
                pid_t pid = fork();

                if (pid < 0)
                        err(1, "fork");
                if (pid > 0)
                        continue;
                for (int i = first; i < n_files; i += CPU_COUNT(&cpus))
                        thumbnails(from_fd, files[i]->d_name, argv[2], quality, sizes, (unsigned)argc - 4);
                exit(0);
        }
        while (wait(&status) > 0)
                failed |= status;
        return failed != 0;
}
