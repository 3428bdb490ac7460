/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Why a file was not made (yet).  A reason is a statement about the *file* or its surroundings, not an error of ours; the tokens
 * are part of the contract with users.  One list: enum, tokens, kinds and remedies are generated from it. */

#include <stdbool.h>

enum reason_kind {
        REASON_IS_OK,        /* made */
        REASON_IS_PERMANENT, /* trying again cannot help until the file or the configuration changes */
        REASON_IS_PASSING,   /* tried again until it works */
        REASON_IS_WAITING,   /* not an attempt: something else has to happen first */
};

/*       symbol              token               kind       what to do, as a sentence for a person */
#define REASON_LIST(X) \
        X(NONE, "", OK, "") \
        X(CORRUPT, "corrupt", PERMANENT, "Open it in a picture viewer; if it is damaged, put a good copy in the inbox.") \
        X(TRUNCATED, "truncated", PERMANENT, "The end is missing; send the whole file again.") \
        X(UNSUPPORTED, "unsupported", PERMANENT, \
          "Convert it to JPEG, PNG, WebP, GIF, TIFF or HEIF, or allow its format with 'loaders'.") \
        X(TOO_LARGE, "too-large", PERMANENT, \
          "Make the picture smaller, or raise 'file_mib', 'megapixels' or 'memory_mib' in 'limits'.") \
        X(TOO_MANY_FRAMES, "too-many-frames", PERMANENT, "Raise 'frames' in 'limits', or use a preset with animation = \"first\".") \
        X(EMPTY, "empty", PERMANENT, "The file has no bytes; send it again.") \
        X(TIMEOUT, "timeout", PERMANENT, "Raise 'seconds' in 'limits' if the picture is good.") \
        X(CRASHED, "crashed", PERMANENT, "The decoder died on this picture twice; convert it with another program.") \
        X(OUT_OF_MEMORY, "out-of-memory", PASSING, "Raise 'memory_mib' in 'limits', or give the machine more memory.") \
        X(UNREADABLE, "unreadable", WAITING, "Let the daemon read it: 'chmod g+r' on the file, or 'setfacl -m u:thumbnaild:r'.") \
        X(NOT_REGULAR, "not-regular", PERMANENT, "Only regular files are made; put the picture itself in the inbox.") \
        X(NO_SPACE, "no-space", PASSING, "Free space (or quota, or inodes) on the outbox's file system.") \
        X(READ_ONLY, "read-only", PASSING, "Mount the outbox writable, or let the daemon write to it.") \
        X(IO_ERROR, "io-error", PASSING, "Look at the kernel's log ('journalctl -k') for errors of the disk or share.") \
        X(NAME_TAKEN, "name-taken", PERMANENT, "Move away the file that stands where the thumbnail should go.") \
        X(NAME_TOO_LONG, "name-too-long", PERMANENT, "Shorten the file's name or its folders' names.") \
        X(BEING_WRITTEN, "being-written", WAITING, "Somebody has the file open for writing; it is made when they close it.") \
        X(INCOMPLETE, "incomplete", WAITING, "The end of the file does not look complete; it is made when it has been quiet.") \
        X(NOT_REMOVABLE, "not-removable", WAITING, "Give the daemon write access to the folder that holds the original.") \
        X(VANISHED, "vanished", PERMANENT, "The file went away before it was made; nothing is to be done.") \
        X(WORKER_LOST, "worker-lost", PASSING, "A worker was killed from outside; the file is tried again by itself.") \
        X(IGNORED, "ignored", PERMANENT, \
          "Give it another name, or change 'ignore'; the built-in list of thumbnaild(8) cannot be changed.")

enum reason {
#define X(symbol, token, kind, remedy) REASON_##symbol,
        REASON_LIST(X)
#undef X
                _REASON_MAX,
};

/* The token of the contract; "" for REASON_NONE, never NULL for a valid @reason. */
const char *reason_token(enum reason reason);

/* What a person can do about it, a sentence. */
const char *reason_remedy(enum reason reason);

enum reason_kind reason_kind(enum reason reason);

/* The reason that stands for a failed system call on the outbox or on an input; @error is a negative errno.  Anything without a
 * reason of its own is an I/O error. */
enum reason reason_from_errno(int error);
