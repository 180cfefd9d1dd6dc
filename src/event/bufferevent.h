/* SPDX-License-Identifier: MIT */
/* What a bufferevent is made of; see bufferevent.c. */
#ifndef PAWL_EVENT_BUFFEREVENT_H
#define PAWL_EVENT_BUFFEREVENT_H

#include "buffer.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>

struct pawl_event_bev {
    struct bufferevent outside; /* first: what the program points to */
    struct evbuffer_cb_entry *input_watch;
    pthread_mutex_t *lock; /* NULL: none */
    int options, references;
    bool connecting, refused; /* bufferevent_socket_connect() */
    bool read_suspended;      /* the input is above its high mark */
    /* BEV_OPT_DEFER_CALLBACKS: what is to be told */
    struct event_callback deferred;
    bool is_deferred, read_pending, write_pending;
    short event_pending;
    int errno_pending;
};

PAWL_STATIC_ASSERT(offsetof(struct pawl_event_bev, outside) == 0, "a bufferevent is the beginning of it");

static inline struct pawl_event_bev *pawl_event_bev_(struct bufferevent *bufev)
{
    return (struct pawl_event_bev *)(void *)bufev;
}

static inline void pawl_event_bev_lock_(struct pawl_event_bev *bev)
{
    if (bev->lock != NULL)
        pthread_mutex_lock(bev->lock);
}

static inline void pawl_event_bev_unlock_(struct pawl_event_bev *bev)
{
    if (bev->lock != NULL)
        pthread_mutex_unlock(bev->lock);
}

/* Locks it and counts a reference; gives that back and unlocks it. let_go returns 1: it was the last one. */
void pawl_event_bev_hold_(struct pawl_event_bev *bev);
int pawl_event_bev_let_go_(struct pawl_event_bev *bev);

/* With the lock held, all of them: */

/* Sets up its events for the descriptor. */
void pawl_event_bev_assign_(struct pawl_event_bev *bev, evutil_socket_t fd);
/* Waits for EV_READ, EV_WRITE; waits no more. 0 or -1. */
int pawl_event_bev_start_(struct pawl_event_bev *bev, int events);
int pawl_event_bev_stop_(struct pawl_event_bev *bev, int events);
/* No reading while the input is above its high mark. */
void pawl_event_bev_suspend_(struct pawl_event_bev *bev);
void pawl_event_bev_resume_(struct pawl_event_bev *bev);
/* Calls the program back: for data, if the water marks say so; for an event. */
void pawl_event_bev_trigger_(struct pawl_event_bev *bev, int events, int options);
void pawl_event_bev_tell_(struct pawl_event_bev *bev, int what, int options);

#endif
