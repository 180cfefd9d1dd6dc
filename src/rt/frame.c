/* SPDX-License-Identifier: MIT */
/* Frames. A piece that was put together in `kept` and handed out is dropped by the next call: kept_count is PIECE_GIVEN
 * until then. */
#include <pawl/frame.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern inline void pawl_frame_feed(struct pawl_frame *frame, const struct pawl_slice *slice);

#define PIECE_GIVEN SIZE_MAX

enum { FIRST_ROOM = 256 };

/* The piece that was given from `kept` has been looked at. */
static void forget(struct pawl_frame *frame)
{
    if (frame->kept_count == PIECE_GIVEN)
        frame->kept_count = 0;
}

/* `count` bytes of now go behind what is kept. */
static int keep_some(struct pawl_frame *frame, size_t count)
{
    size_t room = frame->kept_room, need;

    if (count > frame->most - frame->kept_count)
        return -EMSGSIZE;
    if (count == 0)
        return 0;
    need = frame->kept_count + count;
    if (need > room) {
        char *kept;

        room = room == 0 ? (size_t)FIRST_ROOM : room;
        while (room < need)
            room *= 2;
        kept = realloc(frame->kept, room);
        if (kept == NULL)
            return -ENOMEM;
        frame->kept = kept;
        frame->kept_room = room;
    }
    memcpy(frame->kept + frame->kept_count, frame->now, count);
    frame->kept_count += count;
    frame->now += count;
    frame->now_count -= count;
    return 0;
}

/* The piece ends `count` bytes into what is there now. */
static int give(struct pawl_frame *frame, size_t count, struct pawl_slice *piece)
{
    int status;

    piece->chunk = NULL;
    if (frame->kept_count == 0) {
        if (count > frame->most)
            return -EMSGSIZE;
        piece->bytes = frame->now;
        piece->count = count;
        frame->now += count;
        frame->now_count -= count;
        return 0;
    }
    status = keep_some(frame, count);
    if (status != 0)
        return status;
    piece->bytes = frame->kept;
    piece->count = frame->kept_count;
    frame->kept_count = PIECE_GIVEN;
    return 0;
}

int pawl_frame_until(struct pawl_frame *frame, char delimiter, struct pawl_slice *piece)
{
    const char *end;

    forget(frame);
    end = frame->now_count == 0 ? NULL : memchr(frame->now, delimiter, frame->now_count);
    if (end != NULL)
        return give(frame, (size_t)(end - frame->now) + 1, piece);
    return frame->now_count > frame->most - frame->kept_count ? -EMSGSIZE : -EAGAIN;
}

int pawl_frame_exactly(struct pawl_frame *frame, size_t count, struct pawl_slice *piece)
{
    forget(frame);
    if (count > frame->most || count < frame->kept_count)
        return -EMSGSIZE;
    if (frame->now_count < count - frame->kept_count)
        return -EAGAIN;
    return give(frame, count - frame->kept_count, piece);
}

int pawl_frame_keep(struct pawl_frame *frame)
{
    forget(frame);
    return keep_some(frame, frame->now_count);
}

void pawl_frame_free(struct pawl_frame *frame)
{
    free(frame->kept);
    frame->kept = NULL;
    frame->kept_count = frame->kept_room = frame->now_count = 0;
}
