/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "format.h"

#include <glib.h>
#include <string.h>

#define SNIFF(literal) format_sniff(literal, sizeof(literal) - 1)

static void test_names(void)
{
        for (unsigned f = FORMAT_NONE + 1; f <= FORMAT_SAME; f++)
                g_assert_cmpint(format_from_name(format_name((enum format)f)), ==, f);
        g_assert_cmpstr(format_name(FORMAT_NONE), ==, "");
        g_assert_cmpint(format_from_name("jpg"), ==, FORMAT_NONE);
        g_assert_cmpstr(format_extension(FORMAT_JPEG), ==, "jpg");
        g_assert_true(format_trusted(FORMAT_AVIF));
        g_assert_false(format_trusted(FORMAT_SVG));
}

static void test_magic(void)
{
        g_assert_cmpint(SNIFF("\xff\xd8\xff\xe0"), ==, FORMAT_JPEG);
        g_assert_cmpint(SNIFF("\x89PNG\r\n\x1a\n"), ==, FORMAT_PNG);
        g_assert_cmpint(SNIFF("RIFF\1\2\3\4WEBPVP8 "), ==, FORMAT_WEBP);
        g_assert_cmpint(SNIFF("RIFF\1\2\3\4WAVEfmt "), ==, FORMAT_NONE);
        g_assert_cmpint(SNIFF("GIF89a"), ==, FORMAT_GIF);
        g_assert_cmpint(SNIFF("\xff\x0a"), ==, FORMAT_JXL);
        g_assert_cmpint(SNIFF("\0\0\0\x0cJXL \r\n\x87\n"), ==, FORMAT_JXL);
        g_assert_cmpint(SNIFF("\0\0\0\x0cjP  \r\n\x87\n"), ==, FORMAT_JP2);
        g_assert_cmpint(SNIFF("\xff\x4f\xff\x51"), ==, FORMAT_JP2);
        g_assert_cmpint(SNIFF("%PDF-1.7"), ==, FORMAT_PDF);
        g_assert_cmpint(SNIFF("8BPS"), ==, FORMAT_PSD);
        g_assert_cmpint(SNIFF("qoif"), ==, FORMAT_QOI);
        g_assert_cmpint(SNIFF("P6\n# comment"), ==, FORMAT_PNM);
        g_assert_cmpint(SNIFF("P6 is a name"), ==, FORMAT_NONE);
        g_assert_cmpint(SNIFF("BMW and other cars"), ==, FORMAT_NONE);
        g_assert_cmpint(SNIFF("BM\0\0\0\0\0\0\0\0\0\0\0\0\x28\0\0\0"), ==, FORMAT_BMP);
        g_assert_cmpint(SNIFF(""), ==, FORMAT_NONE);
        g_assert_cmpint(SNIFF("hello"), ==, FORMAT_NONE);
}

static void test_brands(void)
{
        g_assert_cmpint(SNIFF("\0\0\0\x14"
                              "ftypavif\0\0\0\0mif1"),
                        ==, FORMAT_AVIF);
        g_assert_cmpint(SNIFF("\0\0\0\x18"
                              "ftypmif1\0\0\0\0miafavif"),
                        ==, FORMAT_AVIF);
        g_assert_cmpint(SNIFF("\0\0\0\x18"
                              "ftypmif1\0\0\0\0mif1heic"),
                        ==, FORMAT_HEIF);
        g_assert_cmpint(SNIFF("\0\0\0\x14"
                              "ftypmif1\0\0\0\0avif"),
                        ==, FORMAT_AVIF);
        g_assert_cmpint(SNIFF("\0\0\0\x10"
                              "ftypmif1\0\0\0\0avif"),
                        ==, FORMAT_HEIF); /* the box ends before it */
        g_assert_cmpint(SNIFF("\0\0\0\x18"
                              "ftypheic\0\0\0\0mif1heic"),
                        ==, FORMAT_HEIF);
        g_assert_cmpint(SNIFF("\0\0\0\x18"
                              "ftypisom\0\0\0\0isommp42"),
                        ==, FORMAT_NONE);
        g_assert_cmpint(SNIFF("\0\0\0\x18"
                              "ftypcrx \0\0\0\1crx isom"),
                        ==, FORMAT_RAW);
}

static void test_tiff_and_raw(void)
{
        g_assert_cmpint(SNIFF("II*\0\x08\0\0\0\0\0"), ==, FORMAT_TIFF);
        g_assert_cmpint(SNIFF("MM\0*\0\0\0\x08"), ==, FORMAT_TIFF);
        g_assert_cmpint(SNIFF("II+\0\x08\0\0\0"), ==, FORMAT_TIFF);
        g_assert_cmpint(SNIFF("MM\0+\0\x08\0\0"), ==, FORMAT_TIFF);
        g_assert_cmpint(SNIFF("II*\0\x10\0\0\0CR\2\0"), ==, FORMAT_RAW);
        g_assert_cmpint(SNIFF("IIRO\x08\0\0\0"), ==, FORMAT_RAW);
        g_assert_cmpint(SNIFF("IIU\0\x18\0\0\0"), ==, FORMAT_RAW);
        g_assert_cmpint(SNIFF("FUJIFILMCCD-RAW 0201"), ==, FORMAT_RAW);
        /* one entry: DNGVersion, in both byte orders */
        g_assert_cmpint(SNIFF("II*\0\x08\0\0\0\1\0\x12\xc6\1\0\4\0\0\0\1\4\0\0"), ==, FORMAT_RAW);
        g_assert_cmpint(SNIFF("MM\0*\0\0\0\x08\0\1\xc6\x12\0\1\0\0\0\4\1\4\0\0"), ==, FORMAT_RAW);
        /* Nikon's compression */
        g_assert_cmpint(SNIFF("II*\0\x08\0\0\0\1\0\x03\1\3\0\1\0\0\0\x99\x87\0\0"), ==, FORMAT_RAW);
        /* a reduced picture of a named camera with sub-directories; without the last, it is a TIFF */
        g_assert_cmpint(SNIFF("MM\0*\0\0\0\x08\0\3\0\xfe\0\4\0\0\0\1\0\0\0\1\1\x0f\0\2\0\0\0\6\0\0\0\xff\1\x4a\0\4\0\0\0\1\0\0\1\0"),
                        ==, FORMAT_RAW);
        g_assert_cmpint(SNIFF("MM\0*\0\0\0\x08\0\2\0\xfe\0\4\0\0\0\1\0\0\0\1\1\x0f\0\2\0\0\0\6\0\0\0\xff"), ==, FORMAT_TIFF);
        /* a directory outside the head, and one that promises more than there is */
        g_assert_cmpint(SNIFF("II*\0\xff\xff\xff\xff"), ==, FORMAT_TIFF);
        g_assert_cmpint(SNIFF("II*\0\x08\0\0\0\xff\xff"), ==, FORMAT_TIFF);
}

static void test_svg(void)
{
        g_assert_cmpint(SNIFF("<svg xmlns='http://www.w3.org/2000/svg'>"), ==, FORMAT_SVG);
        g_assert_cmpint(SNIFF("\xef\xbb\xbf \n<?xml version='1.0'?>\n<!-- <html> -->\n<svg>"), ==, FORMAT_SVG);
        g_assert_cmpint(SNIFF("<?xml version='1.0'?><!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN'>"), ==, FORMAT_SVG);
        g_assert_cmpint(SNIFF("<?xml version='1.0'?><s:svg xmlns:s='x'>"), ==, FORMAT_SVG);
        g_assert_cmpint(SNIFF("<!DOCTYPE html><svg>"), ==, FORMAT_NONE);
        g_assert_cmpint(SNIFF("<svgish>"), ==, FORMAT_NONE);
        g_assert_cmpint(SNIFF("<html><svg></svg></html>"), ==, FORMAT_NONE);
        g_assert_cmpint(SNIFF("<!-- never ends <svg>"), ==, FORMAT_NONE);
}

#define END(format, bytes, head, tail) format_end(format, bytes, head, sizeof(head) - 1, tail, sizeof(tail) - 1)

static void test_ends(void)
{
        g_assert_cmpint(END(FORMAT_JPEG, 100, "", "xx\xff\xd9"), ==, FORMAT_END_COMPLETE);
        g_assert_cmpint(END(FORMAT_JPEG, 100, "", "xx\xff\xd9\0\0\r\n"), ==, FORMAT_END_COMPLETE);
        g_assert_cmpint(END(FORMAT_JPEG, 100, "", "xx\xff\xd9junk"), ==, FORMAT_END_MISSING);
        g_assert_cmpint(END(FORMAT_JPEG, 0, "", ""), ==, FORMAT_END_MISSING);
        g_assert_cmpint(END(FORMAT_PNG, 100, "", "\0\0\0\0IEND\xae\x42\x60\x82"), ==, FORMAT_END_COMPLETE);
        g_assert_cmpint(END(FORMAT_PNG, 100, "", "IEND\xae\x42\x60"), ==, FORMAT_END_MISSING);
        g_assert_cmpint(END(FORMAT_GIF, 100, "", "\0;"), ==, FORMAT_END_COMPLETE);
        g_assert_cmpint(END(FORMAT_GIF, 100, "", "\0\0"), ==, FORMAT_END_MISSING);
        g_assert_cmpint(END(FORMAT_WEBP, 20, "RIFF\x0c\0\0\0WEBP", "\1\0"), ==, FORMAT_END_COMPLETE);
        g_assert_cmpint(END(FORMAT_WEBP, 19, "RIFF\x0c\0\0\0WEBP", "\1\0"), ==, FORMAT_END_MISSING);
        g_assert_cmpint(END(FORMAT_WEBP, 20, "RIFF\x0c\0\0\0WEBP", "\0\0"), ==, FORMAT_END_MISSING);        /* not filled yet */
        g_assert_cmpint(END(FORMAT_WEBP, 100, "RIFF\xff\xff\xff\xffWEBP", "\1\0"), ==, FORMAT_END_MISSING); /* no overflow */
        g_assert_cmpint(END(FORMAT_PDF, 100, "", "%%EOF\n"), ==, FORMAT_END_COMPLETE);
        g_assert_cmpint(END(FORMAT_PDF, 100, "", "junk"), ==, FORMAT_END_UNKNOWN);
        g_assert_cmpint(END(FORMAT_TIFF, 100, "", ""), ==, FORMAT_END_UNKNOWN);
}

static void test_picture_names(void)
{
        g_assert_true(format_picture_name("a.JPG"));
        g_assert_true(format_picture_name("a.b.heic"));
        g_assert_true(format_picture_name("x.NEF"));
        g_assert_false(format_picture_name("a.xmp"));
        g_assert_false(format_picture_name("jpg"));
        g_assert_false(format_picture_name("a.jpg.txt"));
        g_assert_false(format_picture_name("a."));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/format/names", test_names);
        g_test_add_func("/format/magic", test_magic);
        g_test_add_func("/format/brands", test_brands);
        g_test_add_func("/format/tiff-and-raw", test_tiff_and_raw);
        g_test_add_func("/format/svg", test_svg);
        g_test_add_func("/format/ends", test_ends);
        g_test_add_func("/format/picture-names", test_picture_names);
        return g_test_run();
}
