/* SPDX-License-Identifier: MIT */
/* Histories of one key, recorded and judged: has what several threads were answered a sequential explanation? In the store,
 * where threads meet closest, and through the server's sockets, on both engines: pawl-cache's path is the argument. Also
 * while flush_all comes in between, and while memory is short: then an item may vanish at any moment, but not come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "history_place.h"

#include <pawl/lin.h>
#include <pawl/rcu.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

enum {
    THREADS = 4,
    EACH = 10, /* operations of a thread in one history */
    HISTORY = THREADS * EACH,
    MAX_DELTA = 9,
    VALUE_BITS = 31, /* values and numbers of cas stand side by side in one result */
};
static uint64_t seed;

/* ---- what it should be ---- */

/* What the key has. cas 0: it is not known yet, the next gets will tell. */
struct state {
    uint32_t present, cas;
    int64_t value;
};

static void nothing_there(void *state)
{
    memset(state, 0, sizeof(struct state));
}

static bool store_value(struct state *s, int64_t value, uint64_t cas)
{
    *s = (struct state){1, (uint32_t)cas, value};
    return true;
}

/* May the key be missing now? When memory is short it may have been evicted: then it is gone from here on. */
static bool absent(struct state *s, bool evicts)
{
    const bool may = s->present == 0 || evicts;

    nothing_there(s);
    return may;
}

static bool apply_gets(struct state *s, intptr_t result, bool evicts)
{
    const uint32_t cas = (uint32_t)result;

    if (result == NOTHING)
        return absent(s, evicts);
    if (s->present == 0 || s->value != result >> 32 || (s->cas != 0 && s->cas != cas))
        return false;
    s->cas = cas;
    return true;
}

/* A value whose cas nobody was told yet cannot be the one that the caller was told. */
static bool apply_cas(struct state *s, intptr_t argument, intptr_t result, bool evicts)
{
    const bool same = s->present != 0 && s->cas == (uint32_t)argument;

    if (result == NOTHING)
        return absent(s, evicts);
    if (result == EXISTS)
        return s->present != 0 && !same;
    return same && store_value(s, argument >> 32, 0);
}

static bool apply(void *state, const struct pawl_lin_operation *op, bool evicts)
{
    struct state *s = state;

    switch (op->kind) {
    case GETS:
        return apply_gets(s, op->result, evicts);
    case SET:
        if (op->result == FAILED)
            return absent(s, true);
        return store_value(s, op->argument, (uint64_t)op->result);
    case ADD:
        if (op->result == NOT_STORED)
            return s->present != 0;
        return absent(s, evicts) && (op->result == FAILED || store_value(s, op->argument, 0));
    case CAS:
        return op->result == FAILED || apply_cas(s, op->argument, op->result, evicts);
    case INCR:
        if (op->result == FAILED)
            return true;
        if (op->result == NOTHING)
            return absent(s, evicts);
        return s->present != 0 && s->value + op->argument == op->result >> 32 &&
               store_value(s, op->result >> 32, (uint32_t)op->result);
    case DELETE:
        if (op->result == NOTHING)
            return absent(s, evicts);
        return s->present != 0 && absent(s, true);
    default:
        return absent(s, true); /* flush_all */
    }
}

static bool apply_keeping(void *state, const struct pawl_lin_operation *op)
{
    return apply(state, op, false);
}

static bool apply_evicting(void *state, const struct pawl_lin_operation *op)
{
    return apply(state, op, true);
}

static const struct pawl_lin_spec keeps = {sizeof(struct state), nothing_there, apply_keeping};
static const struct pawl_lin_spec evicts = {sizeof(struct state), nothing_there, apply_evicting};

/* ---- rounds ---- */

struct game {
    const struct place *place;
    const struct pawl_lin_spec *spec;
    unsigned rounds;
    bool flushes;
    bool pressed; /* a thread fills the memory with other items */
};

static const struct game *game;
static struct pawl_lin history;
static struct pawl_lin_operation operations[HISTORY];
static pthread_barrier_t round_begins, round_ends;
static char round_key[32];
static PAWL_ATOMIC(uint32_t) over;

/* What a coin says, as often as it is of use: many gets, few deletions. */
static int kind_for(uint32_t coin)
{
    static const int kinds[] = {GETS, GETS, GETS, GETS, SET, SET, ADD, CAS, CAS, CAS, INCR, INCR, DELETE};

    if (game->flushes && coin % 8 == 0)
        return FLUSH;
    return kinds[coin / 16 % (sizeof(kinds) / sizeof(kinds[0]))];
}

static void act_once(struct client *client, int64_t value)
{
    const int kind = kind_for(random_below(&client->random, 1 << 16));
    intptr_t argument = 0, result;
    size_t number;

    if (kind == CAS && client->cas == 0)
        return;
    if (kind == SET || kind == ADD)
        argument = (intptr_t)value;
    else if (kind == CAS)
        argument = pair(value, client->cas);
    else if (kind == INCR)
        argument = 1 + (intptr_t)random_below(&client->random, MAX_DELTA);
    number = pawl_lin_call(&history, kind, argument);
    result = client->place->act(client, kind, argument);
    pawl_lin_return(&history, number, result);
    assert_true(result == FAILED || (uint64_t)(uint32_t)result >> VALUE_BITS == 0 || result < 0);
    if (kind == GETS && result != NOTHING)
        client->cas = (uint32_t)result;
}

static void *play(void *argument)
{
    struct client client = {.place = game->place, .key = round_key};
    const unsigned thread = (unsigned)(uintptr_t)argument;

    client.random = seed * THREADS + thread;
    assert_int_equal(client.place->open(&client), 0);
    for (unsigned round = 0; round < game->rounds; round++) {
        pthread_barrier_wait(&round_begins);
        client.cas = 0;
        for (int i = 0; i < EACH; i++) {
            /* Values that no sum of increments meets. */
            act_once(&client, (int64_t)(1 + thread * EACH + (unsigned)i) * HISTORY * MAX_DELTA);
            if (game->pressed && random_below(&client.random, 4) == 0)
                nanosleep(&(struct timespec){.tv_nsec = random_below(&client.random, 500000)}, NULL);
        }
        pthread_barrier_wait(&round_ends);
    }
    client.place->close(&client);
    return NULL;
}

/* Values that nobody reads, as fast as they are taken: the key of a round is soon the oldest. */
static void fill_store(void)
{
    static char value[8000];
    struct client client = {.place = game->place};

    assert_int_equal(store_client(&client), 0);
    for (uint32_t i = 0; pawl_load_relaxed(&over) == 0; i++) { /* relaxed: one more does no harm */
        struct cache_change change = {.mode = CACHE_SET, .value = value, .value_bytes = sizeof(value)};
        struct cache_key key;
        char text[32];

        cache_key_make(store, &key, text, (size_t)snprintf(text, sizeof(text), "fill:%u", i));
        (void)cache_store_item(client.session, &key, &change);
        if (i % 64 == 0)
            (void)cache_maintain(client.session);
    }
    store_leave(&client);
}

static void fill_server(void)
{
    enum { VALUE = 8000, AT_ONCE = 16 };
    struct client client = {.place = game->place};
    char request[128], *batch = malloc((size_t)AT_ONCE * (VALUE + sizeof(request)));

    assert_non_null(batch);
    assert_int_equal(dial(&client), 0);
    for (uint32_t i = 0; pawl_load_relaxed(&over) == 0; i += AT_ONCE) { /* relaxed: one more does no harm */
        size_t count = 0, sent = 0;
        char answer[64];

        for (uint32_t k = 0; k < AT_ONCE; k++) {
            count += (size_t)sprintf(batch + count, "set fill:%u 0 0 %d noreply\r\n", i + k, VALUE);
            memset(batch + count, 'f', VALUE);
            memcpy(batch + count + VALUE, "\r\n", 2);
            count += VALUE + 2;
        }
        while (sent < count) {
            const ssize_t n = send(client.socket, batch + sent, count - sent, MSG_NOSIGNAL);

            assert_true(n > 0);
            sent += (size_t)n;
        }
        ask(&client, answer, sizeof(answer), "mn\r\n"); /* no more than it can take */
    }
    hang_up(&client);
    free(batch);
}

static void *press(void *argument)
{
    (void)argument;
    if (game->place == &in_the_store)
        fill_store();
    else
        fill_server();
    return NULL;
}

static void judge(unsigned round)
{
    const int verdict = pawl_lin_check(&history, game->spec, NULL, NULL);

    if (verdict == 0)
        return;
    print_message("# round %u of seed %llu, not linearizable (%d):\n", round, (unsigned long long)seed,
                  verdict);
    for (size_t i = 0; i < history.used; i++) {
        const struct pawl_lin_operation *op = &history.operation[i];

        print_message("#   %3llu .. %3llu kind %d of %lld, cas %u -> %lld, cas %u\n",
                      (unsigned long long)op->called, (unsigned long long)op->returned, op->kind,
                      (long long)(op->kind == CAS ? op->argument >> 32 : op->argument),
                      op->kind == CAS ? (uint32_t)op->argument : 0,
                      (long long)(op->result < 0 ? op->result : op->result >> 32), (uint32_t)op->result);
    }
    assert_int_equal(verdict, 0);
}

static void play_all(const struct game *given)
{
    const char *longer = getenv("PAWL_TEST_LONG");
    struct game here = *given;
    pthread_t players[THREADS], filler;

    if (longer != NULL && longer[0] == '1')
        here.rounds *= 20;
    game = &here;
    pawl_store_relaxed(&over, 0u); /* relaxed: no thread has begun */
    assert_int_equal(pthread_barrier_init(&round_begins, NULL, THREADS + 1), 0);
    assert_int_equal(pthread_barrier_init(&round_ends, NULL, THREADS + 1), 0);
    if (game->pressed)
        assert_int_equal(pthread_create(&filler, NULL, press, NULL), 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&players[i], NULL, play, (void *)i), 0);
    for (unsigned round = 0; round < game->rounds; round++) {
        pawl_lin_init(&history, operations, HISTORY);
        (void)snprintf(round_key, sizeof(round_key), "key:%u", round);
        pthread_barrier_wait(&round_begins);
        pthread_barrier_wait(&round_ends);
        judge(round);
    }
    pawl_store_relaxed(&over, 1u); /* relaxed: see there */
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(players[i], NULL);
    if (game->pressed)
        pthread_join(filler, NULL);
    pthread_barrier_destroy(&round_begins);
    pthread_barrier_destroy(&round_ends);
}

/* ---- the promises ---- */

static void in_a_store(size_t limit, const struct game *given)
{
    const struct cache_store_config config = {.limit = limit, .item_max = (size_t)64 << 10};
    struct cache_figures figures;

    assert_int_equal(cache_store_open(&store, &config), 0);
    play_all(given);
    cache_figures(store, &figures);
    assert_true(!given->pressed || figures.evictions > 0);
    cache_store_close(store);
}

static void the_store_answers_as_if_one_asked_after_the_other(void **state)
{
    (void)state;
    in_a_store((size_t)16 << 20, &(struct game){&in_the_store, &keeps, .rounds = 300});
}

static void a_flush_of_the_store_is_one_moment(void **state)
{
    (void)state;
    in_a_store((size_t)16 << 20, &(struct game){&in_the_store, &keeps, .rounds = 1500, .flushes = true});
}

static void what_the_store_evicts_does_not_come_back(void **state)
{
    (void)state;
    in_a_store((size_t)1 << 20, &(struct game){&in_the_store, &evicts, .rounds = 150, .pressed = true});
}

static void in_a_server(const char *engine, const char *megabytes, const struct game *given)
{
    pid_t pid;

    if (server_path == NULL)
        skip();
    pid = start_server(engine, megabytes);
    play_all(given);
    if (given->pressed) {
        struct client client = {.place = &in_the_server};
        char answer[8192];
        size_t got = 0;

        assert_int_equal(dial(&client), 0);
        assert_int_equal(send(client.socket, "stats\r\n", 7, MSG_NOSIGNAL), 7);
        for (answer[0] = '\0'; strstr(answer, "END\r\n") == NULL; answer[got] = '\0') {
            const ssize_t n = recv(client.socket, answer + got, sizeof(answer) - 1 - got, 0);

            assert_true(n > 0);
            got += (size_t)n;
        }
        hang_up(&client);
        assert_true(number_behind(answer, "STAT evictions ") > 0);
    }
    end_server(pid);
}

static const struct game served = {&in_the_server, &keeps, .rounds = 60};
static const struct game served_with_flushes = {&in_the_server, &keeps, .rounds = 60, .flushes = true};
static const struct game served_under_pressure = {&in_the_server, &evicts, .rounds = 40, .pressed = true};

static void a_server_on_epoll_answers_as_if_one_asked_after_the_other(void **state)
{
    (void)state;
    in_a_server("epoll", "16", &served);
}

static void a_flush_of_a_server_on_epoll_is_one_moment(void **state)
{
    (void)state;
    in_a_server("epoll", "16", &served_with_flushes);
}

static void what_a_server_on_epoll_evicts_does_not_come_back(void **state)
{
    (void)state;
    in_a_server("epoll", "1", &served_under_pressure);
}

static void a_server_on_io_uring_answers_as_if_one_asked_after_the_other(void **state)
{
    (void)state;
    in_a_server("auto", "16", &served);
}

static void a_flush_of_a_server_on_io_uring_is_one_moment(void **state)
{
    (void)state;
    in_a_server("auto", "16", &served_with_flushes);
}

static void what_a_server_on_io_uring_evicts_does_not_come_back(void **state)
{
    (void)state;
    in_a_server("auto", "1", &served_under_pressure);
}

/* ---- a flush at a known moment ---- */

static char *far_page; /* cannot be read until somebody tries: then the store is flushed first */

static void flush_first(int number)
{
    (void)number;
    if (mprotect(far_page, 4096, PROT_READ | PROT_WRITE) != 0)
        _exit(EXIT_FAILURE);
    cache_flush(store, 0);
}

/* The store copies the value when it has looked at what is there, and before it puts the new item in its place. */
static enum cache_result cas_while_it_is_flushed(struct client *client, uint64_t cas)
{
    const struct sigaction flush = {.sa_handler = flush_first};
    struct cache_change change = {.mode = CACHE_SET, .cas = cas, .value_bytes = 1};
    enum cache_result result;
    struct sigaction before;
    struct cache_key key;

    cache_key_make(store, &key, client->key, strlen(client->key));
    far_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(far_page != MAP_FAILED);
    far_page[0] = '7';
    assert_int_equal(mprotect(far_page, 4096, PROT_NONE), 0);
    assert_int_equal(sigaction(SIGSEGV, &flush, &before), 0);
    change.value = far_page;
    result = cache_store_item(client->session, &key, &change);
    assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
    assert_int_equal(munmap(far_page, 4096), 0);
    return result;
}

static void a_cas_that_looked_before_a_flush_does_not_outlive_it(void **state)
{
    const struct cache_store_config config = {.limit = (size_t)16 << 20, .item_max = (size_t)64 << 10};
    struct client client = {.place = &in_the_store, .key = "key"};

    (void)state;
    assert_int_equal(cache_store_open(&store, &config), 0);
    assert_int_equal(store_client(&client), 0);
    (void)store_act(&client, SET, 1);
    /* It found what it was to replace, so it came before the flush; whatever it says, nothing is left. */
    (void)cas_while_it_is_flushed(&client, (uint32_t)store_act(&client, GETS, 0));
    assert_int_equal(store_act(&client, GETS, 0), NOTHING);
    store_leave(&client);
    cache_store_close(store);
}

static void a_large_value_is_as_new_as_its_end(void **state)
{
    enum { BYTES = 100000, EPOCHS = 16 };
    const struct cache_store_config config = {.limit = (size_t)16 << 20, .item_max = (size_t)1 << 20};
    struct client client = {.place = &in_the_store, .key = "key"};
    struct cache_key key;

    (void)state;
    assert_int_equal(cache_store_open(&store, &config), 0);
    assert_int_equal(store_client(&client), 0);
    cache_key_make(store, &key, client.key, strlen(client.key));
    /* However many flushes there were while it came: it is there, and the next flush takes it. */
    for (int flushes = 0; flushes <= EPOCHS + 1; flushes++) {
        struct cache_item *item = cache_large_open(client.session, &key, BYTES, 0);
        struct cache_change change = {.mode = CACHE_SET};

        assert_non_null(item);
        memset(cache_large_value(item), '1', BYTES);
        for (int i = 0; i < flushes; i++)
            cache_flush(store, 0);
        assert_int_equal(cache_large_store(client.session, &key, item, &change), CACHE_STORED);
        assert_int_not_equal(store_act(&client, GETS, 0), NOTHING);
        cache_flush(store, 0);
        assert_int_equal(store_act(&client, GETS, 0), NOTHING);
    }
    store_leave(&client);
    cache_store_close(store);
}

/* The judge is no yes-man: each of these is wrong, and one operation less makes it right. */
static void histories_that_cannot_be_are_told(void **state)
{
    static const struct {
        int kind;
        intptr_t argument, result;
    } wrong[][3] = {
        {{SET, 1, DONE}, {DELETE, 0, DONE}, {GETS, 0, (intptr_t)1 << 32 | 5}},                 /* came back */
        {{SET, 1, 5}, {CAS, (intptr_t)2 << 32 | 5, DONE}, {CAS, (intptr_t)3 << 32 | 5, DONE}}, /* both won */
        {{SET, 1, DONE}, {INCR, 4, (intptr_t)5 << 32}, {INCR, 4, (intptr_t)5 << 32}},          /* lost one */
        {{SET, 1, 5}, {FLUSH, 0, DONE}, {CAS, (intptr_t)2 << 32 | 5, DONE}}, /* outlived it */
        {{SET, 1, DONE},
         {GETS, 0, (intptr_t)1 << 32 | 5},
         {GETS, 0, (intptr_t)1 << 32 | 6}}, /* two numbers */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        for (int count = 2; count <= 3; count++) {
            pawl_lin_init(&history, operations, HISTORY);
            for (int k = 0; k < count; k++)
                pawl_lin_return(&history, pawl_lin_call(&history, wrong[i][k].kind, wrong[i][k].argument),
                                wrong[i][k].result);
            assert_int_equal(pawl_lin_check(&history, &keeps, NULL, NULL), count == 3);
            assert_int_equal(pawl_lin_check(&history, &evicts, NULL, NULL), count == 3);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histories_that_cannot_be_are_told),
        cmocka_unit_test(a_cas_that_looked_before_a_flush_does_not_outlive_it),
        cmocka_unit_test(a_large_value_is_as_new_as_its_end),
        cmocka_unit_test(the_store_answers_as_if_one_asked_after_the_other),
        cmocka_unit_test(a_flush_of_the_store_is_one_moment),
        cmocka_unit_test(what_the_store_evicts_does_not_come_back),
        cmocka_unit_test(a_server_on_epoll_answers_as_if_one_asked_after_the_other),
        cmocka_unit_test(a_flush_of_a_server_on_epoll_is_one_moment),
        cmocka_unit_test(what_a_server_on_epoll_evicts_does_not_come_back),
        cmocka_unit_test(a_server_on_io_uring_answers_as_if_one_asked_after_the_other),
        cmocka_unit_test(a_flush_of_a_server_on_io_uring_is_one_moment),
        cmocka_unit_test(what_a_server_on_io_uring_evicts_does_not_come_back),
    };
    const char *given = getenv("PAWL_TEST_SEED");

    server_path = argc > 1 ? argv[1] : NULL;
    seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("# PAWL_TEST_SEED=%llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
