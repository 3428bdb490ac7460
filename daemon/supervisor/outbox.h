/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* One outbox: what stands there already, new thumbnails without a name, and giving them their name in one step.  Nothing below the
 * root is followed; every path is relative to it.  Locked against other daemons by flock(2) on the directory itself. */

#include "record.h"
#include "source.h"
#include "wire.h"

#include <stdbool.h>

struct outbox;

/* Open the outbox at @path, created if its parent exists, and lock it; a lock that a stopping daemon still holds is waited for at most
 * @wait_usec.  Returns 0 with an owned outbox; -EWOULDBLOCK when it is held (*@ret_holder: its process, 0 if unknown), or another
 * -errno. */
int outbox_open(const char *path, uint64_t wait_usec, struct outbox **ret, pid_t *ret_holder);

/* Open the outbox at @path to look at it, beside whoever serves it: nothing is locked, made, swept or tried.  Returns 0 with an owned
 * outbox, or a negative errno. */
int outbox_open_to_look(const char *path, struct outbox **ret);

/* The process that holds its lock; 0 if none does, or that cannot be seen. */
pid_t outbox_holder(const struct outbox *outbox);

/* Several folders may share one outbox.  Freed with the last reference; NULL is fine. */
struct outbox *outbox_ref(struct outbox *outbox);
void outbox_unref(struct outbox *outbox);

/* Whether @st is the outbox's root. */
bool outbox_is(const struct outbox *outbox, const struct stat *st);

/* Longest name of one component there. */
size_t outbox_component_max(const struct outbox *outbox);

/* Its root, borrowed. */
int outbox_root_fd(const struct outbox *outbox);

/* Whether thumbnails there can carry a record. */
bool outbox_keeps_records(const struct outbox *outbox);

/* Whether it lies on a disk of this machine. */
bool outbox_is_local(const struct outbox *outbox);

/* Bytes that may still be written there, as df(1) shows them to a user, or showed them some milliseconds before @now_usec; UINT64_MAX when
 * that cannot be known. */
uint64_t outbox_free_bytes(struct outbox *outbox, uint64_t now_usec);

/* Whether something can be written there now: tried on a file that nobody sees.  Returns 0 or a negative errno. */
int outbox_can_write(struct outbox *outbox);

/* The folder of @name, open for fsync(2).  Returns an owned descriptor or a negative errno. */
int outbox_open_folder(struct outbox *outbox, const char *name);

/* A file of our own state: its content, owned, or NULL if it cannot be read; and replacing it in one step (not durably: losing it
 * costs work, never files).  Returns 0 or a negative errno. */
char *outbox_read(struct outbox *outbox, const char *name);
int outbox_write(struct outbox *outbox, const char *name, const char *text);

enum outbox_state {
        OUTBOX_FRESH,   /* the thumbnail of exactly that version stands there */
        OUTBOX_RESTAMP, /* as above, but for the original's mtime */
        OUTBOX_RENAMED, /* as OUTBOX_FRESH, but its record has the name that the original had before both were renamed */
        OUTBOX_STALE,   /* missing, or an older one: to be made */
        OUTBOX_TAKEN,   /* the name is held by something we did not make */
};

/* Whether @name is the folder in which our own state lies. */
bool outbox_is_own_folder(const char *name);

/* What stands under @name, beside the record that a fresh thumbnail would carry. */
enum outbox_state outbox_look(struct outbox *outbox, const char *name, const struct record *wanted);

/* A new, empty thumbnail without a name that can be published as @name; its folders are made.  What the umask takes of @mode,
 * outbox_verify() gives back.  Returns an owned descriptor or a negative errno. */
int outbox_create(struct outbox *outbox, const char *name, mode_t mode, gid_t gid);

/* Leave nothing of the unpublished @fd behind, which stays the caller's to close; -1 is fine. */
void outbox_discard(struct outbox *outbox, int fd);

/* Whether the written thumbnail @fd is what was asked for: regular, of a sane size, beginning like @format; its mode is seen to.  Returns
 * 0, -EBADMSG, or another -errno. */
int outbox_verify(int fd, enum format format, uint64_t bytes_claimed, mode_t mode);

/* Give @fd the mtime and the record of @record; before it is made durable.  Returns 0 or a negative errno; a file system without
 * extended attributes is no error. */
int outbox_stamp(struct outbox *outbox, int fd, const struct record *record);

/* Give the durable @fd (borrowed) the name @name in one step, replacing an older thumbnail of ours.  Returns 0, -EEXIST if something
 * that we did not make has the name, or another -errno; after a failure @name is what it was. */
int outbox_publish(struct outbox *outbox, int fd, const char *name, const struct record *record);

/* Correct mtime and record of the thumbnail @name in place.  Returns 0 or a negative errno. */
int outbox_restamp(struct outbox *outbox, const char *name, const struct record *record);
