/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of reasons as tables.  Owns nothing. */

#include "reason.h"

#include <assert.h>
#include <errno.h>

static const struct {
        const char *token;
        const char *remedy;
        enum reason_kind kind;
} reasons[_REASON_MAX] = {
#define X(symbol, token_, kind_, remedy_) [REASON_##symbol] = { .token = (token_), .remedy = (remedy_), .kind = REASON_IS_##kind_ },
        REASON_LIST(X)
#undef X
};

const char *reason_token(enum reason reason)
{
        assert(reason < _REASON_MAX);
        return reasons[reason].token;
}

const char *reason_remedy(enum reason reason)
{
        assert(reason < _REASON_MAX);
        return reasons[reason].remedy;
}

enum reason_kind reason_kind(enum reason reason)
{
        assert(reason < _REASON_MAX);
        return reasons[reason].kind;
}

enum reason reason_from_errno(int error)
{
        switch (error) {
        case 0:
                return REASON_NONE;
        case -ENOSPC:
        case -EDQUOT:
                return REASON_NO_SPACE;
        case -EROFS:
                return REASON_READ_ONLY;
        case -ENOMEM:
                return REASON_OUT_OF_MEMORY;
        case -EACCES:
        case -EPERM:
                return REASON_UNREADABLE;
        case -ENAMETOOLONG:
                return REASON_NAME_TOO_LONG;
        case -ENOENT:
        case -ENOTDIR:
        case -ESTALE:
                return REASON_VANISHED;
        case -ELOOP:
                return REASON_NOT_REGULAR;
        case -EEXIST:
                return REASON_NAME_TAKEN;
        case -EFBIG:
                return REASON_TOO_LARGE;
        default:
                return REASON_IO_ERROR;
        }
}
