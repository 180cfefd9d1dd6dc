/* SPDX-License-Identifier: MIT */
/* evbuffer: bytes that come in at one end and leave at the other. One piece of memory, which is moved and doubled as it
 * needs: all of it can be looked at without copying, and moving costs a byte less than twice on average. */
#include "buffer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    FIRST_SIZE = 512,
    KEEP_SIZE = 8192, /* an empty buffer gives back more than that */
};

struct evbuffer *evbuffer_new(void)
{
    return pawl_event_zalloc_(sizeof(struct evbuffer));
}

static void drop_callbacks(struct evbuffer *buffer)
{
    struct evbuffer_cb_entry *entry;

    while ((entry = LIST_FIRST(&buffer->callbacks)) != NULL) {
        LIST_REMOVE(entry, next);
        pawl_event_free_(entry);
    }
}

void evbuffer_free(struct evbuffer *buf)
{
    drop_callbacks(buf);
    if (buf->own_lock)
        pawl_event_mutex_free_(buf->lock);
    pawl_event_free_(buf->memory);
    pawl_event_free_(buf);
}

/* ---- locks ---- */

int evbuffer_enable_locking(struct evbuffer *buf, void *lock)
{
    if (buf->lock != NULL || lock != NULL || !pawl_event_locks_)
        return -1; /* a lock of the program's: its kind is not known here */
    buf->lock = pawl_event_mutex_new_();
    buf->own_lock = buf->lock != NULL;
    return buf->own_lock ? 0 : -1;
}

void evbuffer_lock(struct evbuffer *buf)
{
    pawl_event_buffer_lock_(buf);
}

void evbuffer_unlock(struct evbuffer *buf)
{
    pawl_event_buffer_unlock_(buf);
}

/* EVBUFFER_FLAG_DRAINS_TO_FD allows sendfile(2), which is not used. */
int evbuffer_set_flags(struct evbuffer *buf, ev_uint64_t flags)
{
    (void)buf;
    (void)flags;
    return 0;
}

int evbuffer_clear_flags(struct evbuffer *buf, ev_uint64_t flags)
{
    (void)buf;
    (void)flags;
    return 0;
}

int evbuffer_freeze(struct evbuffer *buf, int at_front)
{
    pawl_event_buffer_lock_(buf);
    *(at_front ? &buf->front_frozen : &buf->end_frozen) = true;
    pawl_event_buffer_unlock_(buf);
    return 0;
}

int evbuffer_unfreeze(struct evbuffer *buf, int at_front)
{
    pawl_event_buffer_lock_(buf);
    *(at_front ? &buf->front_frozen : &buf->end_frozen) = false;
    pawl_event_buffer_unlock_(buf);
    return 0;
}

/* ---- callbacks ---- */

static struct evbuffer_cb_entry *add_callback(struct evbuffer *buffer, evbuffer_cb_func call,
                                              evbuffer_cb before_2, void *argument)
{
    struct evbuffer_cb_entry *entry = pawl_event_malloc_(sizeof *entry);

    if (entry == NULL)
        return NULL;
    *entry = (struct evbuffer_cb_entry){.call = call,
                                        .before_2 = before_2,
                                        .argument = argument,
                                        .enabled = true};
    pawl_event_buffer_lock_(buffer);
    LIST_INSERT_HEAD(&buffer->callbacks, entry, next);
    pawl_event_buffer_unlock_(buffer);
    return entry;
}

struct evbuffer_cb_entry *evbuffer_add_cb(struct evbuffer *buffer, evbuffer_cb_func cb, void *cbarg)
{
    return add_callback(buffer, cb, NULL, cbarg);
}

int evbuffer_setcb(struct evbuffer *buffer, evbuffer_cb cb, void *cbarg)
{
    int status = 0;

    pawl_event_buffer_lock_(buffer);
    drop_callbacks(buffer);
    if (cb != NULL && add_callback(buffer, NULL, cb, cbarg) == NULL)
        status = -1;
    pawl_event_buffer_unlock_(buffer);
    return status;
}

int evbuffer_remove_cb_entry(struct evbuffer *buffer, struct evbuffer_cb_entry *ent)
{
    pawl_event_buffer_lock_(buffer);
    LIST_REMOVE(ent, next);
    pawl_event_buffer_unlock_(buffer);
    pawl_event_free_(ent);
    return 0;
}

int evbuffer_remove_cb(struct evbuffer *buffer, evbuffer_cb_func cb, void *cbarg)
{
    struct evbuffer_cb_entry *entry;
    int status = -1;

    pawl_event_buffer_lock_(buffer);
    for (entry = LIST_FIRST(&buffer->callbacks); entry != NULL; entry = LIST_NEXT(entry, next))
        if (entry->call == cb && entry->argument == cbarg)
            break;
    if (entry != NULL)
        status = evbuffer_remove_cb_entry(buffer, entry);
    pawl_event_buffer_unlock_(buffer);
    return status;
}

static int enable(struct evbuffer *buffer, struct evbuffer_cb_entry *entry, ev_uint32_t flags, bool enabled)
{
    pawl_event_buffer_lock_(buffer);
    if ((flags & EVBUFFER_CB_ENABLED) != 0)
        entry->enabled = enabled;
    pawl_event_buffer_unlock_(buffer);
    return 0;
}

int evbuffer_cb_set_flags(struct evbuffer *buffer, struct evbuffer_cb_entry *cb, ev_uint32_t flags)
{
    return enable(buffer, cb, flags, true);
}

int evbuffer_cb_clear_flags(struct evbuffer *buffer, struct evbuffer_cb_entry *cb, ev_uint32_t flags)
{
    return enable(buffer, cb, flags, false);
}

/* A callback may remove itself. */
void pawl_event_buffer_changed_(struct evbuffer *buffer, size_t added, size_t deleted)
{
    struct evbuffer_cb_entry *entry = LIST_FIRST(&buffer->callbacks), *after;
    struct evbuffer_cb_info info;

    buffer->added += added;
    buffer->deleted += deleted;
    if (entry == NULL)
        buffer->added = buffer->deleted = 0;
    if (buffer->added == 0 && buffer->deleted == 0)
        return;
    info.orig_size = buffer->length + buffer->deleted - buffer->added;
    info.n_added = buffer->added;
    info.n_deleted = buffer->deleted;
    buffer->added = buffer->deleted = 0;
    for (; entry != NULL; entry = after) {
        after = LIST_NEXT(entry, next);
        if (!entry->enabled)
            continue;
        if (entry->before_2 != NULL)
            entry->before_2(buffer, info.orig_size, buffer->length, entry->argument);
        else
            entry->call(buffer, &info, entry->argument);
    }
}

/* ---- memory ---- */

/* Moves what is in it to `to`, in memory of `size` bytes. */
static int resize(struct evbuffer *buffer, size_t size)
{
    unsigned char *memory;

    /* realloc copies what is drained, too: to the front first, where it is little */
    if (buffer->start > 0) {
        memmove(buffer->memory, buffer->memory + buffer->start, buffer->length);
        buffer->start = 0;
    }
    if (size <= buffer->size)
        return 0;
    memory = pawl_event_realloc_(buffer->memory, size);
    if (memory == NULL)
        return -1;
    buffer->memory = memory;
    buffer->size = size;
    return 0;
}

int pawl_event_buffer_room_(struct evbuffer *buffer, size_t bytes)
{
    size_t size = buffer->size == 0 ? (size_t)FIRST_SIZE : buffer->size, wanted = buffer->length + bytes;

    if (bytes <= buffer->size - buffer->start - buffer->length)
        return 0;
    if (bytes > (size_t)PTRDIFF_MAX - buffer->length)
        return -1;
    /* Moved to the front only if that frees half of the memory: each byte is moved once a doubling or so. */
    if (wanted <= buffer->size / 2)
        return resize(buffer, buffer->size);
    while (size < wanted || size == buffer->size)
        size *= 2;
    return resize(buffer, size);
}

int evbuffer_expand(struct evbuffer *buf, size_t datlen)
{
    int status;

    pawl_event_buffer_lock_(buf);
    status = pawl_event_buffer_room_(buf, datlen);
    pawl_event_buffer_unlock_(buf);
    return status;
}

void pawl_event_buffer_take_(struct evbuffer *buffer, size_t bytes)
{
    buffer->start += bytes;
    buffer->length -= bytes;
    if (buffer->length > 0)
        return;
    buffer->start = 0;
    if (buffer->size > KEEP_SIZE) {
        pawl_event_free_(buffer->memory);
        buffer->memory = NULL;
        buffer->size = 0;
    }
}

/* ---- in ---- */

/* The bytes at the end, at the front; nobody is told yet. 0 or -1. */
static int push_end(struct evbuffer *buffer, const void *bytes, size_t count)
{
    if (pawl_event_buffer_room_(buffer, count) != 0)
        return -1;
    if (count > 0)
        memcpy(pawl_event_buffer_end_(buffer), bytes, count);
    buffer->length += count;
    return 0;
}

static int push_front(struct evbuffer *buffer, const void *bytes, size_t count)
{
    if (buffer->start < count) {
        /* room at the end: shifted to where it begins behind the new bytes */
        if (pawl_event_buffer_room_(buffer, count) != 0)
            return -1;
        memmove(buffer->memory + count, buffer->memory + buffer->start, buffer->length);
        buffer->start = count;
    }
    buffer->start -= count;
    buffer->length += count;
    memcpy(buffer->memory + buffer->start, bytes, count);
    return 0;
}

int evbuffer_add(struct evbuffer *buf, const void *data, size_t datlen)
{
    int status = -1;

    pawl_event_buffer_lock_(buf);
    if (!buf->end_frozen && push_end(buf, data, datlen) == 0) {
        pawl_event_buffer_changed_(buf, datlen, 0);
        status = 0;
    }
    pawl_event_buffer_unlock_(buf);
    return status;
}

int evbuffer_prepend(struct evbuffer *buf, const void *data, size_t size)
{
    int status = -1;

    pawl_event_buffer_lock_(buf);
    if (size == 0) {
        status = 0;
    } else if (!buf->front_frozen && push_front(buf, data, size) == 0) {
        pawl_event_buffer_changed_(buf, size, 0);
        status = 0;
    }
    pawl_event_buffer_unlock_(buf);
    return status;
}

size_t evbuffer_add_iovec(struct evbuffer *buffer, struct evbuffer_iovec *vec, int n_vec)
{
    size_t added = 0;

    pawl_event_buffer_lock_(buffer);
    for (int i = 0; i < n_vec; i++) {
        if (evbuffer_add(buffer, vec[i].iov_base, vec[i].iov_len) != 0)
            break;
        added += vec[i].iov_len;
    }
    pawl_event_buffer_unlock_(buffer);
    return added;
}

int evbuffer_add_vprintf(struct evbuffer *buf, const char *fmt, va_list ap)
{
    va_list again;
    int length;

    va_copy(again, ap);
    pawl_event_buffer_lock_(buf);
    length = vsnprintf(NULL, 0, fmt, ap);
    if (length < 0 || buf->end_frozen || pawl_event_buffer_room_(buf, (size_t)length + 1) != 0) {
        length = -1;
    } else {
        vsnprintf((char *)pawl_event_buffer_end_(buf), (size_t)length + 1, fmt, again);
        buf->length += (size_t)length;
        pawl_event_buffer_changed_(buf, (size_t)length, 0);
    }
    pawl_event_buffer_unlock_(buf);
    va_end(again);
    return length;
}

int evbuffer_add_printf(struct evbuffer *buf, const char *fmt, ...)
{
    va_list ap;
    int length;

    va_start(ap, fmt);
    length = evbuffer_add_vprintf(buf, fmt, ap);
    va_end(ap);
    return length;
}

int evbuffer_reserve_space(struct evbuffer *buf, ev_ssize_t size, struct evbuffer_iovec *vec, int n_vec)
{
    int count = -1;

    pawl_event_buffer_lock_(buf);
    if (!buf->end_frozen && n_vec >= 1 && size >= 0 && pawl_event_buffer_room_(buf, (size_t)size) == 0) {
        vec[0].iov_base = pawl_event_buffer_end_(buf);
        vec[0].iov_len = buf->size - buf->start - buf->length;
        count = 1;
    }
    pawl_event_buffer_unlock_(buf);
    return count;
}

int evbuffer_commit_space(struct evbuffer *buf, struct evbuffer_iovec *vec, int n_vecs)
{
    int status = -1;

    pawl_event_buffer_lock_(buf);
    if (n_vecs == 0) {
        status = 0;
    } else if (!buf->end_frozen && n_vecs == 1 && vec[0].iov_base == pawl_event_buffer_end_(buf) &&
               vec[0].iov_len <= buf->size - buf->start - buf->length) {
        buf->length += vec[0].iov_len;
        pawl_event_buffer_changed_(buf, vec[0].iov_len, 0);
        status = 0;
    }
    pawl_event_buffer_unlock_(buf);
    return status;
}

/* ---- out ---- */

int evbuffer_drain(struct evbuffer *buf, size_t len)
{
    int status = 0;

    pawl_event_buffer_lock_(buf);
    if (buf->length > 0) {
        if (buf->front_frozen) {
            status = -1;
        } else {
            if (len > buf->length)
                len = buf->length;
            pawl_event_buffer_take_(buf, len);
            pawl_event_buffer_changed_(buf, 0, len);
        }
    }
    pawl_event_buffer_unlock_(buf);
    return status;
}

ev_ssize_t evbuffer_copyout_from(struct evbuffer *buf, const struct evbuffer_ptr *pos, void *data_out,
                                 size_t datlen)
{
    size_t from = 0;
    ev_ssize_t count = -1;

    pawl_event_buffer_lock_(buf);
    if (pos != NULL)
        from = pos->pos < 0 ? SIZE_MAX : (size_t)pos->pos;
    if (from <= buf->length) {
        if (datlen > buf->length - from)
            datlen = buf->length - from;
        if (datlen == 0) {
            count = 0;
        } else if (!buf->front_frozen) {
            memcpy(data_out, buf->memory + buf->start + from, datlen);
            count = (ev_ssize_t)datlen;
        }
    }
    pawl_event_buffer_unlock_(buf);
    return count;
}

ev_ssize_t evbuffer_copyout(struct evbuffer *buf, void *data_out, size_t datlen)
{
    return evbuffer_copyout_from(buf, NULL, data_out, datlen);
}

int evbuffer_remove(struct evbuffer *buf, void *data, size_t datlen)
{
    ev_ssize_t count;

    pawl_event_buffer_lock_(buf);
    count = evbuffer_copyout_from(buf, NULL, data, datlen);
    if (count > 0 && evbuffer_drain(buf, (size_t)count) != 0)
        count = -1;
    pawl_event_buffer_unlock_(buf);
    return (int)count;
}

/* ---- from one to another ---- */

/* In the order of the locks, not of the buffers, two of which share a bufferevent's: so that two threads that move both ways do
 * not wait for each other. */
static void lock_both(struct evbuffer *a, struct evbuffer *b)
{
    bool a_first = (uintptr_t)a->lock < (uintptr_t)b->lock;

    pawl_event_buffer_lock_(a_first ? a : b);
    pawl_event_buffer_lock_(a_first ? b : a);
}

static void unlock_both(struct evbuffer *a, struct evbuffer *b)
{
    pawl_event_buffer_unlock_(a);
    pawl_event_buffer_unlock_(b);
}

/* Everything changes hands without being copied: `to` is empty. */
static void swap_memory(struct evbuffer *from, struct evbuffer *to)
{
    unsigned char *memory = to->memory;
    size_t size = to->size;

    to->memory = from->memory;
    to->size = from->size;
    to->start = from->start;
    to->length = from->length;
    from->memory = memory;
    from->size = size;
    from->start = from->length = 0;
}

/* All of `from` to one end of `to`. When the first callback is told, both have changed. */
static int move_all(struct evbuffer *from, struct evbuffer *to, bool front)
{
    size_t count;
    int status = -1;

    lock_both(from, to);
    count = from->length;
    if (count == 0 || from == to) {
        status = 0;
    } else if (!from->front_frozen && !(front ? to->front_frozen : to->end_frozen)) {
        if (to->length == 0) {
            swap_memory(from, to);
            status = 0;
        } else {
            const unsigned char *bytes = from->memory + from->start;

            status = front ? push_front(to, bytes, count) : push_end(to, bytes, count);
            if (status == 0)
                pawl_event_buffer_take_(from, count);
        }
        if (status == 0) {
            to->added += count;
            pawl_event_buffer_changed_(from, 0, count);
            pawl_event_buffer_changed_(to, 0, 0);
        }
    }
    unlock_both(from, to);
    return status;
}

int evbuffer_add_buffer(struct evbuffer *outbuf, struct evbuffer *inbuf)
{
    return move_all(inbuf, outbuf, false);
}

int evbuffer_prepend_buffer(struct evbuffer *dst, struct evbuffer *src)
{
    return move_all(src, dst, true);
}

int evbuffer_remove_buffer(struct evbuffer *src, struct evbuffer *dst, size_t datlen)
{
    int count = -1;

    lock_both(src, dst);
    if (datlen == 0 || src == dst) {
        count = 0;
    } else if (!src->front_frozen && !dst->end_frozen) {
        if (datlen > src->length)
            datlen = src->length;
        if (datlen == src->length ? move_all(src, dst, false) == 0
                                  : evbuffer_add(dst, src->memory + src->start, datlen) == 0 &&
                                        evbuffer_drain(src, datlen) == 0)
            count = (int)datlen;
    }
    unlock_both(src, dst);
    return count;
}
