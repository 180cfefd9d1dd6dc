/* SPDX-License-Identifier: MIT */
/* Bases that other threads reach into. */
#include "test_event.h"

#include <event2/thread.h>
#include <pawl/atomic.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct event_base *base;
static pthread_t loop_thread;

static void *run_loop(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
}

static int set_up(void **state)
{
    (void)state;
    base = event_base_new();
    return base == NULL || pthread_create(&loop_thread, NULL, run_loop, NULL) != 0;
}

static void stop_loop(void)
{
    void *status;

    /* The loop forgets what was said before it began: again until it has ended. */
    do {
        event_base_loopbreak(base);
        usleep(1000);
    } while (pthread_tryjoin_np(loop_thread, &status) != 0);
    assert_ptr_equal(status, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    stop_loop();
    event_base_free(base);
    return 0;
}

static PAWL_ATOMIC(int) calls;

static void count(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    pawl_fetch_add_release(&calls, 1);
}

static void wait_for(int wanted)
{
    while (pawl_load_acquire(&calls) < wanted)
        usleep(200);
}

static void what_another_thread_adds_or_activates_wakes_the_loop(void **state)
{
    struct timeval now = {0, 0}, soon = ms(2);
    struct event *ev = event_new(base, -1, 0, count, NULL);
    int ends[2];

    (void)state;
    pawl_store_relaxed(&calls, 0);
    event_active(ev, EV_READ, 1);
    wait_for(1);
    event_add(ev, &now);
    wait_for(2);
    event_add(ev, &soon);
    wait_for(3);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct event *reads = event_new(base, ends[0], EV_READ, count, NULL);
    event_add(reads, NULL);
    assert_int_equal(write(ends[1], "x", 1), 1);
    wait_for(4);
    event_base_once(base, -1, EV_TIMEOUT, count, NULL, NULL);
    wait_for(5);
    event_free(reads);
    event_free(ev);
    close(ends[0]);
    close(ends[1]);
}

static PAWL_ATOMIC(int) inside, leave;

static void stay(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    pawl_store_release(&inside, 1);
    while (pawl_load_acquire(&leave) == 0)
        usleep(200);
    usleep(3000); /* long enough for who does not wait to be seen */
    pawl_store_release(&inside, 0);
}

static void deleting_waits_until_the_callback_has_returned(void **state)
{
    struct event *ev = event_new(base, -1, EV_PERSIST, stay, NULL);

    (void)state;
    for (int round = 0; round < 3; round++) {
        pawl_store_relaxed(&leave, 0);
        event_active(ev, EV_READ, 1);
        while (pawl_load_acquire(&inside) == 0)
            usleep(200);
        assert_int_equal(event_del_noblock(ev), 0); /* it is inside until we let it go: this does not wait */
        assert_int_equal(pawl_load_acquire(&inside), 1);
        pawl_store_release(&leave, 1);
        assert_int_equal(round == 0 ? event_del_block(ev) : event_del(ev), 0);
        assert_int_equal(pawl_load_acquire(&inside), 0);
    }
    event_free(ev);
}

static void an_event_that_can_be_finalized_is_not_waited_for(void **state)
{
    struct event *ev = event_new(base, -1, EV_PERSIST | EV_FINALIZE, stay, NULL);

    (void)state;
    pawl_store_relaxed(&leave, 0);
    event_active(ev, EV_READ, 1);
    while (pawl_load_acquire(&inside) == 0)
        usleep(200);
    assert_int_equal(event_del(ev), 0);
    assert_int_equal(pawl_load_acquire(&inside), 1);
    pawl_store_release(&leave, 1);
    assert_int_equal(event_del_block(ev), 0);
    event_free_finalize(0, ev, (event_finalize_callback_fn)(void (*)(void))count); /* freed by the loop */
}

enum { STRESSERS = 3 };

static int rounds;

static void *stress(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    struct timeval now = {0, 0}, later = ms(1000);
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct event *ev = event_new(base, ends[0], EV_READ | EV_PERSIST, count, NULL);
    for (int i = 0; i < rounds; i++) {
        switch (rand_r(&seed) % 6) {
        case 0:
            event_add(ev, &later);
            break;
        case 1:
            event_add(ev, &now);
            break;
        case 2:
            event_del(ev);
            break;
        case 3:
            event_active(ev, EV_READ, 1);
            break;
        case 4:
            event_pending(ev, EV_READ | EV_TIMEOUT, &later);
            break;
        default:
            event_free(ev);
            ev = event_new(base, ends[0], EV_READ | EV_PERSIST, count, NULL);
            break;
        }
    }
    event_free(ev);
    close(ends[0]);
    close(ends[1]);
    return NULL;
}

static void threads_may_do_all_of_it_at_once(void **state)
{
    pthread_t threads[STRESSERS];

    (void)state;
    rounds = getenv("PAWL_TEST_LONG") != NULL ? 200000 : 4000;
    for (uintptr_t i = 0; i < STRESSERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, stress, (void *)(i + 11)), 0);
    for (int i = 0; i < STRESSERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE), 0);
}

static void threads_can_be_used_once_and_for_all(void **state)
{
    struct evthread_lock_callbacks other = {.lock_api_version = EVTHREAD_LOCK_API_VERSION};

    (void)state;
    assert_int_equal(evthread_use_pthreads(), 0);
    assert_int_equal(evthread_use_pthreads(), 0);
    logged();
    assert_int_equal(evthread_set_lock_callbacks(&other), -1);
    struct event_base *made = event_base_new();
    assert_int_equal(evthread_make_base_notifiable(made), 0);
    event_base_free(made);
}

#define promise(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int test_threads(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_can_be_used_once_and_for_all),
        promise(what_another_thread_adds_or_activates_wakes_the_loop),
        promise(deleting_waits_until_the_callback_has_returned),
        promise(an_event_that_can_be_finalized_is_not_waited_for),
        promise(threads_may_do_all_of_it_at_once),
    };

    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
