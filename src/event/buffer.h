/* SPDX-License-Identifier: MIT */
/* What evbuffer_*() work on, and what bufferevents do with them. */
#ifndef PAWL_EVENT_BUFFER_H
#define PAWL_EVENT_BUFFER_H

#include "base.h"

#include <event2/buffer.h>
#include <event2/buffer_compat.h>

struct evbuffer_cb_entry {
    LIST_ENTRY(evbuffer_cb_entry) next;
    evbuffer_cb_func call;
    evbuffer_cb before_2; /* of evbuffer_setcb(); instead of call */
    void *argument;
    bool enabled;
};

/* One piece of memory:
 *
 *     memory       start              start + length        size
 *       | drained    | what is in it        | room            |
 */
struct evbuffer {
    unsigned char *memory;
    size_t size, start, length;
    size_t added, deleted; /* since the callbacks were told */
    bool front_frozen, end_frozen;
    LIST_HEAD(pawl_event_buffer_callbacks, evbuffer_cb_entry) callbacks;
    pthread_mutex_t *lock; /* NULL: none */
    bool own_lock;
};

static inline void pawl_event_buffer_lock_(struct evbuffer *buffer)
{
    if (buffer->lock != NULL)
        pthread_mutex_lock(buffer->lock);
}

static inline void pawl_event_buffer_unlock_(struct evbuffer *buffer)
{
    if (buffer->lock != NULL)
        pthread_mutex_unlock(buffer->lock);
}

/* `bytes` of room behind what is in it. 0 or -1. */
int pawl_event_buffer_room_(struct evbuffer *buffer, size_t bytes);
/* So many have come in at an end, or left from the front, which it has been told of already; calls back. */
void pawl_event_buffer_changed_(struct evbuffer *buffer, size_t added, size_t deleted);
/* Takes them out without asking whether it is frozen. */
void pawl_event_buffer_take_(struct evbuffer *buffer, size_t bytes);

static inline unsigned char *pawl_event_buffer_end_(const struct evbuffer *buffer)
{
    return buffer->memory + buffer->start + buffer->length;
}

/* thread.c: a recursive mutex; NULL: no memory. */
pthread_mutex_t *pawl_event_mutex_new_(void);
void pawl_event_mutex_free_(pthread_mutex_t *mutex);

#endif
