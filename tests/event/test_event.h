/* SPDX-License-Identifier: MIT */
/* One program, run with Debian's libevent and with libpawl-event: each promise holds for both. */
#ifndef PAWL_TEST_EVENT_H
#define PAWL_TEST_EVENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka's header wants those first */
#include <cmocka.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>

/* The results of the files: how many promises were broken. */
int test_timeouts(void);
int test_loop(void);
int test_sources(void);
int test_signals(void);
int test_threads(void);
int test_buffers(void);
int test_bufferevents(void);

/* What a callback was told, and how often. */
struct seen {
    int calls;
    short what;
    evutil_socket_t fd;
    struct event *event; /* for callbacks that do something with one */
    struct event_base *base;
};

void see(evutil_socket_t fd, short what, void *arg);
/* Sees, and takes a byte out of the descriptor. */
void see_and_read(evutil_socket_t fd, short what, void *arg);

/* Writes its argument, a number, down. */
enum { NOTES = 512 };
extern int noted[NOTES], notes;
void note(evutil_socket_t fd, short what, void *arg);

struct timeval ms(int count);
/* CLOCK_MONOTONIC. */
int64_t now_us(void);

/* Runs what is ready at present, without waiting. */
void run_ready(struct event_base *base);

/* No lines of the log on stderr from here on; how many there were so far. */
int logged(void);

#endif
