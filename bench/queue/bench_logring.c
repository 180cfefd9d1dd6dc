/* SPDX-License-Identifier: MIT */
/* Logs in memory: writers write records of 64, or of 16 to 248 bytes, as fast as they can; readers follow. 1 MiB of ring (a
 * CPU, or in all). Every record has a time stamp.
 *
 * The rivals are what one would write instead: one ring under a mutex, and one whose tail is moved by compare and swap, with
 * readers that look behind their copy whether they were overtaken. That one does show torn records: a writer that is
 * slow with its copy is overtaken by the others. The count is printed.
 *
 * By record, of the writer: ours 0 RMW, compare and swap 1, mutex 2 (of which glibc leaves out those of a process with one
 * thread, as it is when costs are counted); no fences. Lines: the record's, and that of the tail, which in one ring for
 * all goes from CPU to CPU with every record. Counted with one stamp for all records: looked at instruction by
 * instruction, the clock would take an anchor every few of them (<pawl/clock.h>), which it does every 10 ms. */
#include "../../src/core/queue/logring_format.h"
#include "ring_roles.h"

#include <pawl/clock.h>
#include <pawl/logring.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RING_BYTES = 1 << 20, BYTES_MAX = 248, FIXED = 64 };

/* ---- records: the length first and last, so that a torn one is seen ---- */

static uint64_t sizes[256]; /* 16 to 248, all multiples of 8 */

static void make_sizes(void)
{
    uint64_t random = 42;

    for (int i = 0; i < 256; i++)
        sizes[i] = 16 + bench_random(&random) % 30 * 8;
}

static PAWL_ATOMIC(uint64_t) torn;

static inline void inspect(const void *data, uint64_t bytes)
{
    uint64_t first, last;

    memcpy(&first, data, 8);
    memcpy(&last, (const char *)data + bytes - 8, 8);
    if (first != last || (first & 0xfff) != bytes)
        pawl_fetch_add_relaxed(&torn, UINT64_C(1)); /* relaxed: a count */
}

static void report_torn(const char *name)
{
    /* relaxed: the threads are gone */
    uint64_t count = pawl_exchange_relaxed(&torn, UINT64_C(0));

    if (count != 0)
        fprintf(stderr, "%s: %llu torn records\n", name, (unsigned long long)count);
}

/* ---- ours ---- */

struct pawl_log {
    struct pawl_logring *log;
    int fd;
};

static int open_pawl(unsigned threads, void **shared)
{
    struct pawl_log *log = calloc(1, sizeof *log);

    (void)threads;
    make_sizes();
    if (log == NULL)
        return -ENOMEM;
    log->fd = pawl_logring_create("bench", &(struct pawl_logring_options){.ring_bytes = RING_BYTES});
    log->log = log->fd >= 0 ? pawl_logring_open(log->fd) : NULL;
    *shared = log;
    return log->log != NULL ? 0 : -errno;
}

static void close_pawl(void *shared)
{
    struct pawl_log *log = shared;

    report_torn("pawl logring");
    pawl_logring_close(log->log);
    close(log->fd);
    free(log);
}

static inline void pawl_push(void *shared, const void *data, uint64_t bytes)
{
    (void)pawl_logring_push(((struct pawl_log *)shared)->log, PAWL_LOG_VITAL, data, bytes);
}

static inline void pawl_push_at(void *shared, const void *data, uint64_t bytes, uint64_t now)
{
    (void)pawl_logring_push_at_(((struct pawl_log *)shared)->log, PAWL_LOG_VITAL, data, bytes, now);
}

static void *pawl_begin(void *shared)
{
    return pawl_logring_reader_open(((struct pawl_log *)shared)->fd, PAWL_LOGRING_NOW);
}

static inline bool pawl_pop(void *reader, void *shared)
{
    struct pawl_logring_record record;

    (void)shared;
    if (pawl_logring_read(reader, &record) != 0)
        return false;
    inspect(record.data, record.bytes);
    return true;
}

static void pawl_end(void *reader)
{
    pawl_logring_reader_close(reader);
}

/* ---- one ring for all ---- */

/* A record: its length and a stamp, then its bytes, in multiples of 8; no record crosses the end of the ring. */
struct shared_log {
    PAWL_ATOMIC(uint64_t) tail __attribute__((aligned(BENCH_LINE_PAIR)));
    pthread_mutex_t lock __attribute__((aligned(BENCH_LINE_PAIR)));
    PAWL_ATOMIC(uint64_t) word[RING_BYTES / 8] __attribute__((aligned(BENCH_LINE_PAIR)));
};

struct place {
    uint64_t position;
};

static int open_shared(unsigned threads, void **shared)
{
    struct shared_log *log = aligned_alloc(BENCH_LINE_PAIR, sizeof *log);

    (void)threads;
    make_sizes();
    if (log == NULL)
        return -ENOMEM;
    memset(log, 0, sizeof *log);
    pthread_mutex_init(&log->lock, NULL);
    *shared = log;
    return 0;
}

/* Where the record goes that is put behind the tail. */
static inline uint64_t start_of(uint64_t tail, uint64_t need)
{
    uint64_t room = RING_BYTES - tail % RING_BYTES;

    return room < need ? tail + room : tail;
}

/* `now` 0: look at the clock. */
static inline void copy_in(struct shared_log *log, uint64_t tail, uint64_t start, const void *data,
                           uint64_t bytes, uint64_t now)
{
    PAWL_ATOMIC(uint64_t) *to = &log->word[start % RING_BYTES / 8];

    /* relaxed, all: readers look at the tail afterwards */
    if (start != tail)
        pawl_store_relaxed(&log->word[tail % RING_BYTES / 8], ~UINT64_C(0));
    pawl_store_relaxed(to + 1, now != 0 ? now : pawl_clock_ns());
    for (uint64_t i = 0; i < bytes / 8; i++) {
        uint64_t word;

        memcpy(&word, (const char *)data + 8 * i, 8);
        pawl_store_relaxed(to + 2 + i, word);
    }
    pawl_store_release(to,
                       bytes << 48 | (start / 8 & 0xffffffffffff)); /* committed: it says where it belongs */
}

static inline void swap_push_at(void *shared, const void *data, uint64_t bytes, uint64_t now)
{
    struct shared_log *log = shared;
    uint64_t tail = pawl_load_relaxed(&log->tail); /* relaxed: the exchange validates */
    uint64_t start;

    do {
        start = start_of(tail, bytes + 16);
    } while (!pawl_cas_acq_rel(&log->tail, &tail, start + bytes + 16));
    copy_in(log, tail, start, data, bytes, now);
}

static inline void swap_push(void *shared, const void *data, uint64_t bytes)
{
    swap_push_at(shared, data, bytes, 0);
}

static inline void mutex_push_at(void *shared, const void *data, uint64_t bytes, uint64_t now)
{
    struct shared_log *log = shared;
    uint64_t tail, start;

    pthread_mutex_lock(&log->lock);
    tail = pawl_load_relaxed(&log->tail); /* relaxed, both: under the lock */
    start = start_of(tail, bytes + 16);
    copy_in(log, tail, start, data, bytes, now);
    pawl_store_relaxed(&log->tail, start + bytes + 16);
    pthread_mutex_unlock(&log->lock);
}

static inline void mutex_push(void *shared, const void *data, uint64_t bytes)
{
    mutex_push_at(shared, data, bytes, 0);
}

static void *shared_begin(void *shared)
{
    struct place *place = malloc(sizeof *place);

    if (place != NULL)
        place->position = pawl_load_acquire(&((struct shared_log *)shared)->tail);
    return place;
}

static void shared_end(void *place)
{
    free(place);
}

/* The next record, if it is committed; where it was overtaken, to the end. */
static inline bool shared_pop(struct place *place, struct shared_log *log)
{
    uint64_t tail = pawl_load_acquire(&log->tail);
    uint64_t copy[BYTES_MAX / 8 + 2];
    uint64_t at = place->position % RING_BYTES / 8, head, bytes;

    if (tail - place->position > RING_BYTES / 2 + RING_BYTES / 4) {
        place->position = tail;
        return false;
    }
    if (tail == place->position)
        return false;
    head = pawl_load_acquire(&log->word[at]);
    if (head == ~UINT64_C(0)) {
        place->position += RING_BYTES - place->position % RING_BYTES;
        return false;
    }
    bytes = head >> 48;
    if ((head & 0xffffffffffff) != (place->position / 8 & 0xffffffffffff) || bytes > BYTES_MAX)
        return false; /* not committed yet */
    for (uint64_t i = 0; i < bytes / 8; i++)
        copy[i] = pawl_load_relaxed(&log->word[at + 2 + i]); /* relaxed: looked at below */
    pawl_fence_acquire();                                    /* the copy before the tail */
    if (pawl_load_relaxed(&log->tail) - place->position > RING_BYTES)
        return false;
    inspect(copy, bytes);
    place->position += bytes + 16;
    return true;
}

static inline bool swap_pop(void *place, void *shared)
{
    return shared_pop(place, shared);
}

static inline bool mutex_pop(void *place, void *shared)
{
    struct shared_log *log = shared;
    bool found;

    pthread_mutex_lock(&log->lock);
    found = shared_pop(place, log);
    pthread_mutex_unlock(&log->lock);
    return found;
}

static void close_swap(void *shared)
{
    report_torn("compare and swap");
    free(shared);
}

static void close_mutex(void *shared)
{
    report_torn("mutex");
    free(shared);
}

#define swap_begin shared_begin
#define swap_end shared_end
#define mutex_begin shared_begin
#define mutex_end shared_end

/* ---- the loops ---- */

#define LOOPS(name)                                                                                        \
    static void name##_enter(struct bench_thread *thread)                                                  \
    {                                                                                                      \
        roles_enter(thread);                                                                               \
        role_of(thread)->place = name##_begin(thread->shared);                                             \
        if (role_of(thread)->place == NULL)                                                                \
            abort();                                                                                       \
    }                                                                                                      \
    static void name##_leave(struct bench_thread *thread)                                                  \
    {                                                                                                      \
        name##_end(role_of(thread)->place);                                                                \
        roles_leave(thread);                                                                               \
    }                                                                                                      \
    static inline void name##_roles(struct bench_thread *thread, uint64_t n, unsigned readers, bool fixed) \
    {                                                                                                      \
        unsigned writers = thread->threads - readers;                                                      \
                                                                                                           \
        if (thread->index < writers) {                                                                     \
            uint64_t record[BYTES_MAX / 8] = {0};                                                          \
                                                                                                           \
            for (uint64_t i = 0; i < n * PUSHES; i++) {                                                    \
                uint64_t bytes = fixed ? FIXED : sizes[i % 256];                                           \
                                                                                                           \
                record[0] = record[bytes / 8 - 1] = i << 12 | bytes;                                       \
                name##_push(thread->shared, record, bytes);                                                \
            }                                                                                              \
            producer_ended(thread);                                                                        \
        } else {                                                                                           \
            void *place = role_of(thread)->place;                                                          \
            unsigned turn = 0;                                                                             \
                                                                                                           \
            while (producers_run(thread, writers))                                                         \
                if (!name##_pop(place, thread->shared))                                                    \
                    consumer_waits(&turn);                                                                 \
            consumer_ended(thread);                                                                        \
        }                                                                                                  \
    }                                                                                                      \
    /* To count what one writer's records cost. */                                                         \
    static inline void name##_alone(struct bench_thread *thread, uint64_t n, bool fixed)                   \
    {                                                                                                      \
        uint64_t record[BYTES_MAX / 8] = {0};                                                              \
                                                                                                           \
        for (uint64_t i = 0; i < n * PUSHES; i++)                                                          \
            name##_push_at(thread->shared, record, fixed ? FIXED : sizes[i % 256], 1);                     \
    }                                                                                                      \
    static void name##_fixed_alone(struct bench_thread *thread, uint64_t n)                                \
    {                                                                                                      \
        name##_alone(thread, n, true);                                                                     \
    }                                                                                                      \
    static void name##_mixed_alone(struct bench_thread *thread, uint64_t n)                                \
    {                                                                                                      \
        name##_alone(thread, n, false);                                                                    \
    }                                                                                                      \
    static void name##_fixed(struct bench_thread *thread, uint64_t n)                                      \
    {                                                                                                      \
        name##_roles(thread, n, 0, true);                                                                  \
    }                                                                                                      \
    static void name##_mixed(struct bench_thread *thread, uint64_t n)                                      \
    {                                                                                                      \
        name##_roles(thread, n, 0, false);                                                                 \
    }                                                                                                      \
    static void name##_watched(struct bench_thread *thread, uint64_t n)                                    \
    {                                                                                                      \
        name##_roles(thread, n, thread->threads > 4 ? 2 : 1, false);                                       \
    }

LOOPS(pawl)
LOOPS(swap)
LOOPS(mutex)

#define ROW(title, opens, prefix, which, one, closes)                                                 \
    {                                                                                                 \
        .name = title, .setup = opens, .reset = roles_reset, .enter = prefix##_enter,                 \
        .leave = prefix##_leave, .run = prefix##_##which, .alone = prefix##_##one, .teardown = closes \
    }

/* `one` is what one thread does when its costs are counted. */
#define CONTENDERS(which, one)                                                  \
    {                                                                           \
        ROW("pawl logring", open_pawl, pawl, which, one, close_pawl),           \
            ROW("compare and swap", open_shared, swap, which, one, close_swap), \
            ROW("mutex", open_shared, mutex, which, one, close_mutex), {0},     \
    }

static const struct bench_contender fixed[] = CONTENDERS(fixed, fixed_alone);
static const struct bench_contender mixed[] = CONTENDERS(mixed, mixed_alone);
static const struct bench_contender watched[] = CONTENDERS(watched, mixed_alone);

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "write-64",
         .about = "All threads write records of 64 bytes.",
         .unit = "record",
         .ops = PUSHES,
         .threads = {1, 2},
         .contenders = fixed},
        {.name = "write",
         .about = "All threads write records of 16 to 248 bytes.",
         .unit = "record",
         .ops = PUSHES,
         .threads = {2},
         .contenders = mixed},
        {.name = "watched",
         .about = "2 writers and 1 reader; 6 writers and 2 readers. Records of 16 to 248 bytes.",
         .unit = "record",
         .ops = PUSHES,
         .threads = {3, 8},
         .contenders = watched},
        {0},
    };
    static const struct bench_program program = {"logring", "Logs in memory that other processes can read.",
                                                 groups};

    return bench_main(argc, argv, &program);
}
