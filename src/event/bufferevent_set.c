/* SPDX-License-Identifier: MIT */
/* bufferevents: settings, and reading and writing by the program. */
#include "bufferevent.h"

#include <event2/bufferevent_compat.h>

/* ---- settings ---- */

int bufferevent_base_set(struct event_base *base, struct bufferevent *bufev)
{
    int status;

    pawl_event_bev_lock_(pawl_event_bev_(bufev));
    bufev->ev_base = base;
    status = event_base_set(base, &bufev->ev_read);
    if (status == 0)
        status = event_base_set(base, &bufev->ev_write);
    pawl_event_bev_unlock_(pawl_event_bev_(bufev));
    return status;
}

struct event_base *bufferevent_get_base(struct bufferevent *bev)
{
    return bev->ev_base;
}

int bufferevent_priority_set(struct bufferevent *bufev, int pri)
{
    int status;

    pawl_event_bev_lock_(pawl_event_bev_(bufev));
    status = event_priority_set(&bufev->ev_read, pri);
    if (status == 0)
        status = event_priority_set(&bufev->ev_write, pri);
    pawl_event_bev_unlock_(pawl_event_bev_(bufev));
    return status;
}

int bufferevent_get_priority(const struct bufferevent *bufev)
{
    return event_get_priority(&bufev->ev_read);
}

void bufferevent_setcb(struct bufferevent *bufev, bufferevent_data_cb readcb, bufferevent_data_cb writecb,
                       bufferevent_event_cb eventcb, void *cbarg)
{
    pawl_event_bev_lock_(pawl_event_bev_(bufev));
    bufev->readcb = readcb;
    bufev->writecb = writecb;
    bufev->errorcb = eventcb;
    bufev->cbarg = cbarg;
    pawl_event_bev_unlock_(pawl_event_bev_(bufev));
}

void bufferevent_getcb(struct bufferevent *bufev, bufferevent_data_cb *readcb_ptr,
                       bufferevent_data_cb *writecb_ptr, bufferevent_event_cb *eventcb_ptr, void **cbarg_ptr)
{
    pawl_event_bev_lock_(pawl_event_bev_(bufev));
    if (readcb_ptr != NULL)
        *readcb_ptr = bufev->readcb;
    if (writecb_ptr != NULL)
        *writecb_ptr = bufev->writecb;
    if (eventcb_ptr != NULL)
        *eventcb_ptr = bufev->errorcb;
    if (cbarg_ptr != NULL)
        *cbarg_ptr = bufev->cbarg;
    pawl_event_bev_unlock_(pawl_event_bev_(bufev));
}

int bufferevent_setfd(struct bufferevent *bufev, evutil_socket_t fd)
{
    int status;

    pawl_event_bev_lock_(pawl_event_bev_(bufev));
    event_del(&bufev->ev_read);
    event_del(&bufev->ev_write);
    pawl_event_bev_assign_(pawl_event_bev_(bufev), fd);
    status = fd >= 0 ? bufferevent_enable(bufev, bufev->enabled) : 0;
    pawl_event_bev_unlock_(pawl_event_bev_(bufev));
    return status;
}

evutil_socket_t bufferevent_getfd(struct bufferevent *bufev)
{
    return event_get_fd(&bufev->ev_read);
}

/* Only filters have one. */
struct bufferevent *bufferevent_get_underlying(struct bufferevent *bufev)
{
    (void)bufev;
    return NULL;
}

struct evbuffer *bufferevent_get_input(struct bufferevent *bufev)
{
    return bufev->input;
}

struct evbuffer *bufferevent_get_output(struct bufferevent *bufev)
{
    return bufev->output;
}

int bufferevent_enable(struct bufferevent *bufev, short event)
{
    struct pawl_event_bev *bev = pawl_event_bev_(bufev);
    int status, events = event;

    pawl_event_bev_lock_(bev);
    if (bev->read_suspended)
        events &= ~EV_READ;
    bufev->enabled = (short)(bufev->enabled | event);
    status = pawl_event_bev_start_(bev, events);
    pawl_event_bev_unlock_(bev);
    return status;
}

int bufferevent_disable(struct bufferevent *bufev, short event)
{
    int status;

    pawl_event_bev_lock_(pawl_event_bev_(bufev));
    bufev->enabled = (short)(bufev->enabled & ~event);
    status = pawl_event_bev_stop_(pawl_event_bev_(bufev), event);
    pawl_event_bev_unlock_(pawl_event_bev_(bufev));
    return status;
}

short bufferevent_get_enabled(struct bufferevent *bufev)
{
    short enabled;

    pawl_event_bev_lock_(pawl_event_bev_(bufev));
    enabled = bufev->enabled;
    pawl_event_bev_unlock_(pawl_event_bev_(bufev));
    return enabled;
}

static void set_timeout(struct event *ev, short what, struct timeval *slot, const struct timeval *timeout)
{
    if (timeout != NULL)
        *slot = *timeout;
    else
        timerclear(slot);
    if (event_pending(ev, what, NULL) == 0)
        return;
    if (timerisset(slot))
        event_add(ev, slot);
    else
        event_remove_timer(ev);
}

int bufferevent_set_timeouts(struct bufferevent *bufev, const struct timeval *timeout_read,
                             const struct timeval *timeout_write)
{
    pawl_event_bev_lock_(pawl_event_bev_(bufev));
    set_timeout(&bufev->ev_read, EV_READ, &bufev->timeout_read, timeout_read);
    set_timeout(&bufev->ev_write, EV_WRITE, &bufev->timeout_write, timeout_write);
    pawl_event_bev_unlock_(pawl_event_bev_(bufev));
    return 0;
}

void bufferevent_settimeout(struct bufferevent *bufev, int timeout_read, int timeout_write)
{
    struct timeval reads = {.tv_sec = timeout_read}, writes = {.tv_sec = timeout_write};

    bufferevent_set_timeouts(bufev, timeout_read != 0 ? &reads : NULL, timeout_write != 0 ? &writes : NULL);
}

/* The program took something out, or something came in. */
static void input_changed(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
    struct pawl_event_bev *bev = arg;

    (void)info;
    if (evbuffer_get_length(buffer) >= bev->outside.wm_read.high)
        pawl_event_bev_suspend_(bev);
    else
        pawl_event_bev_resume_(bev);
}

/* The input is watched while there is a high mark. */
static void set_high(struct pawl_event_bev *bev, size_t high)
{
    struct evbuffer *input = bev->outside.input;

    if (high == 0) {
        if (bev->input_watch != NULL)
            evbuffer_cb_clear_flags(input, bev->input_watch, EVBUFFER_CB_ENABLED);
        pawl_event_bev_resume_(bev);
        return;
    }
    if (bev->input_watch == NULL)
        bev->input_watch = evbuffer_add_cb(input, input_changed, bev);
    else
        evbuffer_cb_set_flags(input, bev->input_watch, EVBUFFER_CB_ENABLED);
    if (evbuffer_get_length(input) >= high)
        pawl_event_bev_suspend_(bev);
    else
        pawl_event_bev_resume_(bev);
}

void bufferevent_setwatermark(struct bufferevent *bufev, short events, size_t lowmark, size_t highmark)
{
    pawl_event_bev_lock_(pawl_event_bev_(bufev));
    if ((events & EV_WRITE) != 0)
        bufev->wm_write = (struct event_watermark){lowmark, highmark};
    if ((events & EV_READ) != 0) {
        bufev->wm_read = (struct event_watermark){lowmark, highmark};
        set_high(pawl_event_bev_(bufev), highmark);
    }
    pawl_event_bev_unlock_(pawl_event_bev_(bufev));
}

int bufferevent_getwatermark(struct bufferevent *bufev, short events, size_t *lowmark, size_t *highmark)
{
    const struct event_watermark *marks = events == EV_READ ? &bufev->wm_read : &bufev->wm_write;

    if (events != EV_READ && events != EV_WRITE)
        return -1;
    pawl_event_bev_lock_(pawl_event_bev_(bufev));
    if (lowmark != NULL)
        *lowmark = marks->low;
    if (highmark != NULL)
        *highmark = marks->high;
    pawl_event_bev_unlock_(pawl_event_bev_(bufev));
    return 0;
}

/* ---- reading and writing ---- */

int bufferevent_write(struct bufferevent *bufev, const void *data, size_t size)
{
    return evbuffer_add(bufev->output, data, size);
}

int bufferevent_write_buffer(struct bufferevent *bufev, struct evbuffer *buf)
{
    return evbuffer_add_buffer(bufev->output, buf);
}

size_t bufferevent_read(struct bufferevent *bufev, void *data, size_t size)
{
    int count = evbuffer_remove(bufev->input, data, size);

    return count > 0 ? (size_t)count : 0;
}

int bufferevent_read_buffer(struct bufferevent *bufev, struct evbuffer *buf)
{
    return evbuffer_add_buffer(buf, bufev->input);
}

/* A socket is flushed by its loop. */
int bufferevent_flush(struct bufferevent *bufev, short iotype, enum bufferevent_flush_mode mode)
{
    (void)bufev;
    (void)iotype;
    (void)mode;
    return 0;
}

void bufferevent_trigger(struct bufferevent *bufev, short iotype, int options)
{
    pawl_event_bev_hold_(pawl_event_bev_(bufev));
    pawl_event_bev_trigger_(pawl_event_bev_(bufev), iotype,
                            options & (BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS));
    pawl_event_bev_let_go_(pawl_event_bev_(bufev));
}

void bufferevent_trigger_event(struct bufferevent *bufev, short what, int options)
{
    pawl_event_bev_hold_(pawl_event_bev_(bufev));
    pawl_event_bev_tell_(pawl_event_bev_(bufev), what, options & BEV_TRIG_DEFER_CALLBACKS);
    pawl_event_bev_let_go_(pawl_event_bev_(bufev));
}
