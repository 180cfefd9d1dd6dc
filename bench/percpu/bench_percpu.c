/* SPDX-License-Identifier: MIT */
/* Every per-CPU primitive that has a peer: thread-local data, which needs no sequence, and librseq, where it
 * was found at configure time. The librseq loops are its documented idiom: read the CPU number, try, read
 * it again when the try was aborted. */
#include "bench.h"
#include "work.h"

#include <pawl/cpu.h>
#include <pawl/percpu.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#if BENCH_LIBRSEQ
#include <rseq/rseq.h>
#endif

enum { NODES = 16, ITEMS = 32, COPY = 64 };

/* ---- what the slots hold ---- */

struct slot {
    long word;
    long guard;
    long *pointer;
    long **pointer_to_pointer;
    long target;
    struct pawl_percpu_list list;
    char copy[COPY];
    struct {
        size_t count;
        size_t capacity;
        void *item[ITEMS];
    } stack;
};

#define AT(field) offsetof(struct slot, field)

static const char *no_sequences(void)
{
    return pawl_rseq_available() ? NULL : pawl_rseq_get_info()->reason;
}

static void close_region(void *shared)
{
    pawl_percpu_close(shared);
}

static void empty_slot(struct slot *slot)
{
    slot->pointer = &slot->target;
    slot->pointer_to_pointer = &slot->pointer;
    slot->list.head = NULL;
    slot->stack.count = 0;
    slot->stack.capacity = ITEMS;
}

/* Detaching and attaching a slot puts it into use, so that it can be filled from here. */
static int open_region(unsigned threads, void **shared)
{
    struct pawl_percpu *pc = pawl_percpu_open(sizeof(struct slot), PAWL_PERCPU_BY_CPU);

    (void)threads;
    if (pc == NULL)
        return -errno;
    for (uint32_t number = 0; number < pawl_cpu_possible(); number++) {
        struct slot *slot = pawl_percpu_detach(pc, number);

        if (slot == NULL)
            return -errno;
        empty_slot(slot);
        (void)pawl_percpu_attach(pc, number, slot);
    }
    *shared = pc;
    return 0;
}

/* No thread runs: the slots can be written from here. */
static void reset_region(void *shared)
{
    struct pawl_percpu *pc = shared;
    uint32_t number;
    struct slot *slot;

    pawl_percpu_each (pc, number, slot)
        empty_slot(slot);
}

/* Each thread brings what it will pop, so that nothing runs dry whatever CPUs the threads are on. */
static void enter_region(struct bench_thread *thread)
{
    static __thread struct pawl_percpu_node nodes[NODES];
    struct pawl_percpu *pc = thread->shared;

    for (int i = 0; i < NODES; i++) {
        (void)pawl_percpu_push(pc, AT(list), &nodes[i]);
        (void)pawl_percpu_stack_push(pc, AT(stack), &nodes[i]);
    }
}

static long start_word(struct pawl_percpu *pc)
{
    long word = 0;

    (void)pawl_percpu_load(pc, AT(word), &word);
    return word;
}

#define PAWL_LOOP(name, body)                                          \
    static void name(struct bench_thread *thread, uint64_t iterations) \
    {                                                                  \
        struct pawl_percpu *pc = thread->shared;                       \
        for (uint64_t i = 0; i < iterations; i++) {                    \
            body;                                                      \
        }                                                              \
    }
/* The same with a word that counts up; read again when the thread was moved. */
#define PAWL_WORD_LOOP(name, call)                                     \
    static void name(struct bench_thread *thread, uint64_t iterations) \
    {                                                                  \
        struct pawl_percpu *pc = thread->shared;                       \
        long word = start_word(pc);                                    \
        for (uint64_t i = 0; i < iterations; i++) {                    \
            if (call == 0)                                             \
                word++;                                                \
            else                                                       \
                word = start_word(pc);                                 \
        }                                                              \
    }

static const char source[COPY] = "one cache line of a record";

PAWL_LOOP(pawl_add, (void)pawl_percpu_add(pc, AT(word), 1))
PAWL_LOOP(pawl_add_via, (void)pawl_percpu_add_via(pc, AT(pointer), 0, 1))
PAWL_WORD_LOOP(pawl_cas, pawl_percpu_cas(pc, AT(word), word, word + 1))
PAWL_WORD_LOOP(pawl_cas_if, pawl_percpu_cas_if(pc, AT(word), word, word + 1, AT(guard), 0))
PAWL_WORD_LOOP(pawl_cas_after, pawl_percpu_cas_after(pc, AT(word), word, word + 1, AT(target), word))
PAWL_WORD_LOOP(pawl_copy, pawl_percpu_cas_after_copy(pc, AT(word), word, word + 1, AT(copy), source, COPY))
PAWL_LOOP(pawl_list, struct pawl_percpu_node *node = pawl_percpu_pop(pc, AT(list));
          if (node != NULL)(void) pawl_percpu_push(pc, AT(list), node))
PAWL_LOOP(pawl_stack, void *item; if (pawl_percpu_stack_pop(pc, AT(stack), &item) == 0)(void)
              pawl_percpu_stack_push(pc, AT(stack), item))

/* With work behind each operation. Back to back, a core that remembers which store a load will read hands the node of
 * a thread-local list from push to pop without a trip through memory, now and then: docs/percpu.md. */
#define LIST_IN_WORK(name, pop, push)                                  \
    static void name(struct bench_thread *thread, uint64_t iterations) \
    {                                                                  \
        uint64_t x = thread->random;                                   \
        for (uint64_t i = 0; i < iterations; i++) {                    \
            struct pawl_percpu_node *node = pop;                       \
            x = work(x);                                               \
            if (node != NULL) {                                        \
                push;                                                  \
            }                                                          \
            x = work(x);                                               \
        }                                                              \
        bench_keep(x);                                                 \
    }

LIST_IN_WORK(pawl_list_in_work, pawl_percpu_pop(thread->shared, AT(list)),
             (void)pawl_percpu_push(thread->shared, AT(list), node))

#define PAWL(loop)                                                                                \
    {                                                                                             \
        .name = "pawl", .unavailable = no_sequences, .setup = open_region, .reset = reset_region, \
        .enter = enter_region, .run = loop, .teardown = close_region                              \
    }

/* ---- thread-local: nobody else ever touches it ---- */

static __thread struct slot own;
static __thread struct pawl_percpu_node own_nodes[NODES];

static void enter_own(struct bench_thread *thread)
{
    (void)thread;
    memset(&own, 0, sizeof own);
    own.stack.capacity = ITEMS;
    for (int i = 0; i < NODES; i++) {
        own_nodes[i].next = own.list.head;
        own.list.head = &own_nodes[i];
        own.stack.item[own.stack.count++] = &own_nodes[i];
    }
}

/* The compiler must not keep the words in registers over the operations. */
static inline void in_memory(void)
{
    __asm__ volatile("" : : : "memory");
}

#define OWN_LOOP(name, body)                                           \
    static void name(struct bench_thread *thread, uint64_t iterations) \
    {                                                                  \
        (void)thread;                                                  \
        for (uint64_t i = 0; i < iterations; i++) {                    \
            body;                                                      \
            in_memory();                                               \
        }                                                              \
    }

static inline struct pawl_percpu_node *own_pop(void)
{
    struct pawl_percpu_node *node = own.list.head;

    if (node != NULL)
        own.list.head = node->next;
    in_memory();
    return node;
}

static inline void own_push(struct pawl_percpu_node *node)
{
    node->next = own.list.head;
    own.list.head = node;
}

static inline void *own_stack_pop(void)
{
    void *item = own.stack.count != 0 ? own.stack.item[--own.stack.count] : NULL;

    in_memory();
    return item;
}

static inline void own_stack_push(void *item)
{
    if (own.stack.count < own.stack.capacity)
        own.stack.item[own.stack.count++] = item;
}

OWN_LOOP(own_add, own.word++)
OWN_LOOP(own_list, struct pawl_percpu_node *node = own_pop(); if (node != NULL) own_push(node))
LIST_IN_WORK(own_list_in_work, own_pop(), own_push(node); in_memory())
OWN_LOOP(own_stack, void *item = own_stack_pop(); if (item != NULL) own_stack_push(item))

#define THREAD_LOCAL(loop)                                      \
    {                                                           \
        .name = "thread-local", .enter = enter_own, .run = loop \
    }

/* ---- one atomic instruction on a word of this thread ---- */

static void locked_add(struct bench_thread *thread, uint64_t iterations)
{
    static __thread PAWL_ATOMIC(long) word;

    (void)thread;
    for (uint64_t i = 0; i < iterations; i++)
        pawl_fetch_add_relaxed(&word, 1L); /* relaxed: the cost of the instruction is what counts */
}

/* ---- librseq ---- */

#if BENCH_LIBRSEQ
struct rseq_slot {
    struct slot slot __attribute__((aligned(128)));
};

static int open_slots(unsigned threads, void **shared)
{
    uint32_t count = pawl_rseq_get_info()->limit;
    struct rseq_slot *slots = aligned_alloc(128, count * sizeof *slots);

    (void)threads;
    if (slots == NULL)
        return -ENOMEM;
    memset(slots, 0, count * sizeof *slots);
    *shared = slots;
    return 0;
}

static void librseq_push(struct rseq_slot *slots, struct pawl_percpu_node *node)
{
    int status;

    do {
        int cpu = (int)rseq_cpu_start();
        intptr_t *head = (intptr_t *)&slots[cpu].slot.list.head;
        intptr_t expect = RSEQ_READ_ONCE(*head);

        node->next = (struct pawl_percpu_node *)expect;
        status = rseq_load_cbne_store__ptr(RSEQ_MO_RELAXED, RSEQ_PERCPU_CPU_ID, head, expect, (intptr_t)node,
                                           cpu);
    } while (rseq_unlikely(status != 0));
}

static struct pawl_percpu_node *librseq_pop(struct rseq_slot *slots)
{
    intptr_t node;
    int status;

    do {
        int cpu = (int)rseq_cpu_start();

        status = rseq_load_cbeq_store_add_load_store__ptr(RSEQ_MO_RELAXED, RSEQ_PERCPU_CPU_ID,
                                                          (intptr_t *)&slots[cpu].slot.list.head, 0,
                                                          offsetof(struct pawl_percpu_node, next), &node,
                                                          cpu);
    } while (rseq_unlikely(status < 0));
    return status == 0 ? (struct pawl_percpu_node *)node : NULL;
}

static void reset_slots(void *shared)
{
    struct rseq_slot *slots = shared;

    for (uint32_t i = 0; i < pawl_rseq_get_info()->limit; i++)
        empty_slot(&slots[i].slot);
}

static void enter_slots(struct bench_thread *thread)
{
    static __thread struct pawl_percpu_node nodes[NODES];

    if (rseq_register_current_thread() != 0) /* libc has registered it: the library only looks */
        abort();
    for (int i = 0; i < NODES; i++)
        librseq_push(thread->shared, &nodes[i]);
}

/* `call` uses slot and cpu; a positive result is a failed comparison: then the word is read again. */
#define LIBRSEQ_LOOP(name, call)                                       \
    static void name(struct bench_thread *thread, uint64_t iterations) \
    {                                                                  \
        struct rseq_slot *slots = thread->shared;                      \
        intptr_t word = 0;                                             \
        for (uint64_t i = 0; i < iterations; i++) {                    \
            int status;                                                \
            do {                                                       \
                int cpu = (int)rseq_cpu_start();                       \
                struct slot *slot = &slots[cpu].slot;                  \
                status = call;                                         \
                if (rseq_unlikely(status > 0))                         \
                    word = slot->word;                                 \
            } while (rseq_unlikely(status != 0));                      \
            word++;                                                    \
        }                                                              \
    }

#define MODE RSEQ_MO_RELAXED, RSEQ_PERCPU_CPU_ID

LIBRSEQ_LOOP(librseq_add, rseq_load_add_store__ptr(MODE, &slot->word, 1, cpu))
LIBRSEQ_LOOP(librseq_cas, rseq_load_cbne_store__ptr(MODE, &slot->word, word, word + 1, cpu))
LIBRSEQ_LOOP(librseq_cas_if,
             rseq_load_cbne_load_cbne_store__ptr(MODE, &slot->word, word, &slot->guard, 0, word + 1, cpu))
LIBRSEQ_LOOP(librseq_cas_after,
             rseq_load_cbne_store_store__ptr(MODE, &slot->word, word, &slot->target, word, word + 1, cpu))
LIBRSEQ_LOOP(librseq_copy, rseq_load_cbne_memcpy_store__ptr(MODE, &slot->word, word, slot->copy,
                                                            (void *)(uintptr_t)source, COPY, word + 1, cpu))
#ifdef rseq_arch_has_load_add_load_load_add_store
LIBRSEQ_LOOP(librseq_add_via,
             rseq_load_add_load_load_add_store__ptr(MODE, (intptr_t *)&slot->pointer_to_pointer, 0, 1, cpu))
#define HAVE_LIBRSEQ_ADD_VIA 1
#else
#define HAVE_LIBRSEQ_ADD_VIA 0
#endif

static void librseq_list(struct bench_thread *thread, uint64_t iterations)
{
    for (uint64_t i = 0; i < iterations; i++) {
        struct pawl_percpu_node *node = librseq_pop(thread->shared);

        if (node != NULL)
            librseq_push(thread->shared, node);
    }
}

LIST_IN_WORK(librseq_list_in_work, librseq_pop(thread->shared), librseq_push(thread->shared, node))

#define LIBRSEQ(loop)                                                                              \
    {                                                                                              \
        .name = "librseq", .unavailable = no_sequences, .setup = open_slots, .reset = reset_slots, \
        .enter = enter_slots, .run = loop, .teardown = free                                        \
    }
#else
#define HAVE_LIBRSEQ_ADD_VIA 1
#define LIBRSEQ(loop)                                                           \
    {                                                                           \
        .name = "librseq", .missing = "librseq was not found at configure time" \
    }
#endif

static const struct bench_contender add[] = {THREAD_LOCAL(own_add),
                                             PAWL(pawl_add),
                                             LIBRSEQ(librseq_add),
                                             {.name = "lock xadd", .run = locked_add},
                                             {0}};
static const struct bench_contender cas[] = {PAWL(pawl_cas), LIBRSEQ(librseq_cas), {0}};
static const struct bench_contender cas_if[] = {PAWL(pawl_cas_if), LIBRSEQ(librseq_cas_if), {0}};
static const struct bench_contender cas_after[] = {PAWL(pawl_cas_after), LIBRSEQ(librseq_cas_after), {0}};
static const struct bench_contender copy[] = {PAWL(pawl_copy), LIBRSEQ(librseq_copy), {0}};
#if HAVE_LIBRSEQ_ADD_VIA
static const struct bench_contender add_via[] = {PAWL(pawl_add_via), LIBRSEQ(librseq_add_via), {0}};
#else
static const struct bench_contender add_via[] = {PAWL(pawl_add_via), {0}};
#endif
static const struct bench_contender list[] = {THREAD_LOCAL(own_list),
                                              PAWL(pawl_list),
                                              LIBRSEQ(librseq_list),
                                              {0}};
static const struct bench_contender list_in_work[] = {THREAD_LOCAL(own_list_in_work),
                                                      PAWL(pawl_list_in_work),
                                                      LIBRSEQ(librseq_list_in_work),
                                                      {0}};
static const struct bench_contender stack[] = {THREAD_LOCAL(own_stack), PAWL(pawl_stack), {0}};

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "add", .unit = "add", .threads = {1, 2}, .contenders = add},
        {.name = "add-via",
         .about = "Through a pointer in the slice; librseq's form follows one pointer more.",
         .unit = "add",
         .threads = {1},
         .contenders = add_via},
        {.name = "cas", .about = "Store if equal.", .unit = "store", .threads = {1}, .contenders = cas},
        {.name = "cas-if",
         .about = "Compare two, store.",
         .unit = "store",
         .threads = {1},
         .contenders = cas_if},
        {.name = "cas-after",
         .about = "Compare, store, store.",
         .unit = "pair of stores",
         .threads = {1},
         .contenders = cas_after},
        {.name = "copy",
         .about = "Compare, copy 64 bytes, store.",
         .unit = "copy",
         .threads = {1},
         .contenders = copy},
        {.name = "list",
         .about = "Intrusive list.",
         .unit = "pop+push pair",
         .threads = {1, 2},
         .contenders = list},
        {.name = "list-in-work",
         .about = "The same with a few nanoseconds of arithmetic behind each operation.",
         .unit = "pop+push pair",
         .threads = {1, 2},
         .contenders = list_in_work},
        {.name = "stack",
         .about = "Bounded stack of pointers.",
         .unit = "pop+push pair",
         .threads = {1, 2},
         .contenders = stack},
        {0},
    };
    static const struct bench_program program = {"percpu", "Per-CPU primitives beside their peers.", groups};

    return bench_main(argc, argv, &program);
}
