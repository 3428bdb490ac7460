/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reason files: writing, finding, and hearing of their removal. */

#include "failures.h"

#include "base.h"
#include "log.h"
#include "path.h"
#include "scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SUFFIX         ".why.txt"
#define NUMBERS_MAX    100U
#define TEXT_BYTES_MAX 8192
#define IDENTITY       "thumbnaild 1 "

struct failures {
        int root_fd;
        struct source_traits traits;
        bool apart;
        bool any; /* the store may hold something; until then no look is needed to know that a file has no reason there */
        char basis[RECORD_HASH_BYTES];
        struct intake *intake;
        struct scan *scan; /* of folders that appear in the store, run to its end at once: it holds failures only */
        const struct failures_hooks *hooks;
        void *userdata;
};

/* ---- text */

/* Whether a change of limits or loaders can mend it. */
static bool depends_on_config(enum reason reason)
{
        return reason == REASON_TOO_LARGE || reason == REASON_TOO_MANY_FRAMES || reason == REASON_UNSUPPORTED ||
               reason == REASON_TIMEOUT || reason == REASON_OUT_OF_MEMORY;
}

char *failures_format(const struct source *source, enum reason reason, const char *text, const char *basis, bool apart)
{
        g_autofree char *detail = text && *text ? log_escape(text) : NULL;

        return g_strdup_printf("%s\n"
                               "No thumbnail was made%s%s. %s\n"
                               "\n"
                               "Remove this file to have the picture tried again%s.\n"
                               "\n" IDENTITY "%" PRIu64 " %" PRIu64 " %" PRIi64 " %s\n",
                               reason_token(reason), detail ? ": " : "", detail ? detail : "", reason_remedy(reason),
                               apart ? "; if it lies beside it, it goes back to the inbox" : "", source->size, source->inode,
                               source->mtime_nsec, basis);
}

enum reason failures_parse(const char *text, const struct source *source, const char *basis)
{
        const char *identity = strstr(text, "\n" IDENTITY);
        struct source s = { 0 };
        char was[RECORD_HASH_BYTES] = "";

        if (!identity ||
            sscanf(identity + 1, IDENTITY "%" SCNu64 " %" SCNu64 " %" SCNi64 " %16s", &s.size, &s.inode, &s.mtime_nsec, was) != 4)
                return REASON_NONE;
        if (s.size != source->size || s.inode != source->inode || s.mtime_nsec != source->mtime_nsec)
                return REASON_NONE;
        for (enum reason r = REASON_NONE + 1; r < _REASON_MAX; r++) {
                size_t n = strlen(reason_token(r));

                if (strncmp(text, reason_token(r), n) == 0 && text[n] == '\n')
                        return depends_on_config(r) && strcmp(was, basis) != 0 ? REASON_NONE : r;
        }
        return REASON_NONE;
}

/* Whether the configuration that the reason in @text depends on is still in force.  What is no reason file of ours is left alone. */
static bool still_holds(const char *text, const char *basis)
{
        struct source any = { 0 };
        const char *identity = strstr(text, "\n" IDENTITY);

        if (!identity ||
            sscanf(identity + 1, IDENTITY "%" SCNu64 " %" SCNu64 " %" SCNi64, &any.size, &any.inode, &any.mtime_nsec) != 3)
                return true;
        return failures_parse(text, &any, basis) != REASON_NONE;
}

/* ---- files */

static char *reason_name(const char *file, unsigned n)
{
        g_autofree char *name = path_numbered(file, n);
        size_t length = strlen(path_base(name));

        if (length + strlen(SUFFIX) > NAME_MAX) { /* keep it findable: cut the name, add what tells it apart */
                g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, name, -1);
                size_t cut = strlen(name) - length + NAME_MAX - strlen(SUFFIX) - 9;

                while (((unsigned char)name[cut] & 0xc0) == 0x80)
                        cut--;
                return g_strdup_printf("%.*s~%.8s" SUFFIX, (int)cut, name, sum);
        }
        return g_strconcat(name, SUFFIX, NULL);
}

/* Whether reason_name() may have cut @name, so that it does not say which file it was about. */
static bool may_be_cut(const char *name)
{
        const char *base = path_base(name);
        size_t length = strlen(base);

        return length > NAME_MAX - 4 && base[length - strlen(SUFFIX) - 9] == '~'; /* less what is not to be cut of a character */
}

static bool exists(const struct failures *f, const char *name)
{
        const char *base;
        _cleanup_(fd_closep) int parent = path_open_parent(f->root_fd, name, false, &base);

        return parent >= 0 && faccessat(parent, base, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool original_beside(const struct failures *f, const char *file, unsigned n)
{
        g_autofree char *name = path_numbered(file, n);

        return f->apart && exists(f, name);
}

/* The content of reason file @name, owned, or NULL. */
static char *read_reason(const struct failures *f, const char *name, int64_t *ret_since)
{
        _cleanup_(fd_closep) int fd = path_openat(f->root_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
        g_autofree char *text = (char *)g_malloc(TEXT_BYTES_MAX + 1);
        struct stat st;
        ssize_t n;

        if (fd < 0 || fstat(fd, &st) < 0)
                return NULL;
        n = read(fd, text, TEXT_BYTES_MAX);
        if (n < 0)
                return NULL;
        text[n] = '\0';
        *ret_since = st.st_mtim.tv_sec;
        return (char *)g_steal_pointer(&text);
}

static enum reason find(struct failures *f, const char *file, const struct source *source, int64_t *ret_since, char **ret_where)
{
        for (unsigned n = 1; f->any && n < NUMBERS_MAX; n++) {
                g_autofree char *name = reason_name(file, n), *text = read_reason(f, name, ret_since);
                enum reason reason = text ? failures_parse(text, source, f->basis) : REASON_NONE;

                if (reason != REASON_NONE) {
                        *ret_where = (char *)g_steal_pointer(&name);
                        return reason;
                }
                if (!text && !original_beside(f, file, n))
                        return REASON_NONE;
        }
        return REASON_NONE;
}

enum reason failures_find(struct failures *f, const char *file, const struct source *source, int64_t *ret_since)
{
        g_autofree char *where = NULL;

        return find(f, file, source, ret_since, &where);
}

char *failures_where(struct failures *f, const char *file, const struct source *source)
{
        char *where = NULL;
        int64_t since;

        (void)find(f, file, source, &since, &where);
        return where;
}

char *failures_read(struct failures *f, const char *name, char **ret_where)
{
        int64_t since;

        *ret_where = reason_name(name, 1);
        return read_reason(f, *ret_where, &since);
}

/* Read @directory and what is below it now: it holds failures only. */
static void read_store(struct failures *f, const char *directory)
{
        scan_push(f->scan, directory);
        while (scan_step(f->scan, 1024))
                ;
}

/* Hear of what happens in the folder that holds @name, and in those above it. */
static void watch_above(struct failures *f, const char *name)
{
        for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
                g_autofree char *directory = g_strndup(name, (gsize)(slash - name));
                _cleanup_(fd_closep) int fd = -1;

                if (intake_watches_directory(f->intake, directory))
                        continue;
                fd = path_openat(f->root_fd, directory, O_RDONLY | O_DIRECTORY, 0);
                if (fd >= 0)
                        (void)intake_watch(f->intake, directory, fd);
        }
}

static int write_reason(struct failures *f, const char *name, const char *text)
{
        const char *base;
        g_autofree char *temporary = NULL;
        _cleanup_(fd_closep) int parent = path_open_parent(f->root_fd, name, true, &base), fd = -1;
        size_t size = strlen(text);
        int r;

        if (parent < 0)
                return parent;
        watch_above(f, name); /* before it is there to be removed */
        temporary = g_strdup_printf(".thumbnaild-%08x", g_random_int());
        fd = openat(parent, temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (fd < 0)
                return neg_errno();
        errno = 0;
        if (write(fd, text, size) != (ssize_t)size || renameat(parent, temporary, parent, base) < 0) {
                r = neg_errno();
                (void)unlinkat(parent, temporary, 0);
                return r;
        }
        return 0;
}

int failures_note(struct failures *f, const char *file, const struct source *source, enum reason reason, const char *text)
{
        g_autofree char *content = failures_format(source, reason, text, f->basis, f->apart);

        f->any = true;
        for (unsigned n = 1; n < NUMBERS_MAX; n++) {
                g_autofree char *name = NULL;

                if (original_beside(f, file, n)) /* an older version of that name, with a reason of its own */
                        continue;
                name = reason_name(file, n);
                return write_reason(f, name, content);
        }
        return -EEXIST;
}

void failures_clear(struct failures *f, const char *file)
{
        g_autofree char *name = f->any ? reason_name(file, 1) : NULL;
        const char *base;
        _cleanup_(fd_closep) int parent = name ? path_open_parent(f->root_fd, name, false, &base) : -1;

        if (parent >= 0 && !original_beside(f, file, 1))
                (void)unlinkat(parent, base, 0);
}

/* ---- an operator removes a reason file */

/* The version of entry @base of @dir_fd.  Returns false if it is no regular file. */
static bool look(const struct failures *f, int dir_fd, const char *base, struct source *ret)
{
        struct stat st;

        if (fstatat(dir_fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
                return false;
        source_identify(&st, &f->traits, ret);
        return true;
}

static void on_news(const char *name, enum intake_news news, void *userdata)
{
        struct failures *f = (struct failures *)userdata;
        g_autofree char *file = NULL;

        f->any = true;
        if (news != NEWS_GONE || !g_str_has_suffix(name, SUFFIX) || path_base(name)[0] == '.' || exists(f, name))
                return;
        if (may_be_cut(name)) {
                g_autofree char *directory = g_path_get_dirname(name);

                if (f->apart)
                        read_store(f, strcmp(directory, ".") == 0 ? "" : directory);
                else
                        f->hooks->retry_unnamed(f->userdata);
        }
        file = g_strndup(name, strlen(name) - strlen(SUFFIX));
        if (f->apart) {
                const char *base;
                _cleanup_(fd_closep) int parent = path_open_parent(f->root_fd, file, false, &base);
                struct source source = { 0 };

                if (parent >= 0 && look(f, parent, base, &source)) {
                        f->hooks->give_back(file, &source, f->userdata);
                        return;
                }
        }
        f->hooks->retry(file, f->userdata);
}

static void on_directory(const char *directory, void *userdata)
{
        read_store((struct failures *)userdata, directory);
}

static void on_overflow(void *userdata)
{
        read_store((struct failures *)userdata, "");
}

static bool on_changed(void *userdata)
{
        return true;
}

static void on_lost(const char *why, void *userdata)
{
        /* Removed with all that was in it: there is nothing left to hear of. */
}

static const struct intake_hooks intake_hooks = { on_news, on_directory, NULL, on_overflow, on_changed, on_lost };

static bool on_enter(const char *directory, int fd, void *userdata)
{
        struct failures *f = (struct failures *)userdata;

        if (intake_watch(f->intake, directory, fd) < 0) /* a reload or restart finds what was removed */
                f->any = true;
        return true;
}

/* An original whose reason was removed while nobody listened, or does not hold any more under this configuration. */
static bool on_found(const char *file, int fd, const char *base, unsigned char type, void *userdata)
{
        struct failures *f = (struct failures *)userdata;
        g_autofree char *reason = NULL, *text = NULL;
        struct source source = { 0 };
        int64_t since;

        f->any = true;
        if (type != DT_REG || !f->apart || base[0] == '.' || g_str_has_suffix(base, SUFFIX) || !look(f, fd, base, &source))
                return base[0] != '.';
        reason = reason_name(file, 1);
        text = read_reason(f, reason, &since);
        if (!text)
                f->hooks->give_back(file, &source, f->userdata);
        else if (!still_holds(text, f->basis))
                (void)unlinkat(f->root_fd, reason, 0); /* heard of, as if an operator had done it */
        return false;
}

static void on_trouble(const char *directory, int error, void *userdata)
{
        log_event(EV_TROUBLE, FIELDS(F_STR(FILE, directory)), "The folder of failures /%s cannot be read: %s", directory,
                  g_strerror(-error));
}

static const struct scan_hooks scan_hooks = { on_enter, on_found, on_trouble };

/* ---- life */

int failures_new(sd_event *event, int root_fd, bool apart, const char *basis, const struct failures_hooks *hooks, void *userdata,
                 struct failures **ret)
{
        struct failures *f = g_new0(struct failures, 1);
        int r;

        f->root_fd = root_fd;
        f->traits = source_traits(root_fd);
        f->apart = apart;
        f->hooks = hooks;
        f->userdata = userdata;
        record_hash(basis, f->basis);
        r = intake_new(event, &intake_hooks, f, &f->intake);
        if (r < 0) {
                failures_free(f);
                return r;
        }
        f->scan = scan_new(f->root_fd, &scan_hooks, f);
        *ret = f;
        return 0;
}

struct failures *failures_open_to_look(int root_fd, bool apart, const char *basis)
{
        struct failures *f = g_new0(struct failures, 1);

        f->root_fd = root_fd;
        f->traits = source_traits(root_fd);
        f->apart = apart;
        f->any = true;
        record_hash(basis, f->basis);
        return f;
}

void failures_start(struct failures *f)
{
        read_store(f, "");
}

void failures_free(struct failures *f)
{
        if (!f)
                return;
        scan_free(f->scan);
        intake_free(f->intake);
        (void)fd_close(f->root_fd);
        g_free(f);
}

unsigned failures_watches(const struct failures *f)
{
        return intake_watches(f->intake);
}

int failures_apart_fd(const struct failures *f)
{
        return f->apart ? f->root_fd : -1;
}

void failures_set_basis(struct failures *f, const char *basis)
{
        record_hash(basis, f->basis);
        read_store(f, "");
}
