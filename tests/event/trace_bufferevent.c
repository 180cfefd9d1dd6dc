/* SPDX-License-Identifier: MIT */
/* Random calls of a bufferevent. Left out are priorities that change while callbacks are deferred, which stop libevent's loop, and
 * how many events there are after one is freed with deferred callbacks: libevent keeps them until then. */
#include "trace_event.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STEPS = 150, IN_CALLBACKS = 40, MOST_CALLS = 60, BYTES = 60000 };

static struct event_base *base;
static struct bufferevent *bev;
static int other; /* the far end; -1: closed */
static int budget, calls;
static char bytes[BYTES];

static void step(bool inside);

static void print_state(void)
{
    printf("  in %zu out %zu enabled %x fd %d waits %x %x\n", evbuffer_get_length(bufferevent_get_input(bev)),
           evbuffer_get_length(bufferevent_get_output(bev)), bufferevent_get_enabled(bev),
           bufferevent_getfd(bev) >= 0, event_pending(&bev->ev_read, 0xff, NULL),
           event_pending(&bev->ev_write, 0xff, NULL));
}

static void called(const char *what, int event)
{
    printf(" %s %x\n", what, event);
    print_state();
    if (++calls == MOST_CALLS)
        event_base_loopbreak(base);
    while (budget > 0 && any(2) == 0) {
        budget--;
        step(true);
    }
}

static void on_read(struct bufferevent *of, void *arg)
{
    if (any(2) == 0)
        evbuffer_drain(bufferevent_get_input(of), (size_t)any(3000));
    called("on_read", arg == bytes);
}

static void on_write(struct bufferevent *of, void *arg)
{
    (void)of;
    called("on_write", arg == bytes);
}

static void on_event(struct bufferevent *of, short what, void *arg)
{
    (void)of;
    (void)arg;
    called("on_event", what);
}

static int new_socket(void)
{
    int pair[2];

    if (other >= 0)
        close(other);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
        exit(1);
    other = pair[1];
    return pair[0];
}

/* Of EV_READ, EV_WRITE. */
static short directions(void)
{
    static const short all[] = {EV_READ, EV_WRITE, EV_READ | EV_WRITE};

    return all[any(3)];
}

static void set_up(void)
{
    static const struct timeval hour = {3600, 0};
    short which = directions();
    size_t low = any(2) == 0 ? 0 : (size_t)any(200), high = any(2) == 0 ? 0 : (size_t)any(6000);
    int callbacks;

    switch (any(5)) {
    case 0:
        printf("enable %x: %d\n", which, bufferevent_enable(bev, which));
        break;
    case 1:
        printf("disable %x: %d\n", which, bufferevent_disable(bev, which));
        break;
    case 2:
        printf("marks of %x: %zu %zu\n", which, low, high);
        bufferevent_setwatermark(bev, which, low, high);
        break;
    case 3:
        printf("timeouts: %d\n",
               bufferevent_set_timeouts(bev, any(2) == 0 ? &hour : NULL, any(2) == 0 ? &hour : NULL));
        break;
    default:
        callbacks = any(8);
        printf("callbacks %x\n", callbacks);
        bufferevent_setcb(bev, (callbacks & 1) != 0 ? on_read : NULL, (callbacks & 2) != 0 ? on_write : NULL,
                          (callbacks & 4) != 0 ? on_event : NULL, any(2) == 0 ? bytes : NULL);
        break;
    }
}

static void move_bytes(void)
{
    static char sink[BYTES];
    int few = any(4) != 0 ? any(100) : any(BYTES);

    switch (any(5)) {
    case 0:
        printf("write %d: %d\n", few, bufferevent_write(bev, bytes, (size_t)few));
        break;
    case 1:
        printf("read: %zu\n", bufferevent_read(bev, sink, (size_t)few));
        break;
    case 2:
        printf("drain: %d\n", evbuffer_drain(bufferevent_get_input(bev), (size_t)few));
        break;
    case 3:
        printf("the other gives %zd\n", write(other, bytes, (size_t)few));
        break;
    default:
        printf("the other takes %zd\n", read(other, sink, (size_t)any(BYTES)));
        break;
    }
}

static void trigger(bool inside)
{
    int options = any(2) == 0 || inside ? BEV_TRIG_DEFER_CALLBACKS : 0;

    if (any(2) == 0)
        bufferevent_trigger_event(bev, any(2) == 0 ? BEV_EVENT_EOF : BEV_EVENT_CONNECTED | BEV_EVENT_ERROR,
                                  options);
    else
        bufferevent_trigger(bev, directions(), options | (any(2) == 0 ? BEV_TRIG_IGNORE_WATERMARKS : 0));
    printf("triggered\n");
}

/* What happens to a connection once. */
static void seldom(bool inside)
{
    int before = bufferevent_getfd(bev), now = -1;

    switch (any(5)) {
    case 0:
        printf("the other has ended: %d\n", shutdown(other, SHUT_WR));
        break;
    case 1:
        if (other >= 0)
            close(other);
        other = -1;
        printf("the other is gone\n");
        break;
    case 2:
        if (inside)
            break;
        printf("free\n");
        bufferevent_free(bev);
        bev = NULL;
        break;
    default:
        if (any(2) == 0)
            now = new_socket();
        bufferevent_setfd(bev, now);
        printf("another descriptor: %d\n", now >= 0);
        if (before >= 0)
            close(before);
        break;
    }
}

static void step(bool inside)
{
    if (bev == NULL) { /* never inside: freed by nobody there */
        bev = bufferevent_socket_new(base, new_socket(),
                                     BEV_OPT_CLOSE_ON_FREE | (any(3) == 0 ? BEV_OPT_DEFER_CALLBACKS : 0));
        bufferevent_setcb(bev, on_read, on_write, on_event, bytes);
    }
    switch (any(20)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        set_up();
        break;
    case 5:
        if (any(4) == 0)
            seldom(inside);
        break;
    case 6:
        trigger(inside);
        break;
    case 7:
    case 8:
    case 9:
    case 10:
        calls = 0;
        if (!inside)
            printf("loop: %d\n", event_base_loop(base, EVLOOP_NONBLOCK | EVLOOP_ONCE));
        break;
    default:
        move_bytes();
        break;
    }
    if (bev != NULL)
        print_state();
}

void play_bufferevents(void)
{
    signal(SIGPIPE, SIG_IGN);
    base = event_base_new();
    budget = IN_CALLBACKS;
    other = -1;
    for (int i = 0; i < STEPS; i++)
        step(false);
    if (bev != NULL)
        bufferevent_free(bev);
    bev = NULL;
    printf("end: %d\n", event_base_loop(base, EVLOOP_NONBLOCK));
    event_base_free(base);
    if (other >= 0)
        close(other);
}
