/* SPDX-License-Identifier: GPL-2.0-or-later */
/* getopt_long(3) and what it cannot check. */

#include "options.h"

#include "config.h"
#include "thumbnaild-build.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { OPTION_VERSION = 256, OPTION_HELP, OPTION_EXPLAIN, OPTION_ONLY, OPTION_PART };

static const struct option long_options[] = {
        { "config", required_argument, NULL, 'c' },
        { "inbox", required_argument, NULL, 'i' },
        { "outbox", required_argument, NULL, 'o' },
        { "size", required_argument, NULL, 's' },
        { "format", required_argument, NULL, 'f' },
        { "workers", required_argument, NULL, 'w' },
        { "once", no_argument, NULL, '1' },
        { "check-config", no_argument, NULL, 't' },
        { "explain", required_argument, NULL, OPTION_EXPLAIN },
        { "only", required_argument, NULL, OPTION_ONLY },
        { "part", required_argument, NULL, OPTION_PART }, /* given by ourselves alone, see parts.h */
        { "version", no_argument, NULL, OPTION_VERSION },
        { "help", no_argument, NULL, OPTION_HELP },
        { 0 },
};

void options_help(void)
{
        (void)fputs("thumbnaild " PACKAGE_VERSION ": thumbnails for every picture that is dropped into a folder\n"
                    "\n"
                    "  thumbnaild [-c FILE] [--only INBOX]... [-w N] [-1]\n"
                    "  thumbnaild -i INBOX -o OUTBOX [-s N[xM]] [-f FORMAT] [-w N] [-1]\n"
                    "  thumbnaild [-c FILE | -i INBOX -o OUTBOX] --explain FILE\n"
                    "\n"
                    "  -c, --config FILE     serve by FILE, not by " CONFIG_PATH "\n"
                    "      --only INBOX      of those, serve the folder with this inbox alone; may be repeated\n"
                    "  -i, --inbox DIR       serve this one folder, without a configuration file\n"
                    "  -o, --outbox DIR      where its thumbnails go\n"
                    "  -s, --size N[xM]      of that folder's thumbnails: at most N by N (or N by M) pixels\n"
                    "  -f, --format FORMAT   jpeg, png, webp, avif, jxl, gif or same\n"
                    "  -w, --workers N       so many workers; 0: one per usable CPU\n"
                    "  -1, --once            make what the inboxes hold now, then exit\n"
                    "  -t, --check-config    say what is wrong with the configuration, start nothing\n"
                    "      --explain FILE    say what is done with FILE and why, start nothing\n"
                    "      --version, --help\n"
                    "\n"
                    "See thumbnaild(8) and thumbnaild.conf(5).\n",
                    stdout);
}

static int usage(const char *sentence, const char *what)
{
        (void)fprintf(stderr, "thumbnaild: %s%s%s\nTry 'thumbnaild --help'.\n", sentence, what ? ": " : "", what ? what : "");
        return EX_USAGE;
}

/* A whole number from @min to @max that @text starts with; *@end is set behind it.  Returns -1 if there is none. */
static long number(const char *text, long min, long max, char **end)
{
        long n = -1;

        if (*text >= '0' && *text <= '9')
                n = strtol(text, end, 10);
        return n >= min && n <= max ? n : -1;
}

static int parse_size(const char *text, struct options *o)
{
        char *end = NULL;
        long width = number(text, 1, 32767, &end), height = width;

        if (width > 0 && *end == 'x')
                height = number(end + 1, 1, 32767, &end);
        if (width < 0 || height < 0 || *end)
                return usage("a size is N or NxM pixels, each 1 to 32767", text);
        o->spec.width_px = (uint32_t)width;
        o->spec.height_px = (uint32_t)height;
        return 0;
}

static int parse_format(const char *text, struct options *o)
{
        enum format f = format_from_name(text);

        if (strcmp(text, "same") == 0)
                f = FORMAT_SAME;
        else if (f != FORMAT_JPEG && f != FORMAT_PNG && f != FORMAT_WEBP && f != FORMAT_AVIF && f != FORMAT_JXL && f != FORMAT_GIF)
                return usage("thumbnails can be jpeg, png, webp, avif, jxl, gif or same, not", text);
        o->spec.format = f;
        return 0;
}

/* Take one option; *@preset gets true when it is about the one preset of the command line. */
static int take(int c, struct options *o, bool *preset)
{
        char *end = NULL;

        switch (c) {
        case 'c':
                o->config_path = optarg;
                return 0;
        case 'i':
                o->inbox = optarg;
                return 0;
        case 'o':
                o->outbox = optarg;
                return 0;
        case 's':
                *preset = true;
                return parse_size(optarg, o);
        case 'f':
                *preset = true;
                return parse_format(optarg, o);
        case 'w':
                o->workers = (int)number(optarg, 0, 1024, &end);
                return o->workers < 0 || *end ? usage("workers are 0 to 1024, not", optarg) : 0;
        case '1':
                o->once = true;
                return 0;
        case 't':
                o->action = ACTION_CHECK_CONFIG;
                return 0;
        case OPTION_EXPLAIN:
                o->action = ACTION_EXPLAIN;
                o->explain = optarg;
                return 0;
        case OPTION_ONLY:
                if (o->n_only == OPTIONS_ONLY_MAX)
                        return usage("that is too often", "--only");
                o->only[o->n_only++] = optarg;
                return 0;
        case OPTION_PART: /* what was named before was for the one that started us */
                o->part_fd = (int)number(optarg, 3, 1024, &end);
                o->n_only = 0;
                return o->part_fd < 0 || *end ? usage("this is no descriptor", optarg) : 0;
        case OPTION_VERSION:
                o->action = ACTION_VERSION;
                return 0;
        case OPTION_HELP:
                o->action = ACTION_HELP;
                return 0;
        default: /* getopt has said it */
                (void)fputs("Try 'thumbnaild --help'.\n", stderr);
                return EX_USAGE;
        }
}

int options_parse(int argc, char **argv, struct options *ret)
{
        struct options o = { .workers = -1, .spec = config_default_spec(), .part_fd = -1, .argv = argv };
        bool preset = false;
        int c, r;

        o.spec.width_px = o.spec.height_px = 256;
        while ((c = getopt_long(argc, argv, "c:i:o:s:f:w:1t", long_options, NULL)) >= 0) {
                r = take(c, &o, &preset);
                if (r != 0)
                        return r;
        }
        if (optind < argc)
                return usage("nothing is expected behind the options", argv[optind]);
        if (o.action == ACTION_HELP || o.action == ACTION_VERSION) {
                *ret = o;
                return 0;
        }
        if (o.action == ACTION_EXPLAIN && o.once)
                return usage("--explain starts nothing, --once does", NULL);
        if (o.config_path && (o.inbox || o.outbox))
                return usage("-c and -i exclude each other", NULL);
        if (!o.inbox != !o.outbox)
                return usage("-i and -o go together", NULL);
        if (o.n_only > 0 && o.inbox)
                return usage("--only goes with a configuration, not with -i", NULL);
        if (preset && !o.inbox)
                return usage("-s and -f go with -i and -o", NULL);
        if (preset && o.spec.width_px == o.spec.height_px)
                (void)snprintf(o.preset_name, sizeof o.preset_name, "%u", o.spec.width_px);
        else if (preset)
                (void)snprintf(o.preset_name, sizeof o.preset_name, "%ux%u", o.spec.width_px, o.spec.height_px);
        if (!o.config_path)
                o.config_path = CONFIG_PATH;
        *ret = o;
        return 0;
}
