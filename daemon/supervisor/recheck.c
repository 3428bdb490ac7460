/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A scan in small portions, and the sum of what it found. */

#include "recheck.h"

#include "folder.h"
#include "ignore.h"
#include "log.h"
#include "plan.h"
#include "reading.h"
#include "scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#define ENTRIES     64U             /* in one portion */
#define PAUSE_USEC  UINT64_C(50000) /* between two: some 1300 entries a second, one or two per cent of a CPU */
#define BUSY_USEC   UINT64_C(1000000)
#define TELL_USEC   UINT64_C(2000000) /* what was found last is looked at meanwhile */
#define RECENT_SECS 2                 /* the kernel may be about to tell of it */

struct recheck {
        struct folder *folder;
        struct scan *scan;
        uint64_t due_usec;
        uint64_t found, missed;
        bool reading, complete;
};

uint64_t recheck_next_usec(uint32_t minutes_hundredths, uint64_t now_usec, uint32_t random)
{
        uint64_t interval = minutes_hundredths * UINT64_C(600000);

        return interval == 0 ? 0 : now_usec + interval - interval / 20 + (uint64_t)((double)(interval / 10) * random / UINT32_MAX);
}

static bool on_enter(const char *directory, int fd, void *userdata)
{
        return reading_enter(((const struct recheck *)userdata)->folder, directory, fd);
}

static bool on_found(const char *file, int fd, const char *base, unsigned char type, void *userdata)
{
        struct recheck *r = (struct recheck *)userdata;
        struct folder *f = r->folder;
        struct stat st;

        if (ignore_rule_of_name(f->config, base))
                return false;
        if (type == DT_DIR)
                return f->config->recursive;
        if (type != DT_REG || fstatat(fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return false;
        r->found++;
        if (st.st_ctim.tv_sec + RECENT_SECS < time(NULL) && plan_wants(f, file, fd, base))
                f->hooks->file(f, file, FOUND_BY_CHECK, f->userdata);
        return false;
}

static void on_trouble(const char *directory, int error, void *userdata)
{
        ((struct recheck *)userdata)->complete = false; /* who reads it for other reasons says so */
}

static const struct scan_hooks hooks = { on_enter, on_found, on_trouble };

struct recheck *recheck_new(struct folder *folder)
{
        struct recheck *r = g_new0(struct recheck, 1);

        r->folder = folder;
        r->scan = scan_new(folder->inbox_fd, &hooks, r);
        return r;
}

void recheck_free(struct recheck *r)
{
        if (!r)
                return;
        scan_free(r->scan);
        g_free(r);
}

void recheck_postpone(struct recheck *r, uint64_t now_usec)
{
        if (!r->reading)
                r->due_usec = recheck_next_usec(r->folder->config->rescan_minutes, now_usec, g_random_int());
}

uint64_t recheck_due_usec(const struct recheck *r)
{
        return r->due_usec;
}

static void end(struct recheck *r, uint64_t now_usec)
{
        const char *inbox = r->folder->config->inbox;

        if (r->missed > 0)
                log_event(EV_RESCAN, FIELDS(F_STR(INBOX, inbox), F_NUM(COUNT, r->missed)),
                          "%" PRIu64 " file%s of %s had no thumbnail, or not that of today, and nothing had told of it; made now",
                          r->missed, r->missed == 1 ? "" : "s", inbox);
        r->reading = false;
        recheck_postpone(r, now_usec);
}

void recheck_go_on(struct recheck *r, uint64_t now_usec, bool idle)
{
        if (r->due_usec == 0 || r->due_usec > now_usec)
                return;
        if (!idle) {
                r->due_usec = now_usec + BUSY_USEC;
                return;
        }
        if (!r->reading) {
                r->reading = r->complete = true;
                r->found = r->missed = 0;
                scan_push(r->scan, "");
        } else if (!scan_busy(r->scan)) {
                end(r, now_usec);
                return;
        }
        r->due_usec = now_usec + PAUSE_USEC;
        if (scan_step(r->scan, ENTRIES))
                return;
        r->due_usec = now_usec + TELL_USEC;
        if (r->complete)
                orphans_scan_complete(r->folder->orphans, r->found);
}

void recheck_count(struct recheck *r)
{
        r->missed++;
}
