/* SPDX-License-Identifier: MIT */
/* Frames: cutting the bytes of a stream into pieces, by a delimiter or by length.
 *
 * Purpose    Protocols of lines or of records, over whatever slices have come. A piece that lies in one slice is not
 *            copied; only one that is spread over several is put together.
 * Use        In `received`, with a struct pawl_frame in the stream's context:
 *
 *                pawl_frame_feed(frame, slice);
 *                while ((status = pawl_frame_until(frame, '\n', &piece)) == 0)
 *                    line(piece.bytes, piece.count);
 *                if (status == -EAGAIN)
 *                    status = pawl_frame_keep(frame);
 *                if (status != 0)
 *                    pawl_stream_abort(stream, status);
 *
 *            and pawl_frame_free() in `closed`. until and exactly may alternate, as in a protocol of headers and bodies.
 * Memory     48 bytes; what is not a whole piece yet is on the heap, at most `most` bytes.
 * Threads    One at a time.
 */
#ifndef PAWL_FRAME_H
#define PAWL_FRAME_H

#include <pawl/config.h>
#include <pawl/stream.h>
#include <stddef.h>

PAWL_BEGIN_DECLS

/* Zeroed memory, with `most` set, is an empty one. */
struct pawl_frame {
    const char *now; /* of the slice: what has not been taken yet */
    size_t now_count;
    char *kept; /* the beginning of a piece, from earlier slices */
    size_t kept_count;
    size_t kept_room;
    size_t most; /* bytes in a piece */
};

/* More bytes: after what was kept. What was fed before has been taken or kept. */
PAWL_API PAWL_INLINE void pawl_frame_feed(struct pawl_frame *frame, const struct pawl_slice *slice)
{
    frame->now = slice->bytes;
    frame->now_count = slice->count;
}

/* The next piece, with the delimiter as its last byte. It stays as it is until the next call for this frame. Returns 0;
 * -EAGAIN: no delimiter has come yet; -EMSGSIZE: none within `most` bytes; -ENOMEM. `piece->chunk` is NULL: who wants to
 * keep it copies it. */
PAWL_API int pawl_frame_until(struct pawl_frame *frame, char delimiter, struct pawl_slice *piece)
    PAWL_NONNULL;

/* The next `count` bytes. Returns likewise. */
PAWL_API int pawl_frame_exactly(struct pawl_frame *frame, size_t count, struct pawl_slice *piece)
    PAWL_NONNULL;

/* Keeps what was not taken, for the slice is about to go. Returns 0, -EMSGSIZE, -ENOMEM. */
PAWL_API int pawl_frame_keep(struct pawl_frame *frame) PAWL_NONNULL;

/* Gives back what is kept. */
PAWL_API void pawl_frame_free(struct pawl_frame *frame) PAWL_NONNULL;

PAWL_END_DECLS
#endif
