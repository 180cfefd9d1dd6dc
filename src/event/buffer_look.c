/* SPDX-License-Identifier: MIT */
/* Looking into buffers; reading them from descriptors and writing them to. */
#include "buffer.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { MOST_READ = 4096 }; /* in one evbuffer_read(), as libevent */

size_t evbuffer_get_length(const struct evbuffer *buf)
{
    struct evbuffer *buffer = (struct evbuffer *)(uintptr_t)buf; /* its lock is not const */
    size_t length;

    pawl_event_buffer_lock_(buffer);
    length = buf->length;
    pawl_event_buffer_unlock_(buffer);
    return length;
}

/* All of it is in one piece. */
size_t evbuffer_get_contiguous_space(const struct evbuffer *buf)
{
    return evbuffer_get_length(buf);
}

unsigned char *evbuffer_pullup(struct evbuffer *buf, ev_ssize_t size)
{
    unsigned char *bytes = NULL;

    pawl_event_buffer_lock_(buf);
    if (buf->length > 0 && (size < 0 || (size > 0 && (size_t)size <= buf->length)))
        bytes = buf->memory + buf->start;
    pawl_event_buffer_unlock_(buf);
    return bytes;
}

int evbuffer_peek(struct evbuffer *buf, ev_ssize_t len, struct evbuffer_ptr *start_at,
                  struct evbuffer_iovec *vec_out, int n_vec)
{
    size_t from = 0, count = 0;

    pawl_event_buffer_lock_(buf);
    if (start_at != NULL)
        from = start_at->pos < 0 ? SIZE_MAX : (size_t)start_at->pos;
    if (from < buf->length) {
        count = buf->length - from;
        if (len >= 0 && (size_t)len < count)
            count = (size_t)len;
        if (count > 0 && n_vec > 0) {
            vec_out[0].iov_base = buf->memory + buf->start + from;
            vec_out[0].iov_len = count;
        }
    }
    pawl_event_buffer_unlock_(buf);
    return count > 0;
}

/* ---- places ---- */

static struct evbuffer_ptr place(ev_ssize_t pos)
{
    return (struct evbuffer_ptr){.pos = pos};
}

int evbuffer_ptr_set(struct evbuffer *buffer, struct evbuffer_ptr *ptr, size_t position,
                     enum evbuffer_ptr_how how)
{
    size_t pos = position;
    int status = -1;

    pawl_event_buffer_lock_(buffer);
    if (how == EVBUFFER_PTR_ADD)
        pos = ptr->pos < 0 || position > SIZE_MAX - (size_t)ptr->pos ? SIZE_MAX : (size_t)ptr->pos + position;
    if (pos <= buffer->length) {
        *ptr = place((ev_ssize_t)pos);
        status = 0;
    } else {
        *ptr = place(-1);
    }
    pawl_event_buffer_unlock_(buffer);
    return status;
}

struct evbuffer_ptr evbuffer_search_range(struct evbuffer *buffer, const char *what, size_t len,
                                          const struct evbuffer_ptr *start, const struct evbuffer_ptr *end)
{
    struct evbuffer_ptr found = place(-1);
    size_t from, to;

    pawl_event_buffer_lock_(buffer);
    from = start != NULL ? (size_t)start->pos : 0; /* -1: behind everything */
    to = end != NULL && end->pos >= 0 && (size_t)end->pos < buffer->length ? (size_t)end->pos
                                                                           : buffer->length;
    if (len == 0) {
        found = place((ev_ssize_t)from);
    } else if (from < to && len <= to - from) {
        const unsigned char *bytes = buffer->memory + buffer->start;
        const unsigned char *hit = memmem(bytes + from, to - from, what, len);

        if (hit != NULL)
            found = place(hit - bytes);
    }
    pawl_event_buffer_unlock_(buffer);
    return found;
}

struct evbuffer_ptr evbuffer_search(struct evbuffer *buffer, const char *what, size_t len,
                                    const struct evbuffer_ptr *start)
{
    return evbuffer_search_range(buffer, what, len, start, NULL);
}

unsigned char *evbuffer_find(struct evbuffer *buffer, const unsigned char *what, size_t len)
{
    struct evbuffer_ptr found;
    unsigned char *bytes = NULL;

    pawl_event_buffer_lock_(buffer);
    found = evbuffer_search(buffer, (const char *)what, len, NULL);
    if (found.pos >= 0 && len > 0)
        bytes = buffer->memory + buffer->start + found.pos;
    pawl_event_buffer_unlock_(buffer);
    return bytes;
}

/* ---- lines ---- */

/* Where the end of a line begins in `bytes`, or -1; *length: of the end. */
static ptrdiff_t end_of_line(const unsigned char *bytes, size_t count, enum evbuffer_eol_style style,
                             size_t *length)
{
    const unsigned char *hit = NULL;

    *length = 1;
    if (count == 0)
        return -1;
    switch (style) {
    case EVBUFFER_EOL_ANY:
        for (size_t i = 0; i < count; i++) {
            size_t after = i;

            while (after < count && (bytes[after] == '\r' || bytes[after] == '\n'))
                after++;
            if (after > i) {
                *length = after - i;
                return (ptrdiff_t)i;
            }
        }
        return -1;
    case EVBUFFER_EOL_CRLF:
        hit = memchr(bytes, '\n', count);
        if (hit != NULL && hit > bytes && hit[-1] == '\r') {
            hit--;
            *length = 2;
        }
        break;
    case EVBUFFER_EOL_CRLF_STRICT:
        hit = memmem(bytes, count, "\r\n", 2);
        *length = 2;
        break;
    case EVBUFFER_EOL_LF:
        hit = memchr(bytes, '\n', count);
        break;
    case EVBUFFER_EOL_NUL:
        hit = memchr(bytes, '\0', count);
        break;
    }
    return hit != NULL ? hit - bytes : -1;
}

struct evbuffer_ptr evbuffer_search_eol(struct evbuffer *buffer, struct evbuffer_ptr *start,
                                        size_t *eol_len_out, enum evbuffer_eol_style eol_style)
{
    struct evbuffer_ptr found = place(-1);
    size_t from = 0, length = 0;

    pawl_event_buffer_lock_(buffer);
    if (start != NULL)
        from = (size_t)start->pos; /* -1: behind everything */
    if (from < buffer->length) {
        ptrdiff_t pos = end_of_line(buffer->memory + buffer->start + from, buffer->length - from, eol_style,
                                    &length);

        if (pos >= 0)
            found = place(pos + (ptrdiff_t)from);
    }
    pawl_event_buffer_unlock_(buffer);
    if (eol_len_out != NULL)
        *eol_len_out = found.pos >= 0 ? length : 0;
    return found;
}

char *evbuffer_readln(struct evbuffer *buffer, size_t *n_read_out, enum evbuffer_eol_style eol_style)
{
    struct evbuffer_ptr end;
    size_t length = 0, eol;
    char *line = NULL;

    pawl_event_buffer_lock_(buffer);
    end = evbuffer_search_eol(buffer, NULL, &eol, eol_style);
    if (end.pos >= 0 && !buffer->front_frozen) {
        length = (size_t)end.pos;
        line = pawl_event_malloc_(length + 1);
        if (line != NULL) {
            memcpy(line, buffer->memory + buffer->start, length);
            line[length] = '\0';
            /* two changes, as callbacks are told by libevent */
            evbuffer_drain(buffer, length);
            evbuffer_drain(buffer, eol);
        } else {
            pawl_event_warnx_("evbuffer_readln: out of memory");
            length = 0;
        }
    }
    pawl_event_buffer_unlock_(buffer);
    if (n_read_out != NULL)
        *n_read_out = length;
    return line;
}

char *evbuffer_readline(struct evbuffer *buffer)
{
    return evbuffer_readln(buffer, NULL, EVBUFFER_EOL_ANY);
}

/* ---- descriptors ---- */

int evbuffer_read(struct evbuffer *buffer, evutil_socket_t fd, int howmuch)
{
    ssize_t count = -1;

    pawl_event_buffer_lock_(buffer);
    if (howmuch < 0 || howmuch > MOST_READ)
        howmuch = MOST_READ;
    if (!buffer->end_frozen && pawl_event_buffer_room_(buffer, (size_t)howmuch) == 0) {
        count = read(fd, pawl_event_buffer_end_(buffer), (size_t)howmuch);
        if (count > 0) {
            buffer->length += (size_t)count;
            pawl_event_buffer_changed_(buffer, (size_t)count, 0);
        }
    }
    pawl_event_buffer_unlock_(buffer);
    return (int)count;
}

int evbuffer_write_atmost(struct evbuffer *buffer, evutil_socket_t fd, ev_ssize_t howmuch)
{
    ssize_t count = -1;

    pawl_event_buffer_lock_(buffer);
    if (howmuch < 0 || (size_t)howmuch > buffer->length)
        howmuch = (ev_ssize_t)buffer->length;
    if (howmuch > INT32_MAX)
        howmuch = INT32_MAX; /* more than that write(2) does not take either */
    if (!buffer->front_frozen && howmuch > 0) {
        count = write(fd, buffer->memory + buffer->start, (size_t)howmuch);
        if (count > 0) {
            pawl_event_buffer_take_(buffer, (size_t)count);
            pawl_event_buffer_changed_(buffer, 0, (size_t)count);
        }
    }
    pawl_event_buffer_unlock_(buffer);
    return (int)count;
}

int evbuffer_write(struct evbuffer *buffer, evutil_socket_t fd)
{
    return evbuffer_write_atmost(buffer, fd, -1);
}
