/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The messages between the supervisor and one worker, over a SOCK_SEQPACKET pair: structures that start with version and kind, of
 * a size that follows from what is in them, and exactly the descriptors that the kind is due.  Both ends are built together; the
 * version is there to catch a half-finished upgrade.
 *
 *   worker → supervisor   HELLO      once, after the sandbox is entered: what the worker can do
 *   supervisor → worker   RENDER     with the input and one output descriptor per thumbnail
 *   worker → supervisor   REPLY      what became of it: a *claim*, checked before anything is published
 *   supervisor → worker   PUBLISHED  after a reply with REASON_NONE: the thumbnails stand under their names, it may log `made`
 *   supervisor → worker   REFUSED    after such a reply: they do not, forget it
 *   worker → supervisor   FAREWELL   after the end of what the supervisor says: lines that the journal did not take, if any
 *
 * A worker renders one request at a time, but PUBLISHED for a job may come after the RENDER of the next, since making a group of
 * thumbnails durable takes longer than rendering one; it comes once for all jobs of a group that the worker has rendered.  At most
 * WIRE_UNSETTLED_MAX jobs of a worker are unsettled.
 *
 * Whoever receives a message of the wrong size, version, kind or number of descriptors gets -EPROTO and ends the conversation:
 * the supervisor kills the worker, the worker exits.  See unix(7), SCM_RIGHTS. */

#include "format.h"
#include "reason.h"

#include <limits.h>
#include <stdint.h>

#define WIRE_VERSION        1U
#define WIRE_OUTPUTS_MAX    32U
#define WIRE_UNSETTLED_MAX  64U
#define WIRE_TEXT_BYTES     256U
#define WIRE_EFFORT_DEFAULT 255U

enum wire_kind {
        WIRE_HELLO = 1,
        WIRE_RENDER,
        WIRE_REPLY,
        WIRE_PUBLISHED,
        WIRE_REFUSED,
        WIRE_FAREWELL,
};

enum wire_fit { FIT_INSIDE, FIT_COVER, FIT_PAD, FIT_STRETCH };
enum wire_crop { CROP_CENTRE, CROP_ENTROPY, CROP_ATTENTION, CROP_NORTH, CROP_SOUTH, CROP_EAST, CROP_WEST };
enum wire_profile { PROFILE_SRGB, PROFILE_KEEP };
enum wire_animation { ANIMATION_FIRST, ANIMATION_ALL };

/* What one thumbnail shall be: the part of a preset that a worker needs. */
struct wire_spec {
        uint32_t width_px, height_px;      /* the box; 0: free on that side, never both */
        uint32_t fit, crop;                /* enum wire_fit, enum wire_crop */
        uint32_t format;                   /* enum format that can be written, FORMAT_SAME already resolved */
        uint32_t quality;                  /* 1 to 100 */
        uint32_t effort;                   /* 0 to 9, or WIRE_EFFORT_DEFAULT */
        uint32_t upscale, lossless, strip; /* 0 or 1 */
        uint32_t profile, animation;       /* enum wire_profile, enum wire_animation */
        uint32_t background_rgb;           /* 0xRRGGBB: pads, and what alpha is flattened on */
        uint32_t sharpen_percent;          /* sigma in hundredths of a pixel; 0: not at all */
};

/* The layers a worker's sandbox can have; bits of wire_hello.sandbox. */
enum wire_sandbox {
        SANDBOX_NO_NEW_PRIVS = 1 << 0,
        SANDBOX_RLIMITS = 1 << 1,
        SANDBOX_LANDLOCK = 1 << 2,
        SANDBOX_SECCOMP = 1 << 3,
};

struct wire_hello {
        uint32_t version, kind;
        uint64_t readable, writable; /* bit per enum format: found out by trying it */
        uint32_t sandbox;            /* enum wire_sandbox, the layers that are active */
        uint32_t reserved;
        uint64_t address_space_bytes; /* before the first picture: what a memory grant comes on top of */
        char engine[WIRE_TEXT_BYTES]; /* library and version, for people */
};

struct wire_render {
        uint32_t version, kind;
        uint64_t job;          /* the supervisor's number, given back in the reply */
        uint64_t memory_bytes; /* the grant: a picture predicted to need more is handed back (wire_reply.needs_bytes) */
        uint64_t pixels_max;
        uint64_t loaders; /* bit per enum format that may be read */
        uint32_t frames_max;
        uint32_t n_outputs; /* 1 to WIRE_OUTPUTS_MAX; as many descriptors follow the input's */
        uint32_t attempt;
        uint32_t text_bytes;
        struct wire_spec outputs[WIRE_OUTPUTS_MAX];
        char text[2 * PATH_MAX]; /* see wire_render_name(); the message ends after as much of it as is used */
};

struct wire_output {
        uint32_t width_px, height_px;
        uint64_t bytes;
};

struct wire_reply {
        uint32_t version, kind;
        uint64_t job;
        uint32_t reason;              /* enum reason; REASON_NONE: all outputs are written */
        uint32_t format;              /* enum format of the original as decoded */
        uint64_t needs_bytes;         /* with REASON_OUT_OF_MEMORY: predicted need above the grant, nothing was decoded; else 0 */
        uint32_t width_px, height_px; /* of the original, upright */
        uint64_t render_usec;
        uint32_t n_outputs;    /* those of the request, when REASON_NONE */
        uint32_t journal_lost; /* 1: the worker's journal connection is gone, it should be replaced */
        struct wire_output outputs[WIRE_OUTPUTS_MAX];
        char text[WIRE_TEXT_BYTES]; /* for people: why it failed, or the warning it was made with; may be empty */
};

struct wire_settled {
        uint64_t job;
        uint64_t latency_usec; /* complete to published */
        uint64_t bytes;        /* of the original */
        uint32_t owner_uid;
        uint32_t reserved;
};

struct wire_settle { /* PUBLISHED and REFUSED */
        uint32_t version, kind;
        uint32_t slot;
        uint32_t n; /* 1 to WIRE_UNSETTLED_MAX; the message ends after as many jobs */
        struct wire_settled jobs[WIRE_UNSETTLED_MAX];
};

struct wire_farewell {
        uint32_t version, kind;
        uint64_t untold; /* lines that are lost with this worker */
};

_Static_assert(sizeof(struct wire_spec) == 56, "wire_spec has no padding");
_Static_assert(sizeof(struct wire_hello) == 40 + WIRE_TEXT_BYTES, "wire_hello has no padding");
_Static_assert(sizeof(struct wire_render) == 56 + WIRE_OUTPUTS_MAX * 56 + 2 * PATH_MAX, "wire_render has no padding");
_Static_assert(sizeof(struct wire_reply) == 56 + WIRE_OUTPUTS_MAX * 16 + WIRE_TEXT_BYTES, "wire_reply has no padding");
_Static_assert(sizeof(struct wire_settle) == 16 + WIRE_UNSETTLED_MAX * 32, "wire_settle has no padding");
_Static_assert(sizeof(struct wire_farewell) == 16, "wire_farewell has no padding");

/* Any message, as received. */
union wire_message {
        struct {
                uint32_t version, kind;
        } head;
        struct wire_hello hello;
        struct wire_render render;
        struct wire_reply reply;
        struct wire_settle settle;
        struct wire_farewell farewell;
};

/* Say whose picture it is: for the log only, a worker can open neither.  What is too long for a path is cut. */
void wire_render_name(struct wire_render *render, const char *inbox, const char *file);
const char *wire_render_inbox(const struct wire_render *render);
const char *wire_render_file(const struct wire_render *render);

/* Send one message, valid as it is, with @n_fds descriptors, which are borrowed.  Never raises SIGPIPE.  Returns 0,
 * -EAGAIN if a non-blocking socket is full, -EPIPE or -ECONNRESET if the peer is gone, or another -errno. */
int wire_send(int socket_fd, const void *message, const int *fds, unsigned n_fds);

/* Receive one message into *@ret and its descriptors, owned by the caller and close-on-exec, into @ret_fds (room for
 * WIRE_OUTPUTS_MAX + 1).  Returns 1, 0 at end of conversation, -EAGAIN, -EPROTO if size, version, kind, number of descriptors or any
 * enumeration, count or string in it is out of bounds (all descriptors are closed then), or another -errno.  What is not
 * returned is untouched. */
int wire_receive(int socket_fd, union wire_message *ret, int *ret_fds, unsigned *ret_n_fds);

/* Whether the @size bytes of @message with @n_fds descriptors are a message, as wire_receive() checks it.  Pure; fuzzed.
 * Returns 0 or -EPROTO. */
int wire_check(const union wire_message *message, size_t size, unsigned n_fds);
