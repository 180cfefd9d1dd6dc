/* SPDX-License-Identifier: MIT */
/* Bases that other threads reach into. */
#include "test_event.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/thread.h>
#include <pawl/atomic.h>
#include <pthread.h>
#include <signal.h>
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

/* The loop is about to read, or reads, when the last reference goes. */
static void a_bufferevent_may_be_freed_while_the_loop_reads(void **state)
{
    int count_of = getenv("PAWL_TEST_LONG") != NULL ? 100000 : 3000;
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    shutdown(ends[1], SHUT_WR);
    for (int i = 0; i < count_of; i++) {
        int copy = dup(ends[0]);
        struct bufferevent *bev;

        assert_true(copy >= 0);
        bev = bufferevent_socket_new(base, copy, BEV_OPT_THREADSAFE | BEV_OPT_CLOSE_ON_FREE);
        assert_non_null(bev);
        bufferevent_enable(bev, EV_READ | EV_WRITE);
        for (volatile int spin = i % 50 * 100; spin > 0; spin--) {
        }
        bufferevent_free(bev);
    }
    while (event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE) > 0) /* the loop frees the last ones */
        usleep(200);
    close(ends[0]);
    close(ends[1]);
}

enum { MOVES = 100000 };

static void *move(void *arg)
{
    struct bufferevent **pair = arg;
    struct evbuffer *from = bufferevent_get_output(pair[0]), *to = bufferevent_get_input(pair[1]);

    for (int i = 0; i < MOVES; i++) {
        evbuffer_add(from, "x", 1);
        assert_int_equal(evbuffer_add_buffer(to, from), 0);
    }
    return NULL;
}

/* The two buffers of a bufferevent share its lock, wherever they are: they shall lie as input, output, input, output of the
 * first, the second, the second, the first, as long as malloc() gives out first what was freed last. */
static void bytes_may_be_moved_both_ways_between_bufferevents(void **state)
{
    static const int freed[] = {1, 2, 3, 0};
    struct evbuffer *place[4], *lower;
    struct bufferevent *bev[2];
    pthread_t other;

    (void)state;
    for (int i = 0; i < 4; i++)
        place[i] = evbuffer_new();
    for (int i = 0; i < 3; i++)
        for (int k = i + 1; k < 4; k++)
            if (place[k] < place[i]) {
                lower = place[k];
                place[k] = place[i];
                place[i] = lower;
            }
    for (int i = 0; i < 4; i++)
        evbuffer_free(place[freed[i]]);
    for (int i = 0; i < 2; i++) {
        bev[i] = bufferevent_socket_new(base, -1, BEV_OPT_THREADSAFE);
        bufferevent_disable(bev[i], EV_WRITE);
        evbuffer_unfreeze(bufferevent_get_input(bev[i]), 0);
        evbuffer_unfreeze(bufferevent_get_output(bev[i]), 1);
    }
    struct bufferevent *there[] = {bev[0], bev[1]}, *back[] = {bev[1], bev[0]};

    assert_int_equal(pthread_create(&other, NULL, move, there), 0);
    move(back);
    pthread_join(other, NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(evbuffer_get_length(bufferevent_get_input(bev[i])), MOVES);
        bufferevent_free(bev[i]);
    }
    while (event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE) > 0)
        usleep(200);
}

/* A base of the thread's own, which has a signal and goes. */
static void *catch_for_a_while(void *arg)
{
    int number = (int)(intptr_t)arg;

    for (int i = 0; i < 1000; i++) {
        struct event_base *own = event_base_new();
        struct event *ev = evsignal_new(own, number, count, NULL);

        event_add(ev, NULL);
        event_base_loop(own, EVLOOP_NONBLOCK);
        event_free(ev);
        event_base_free(own);
    }
    return NULL;
}

/* Only one of them has signals, which is a warning: for AddressSanitizer and ThreadSanitizer. */
static void bases_of_two_threads_may_have_signals(void **state)
{
    pthread_t other;

    (void)state;
    logged();
    assert_int_equal(pthread_create(&other, NULL, catch_for_a_while, (void *)(intptr_t)SIGUSR1), 0);
    catch_for_a_while((void *)(intptr_t)SIGUSR2);
    pthread_join(other, NULL);
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
        promise(a_bufferevent_may_be_freed_while_the_loop_reads),
        promise(bytes_may_be_moved_both_ways_between_bufferevents),
        cmocka_unit_test(bases_of_two_threads_may_have_signals),
    };

    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
