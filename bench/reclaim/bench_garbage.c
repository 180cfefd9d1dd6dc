/* SPDX-License-Identifier: MIT */
/* How much garbage is held: while nobody reads, while one reader stays inside, and while two threads retire. Counted,
 * not timed, so the machine matters little; no harness. Each scheme runs in a process of its own. */
#include "peers.h"

#include <pawl/reclaim.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- ours ---- */

struct garbage {
    struct pawl_retired retired;
    char payload[GARBAGE_BYTES - sizeof(struct pawl_retired)];
};

static struct pawl_reclaim by;
static struct pawl_guard guard; /* of the thread that holds */
static PAWL_ATOMIC(struct garbage *) cell;
static PAWL_ATOMIC(uint64_t) reclaimed;

static uint64_t count_reclaimed(void)
{
    return pawl_load_relaxed(&reclaimed);
}

static void drop(struct pawl_retired *retired)
{
    free(pawl_retired_of(retired, struct garbage, retired));
    pawl_fetch_add_relaxed(&reclaimed, UINT64_C(1));
}

static struct garbage *make(void)
{
    struct garbage *garbage = malloc(sizeof *garbage);

    if (garbage == NULL)
        abort();
    return garbage;
}

static void hold(void)
{
    pawl_reclaim_enter(&by, &guard);
    (void)pawl_reclaim_protect(&guard, 0, &cell);
}

static void let_go(void)
{
    pawl_reclaim_leave(&guard);
}

static int retire(void)
{
    struct garbage *garbage = make();

    if (by.kind != PAWL_RECLAIM_RCU) {
        pawl_reclaim_retire(&by, &garbage->retired, drop);
        return 0;
    }
    if (pawl_rcu_try_call_in(by.domain.rcu, &garbage->retired, drop) == 0)
        return 0;
    free(garbage);
    return -EAGAIN;
}

static void flush(void)
{
    pawl_reclaim_flush(&by);
}

static pthread_once_t opened = PTHREAD_ONCE_INIT;

static void take_rcu(void)
{
    by = pawl_reclaim_by_rcu(&pawl_rcu_default);
}

static int retire_rcu(void)
{
    pthread_once(&opened, take_rcu);
    return retire();
}

static void hold_rcu(void)
{
    pthread_once(&opened, take_rcu);
    hold();
}

static void make_epoch(void)
{
    by = pawl_reclaim_by_epoch(pawl_epoch_open());
    if (by.domain.epoch == NULL)
        abort();
}

static void open_epoch(void)
{
    pthread_once(&opened, make_epoch);
}

static void hold_epoch(void)
{
    open_epoch();
    hold();
}

static int retire_epoch(void)
{
    open_epoch();
    return retire();
}

static void make_hazard(void)
{
    by = pawl_reclaim_by_hazard(pawl_hazard_open(offsetof(struct garbage, retired)));
    if (by.domain.hazard == NULL)
        abort();
}

static void open_hazard(void)
{
    pthread_once(&opened, make_hazard);
}

/* Has an object that is retired meanwhile, as the worst case is. */
static void hold_hazard(void)
{
    open_hazard();
    pawl_store_release(&cell, make());
    hold();
}

static int retire_hazard(void)
{
    struct garbage *held;

    open_hazard();
    held = pawl_exchange_acq_rel(&cell, NULL);
    if (held != NULL) {
        pawl_reclaim_retire(&by, &held->retired, drop);
        return 0;
    }
    return retire();
}

/* ---- peers ---- */

#if BENCH_CROSSBEAM
void *peer_crossbeam_hold(void);
void peer_crossbeam_let_go(void *held);
void peer_crossbeam_retire_counted(void);
uint64_t peer_crossbeam_reclaimed(void);

static void *held_crossbeam;

static void hold_crossbeam(void)
{
    held_crossbeam = peer_crossbeam_hold();
}

static void let_go_crossbeam(void)
{
    peer_crossbeam_let_go(held_crossbeam);
}

static int retire_crossbeam(void)
{
    peer_crossbeam_retire_counted();
    return 0;
}

static void flush_crossbeam(void)
{
    peer_crossbeam_leave(NULL);
}

const struct garbage_scheme peer_crossbeam_garbage = {"crossbeam-epoch", NULL,
                                                      hold_crossbeam,    let_go_crossbeam,
                                                      retire_crossbeam,  peer_crossbeam_reclaimed,
                                                      flush_crossbeam};
#else
const struct garbage_scheme peer_crossbeam_garbage = {
    .name = "crossbeam-epoch", .missing = "built without the Rust peers (bench/peers/README.md)"};
#endif
#if !BENCH_URCU
const struct garbage_scheme peer_urcu_memb_garbage = {.name = "liburcu-memb, call_rcu",
                                                      .missing = "built without liburcu (liburcu-dev)"};
#endif
#if !BENCH_CK
const struct garbage_scheme peer_ck_epoch_garbage = {.name = "ck_epoch",
                                                     .missing = "built without Concurrency Kit (libck-dev)"};
const struct garbage_scheme peer_ck_hp_garbage = {.name = "ck_hp",
                                                  .missing = "built without Concurrency Kit (libck-dev)"};
#endif

/* ---- counting ---- */

enum crowd { NO_READER, ONE_INSIDE, TWO_RETIRE, CROWDS };

struct result {
    uint64_t retired; /* until it was refused */
    uint64_t most;    /* garbage at one time */
    uint64_t after;   /* when the reader has left and everything was flushed */
};

static sem_t inside, leave, left;

static void *read_long(void *argument)
{
    const struct garbage_scheme *scheme = argument;

    scheme->hold();
    sem_post(&inside);
    while (sem_wait(&leave) != 0)
        continue;
    scheme->let_go();
    sem_post(&left);
    return NULL;
}

static void start_reader(const struct garbage_scheme *scheme)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, read_long, (void *)(uintptr_t)scheme) != 0)
        abort();
    pthread_detach(thread);
    while (sem_wait(&inside) != 0)
        continue;
}

/* Two threads: what they have retired together, and the most garbage that one of them saw. */
struct shared_count {
    const struct garbage_scheme *scheme;
    uint64_t each;
    PAWL_ATOMIC(uint64_t) retired;
    PAWL_ATOMIC(int64_t) most;
};

static void *retire_with_another(void *argument)
{
    struct shared_count *shared = argument;
    int64_t most = 0, garbage, others;

    for (uint64_t i = 0; i < shared->each;) {
        uint64_t retired_together;

        if (shared->scheme->retire() != 0) {
            sched_yield();
            continue;
        }
        i++;
        /* relaxed, all: counts. `retired` first, and `reclaimed` after it: who is interrupted in between sees less
         * garbage than there was, never more. */
        retired_together = pawl_fetch_add_relaxed(&shared->retired, UINT64_C(1)) + 1;
        garbage = (int64_t)(retired_together - shared->scheme->reclaimed());
        most = garbage > most ? garbage : most;
    }
    others = pawl_load_relaxed(&shared->most);
    while (others < most && !pawl_cas_weak_relaxed(&shared->most, &others, most))
        continue; /* the other one stored its own */
    return NULL;
}

static struct result count_two(const struct garbage_scheme *scheme, uint64_t objects)
{
    static struct shared_count shared;
    pthread_t thread;

    shared.scheme = scheme;
    shared.each = objects / 2;
    if (pthread_create(&thread, NULL, retire_with_another, &shared) != 0)
        abort();
    retire_with_another(&shared);
    pthread_join(thread, NULL);
    /* relaxed: the join orders */
    return (struct result){objects, (uint64_t)pawl_load_relaxed(&shared.most), 0};
}

static struct result count(const struct garbage_scheme *scheme, bool reader, uint64_t objects)
{
    struct result result = {0, 0, 0};

    if (reader)
        start_reader(scheme);
    while (result.retired < objects) {
        uint64_t garbage;

        if (scheme->retire() != 0) {
            if (reader)
                break; /* would wait for it */
            sched_yield();
            continue;
        }
        garbage = ++result.retired - scheme->reclaimed();
        result.most = garbage > result.most ? garbage : result.most;
    }
    if (reader) {
        sem_post(&leave);
        while (sem_wait(&left) != 0)
            continue;
    }
    do {
        result.after = result.retired - scheme->reclaimed();
        for (int i = 0; i < 4; i++)
            scheme->flush();
    } while (result.retired - scheme->reclaimed() != result.after);
    return result;
}

/* In a process of its own: schemes have global state. */
static int measure(const struct garbage_scheme *scheme, enum crowd crowd, uint64_t objects,
                   struct result *result)
{
    int ends[2], status;
    pid_t child;

    fflush(NULL);
    if (pipe(ends) != 0)
        return -errno;
    child = fork();
    if (child < 0)
        return -errno;
    if (child == 0) {
        *result = crowd == TWO_RETIRE ? count_two(scheme, objects)
                                      : count(scheme, crowd == ONE_INSIDE, objects);
        _exit(write(ends[1], result, sizeof *result) == (ssize_t)sizeof *result ? 0 : 1);
    }
    close(ends[1]);
    status = read(ends[0], result, sizeof *result) == (ssize_t)sizeof *result ? 0 : -EIO;
    close(ends[0]);
    while (waitpid(child, NULL, 0) != child && errno == EINTR)
        continue;
    return status;
}

static int print_row(const struct garbage_scheme *scheme, uint64_t objects)
{
    struct result result[CROWDS] = {{0, 0, 0}};
    int status = 0;

    if (scheme->missing != NULL) {
        printf("  %-26s cannot run here: %s\n", scheme->name, scheme->missing);
        return 0;
    }
    for (int crowd = 0; crowd < CROWDS && status == 0; crowd++)
        status = measure(scheme, (enum crowd)crowd, objects, &result[crowd]);
    if (status != 0) {
        fprintf(stderr, "bench-garbage: %s: %s\n", scheme->name, strerror(-status));
        return 1;
    }
    printf("  %-26s %10llu %14llu %12llu %12llu%s\n", scheme->name,
           (unsigned long long)result[NO_READER].most, (unsigned long long)result[ONE_INSIDE].most,
           (unsigned long long)result[ONE_INSIDE].after, (unsigned long long)result[TWO_RETIRE].most,
           result[ONE_INSIDE].retired < objects ? "   with one inside callers wait" : "");
    return 0;
}

static int usage(FILE *to, int status)
{
    fputs(
        "Usage: bench-garbage [--objects N]\n"
        "How many retired objects are not reclaimed yet, at most: while one thread retires N (default 100000) and\n"
        "nobody reads; while another thread stays inside; after that has left and everything was flushed; and while\n"
        "two threads retire half of them each.\n",
        to);
    return status;
}

int main(int argc, char **argv)
{
    static const struct garbage_scheme ours[] = {
        {"pawl_epoch", NULL, hold_epoch, let_go, retire_epoch, count_reclaimed, flush},
        {"pawl_hazard", NULL, hold_hazard, let_go, retire_hazard, count_reclaimed, flush},
        {"pawl_rcu, calls", NULL, hold_rcu, let_go, retire_rcu, count_reclaimed, flush},
    };
    const struct garbage_scheme *const peers[] = {&peer_crossbeam_garbage, &peer_ck_epoch_garbage,
                                                  &peer_ck_hp_garbage, &peer_urcu_memb_garbage};
    uint64_t objects = 100000;
    int status = 0;

    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return usage(stdout, 0);
    if (argc == 3 && strcmp(argv[1], "--objects") == 0)
        objects = strtoull(argv[2], NULL, 10);
    else if (argc != 1)
        return usage(stderr, 2);
    if (objects == 0)
        return usage(stderr, 2);
    sem_init(&inside, 0, 0);
    sem_init(&leave, 0, 0);
    sem_init(&left, 0, 0);
    printf("garbage, most objects at one time of %llu that are retired\n", (unsigned long long)objects);
    printf("  %-26s %10s %14s %12s %12s\n", "", "no reader", "one inside", "after it", "two retire");
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        status |= print_row(&ours[i], objects);
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++)
        status |= print_row(peers[i], objects);
    return status;
}
