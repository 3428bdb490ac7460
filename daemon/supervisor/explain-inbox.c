/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks about a file what the daemon asks, in its order (examine.h, then plan.h), and goes on where the daemon would stop, since a reader
 * wants to know all of it.  The first thing that decides is the verdict. */

#include "explain.h"

#include "base.h"
#include "examine.h"
#include "folder.h"
#include "identity.h"
#include "ignore.h"
#include "outcome.h"
#include "path.h"
#include "plan.h"
#include "remedy.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define SERVICE_USER "thumbnaild" /* of systemd/thumbnaild.service.in */

struct inquiry {
        const struct config *config;
        const char *file;
        struct folder *folder;
        struct findings *findings;
        struct identity who;                           /* as whom the daemon looks */
        pid_t holder;                                  /* the daemon that serves it now, or 0 */
        bool heard;                                    /* the kernel tells what happens to it */
        int inbox_error, outbox_error, failures_error; /* of opening them: 0 or a negative errno */
        struct stat st;
        struct source source;
        bool opened; /* source is filled */
        char *path;  /* owned: the whole of it */
};

static char *when(int64_t sec)
{
        time_t time = (time_t)sec;
        struct tm tm;
        char text[32];

        if (!localtime_r(&time, &tm) || strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm) == 0)
                return g_strdup("unknown");
        return g_strdup(text);
}

/* ---- where */

static void open_folder(struct inquiry *q)
{
        const struct folder_config *c = q->folder->config;
        int r;

        q->folder->inbox_fd = open(c->inbox, O_PATH | O_DIRECTORY | O_CLOEXEC);
        q->inbox_error = q->folder->inbox_fd < 0 ? neg_errno() : 0;
        q->folder->traits = source_traits(q->folder->inbox_fd);
        q->outbox_error = outbox_open_to_look(c->outbox, &q->folder->outbox);
        if (q->config->path)
                findings_say(q->findings, "folder", "%s (%s:%u), in which it is %s", c->inbox, q->config->path, c->line, q->file);
        else
                findings_say(q->findings, "folder", "%s, in which it is %s", c->inbox, q->file);
        if (q->outbox_error < 0 && q->outbox_error != -ENOENT)
                findings_say(q->findings, "outbox", "%s cannot be seen: %s", c->outbox, g_strerror(-q->outbox_error));
        if (c->failed) {
                r = open(c->failed, O_PATH | O_DIRECTORY | O_CLOEXEC);
                r = r < 0 ? neg_errno() : r;
        } else {
                r = q->outbox_error < 0 ? q->outbox_error
                                        : path_openat(outbox_root_fd(q->folder->outbox), FAILURES_OWN, O_PATH | O_DIRECTORY, 0);
        }
        q->failures_error = MIN(r, 0);
        if (r >= 0)
                q->folder->failures = failures_open_to_look(r, c->failed != NULL, q->config->basis);
}

static void find_daemon(struct inquiry *q)
{
        bool known;

        q->holder = q->folder->outbox ? outbox_holder(q->folder->outbox) : 0;
        known = q->holder > 0 && identity_of_process(q->holder, &q->who) >= 0;
        if (!known && q->config->path)
                known = identity_of_service(SERVICE_USER, &q->who) >= 0;
        if (!known && identity_of_process(getpid(), &q->who) < 0)
                q->who = (struct identity){ .name = g_strdup("somebody"), .uid = geteuid() };
        if (q->holder > 0)
                findings_say(q->findings, "daemon", "process %d serves this folder, as user %s", (int)q->holder, q->who.name);
        else
                findings_say(q->findings, "daemon", "none that can be seen serves this folder now; what follows is for user %s",
                             q->who.name);
}

/* How the daemon hears of it, as far as that is the configuration's and the file system's to say. */
static void say_watched(struct inquiry *q)
{
        const struct folder_config *c = q->folder->config;
        g_autofree char *directory = path_directory(q->file), *why = NULL;
        const char *whole;

        q->folder->polling = polling_new(c);
        whole = polling_why(q->folder->polling);
        q->heard = !polling_must(q->folder->polling, directory, &why);
        if (!q->heard)
                findings_say(q->findings, "watched", "its folder is read every %" PRIi64 " s, %s", c->poll_seconds,
                             whole ? whole
                             : why ? why
                                   : "");
}

/* ---- the file as the file system has it */

static bool may_look(struct inquiry *q, const char *what, int fd, int want)
{
        const char *letters = want == R_OK ? "r" : "rx";
        int may = fd < 0 ? fd : identity_may(&q->who, fd, want);
        g_autofree char *quoted = remedy_quote(what);

        if (may != 0)
                return true;
        findings_conclude(q->findings, "Waiting: unreadable, and made as soon as user %s may read it", q->who.name);
        findings_say(q->findings, "readable", "no: user %s may not read %s", q->who.name, what);
        findings_say(q->findings, "", "chmod g+%s %s", letters, quoted);
        findings_say(q->findings, "", "or, if its group is not the daemon's: setfacl -m u:%s:%s %s", q->who.name, letters, quoted);
        return false;
}

/* Whether the daemon gets there: it reads each folder on the way. */
static bool check_way(struct inquiry *q, int fd)
{
        const char *inbox = q->folder->config->inbox;

        if (!may_look(q, inbox, q->folder->inbox_fd, R_OK | X_OK))
                return false;
        for (const char *slash = strchr(q->file, '/'); slash; slash = strchr(slash + 1, '/')) {
                g_autofree char *part = g_strndup(q->file, (gsize)(slash - q->file)), *whole = g_build_filename(inbox, part, NULL);
                _cleanup_(fd_closep) int part_fd = path_openat(q->folder->inbox_fd, part, O_PATH | O_DIRECTORY, 0);

                if (!may_look(q, whole, part_fd, R_OK | X_OK))
                        return false;
        }
        if (!may_look(q, q->path, fd, R_OK))
                return false;
        findings_say(q->findings, "readable", "yes, for user %s", q->who.name);
        return true;
}

static bool say_type(struct inquiry *q)
{
        g_autofree char *time = when(q->st.st_mtim.tv_sec),
                        *size = g_format_size_full((guint64)q->st.st_size, G_FORMAT_SIZE_IEC_UNITS);
        const struct objection o = examine_open_error(S_ISLNK(q->st.st_mode) ? -ELOOP : -EINVAL);

        if (S_ISDIR(q->st.st_mode)) {
                findings_conclude(q->findings, "It is a folder: what lies in it is made, ask about one of those files");
                return false;
        }
        if (!S_ISREG(q->st.st_mode)) {
                findings_conclude(q->findings, "Left alone: %s, %s", reason_token(o.reason), o.text);
                return false;
        }
        findings_say(q->findings, "file", "%s (%jd bytes), user ID %u, changed %s", size, (intmax_t)q->st.st_size,
                     (unsigned)q->st.st_uid, time);
        return true;
}

static void say_ignored(struct inquiry *q)
{
        const struct folder_config *c = q->folder->config;
        const char *rule = ignore_rule(c, q->file);
        bool own = false;

        for (guint i = 0; rule && i < c->ignore->len; i++)
                own |= c->ignore->pdata[i] == rule;
        if (!rule) {
                findings_say(q->findings, "ignored", "no, no rule matches its name");
                return;
        }
        findings_conclude(q->findings, "Left alone: its name, or that of a folder it lies in, is ignored");
        findings_say(q->findings, "ignored", "yes, by %s%s", rule,
                     own                         ? ", of 'ignore' in the configuration"
                     : strchr(rule, '=') != NULL ? " in the configuration"
                                                 : ", of the built-in list of hidden, partial and system names");
}

static void say_complete(struct inquiry *q)
{
        const struct source *s = &q->source;
        uint64_t settle_usec = examine_settle_usec(q->folder->config, s, q->heard);
        double settle = (double)settle_usec / 1e6;
        const struct timespec changed = q->st.st_ctim; /* of content, too, whatever its mtime was set to */
        double quiet = (double)g_get_real_time() / 1e6 - (double)changed.tv_sec - (double)changed.tv_nsec / 1e9;

        if (s->writers == WRITERS_SOME) {
                findings_conclude(q->findings, "Waiting: being-written, and made when it is closed");
                findings_say(q->findings, "complete", "no: somebody has it open for writing (see 'fuser -v')");
        } else if (settle_usec == EXAMINE_NEVER) {
                findings_conclude(q->findings, "Waiting: incomplete, and made when the rest of it has come");
                findings_say(
                        q->findings, "complete",
                        "no: its modification time is 0, as an interrupted rsync leaves it, and its end is not that of a whole file");
        } else if (settle_usec == 0) {
                findings_say(q->findings, "complete", "yes: nobody has it open for writing, and it ends as such a file should");
        } else {
                if (quiet < settle)
                        findings_conclude(q->findings, "Waiting: incomplete, and made when it has not changed for %g s", settle);
                findings_say(q->findings, "complete", "%s: %s, so it must not have changed for %g s",
                             quiet < settle ? "not yet" : "yes",
                             s->mtime_nsec / INT64_C(1000000000) == 0 ? "its modification time is 0, as an interrupted rsync leaves it"
                             : s->writers == WRITERS_UNKNOWN          ? "who writes it cannot be asked, by this user or here"
                             : s->end == FORMAT_END_MISSING           ? "its end is not that of a whole file"
                                                                      : "its end tells nothing",
                             settle);
        }
}

/* ---- what is known of it, and what can be said against it */

static void say_failure(struct inquiry *q)
{
        const struct folder_config *c = q->folder->config;
        struct failures *failures = q->folder->failures;
        int64_t since = 0;
        enum reason reason = failures ? failures_find(failures, q->file, &q->source, &since) : REASON_NONE;
        g_autofree char *where = NULL, *path = NULL, *quoted = NULL, *time_of = NULL;

        if (reason == REASON_NONE) {
                if (failures || q->failures_error == -ENOENT)
                        findings_say(q->findings, "failed", "not in this version, under this configuration");
                else
                        findings_say(q->findings, "failed", "cannot be seen: %s", g_strerror(-q->failures_error));
                return;
        }
        where = failures_where(failures, q->file, &q->source);
        path = c->failed ? g_build_filename(c->failed, where, NULL) : g_build_filename(c->outbox, FAILURES_OWN, where, NULL);
        time_of = when(since);
        findings_say(q->findings, "failed", "%s, noted %s", reason_token(reason), time_of);
        findings_say(q->findings, "remedy", "%s", reason_remedy(reason));
        findings_say(q->findings, "reason file", "%s", path);
        if (c->failed && q->source.ctime_sec > since + 1) {
                findings_say(q->findings, "", "older than the file's return to the inbox: it is tried again");
                return;
        }
        quoted = remedy_quote(path);
        findings_say(q->findings, "try again", "rm -f %s", quoted);
        if (c->failed && outcome_may_be_resumed(reason) && time(NULL) < since + c->abandon_seconds)
                findings_conclude(q->findings, "Failed: %s; it is set apart in %" PRIi64 " s unless its upload is resumed",
                                  reason_token(reason), since + c->abandon_seconds - (int64_t)time(NULL));
        else
                findings_conclude(q->findings, "Failed: %s, and not tried again until it changes or its reason file is removed",
                                  reason_token(reason));
}

static bool is_allowed(const struct inquiry *q)
{
        return q->source.format == FORMAT_NONE || (q->config->loaders >> q->source.format & 1);
}

static void say_content(struct inquiry *q)
{
        findings_say(q->findings, "content", "%s%s",
                     q->source.format == FORMAT_NONE ? "no picture that is known" : format_name(q->source.format),
                     is_allowed(q) ? "" : ", which 'loaders' does not allow");
}

static void say_objections(struct inquiry *q)
{
        const struct limits *l = &q->config->limits;
        const struct objection o = examine_content(q->config, q->file, &q->source);

        if (o.skip)
                findings_conclude(q->findings, "Left alone: %s, neither by content nor by name", o.text);
        else if (o.reason != REASON_NONE)
                findings_conclude(q->findings, "It will fail: %s%s%s", reason_token(o.reason), o.text ? ", " : "",
                                  o.text ? o.text : "");
        else if (!is_allowed(q))
                findings_conclude(q->findings, "It will fail: %s, 'loaders' does not allow %s", reason_token(REASON_UNSUPPORTED),
                                  format_name(q->source.format));
        findings_say(q->findings, "limits",
                     "%" PRIu64 " of %" PRIi64 " MiB; its pixels (at most %" PRIi64 " million) and frames (%" PRIi64
                     ") are counted by a worker only",
                     q->source.size / MIB, l->file_mib, l->megapixels, l->frames);
}

static void say_suspect(struct inquiry *q)
{
        bool in_flight = false;

        if (!q->folder->outbox || !suspects_peek(q->folder->outbox, q->folder->config->inbox, q->file, &in_flight))
                return;
        if (in_flight && q->holder > 0)
                findings_say(q->findings, "in work", "yes, a worker has it now");
        else
                findings_say(q->findings, "suspect", "yes: it was in work when the daemon died, so it is made last and alone");
}

/* ---- the original */

static void say_original(struct inquiry *q)
{
        const struct folder_config *c = q->folder->config;
        const char *base;
        _cleanup_(fd_closep) int parent = path_open_parent(q->folder->inbox_fd, q->file, false, &base);
        bool raw = q->source.format == FORMAT_RAW;

        if (c->originals == ORIGINAL_MOVE)
                findings_say(q->findings, "original", "goes to %s/%s when it is made", c->processed, q->file);
        else if (c->originals == ORIGINAL_DELETE && !raw)
                findings_say(q->findings, "original", "is deleted when it is made");
        else
                findings_say(q->findings, "original", "stays when it is made%s",
                             c->originals == ORIGINAL_DELETE ? ": of a camera file only a part is read" : "");
        findings_say(q->findings, "",
                     c->failed ? "if it fails it goes to %s/%s"
                               : "if it fails it stays, with the reason in %s/" FAILURES_OWN "/%s.why.txt",
                     c->failed ? c->failed : c->outbox, q->file);
        if ((c->failed || c->originals != ORIGINAL_KEEP) && parent >= 0 &&
            identity_may_take(&q->who, parent, q->st.st_uid, base == q->file) == 0) {
                g_autofree char *folder = g_path_get_dirname(q->path), *quoted = remedy_quote(folder);

                findings_say(q->findings, "", "but user %s cannot take it out of its folder (not-removable): setfacl -m u:%s:rwx %s",
                             q->who.name, q->who.name, quoted);
        }
}

/* ---- */

/* Nothing lies there: is it known where it went?  Returns 0 or -ENOENT. */
static int explain_absent(struct inquiry *q)
{
        const struct folder_config *c = q->folder->config;
        g_autofree char *where = NULL, *note = NULL, *path = NULL, *processed = NULL;
        struct stat st;

        if (c->failed && q->folder->failures) {
                path = g_build_filename(c->failed, q->file, NULL);
                note = failures_read(q->folder->failures, q->file, &where);
        }
        if (note && lstat(path, &st) == 0) {
                g_autofree char *reason_path = g_build_filename(c->failed, where, NULL);

                findings_conclude(q->findings, "Failed, and set apart: it is not in the inbox any more");
                findings_say(q->findings, "now", "%s", path);
                explain_note(q->findings, note, reason_path);
                return 0;
        }
        processed = c->processed ? g_build_filename(c->processed, q->file, NULL) : NULL;
        if (processed && lstat(processed, &st) == 0) {
                findings_conclude(q->findings, "Made, and moved away: it is not in the inbox any more");
                findings_say(q->findings, "now", "%s", processed);
                return 0;
        }
        return -ENOENT;
}

static int inquire(struct inquiry *q)
{
        _cleanup_(fd_closep) int fd =
                q->inbox_error < 0 ? q->inbox_error : path_openat(q->folder->inbox_fd, q->file, O_PATH | O_NOFOLLOW, 0);
        _cleanup_(fd_closep) int input = -1;
        int r;

        say_ignored(q);
        if (fd == -ENOENT || fd == -ENOTDIR)
                return explain_absent(q);
        if (fd == -ELOOP) {
                findings_conclude(q->findings,
                                  "Left alone: it is reached through a symbolic link, and links below an inbox are not followed");
                return 0;
        }
        if (fd < 0 || fstat(fd, &q->st) < 0) {
                findings_conclude(q->findings, "It cannot be seen by you: %s; ask as root", g_strerror(fd < 0 ? -fd : errno));
                return 0;
        }
        if (!say_type(q))
                return 0;
        (void)check_way(q, fd);
        (void)signal(SIGIO, SIG_IGN); /* see source_open(): a broken lease */
        r = source_open(q->folder->inbox_fd, q->file, false, &q->folder->traits, &q->source, &input);
        if (r < 0) {
                const struct objection o = examine_open_error(r);

                findings_say(q->findings, "content", "cannot be read by you: %s", o.text ? o.text : reason_token(o.reason));
                findings_conclude(q->findings, "The daemon may read it and you may not: ask as root what it is");
                say_original(q);
                return 0;
        }
        say_content(q);
        say_complete(q);
        say_failure(q);
        say_objections(q);
        say_suspect(q);
        explain_thumbnails(q->config, q->folder, q->outbox_error, q->file, &q->source, &q->who, q->findings);
        say_original(q);
        return 0;
}

int explain_inbox(const struct config *config, const struct folder_config *folder, const char *file, struct findings *findings)
{
        struct inquiry q = { .config = config, .file = file, .findings = findings };
        g_autofree char *quoted = remedy_quote(file);
        int r;

        q.folder = folder_new(NULL, folder, config->basis, NULL, NULL);
        q.path = g_build_filename(folder->inbox, file, NULL);
        open_folder(&q);
        find_daemon(&q);
        say_watched(&q);
        r = inquire(&q);
        findings_say(findings, "journal", "journalctl -t thumbnaild THUMBNAILD_FILE=%s", quoted);
        identity_done(&q.who);
        folder_free(q.folder);
        g_free(q.path);
        return r;
}
