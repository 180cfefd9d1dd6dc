/* SPDX-License-Identifier: MIT */
/* Reclamation: what readers pay, how long writers wait, how fast garbage goes. */
#include "peers.h"

#include <pawl/reclaim.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

enum { NODES = 1000 };

/* ---- a list for readers ---- */

struct list {
    PAWL_ATOMIC(struct bench_node *)
    head; /* first: peers take the address of the list for that of the head */
    struct bench_node nodes[NODES];
};

static int make_list(unsigned threads, void **shared)
{
    struct list *list = malloc(sizeof *list);

    (void)threads;
    if (list == NULL)
        return -ENOMEM;
    for (int i = 0; i < NODES; i++) {
        /* a stride that is prime to the length: neighbours in the list are not neighbours in memory */
        struct bench_node *node = &list->nodes[i * 389 % NODES];

        node->value = (uint64_t)i;
        node->next = i + 1 < NODES ? &list->nodes[(i + 1) * 389 % NODES] : NULL;
    }
    pawl_store_release(&list->head, &list->nodes[0]);
    *shared = list;
    return 0;
}

typedef PAWL_ATOMIC(struct bench_node *) link_t;

static inline void traverse(struct list *list)
{
    uint64_t sum = 0;

    for (struct bench_node *node = pawl_rcu_dereference(&list->head); node != NULL;
         node = pawl_rcu_dereference((link_t *)(void *)&node->next))
        sum += node->value;
    bench_keep(sum);
}

static void traverse_plain(struct bench_thread *thread, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t sum = 0;

        for (struct bench_node *node = *(struct bench_node **)thread->shared; node != NULL; node = node->next)
            sum += node->value;
        bench_keep(sum);
    }
}

static void traverse_rcu(struct bench_thread *thread, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        pawl_rcu_read_lock();
        traverse(thread->shared);
        pawl_rcu_read_unlock();
    }
}

/* ---- sections ---- */

/* One that is not empty to the compiler. */
#define SECTION __asm__ volatile("" : : : "memory")

static struct pawl_rcu *rcu;
static struct pawl_epoch *epoch;
static struct pawl_hazard *hazard;

static void read_nothing(struct bench_thread *thread, uint64_t n)
{
    (void)thread;
    for (uint64_t i = 0; i < n; i++)
        SECTION;
}

static void read_rcu(struct bench_thread *thread, uint64_t n)
{
    (void)thread;
    for (uint64_t i = 0; i < n; i++) {
        pawl_rcu_read_lock();
        SECTION;
        pawl_rcu_read_unlock();
    }
}

static void read_domain(struct bench_thread *thread, uint64_t n)
{
    struct pawl_rcu *domain = rcu; /* as in pin_epoch() */

    (void)thread;
    for (uint64_t i = 0; i < n; i++) {
        pawl_rcu_read_lock_in(domain);
        SECTION;
        pawl_rcu_read_unlock_in(domain);
    }
}

static void read_nested(struct bench_thread *thread, uint64_t n)
{
    (void)thread;
    pawl_rcu_read_lock();
    for (uint64_t i = 0; i < n; i++) {
        pawl_rcu_read_lock();
        SECTION;
        pawl_rcu_read_unlock();
    }
    pawl_rcu_read_unlock();
}

static void read_quiescent(struct bench_thread *thread, uint64_t n)
{
    (void)thread;
    pawl_rcu_online();
    for (uint64_t i = 0; i < n; i++) {
        pawl_rcu_quiescent();
        SECTION;
    }
    pawl_rcu_offline();
}

/* Domains in a local variable, as the loops of the peers have their records. */
static void pin_epoch(struct bench_thread *thread, uint64_t n)
{
    struct pawl_epoch *domain = epoch;

    (void)thread;
    for (uint64_t i = 0; i < n; i++) {
        pawl_epoch_pin(domain);
        SECTION;
        pawl_epoch_unpin(domain);
    }
}

/* ---- hazard pointers ---- */

static void protect_hazard(struct bench_thread *thread, uint64_t n)
{
    struct list *list = thread->shared;
    struct pawl_hazard_slot *slot = pawl_hazard_take(hazard);

    for (uint64_t i = 0; i < n; i++) {
        bench_keep_pointer(pawl_hazard_protect(slot, &list->head));
        pawl_hazard_clear(slot);
    }
    pawl_hazard_give(hazard, slot);
}

static void protect_in_a_fresh_slot(struct bench_thread *thread, uint64_t n)
{
    struct list *list = thread->shared;

    for (uint64_t i = 0; i < n; i++) {
        struct pawl_hazard_slot *slot = pawl_hazard_take(hazard);

        bench_keep_pointer(pawl_hazard_protect(slot, &list->head));
        pawl_hazard_give(hazard, slot);
    }
}

static void protect_in_two(struct bench_thread *thread, uint64_t n)
{
    struct list *list = thread->shared;

    for (uint64_t i = 0; i < n; i++) {
        struct pawl_hazard_slot *first = pawl_hazard_take(hazard), *second = pawl_hazard_take(hazard);

        bench_keep_pointer(pawl_hazard_protect(first, &list->head));
        bench_keep_pointer(pawl_hazard_protect(second, &list->head));
        pawl_hazard_give(hazard, second);
        pawl_hazard_give(hazard, first);
    }
}

/* The same with the fence that it does without. */
static void protect_by_fence(struct bench_thread *thread, uint64_t n)
{
    struct list *list = thread->shared;
    struct pawl_hazard_slot *slot = pawl_hazard_take(hazard);

    for (uint64_t i = 0; i < n; i++) {
        struct bench_node *node, *again = pawl_load_relaxed(&list->head);

        do {
            node = again;
            pawl_store_release(&slot->word, (uintptr_t)node + PAWL_HAZARD_EMPTY_);
            pawl_fence_seq_cst(); /* the store before the second load */
            again = pawl_load_acquire(&list->head);
        } while (again != node);
        bench_keep_pointer(node);
        pawl_hazard_clear(slot);
    }
    pawl_hazard_give(hazard, slot);
}

/* ---- writers ---- */

static void synchronize_rcu_default(struct bench_thread *thread, uint64_t n)
{
    (void)thread;
    for (uint64_t i = 0; i < n; i++)
        pawl_rcu_synchronize();
}

struct garbage {
    struct pawl_retired retired;
    uint64_t payload[2];
};

static void drop(struct pawl_retired *retired)
{
    free(pawl_retired_of(retired, struct garbage, retired));
}

static struct pawl_retired *new_garbage(void)
{
    struct garbage *garbage = malloc(sizeof *garbage);

    if (garbage == NULL)
        abort();
    return &garbage->retired;
}

static void drop_at_once(struct bench_thread *thread, uint64_t n)
{
    (void)thread;
    for (uint64_t i = 0; i < n; i++) {
        struct pawl_retired *retired = new_garbage();

        bench_keep_pointer(retired);
        drop(retired);
    }
}

static void retire_rcu(struct bench_thread *thread, uint64_t n)
{
    (void)thread;
    for (uint64_t i = 0; i < n; i++)
        pawl_rcu_call(new_garbage(), drop);
}

/* What is left is reclaimed between the slices, untimed: a batch or two, or what a worker has not yet got
 * to. */
static void end_rcu(struct bench_thread *thread)
{
    (void)thread;
    pawl_rcu_barrier();
}

static void end_epoch(struct bench_thread *thread)
{
    (void)thread;
    pawl_epoch_collect(epoch);
}

static void end_hazard(struct bench_thread *thread)
{
    (void)thread;
    pawl_hazard_collect(hazard);
}

static void retire_epoch(struct bench_thread *thread, uint64_t n)
{
    (void)thread;
    for (uint64_t i = 0; i < n; i++) {
        pawl_epoch_pin(epoch);
        pawl_epoch_retire(epoch, new_garbage(), drop);
        pawl_epoch_unpin(epoch);
    }
}

static void retire_hazard(struct bench_thread *thread, uint64_t n)
{
    (void)thread;
    for (uint64_t i = 0; i < n; i++)
        pawl_hazard_retire(hazard, new_garbage(), drop);
}

/* ---- a thread at rest ---- */

/* It has used everything once and waits, as a main thread does in pthread_join. */
struct rester {
    pthread_t thread;
    sem_t rests, end;
};

static void *rest(void *argument)
{
    struct rester *rester = argument;
    struct pawl_hazard_slot *slot = pawl_hazard_take(hazard);

    pawl_hazard_give(hazard, slot);
    pawl_epoch_pin(epoch);
    pawl_epoch_unpin(epoch);
    sem_post(&rester->rests);
    while (sem_wait(&rester->end) != 0)
        continue; /* a signal */
    return NULL;
}

static int start_rester(unsigned threads, void **shared)
{
    struct rester *rester = malloc(sizeof *rester);
    int error;

    (void)threads;
    if (rester == NULL)
        return -ENOMEM;
    sem_init(&rester->rests, 0, 0);
    sem_init(&rester->end, 0, 0);
    error = pthread_create(&rester->thread, NULL, rest, rester);
    if (error != 0) {
        free(rester);
        return -error;
    }
    while (sem_wait(&rester->rests) != 0)
        continue;
    *shared = rester;
    return 0;
}

static void end_rester(void *shared)
{
    struct rester *rester = shared;

    sem_post(&rester->end);
    pthread_join(rester->thread, NULL);
    free(rester);
}

/* ---- who takes part ---- */

#if BENCH_URCU
#define URCU(flavour, loop)                                                                         \
    {                                                                                               \
        .name = "liburcu-" #flavour, .setup = make_list, .enter = peer_urcu_##flavour##_enter,      \
        .run = peer_urcu_##flavour##_##loop, .leave = peer_urcu_##flavour##_leave, .teardown = free \
    }
#else
#define URCU(flavour, loop)                                                           \
    {                                                                                 \
        .name = "liburcu-" #flavour, .missing = "built without liburcu (liburcu-dev)" \
    }
#endif

#if BENCH_CK
#define CK(title, loop)                                                                                 \
    {                                                                                                   \
        .name = title, .setup = make_list, .enter = peer_ck_enter, .run = loop, .leave = peer_ck_leave, \
        .teardown = free                                                                                \
    }
#else
#define CK(title, loop)                                                       \
    {                                                                         \
        .name = title, .missing = "built without Concurrency Kit (libck-dev)" \
    }
#endif

#if BENCH_CROSSBEAM
#define CROSSBEAM(loop)                                                       \
    {                                                                         \
        .name = "crossbeam-epoch", .run = loop, .leave = peer_crossbeam_leave \
    }
#else
#define CROSSBEAM(loop)                                                      \
    {                                                                        \
        .name = "crossbeam-epoch", .missing = "built without the Rust peers" \
    }
#endif

#define OURS(title, loop)                                                \
    {                                                                    \
        .name = title, .setup = make_list, .run = loop, .teardown = free \
    }

static const struct bench_contender reading[] = {
    {.name = "nothing", .run = read_nothing},
    OURS("pawl_rcu", read_rcu),
    OURS("pawl_rcu, own domain", read_domain),
    OURS("pawl_rcu, nested", read_nested),
    OURS("pawl_rcu, quiescent", read_quiescent),
    URCU(bp, read),
    URCU(memb, read),
    URCU(mb, read),
    URCU(qsbr, read),
    {0},
};

static const struct bench_contender traversing[] = {
    OURS("unsynchronised", traverse_plain),
    OURS("pawl_rcu", traverse_rcu),
    URCU(bp, traverse),
    URCU(memb, traverse),
    {0},
};

static const struct bench_contender pinning[] = {
    OURS("pawl_epoch", pin_epoch),
    CK("ck_epoch", peer_ck_pin),
    CROSSBEAM(peer_crossbeam_pin),
    {0},
};

static const struct bench_contender protecting[] = {
    OURS("pawl_hazard", protect_hazard),
    OURS("a slot taken each time", protect_in_a_fresh_slot),
    OURS("two slots each time", protect_in_two),
    OURS("with a fence", protect_by_fence),
    CK("ck_hp", peer_ck_protect),
    {0},
};

static const struct bench_contender waiting[] = {
    OURS("pawl_rcu", synchronize_rcu_default),
    URCU(memb, synchronize),
    URCU(bp, synchronize),
    URCU(mb, synchronize),
    {0},
};

static const struct bench_contender retiring[] = {
    OURS("free at once", drop_at_once),
    {.name = "pawl_epoch", .run = retire_epoch, .leave = end_epoch},
    {.name = "pawl_hazard", .run = retire_hazard, .leave = end_hazard},
    {.name = "pawl_rcu", .run = retire_rcu, .leave = end_rcu},
    CK("ck_epoch", peer_ck_retire),
    CK("ck_hp", peer_ck_retire_hp),
    CROSSBEAM(peer_crossbeam_retire),
    URCU(memb, retire),
    {0},
};

/* Peers do not know the thread: it is not registered with them. */
static const struct bench_contender retiring_beside[] = {
    OURS("free at once", drop_at_once),
    {.name = "pawl_epoch",
     .setup = start_rester,
     .run = retire_epoch,
     .leave = end_epoch,
     .teardown = end_rester},
    {.name = "pawl_hazard",
     .setup = start_rester,
     .run = retire_hazard,
     .leave = end_hazard,
     .teardown = end_rester},
    CK("ck_epoch", peer_ck_retire),
    CK("ck_hp", peer_ck_retire_hp),
    {0},
};

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "read",
         .about = "An empty section, back to back.",
         .unit = "lock+unlock",
         .threads = {1, 2},
         .contenders = reading},
        {.name = "traverse",
         .about = "A list of 1000 nodes, in one section.",
         .unit = "list",
         .threads = {1, 2},
         .contenders = traversing},
        {.name = "pin",
         .about = "Pin and unpin, back to back.",
         .unit = "pin+unpin",
         .threads = {1, 2},
         .contenders = pinning},
        {.name = "protect",
         .about = "Protect one object and let it go.",
         .unit = "protect+clear",
         .threads = {1, 2},
         .contenders = protecting},
        {.name = "synchronize",
         .about = "All threads wait for grace periods, nobody reads.",
         .unit = "grace period",
         .threads = {1, 2, 64},
         .contenders = waiting},
        {.name = "retire",
         .about = "malloc, retire; free when it is time.",
         .unit = "object",
         .threads = {1, 2},
         .contenders = retiring},
        {.name = "beside",
         .about = "The same beside a thread that has used the library and waits.",
         .unit = "object",
         .threads = {1, 2},
         .contenders = retiring_beside},
        {0},
    };
    static const struct bench_program program = {
        "reclaim", "RCU, epochs, hazard pointers: readers, grace periods, garbage.", groups};

    rcu = pawl_rcu_open();
    epoch = pawl_epoch_open();
    hazard = pawl_hazard_open(offsetof(struct garbage, retired));
    if (rcu == NULL || epoch == NULL || hazard == NULL)
        return 1;
    return bench_main(argc, argv, &program);
}
