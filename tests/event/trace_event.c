/* SPDX-License-Identifier: MIT */
/* Random calls of an event base, and what they did, line by line: two libraries are compared by running this with both.
 *
 *     trace_event epoll|poll|buffers|bufferevents SEED ROUNDS
 *
 * Left out is what libevent leaves open: which of two timers of one moment comes first, and with poll(2), which of two
 * descriptors, a signal's among them. And event_remove_timer() of a signal's event, which loses the calls that are due in libevent. */
#include "trace_event.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 14, SIGNALS = 2, PAIRS = 4, PRIORITIES = 3, STEPS = 120, IN_CALLBACKS = 40, MOST_CALLS = 60 };

static struct event_base *base;
static struct event events[EVENTS];
static int pairs[PAIRS][2], pairs_used;
static short edges; /* EV_ET, where the method knows it */
static unsigned seed;
static int budget; /* of calls in callbacks: a round ends */
static int calls;  /* in this loop: a persistent event that is ready may keep it going for ever */
static const struct timeval *common;

int any(int below)
{
    return rand_r(&seed) % below;
}

static void step(int depth);

static void ignore(int severity, const char *line)
{
    (void)severity;
    (void)line;
}

static void called(evutil_socket_t fd, short what, void *arg)
{
    char bytes[8];
    int which = (int)(intptr_t)arg;

    printf("  called %d what %x\n", which, what);
    if (++calls == MOST_CALLS)
        event_base_loopbreak(base);
    if (which < EVENTS - SIGNALS && (what & EV_READ) != 0 && fd >= 0 && any(2) == 0)
        printf("  read %zd\n", read(fd, bytes, (size_t)any(8)));
    while (budget > 0 && any(2) == 0) {
        budget--;
        step(1);
    }
}

/* Events without a descriptor, with one, and for signals, which are the last. */
static void assign(int which)
{
    short what = any(2) == 0 ? EV_PERSIST : 0;
    int fd = -1;

    if (which >= EVENTS - SIGNALS) {
        what = (short)(what | EV_SIGNAL);
        fd = SIGUSR1 + (any(3) == 0 ? SIGUSR2 - SIGUSR1 : 0);
    } else if (which % 4 != 0) {
        static const short kinds[] = {EV_READ, EV_WRITE, EV_READ | EV_WRITE, EV_READ | EV_CLOSED, EV_CLOSED};

        /* on one descriptor both kinds, which cannot be added together */
        what = (short)(what | kinds[any(5)] | (any(3) == 0 ? edges : 0));
        fd = pairs[any(pairs_used)][0];
    }
    printf("assign %d what %x: %d\n", which, what,
           event_assign(&events[which], base, fd, what, called, (void *)(intptr_t)which));
}

static void add(int which)
{
    static const struct timeval none = {0, 0}, hour = {3600, 0};
    /* one event alone has the timeout that passes */
    const struct timeval *tv = which == 0 ? &none : any(3) == 0 ? &hour : any(3) == 0 ? common : NULL;

    if (which == 0 && any(3) == 0)
        tv = NULL;
    printf("add %d %s: %d\n", which,
           tv == NULL    ? "-"
           : tv == &none ? "0"
                         : "hour",
           event_add(&events[which], tv));
}

static void step(int depth)
{
    int which = any(EVENTS), ended;
    char bytes[8];

    switch (any(15)) {
    case 0:
    case 1:
    case 2:
        add(which);
        break;
    case 3:
    case 4:
        printf("del %d: %d\n", which, event_del(&events[which]));
        break;
    case 5:
        printf("active %d\n", which);
        event_active(&events[which], 1 << any(4), (short)any(3));
        break;
    case 6:
        printf("priority %d: %d\n", which, event_priority_set(&events[which], any(PRIORITIES + 1)));
        break;
    case 7:
        if (which < EVENTS - SIGNALS)
            printf("remove_timer %d: %d\n", which, event_remove_timer(&events[which]));
        break;
    case 8:
        memset(bytes, 'x', sizeof bytes);
        printf("write %zd\n", write(pairs[any(pairs_used)][1], bytes, (size_t)any(8)));
        break;
    case 9:
        printf("once: %d\n",
               event_base_once(base, -1, EV_TIMEOUT, called, (void *)(intptr_t)(EVENTS + which), NULL));
        break;
    case 10:
        if (event_pending(&events[which], 0xff, NULL) == 0 && event_del(&events[which]) == 0)
            assign(which);
        break;
    case 11:
        if (pairs_used > 1)
            printf("signal %d\n", raise(any(3) == 0 ? SIGUSR2 : SIGUSR1));
        break;
    case 12:
        if (depth > 0)
            printf("continue %d\n", event_base_loopcontinue(base));
        else
            event_base_active_by_fd(base, pairs[any(pairs_used)][0], (short)(EV_READ | EV_WRITE));
        break;
    case 13:
        if (depth > 0 && any(4) == 0)
            printf("break %d\n", event_base_loopbreak(base));
        else if (depth > 0 && any(4) == 0)
            printf("exit %d\n",
                   event_base_loopexit(base, NULL)); /* a timer that is due: its place among others is open */
        else if (depth > 0 && any(2) == 0)
            printf("loop within %d\n", event_base_loop(base, EVLOOP_NONBLOCK));
        break;
    default:
        if (depth > 0)
            break;
        calls = 0;
        ended = event_base_loop(base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
        printf("loop: %d %d %d\n", ended, event_base_got_break(base), event_base_got_exit(base));
        break;
    }
    printf("%d is %x of %d, %d\n", which, event_pending(&events[which], 0xff, NULL),
           event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED),
           event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE));
}

static int count(const struct event_base *of, const struct event *ev, void *arg)
{
    (void)of;
    *(int *)arg += event_get_callback(ev) == called;
    return 0;
}

static void play(const char *method)
{
    static const struct timeval hour = {3600, 0};
    struct event_config *config = event_config_new();
    int found = 0;

    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    if (strcmp(method, "poll") == 0)
        event_config_avoid_method(config, "epoll");
    base = event_base_new_with_config(config);
    event_config_free(config);
    event_base_priority_init(base, PRIORITIES);
    printf("%s\n", event_base_get_method(base));
    edges = (event_base_get_features(base) & EV_FEATURE_ET) != 0 ? EV_ET : 0;
    for (int i = 0; i < pairs_used; i++)
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pairs[i]) != 0)
            exit(1);
    common = event_base_init_common_timeout(base, &hour);
    for (int i = 0; i < EVENTS; i++)
        assign(i);
    budget = IN_CALLBACKS;
    for (int i = 0; i < STEPS; i++)
        step(0);
    event_base_foreach_event(base, count, &found);
    printf("found %d\n", found);
    event_base_free(base);
    for (int i = 0; i < pairs_used; i++) {
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
}

int main(int count_of, char **arguments)
{
    if (count_of != 4) {
        fprintf(stderr, "trace_event: which method or kind, seed, and how many rounds?\n");
        return 2;
    }
    event_set_log_callback(ignore);
    pairs_used = strcmp(arguments[1], "poll") == 0 ? 1 : PAIRS;
    for (int round = 0; round < atoi(arguments[3]); round++) {
        seed = (unsigned)atoi(arguments[2]) + (unsigned)round;
        printf("seed %u\n", seed);
        if (strcmp(arguments[1], "buffers") == 0)
            play_buffers();
        else if (strcmp(arguments[1], "bufferevents") == 0)
            play_bufferevents();
        else
            play(arguments[1]);
        fflush(stdout);
    }
    return 0;
}
