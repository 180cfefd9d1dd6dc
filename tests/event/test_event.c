/* SPDX-License-Identifier: MIT */
#include "test_event.h"

#include <assert.h>
#include <dlfcn.h>
#include <pawl/atomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void see(evutil_socket_t fd, short what, void *arg)
{
    struct seen *seen = arg;

    seen->calls++;
    seen->what = what;
    seen->fd = fd;
}

void see_and_read(evutil_socket_t fd, short what, void *arg)
{
    char byte;

    see(fd, what, arg);
    if ((what & EV_READ) != 0)
        assert_int_equal(read(fd, &byte, 1), 1);
}

int noted[NOTES], notes;

void note(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    assert_true(notes < NOTES);
    noted[notes++] = (int)(intptr_t)arg;
}

int64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

struct timeval ms(int count)
{
    return (struct timeval){.tv_sec = count / 1000, .tv_usec = count % 1000 * 1000L};
}

void run_ready(struct event_base *base)
{
    assert_true(event_base_loop(base, EVLOOP_NONBLOCK | EVLOOP_ONCE) >= 0);
}

static PAWL_ATOMIC(int) lines; /* relaxed: whoever asks has waited for the threads that log */

static void count_line(int severity, const char *line)
{
    (void)severity;
    (void)line;
    pawl_fetch_add_relaxed(&lines, 1);
}

int logged(void)
{
    event_set_log_callback(count_line);
    return pawl_load_relaxed(&lines);
}

/* Which library these are the promises of: PAWL_TEST_EVENT is a part of its path. */
static void the_library_is_the_one_that_was_asked_for(void **state)
{
    const char *wanted = getenv("PAWL_TEST_EVENT");
    Dl_info info;

    (void)state;
    assert_non_null(wanted);
    assert_int_not_equal(dladdr((void *)(uintptr_t)event_base_new, &info), 0);
    char *path = realpath(info.dli_fname, NULL);
    assert_non_null(path);
    assert_non_null(strstr(path, wanted));
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_library_is_the_one_that_was_asked_for)};
    int broken = cmocka_run_group_tests_name("library", tests, NULL, NULL);

    broken += test_timeouts();
    broken += test_loop();
    broken += test_sources();
    broken += test_signals();
    broken += test_buffers();
    broken += test_bufferevents();
    broken += test_threads(); /* last: locks stay on */
    return broken != 0;
}
