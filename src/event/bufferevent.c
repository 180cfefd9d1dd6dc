/* SPDX-License-Identifier: MIT */
/* bufferevents of sockets and other descriptors: two events, two buffers, the callbacks of libevent 2.1. Filters, pairs, rate
 * limits and TLS are not among them.
 *
 * Locking: BEV_OPT_THREADSAFE gives it a recursive lock, which its buffers share. Callbacks are called with the lock held, as
 * in libevent, except with BEV_OPT_UNLOCK_CALLBACKS, which demands that they are deferred.
 *
 * Life: counted references. The last one has the read event finalized; when the loop comes to that no callback is running
 * any more, and the memory goes. */
#include "bufferevent.h"

#include <errno.h>
#include <event2/bufferevent_compat.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MOST_READ = 16384, /* a callback's */
    MOST_WRITTEN = 16384,
};

/* ---- life ---- */

void pawl_event_bev_hold_(struct pawl_event_bev *bev)
{
    pawl_event_bev_lock_(bev);
    bev->references++;
}

static void destroy(struct event *ev, void *arg)
{
    struct pawl_event_bev *bev = arg;

    (void)ev;
    pawl_event_bev_lock_(bev); /* until who had the last reference has let go of the lock */
    pawl_event_bev_unlock_(bev);
    if ((bev->options & BEV_OPT_CLOSE_ON_FREE) != 0 && bev->outside.ev_write.ev_fd >= 0)
        close(bev->outside.ev_write.ev_fd);
    evbuffer_free(bev->outside.input);
    evbuffer_free(bev->outside.output);
    if (bev->lock != NULL)
        pawl_event_mutex_free_(bev->lock);
    pawl_event_free_(bev);
}

/* Unlocks, too. Returns 1: that was the last one. In the loop a callback that has already been taken may still wait for the lock;
 * then it counts a last reference of its own, and finalizes again, to no effect. Therefore not without the lock: the loop
 * could come to the finalizer before this is done. */
int pawl_event_bev_let_go_(struct pawl_event_bev *bev)
{
    bool last = --bev->references == 0;

    if (last) {
        event_del_noblock(&bev->outside.ev_write);
        event_finalize(0, &bev->outside.ev_read, destroy);
    }
    pawl_event_bev_unlock_(bev);
    return last;
}

void bufferevent_lock(struct bufferevent *bufev)
{
    pawl_event_bev_lock_(pawl_event_bev_(bufev));
}

void bufferevent_unlock(struct bufferevent *bufev)
{
    pawl_event_bev_unlock_(pawl_event_bev_(bufev));
}

void bufferevent_incref(struct bufferevent *bufev)
{
    pawl_event_bev_hold_(pawl_event_bev_(bufev));
    pawl_event_bev_unlock_(pawl_event_bev_(bufev));
}

int bufferevent_decref(struct bufferevent *bufev)
{
    pawl_event_bev_lock_(pawl_event_bev_(bufev));
    return pawl_event_bev_let_go_(pawl_event_bev_(bufev));
}

/* ---- the program's callbacks ---- */

static void ask_again(struct pawl_event_bev *bev);

/* One of the program's callbacks: with the lock held, or without it if the program wants that. */
static void call_data(struct pawl_event_bev *bev, bufferevent_data_cb callback)
{
    bool unlocked = (bev->options & BEV_OPT_UNLOCK_CALLBACKS) != 0;
    void *argument = bev->outside.cbarg;

    if (unlocked)
        pawl_event_bev_unlock_(bev);
    callback(&bev->outside, argument);
    if (unlocked)
        pawl_event_bev_lock_(bev);
}

static void call_event(struct pawl_event_bev *bev, int what)
{
    bool unlocked = (bev->options & BEV_OPT_UNLOCK_CALLBACKS) != 0;
    bufferevent_event_cb callback = bev->outside.errorcb;
    void *argument = bev->outside.cbarg;

    bev->event_pending = (short)(bev->event_pending & ~what);
    if (unlocked)
        pawl_event_bev_unlock_(bev);
    callback(&bev->outside, (short)what, argument);
    if (unlocked)
        pawl_event_bev_lock_(bev);
}

/* Connected comes first, the end last. Each asks anew whether there is a callback: the one before may have freed it all. */
static void run_deferred(struct event_callback *callback, void *arg)
{
    struct pawl_event_bev *bev = arg;
    struct bufferevent *bufev = &bev->outside;

    (void)callback;
    pawl_event_bev_lock_(bev);
    bev->is_deferred = false;
    if ((bev->event_pending & BEV_EVENT_CONNECTED) != 0 && bufev->errorcb != NULL)
        call_event(bev, BEV_EVENT_CONNECTED);
    if (bev->read_pending && bufev->readcb != NULL) {
        bev->read_pending = false;
        call_data(bev, bufev->readcb);
        ask_again(bev);
    }
    if (bev->write_pending && bufev->writecb != NULL) {
        bev->write_pending = false;
        call_data(bev, bufev->writecb);
    }
    if (bev->event_pending != 0 && bufev->errorcb != NULL) {
        errno = bev->errno_pending;
        call_event(bev, bev->event_pending);
    }
    pawl_event_bev_let_go_(bev);
}

/* Held until it has run. */
static void defer(struct pawl_event_bev *bev)
{
    struct event_base *base = bev->outside.ev_base;

    if (bev->is_deferred)
        return;
    bev->is_deferred = true;
    bev->references++;
    pawl_event_lock_(base);
    bev->deferred.evcb_pri = bev->outside.ev_read.ev_evcallback.evcb_pri;
    bev->deferred.evcb_closure = PAWL_EVENT_SELF;
    bev->deferred.evcb_cb_union.evcb_selfcb = run_deferred;
    bev->deferred.evcb_arg = bev;
    pawl_event_defer_(base, &bev->deferred);
    pawl_event_unlock_(base);
}

/* The program left as much as the high mark allows, and nothing is read until it takes some: it is asked again, later. */
static void ask_again(struct pawl_event_bev *bev)
{
    const struct bufferevent *bufev = &bev->outside;

    if (bufev->readcb != NULL && bufev->wm_read.high != 0 && (bufev->enabled & EV_READ) != 0 &&
        evbuffer_get_length(bufev->input) >= bufev->wm_read.high) {
        bev->read_pending = true;
        defer(bev);
    }
}

static void tell_read(struct pawl_event_bev *bev, int options)
{
    if (bev->outside.readcb == NULL)
        return;
    if (((bev->options | options) & BEV_OPT_DEFER_CALLBACKS) != 0) {
        bev->read_pending = true;
        defer(bev);
    } else {
        bev->outside.readcb(&bev->outside, bev->outside.cbarg);
        ask_again(bev);
    }
}

static void tell_write(struct pawl_event_bev *bev, int options)
{
    if (bev->outside.writecb == NULL)
        return;
    if (((bev->options | options) & BEV_OPT_DEFER_CALLBACKS) != 0) {
        bev->write_pending = true;
        defer(bev);
    } else {
        bev->outside.writecb(&bev->outside, bev->outside.cbarg);
    }
}

void pawl_event_bev_tell_(struct pawl_event_bev *bev, int what, int options)
{
    if (bev->outside.errorcb == NULL)
        return;
    if (((bev->options | options) & BEV_OPT_DEFER_CALLBACKS) != 0) {
        bev->event_pending = (short)(bev->event_pending | what);
        bev->errno_pending = errno;
        defer(bev);
    } else {
        bev->outside.errorcb(&bev->outside, (short)what, bev->outside.cbarg);
    }
}

/* If the water marks say so. */
void pawl_event_bev_trigger_(struct pawl_event_bev *bev, int events, int options)
{
    bool always = (options & BEV_TRIG_IGNORE_WATERMARKS) != 0;
    const struct bufferevent *bufev = &bev->outside;

    if ((events & EV_READ) != 0 && (always || evbuffer_get_length(bufev->input) >= bufev->wm_read.low))
        tell_read(bev, options);
    if ((events & EV_WRITE) != 0 && (always || evbuffer_get_length(bufev->output) <= bufev->wm_write.low))
        tell_write(bev, options);
}

/* ---- the events ---- */

static int add_event(struct event *ev, const struct timeval *timeout)
{
    return event_add(ev, timerisset(timeout) ? timeout : NULL);
}

int pawl_event_bev_start_(struct pawl_event_bev *bev, int events)
{
    struct bufferevent *bufev = &bev->outside;

    if ((events & EV_READ) != 0 && add_event(&bufev->ev_read, &bufev->timeout_read) != 0)
        return -1;
    if ((events & EV_WRITE) != 0 && add_event(&bufev->ev_write, &bufev->timeout_write) != 0)
        return -1;
    return 0;
}

int pawl_event_bev_stop_(struct pawl_event_bev *bev, int events)
{
    if ((events & EV_READ) != 0 && event_del(&bev->outside.ev_read) != 0)
        return -1;
    /* a connection is being made: that must end */
    if ((events & EV_WRITE) != 0 && !bev->connecting && event_del(&bev->outside.ev_write) != 0)
        return -1;
    return 0;
}

void pawl_event_bev_suspend_(struct pawl_event_bev *bev)
{
    if (!bev->read_suspended)
        pawl_event_bev_stop_(bev, EV_READ);
    bev->read_suspended = true;
}

void pawl_event_bev_resume_(struct pawl_event_bev *bev)
{
    bev->read_suspended = false; /* if it was not: the timeout begins anew, as libevent's does */
    if ((bev->outside.enabled & EV_READ) != 0)
        pawl_event_bev_start_(bev, EV_READ);
}

static void output_changed(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
    struct pawl_event_bev *bev = arg;

    (void)buffer;
    if (info->n_added > 0 && (bev->outside.enabled & EV_WRITE) != 0 &&
        event_pending(&bev->outside.ev_write, EV_WRITE, NULL) == 0)
        pawl_event_bev_start_(bev, EV_WRITE);
}

static bool passing(int error)
{
    return error == EAGAIN || error == EINTR;
}

static void fail(struct pawl_event_bev *bev, int direction, int what)
{
    bufferevent_disable(&bev->outside, direction == BEV_EVENT_READING ? EV_READ : EV_WRITE);
    pawl_event_bev_tell_(bev, direction | what, 0);
}

static void readable(struct pawl_event_bev *bev, short events)
{
    struct bufferevent *bufev = &bev->outside;
    size_t high = bufev->wm_read.high, length = evbuffer_get_length(bufev->input);
    int most = MOST_READ, count;

    if (events == EV_TIMEOUT) { /* with EV_READ: something has come after all */
        fail(bev, BEV_EVENT_READING, BEV_EVENT_TIMEOUT);
        return;
    }
    if (high != 0) {
        if (length >= high) {
            pawl_event_bev_suspend_(bev);
            return;
        }
        if (high - length < (size_t)most)
            most = (int)(high - length);
    }
    if (bev->read_suspended)
        return;
    evbuffer_unfreeze(bufev->input, 0);
    count = evbuffer_read(bufev->input, bufev->ev_read.ev_fd, most);
    evbuffer_freeze(bufev->input, 0);
    if (count > 0)
        pawl_event_bev_trigger_(bev, EV_READ, 0);
    else if (count == 0)
        fail(bev, BEV_EVENT_READING, BEV_EVENT_EOF);
    else if (errno == ECONNREFUSED)
        bev->refused = true; /* the kernel tells that once: connection() is to know */
    else if (!passing(errno))
        fail(bev, BEV_EVENT_READING, BEV_EVENT_ERROR);
}

static void on_read(evutil_socket_t fd, short events, void *arg)
{
    (void)fd;
    pawl_event_bev_hold_(arg);
    readable(arg, events);
    pawl_event_bev_let_go_(arg);
}

/* Whether the connection stands. 1; 0: not yet; -1 and errno. */
static int connection(struct pawl_event_bev *bev)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (bev->refused) {
        bev->refused = false;
        errno = ECONNREFUSED;
        return -1;
    }
    if (getsockopt(bev->outside.ev_write.ev_fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return -1;
    if (error == 0)
        return 1;
    errno = error;
    return passing(error) || error == EINPROGRESS ? 0 : -1;
}

/* Returns whether writing goes on. */
static bool connected(struct pawl_event_bev *bev)
{
    struct bufferevent *bufev = &bev->outside;
    int status = connection(bev);

    if (status == 0)
        return false;
    bev->connecting = false;
    if (status < 0) {
        int error = errno;

        event_del(&bufev->ev_write);
        event_del(&bufev->ev_read);
        errno = error;
        pawl_event_bev_tell_(bev, BEV_EVENT_ERROR, 0);
        return false;
    }
    pawl_event_bev_tell_(bev, BEV_EVENT_CONNECTED, 0);
    if ((bufev->enabled & EV_WRITE) != 0)
        return true;
    event_del(&bufev->ev_write);
    return false;
}

static void writable(struct pawl_event_bev *bev, short events)
{
    struct bufferevent *bufev = &bev->outside;
    bool was_connecting = bev->connecting, wrote = false;

    if (events == EV_TIMEOUT) {
        fail(bev, BEV_EVENT_WRITING, BEV_EVENT_TIMEOUT);
        return;
    }
    if (was_connecting && !connected(bev))
        return;
    if (evbuffer_get_length(bufev->output) > 0) {
        int count;

        evbuffer_unfreeze(bufev->output, 1);
        count = evbuffer_write_atmost(bufev->output, bufev->ev_write.ev_fd, MOST_WRITTEN);
        evbuffer_freeze(bufev->output, 1);
        if (count < 0 && passing(errno))
            return;
        if (count <= 0) {
            fail(bev, BEV_EVENT_WRITING, count == 0 ? BEV_EVENT_EOF : BEV_EVENT_ERROR);
            return;
        }
        wrote = true;
    }
    if (evbuffer_get_length(bufev->output) == 0)
        event_del(&bufev->ev_write);
    if (wrote || !was_connecting)
        pawl_event_bev_trigger_(bev, EV_WRITE, 0);
}

static void on_write(evutil_socket_t fd, short events, void *arg)
{
    (void)fd;
    pawl_event_bev_hold_(arg);
    writable(arg, events);
    pawl_event_bev_let_go_(arg);
}

/* ---- making and freeing ---- */

void pawl_event_bev_assign_(struct pawl_event_bev *bev, evutil_socket_t fd)
{
    struct bufferevent *bufev = &bev->outside;

    event_assign(&bufev->ev_read, bufev->ev_base, fd, EV_READ | EV_PERSIST | EV_FINALIZE, on_read, bev);
    event_assign(&bufev->ev_write, bufev->ev_base, fd, EV_WRITE | EV_PERSIST | EV_FINALIZE, on_write, bev);
}

struct bufferevent *bufferevent_socket_new(struct event_base *base, evutil_socket_t fd, int options)
{
    struct pawl_event_bev *bev;
    struct bufferevent *bufev;

    if ((options & (BEV_OPT_UNLOCK_CALLBACKS | BEV_OPT_DEFER_CALLBACKS)) == BEV_OPT_UNLOCK_CALLBACKS) {
        pawl_event_warnx_("UNLOCK_CALLBACKS requires DEFER_CALLBACKS");
        return NULL;
    }
    bev = pawl_event_zalloc_(sizeof *bev);
    if (bev == NULL)
        return NULL;
    bufev = &bev->outside;
    bev->references = 1;
    bev->options = options;
    bufev->ev_base = base != NULL ? base : pawl_event_current_;
    bufev->enabled = EV_WRITE;
    bufev->input = evbuffer_new();
    bufev->output = evbuffer_new();
    if ((options & BEV_OPT_THREADSAFE) != 0 && pawl_event_locks_)
        bev->lock = pawl_event_mutex_new_();
    if (bufev->input == NULL || bufev->output == NULL ||
        evbuffer_add_cb(bufev->output, output_changed, bev) == NULL ||
        ((options & BEV_OPT_THREADSAFE) != 0 && pawl_event_locks_ && bev->lock == NULL)) {
        if (bufev->input != NULL)
            evbuffer_free(bufev->input);
        if (bufev->output != NULL)
            evbuffer_free(bufev->output);
        if (bev->lock != NULL)
            pawl_event_mutex_free_(bev->lock);
        pawl_event_free_(bev);
        return NULL;
    }
    bufev->input->lock = bufev->output->lock = bev->lock;
    /* The program adds to the end of the output only, and takes from the front of the input only. */
    evbuffer_freeze(bufev->input, 0);
    evbuffer_freeze(bufev->output, 1);
    pawl_event_bev_assign_(bev, fd);
    return bufev;
}

struct bufferevent *bufferevent_new(evutil_socket_t fd, evbuffercb readcb, evbuffercb writecb,
                                    everrorcb errorcb, void *cbarg)
{
    struct bufferevent *bufev = bufferevent_socket_new(NULL, fd, 0);

    if (bufev != NULL)
        bufferevent_setcb(bufev, readcb, writecb, errorcb, cbarg);
    return bufev;
}

void bufferevent_free(struct bufferevent *bufev)
{
    pawl_event_bev_lock_(pawl_event_bev_(bufev));
    bufferevent_setcb(bufev, NULL, NULL, NULL, NULL);
    pawl_event_bev_stop_(pawl_event_bev_(bufev), EV_READ);
    event_del_noblock(&bufev->ev_write);
    bufev->enabled = 0;
    pawl_event_bev_let_go_(pawl_event_bev_(bufev));
}

/* ---- connecting ---- */

int bufferevent_socket_connect(struct bufferevent *bufev, const struct sockaddr *sa, int socklen)
{
    struct pawl_event_bev *bev = pawl_event_bev_(bufev);
    int fd = bufferevent_getfd(bufev), status = 0;
    bool ours = fd < 0;

    pawl_event_bev_hold_(bev);
    if (sa != NULL) {
        if (ours)
            fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            pawl_event_bev_let_go_(bev);
            return -1;
        }
        status = connect(fd, sa, (socklen_t)socklen) == 0 ? 0 : errno;
        if (status != 0 && status != EINPROGRESS && status != EINTR && status != ECONNREFUSED) {
            if (ours)
                close(fd);
            pawl_event_bev_tell_(bev, BEV_EVENT_ERROR, 0);
            pawl_event_bev_let_go_(bev);
            errno = status;
            return -1;
        }
    }
    if (ours)
        bufferevent_setfd(bufev, fd);
    bev->connecting = true;
    if (status == 0 && sa != NULL) {
        event_active(&bufev->ev_write, EV_WRITE, 1); /* it stands already */
    } else if (status == ECONNREFUSED) {
        bev->refused = true;
        event_active(&bufev->ev_write, EV_WRITE, 1);
    } else {
        pawl_event_bev_start_(bev, EV_WRITE);
    }
    pawl_event_bev_let_go_(bev);
    return 0;
}
