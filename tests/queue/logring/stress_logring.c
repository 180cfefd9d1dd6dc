/* SPDX-License-Identifier: MIT */
/* Logrings under load: many writers and readers, signal handlers, and writers that are killed. */
#include "../../sync/sync_test.h"

#include <pawl/logring.h>
#include <pawl/rseq.h>

#include <errno.h>
#include <stddef.h>

enum { WRITERS = 6, READERS = 2, NUMBERS = 64 };

/* Every record says who wrote it, its how-manieth it is, how long it is, and has a pattern of all that. */
struct payload {
    uint32_t writer;
    uint32_t length;
    uint64_t number;
    uint64_t pattern[];
};

static uint64_t pattern_of(const struct payload *p, size_t i)
{
    return (p->number * 0x9e3779b97f4a7c15u + p->writer + p->length) ^ i;
}

static size_t make(struct payload *p, uint32_t writer, uint64_t number, unsigned *seed)
{
    size_t words = (size_t)rand_r(seed) % 30;

    *p = (struct payload){.writer = writer, .length = (uint32_t)(sizeof *p + 8 * words), .number = number};
    for (size_t i = 0; i < words; i++)
        p->pattern[i] = pattern_of(p, i);
    return p->length;
}

static bool is_whole(const struct pawl_logring_record *record)
{
    struct payload head;
    const char *at = (const char *)record->data + sizeof head;

    if (record->bytes < sizeof head)
        return false;
    memcpy(&head, record->data, sizeof head);
    if (head.length != record->bytes)
        return false;
    for (size_t i = 0; i < (record->bytes - sizeof head) / 8; i++, at += 8) {
        uint64_t word;

        memcpy(&word, at, sizeof word);
        if (word != pattern_of(&head, i))
            return false;
    }
    return true;
}

static uint64_t number_of(const struct pawl_logring_record *record)
{
    struct payload head;

    memcpy(&head, record->data, sizeof head);
    return head.number;
}

static uint32_t writer_of(const struct pawl_logring_record *record)
{
    struct payload head;

    memcpy(&head, record->data, sizeof head);
    return head.writer;
}

struct load {
    int fd;
    struct pawl_logring *log;
    uint64_t each;
    PAWL_ATOMIC(int) writing;
    PAWL_ATOMIC(uint64_t) refused;
};

struct worker {
    struct load *load;
    uint32_t index;
};

static void *write_records(void *argument)
{
    struct worker *worker = argument;
    struct load *load = worker->load;
    uint64_t buffer[(sizeof(struct payload) + 8 * 30) / 8];
    struct payload *payload = (struct payload *)(void *)buffer;
    unsigned seed = worker->index + 1;

    for (uint64_t i = 0; i < load->each; i++) {
        size_t length = make(payload, worker->index, i + 1, &seed);
        int status = pawl_logring_push(load->log, i % 4, payload, length);

        assert_int_equal(status, 0);
    }
    pawl_fetch_sub_release(&load->writing, 1); /* tells readers that everything is there */
    return NULL;
}

static void expect_accounts(struct pawl_logring_reader *reader)
{
    struct pawl_logring_counts counts;

    pawl_logring_get_counts(reader, &counts);
    for (int c = 0; c < PAWL_LOGRING_CLASSES; c++)
        assert_int_equal(counts.written[c], counts.read[c] + counts.lost[c]);
    assert_int_equal(counts.damaged, 0);
}

static void *read_records(void *argument)
{
    struct load *load = argument;
    struct pawl_logring_reader *reader = pawl_logring_reader_open(load->fd, PAWL_LOGRING_OLDEST);
    struct pawl_logring_record record;
    uint64_t last[NUMBERS][WRITERS] = {
        {0}}; /* a ring, a writer: what a writer wrote on one CPU is in order there */
    uint64_t number[NUMBERS][PAWL_LOGRING_CLASSES] = {{0}}, stamp[NUMBERS] = {0};
    bool end = false;

    assert_non_null(reader);
    for (;;) {
        uint32_t ring, writer;

        if (pawl_logring_read(reader, &record) != 0) {
            if (end)
                break;
            end = pawl_load_acquire(&load->writing) == 0; /* acquire: pairs with the writers' release */
            sched_yield();
            continue;
        }
        assert_true(is_whole(&record));
        ring = record.ring % NUMBERS;
        writer = writer_of(&record);
        assert_true(writer < WRITERS);
        assert_true(number_of(&record) > last[ring][writer]);
        assert_true(record.number >= number[ring][record.importance]);
        assert_true(record.stamp_ns >= stamp[ring]);
        last[ring][writer] = number_of(&record);
        number[ring][record.importance] = record.number + 1;
        stamp[ring] = record.stamp_ns;
    }
    expect_accounts(reader);
    pawl_logring_reader_close(reader);
    return NULL;
}

static void no_record_is_torn_and_none_is_unaccounted_for(void **state)
{
    static const size_t rings[] = {16 << 10, 1 << 20};

    (void)state;
    expect_end_within(300);
    for (int r = 0; r < 2; r++) {
        struct load load = {.fd = pawl_logring_create("stress",
                                                      &(struct pawl_logring_options){.ring_bytes = rings[r]}),
                            .each = (uint64_t)rounds(50000),
                            .writing = WRITERS};
        pthread_t threads[WRITERS + READERS];
        struct worker workers[WRITERS];

        assert_true(load.fd >= 0);
        load.log = pawl_logring_open(load.fd);
        assert_non_null(load.log);
        for (int i = 0; i < READERS; i++)
            threads[WRITERS + i] = start(read_records, &load);
        for (uint32_t i = 0; i < WRITERS; i++) {
            workers[i] = (struct worker){&load, i};
            threads[i] = start(write_records, &workers[i]);
        }
        for (int i = 0; i < WRITERS + READERS; i++)
            join(threads[i]);
        read_records(&load); /* once more, afterwards */
        pawl_logring_close(load.log);
        close(load.fd);
    }
    alarm(0);
}

static void what_is_read_afterwards_is_in_the_order_of_the_stamps(void **state)
{
    struct load load = {.fd = pawl_logring_create("order", NULL),
                        .each = (uint64_t)rounds(5000),
                        .writing = 4};
    struct pawl_logring_reader *reader;
    struct pawl_logring_record record;
    pthread_t threads[4];
    struct worker workers[4];
    uint64_t last = 0, seen = 0;

    (void)state;
    load.log = pawl_logring_open(load.fd);
    assert_non_null(load.log);
    for (uint32_t i = 0; i < 4; i++) {
        workers[i] = (struct worker){&load, i};
        threads[i] = start(write_records, &workers[i]);
    }
    for (int i = 0; i < 4; i++)
        join(threads[i]);
    sleep_ms(1); /* clocks of CPUs may differ a little: the reader holds back what is younger than its own */
    reader = pawl_logring_reader_open(load.fd, PAWL_LOGRING_OLDEST);
    assert_non_null(reader);
    while (pawl_logring_read(reader, &record) == 0) {
        assert_true(record.stamp_ns >= last);
        last = record.stamp_ns;
        seen++;
    }
    assert_true(seen > 1000);
    expect_accounts(reader);
    pawl_logring_reader_close(reader);
    pawl_logring_close(load.log);
    close(load.fd);
}

/* ---- signal handlers ---- */

static struct pawl_logring *handlers_log;
static volatile sig_atomic_t handled, turned_away;

static void push_in_handler(int signal)
{
    uint64_t buffer[(sizeof(struct payload) + 8 * 30) / 8];
    unsigned seed = (unsigned)handled;
    size_t length = make((struct payload *)(void *)buffer, WRITERS - 1, (uint64_t)handled + 1, &seed);

    (void)signal;
    handled++;
    if (pawl_logring_push(handlers_log, 0, buffer, length) != 0)
        turned_away++;
}

static void a_signal_handler_may_push_inside_a_push(void **state)
{
    struct load load = {.fd = pawl_logring_create("signals", NULL),
                        .each = (uint64_t)rounds(100000),
                        .writing = 1};
    struct worker worker = {&load, 0};
    struct sigaction action = {.sa_handler = push_in_handler}, before;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec often = {{0, 50000}, {0, 50000}};
    timer_t timer;

    (void)state;
    handlers_log = load.log = pawl_logring_open(load.fd);
    assert_non_null(load.log);
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    assert_int_equal(timer_settime(timer, 0, &often, NULL), 0);
    while (handled == 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000},
                  NULL); /* cut short by the first; all could be written before it */
    write_records(&worker);
    timer_delete(timer);
    sigaction(SIGUSR1, &before, NULL);
    /* Without sequences a push may find no lane where it interrupts others: it says so, and is counted. */
    assert_true(pawl_rseq_available() ? turned_away == 0 : turned_away < handled);
    read_records(&load);
    pawl_logring_close(load.log);
    close(load.fd);
}

/* ---- killed writers ---- */

static void write_for_ever(int fd, uint32_t writer)
{
    struct pawl_logring *log = pawl_logring_open(fd);
    uint64_t buffer[(sizeof(struct payload) + 8 * 30) / 8];
    struct payload *payload = (struct payload *)(void *)buffer;
    unsigned seed = writer;

    if (log == NULL)
        _exit(1);
    for (uint64_t i = 1;; i++) {
        size_t length = make(payload, writer, i, &seed);

        if (i % 1000 == 0) { /* a large one now and then, which is killed in parts */
            struct payload *large = pawl_logring_reserve(log, i % 4, sizeof *large + 8 * 2000);

            if (large == NULL)
                _exit(2);
            *large = (struct payload){.writer = writer, .length = sizeof *large + 8 * 2000, .number = i};
            for (size_t k = 0; k < 2000; k++)
                large->pattern[k] = pattern_of(large, k);
            if (pawl_logring_commit(log, large) != 0)
                _exit(3);
        } else if (pawl_logring_push(log, i % 4, payload, length) != 0) {
            _exit(4);
        }
    }
}

static pid_t spawn(int fd, uint32_t writer)
{
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        write_for_ever(fd, writer);
    return child;
}

struct watch {
    int fd;
    PAWL_ATOMIC(int) done;
    PAWL_ATOMIC(uint64_t) seen;
    uint64_t large;
};

/* Each writer, by its number, is a process that lives once. Its records are in order in each ring. */
static void *watch_records(void *argument)
{
    struct watch *watch = argument;
    struct pawl_logring_reader *reader = pawl_logring_reader_open(watch->fd, PAWL_LOGRING_OLDEST);
    struct pawl_logring_record record;
    uint64_t stamp[NUMBERS] = {0};
    bool end = false;

    assert_non_null(reader);
    for (;;) {
        if (pawl_logring_read(reader, &record) != 0) {
            if (end)
                break;
            end = pawl_load_acquire(&watch->done) != 0; /* acquire: the last is dead */
            sched_yield();
            continue;
        }
        assert_true(is_whole(&record));
        assert_true(record.stamp_ns >= stamp[record.ring % NUMBERS]);
        stamp[record.ring % NUMBERS] = record.stamp_ns;
        pawl_fetch_add_relaxed(&watch->seen, 1u); /* relaxed: a count */
        watch->large += record.bytes > PAWL_LOGRING_INLINE_MAX;
    }
    expect_accounts(reader);
    pawl_logring_reader_close(reader);
    return NULL;
}

static void three_hundred_killed_writers_leave_nothing_torn_and_nobody_waiting(void **state)
{
    enum { KILLS = PAWL_INSTRUMENTED ? 60 : 300, AT_ONCE = 3 };
    struct watch watch = {
        .fd = pawl_logring_create("kills",
                                  &(struct pawl_logring_options){.ring_bytes = 256 << 10, .lanes = 32})};
    unsigned seed = 17;
    pid_t children[AT_ONCE];
    pthread_t watcher;

    (void)state;
    expect_end_within(300);
    assert_true(watch.fd >= 0);
    watcher = start(watch_records, &watch);
    for (uint32_t i = 0; i < AT_ONCE; i++)
        children[i] = spawn(watch.fd, i);
    for (uint32_t i = 0; i < KILLS; i++) {
        struct timespec time = {0, 1000000 + rand_r(&seed) % 4000000};
        pid_t *child = &children[(unsigned)rand_r(&seed) % AT_ONCE];
        int status;

        nanosleep(&time, NULL);
        kill(*child, SIGKILL);
        status = status_of(*child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); /* it was writing, and not refused */
        *child = spawn(watch.fd, AT_ONCE + i);
    }
    while (pawl_load_relaxed(&watch.seen) <=
           1000) /* on a busy machine those that were killed had hardly begun */
        sleep_ms(1);
    for (uint32_t k = 0; k < AT_ONCE; k++) {
        kill(children[k], SIGKILL);
        (void)status_of(children[k]);
    }
    pawl_store_release(&watch.done, 1); /* tells the watcher that everything is there */
    join(watcher);
    print_message("%llu records of killed writers, %llu of them large\n",
                  (unsigned long long)pawl_load_relaxed(&watch.seen), (unsigned long long)watch.large);
    close(watch.fd);
    alarm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_record_is_torn_and_none_is_unaccounted_for),
        cmocka_unit_test(what_is_read_afterwards_is_in_the_order_of_the_stamps),
        cmocka_unit_test(a_signal_handler_may_push_inside_a_push),
        cmocka_unit_test(three_hundred_killed_writers_leave_nothing_torn_and_nobody_waiting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
