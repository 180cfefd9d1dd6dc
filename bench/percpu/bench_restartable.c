/* SPDX-License-Identifier: MIT */
/* Plain-C restartable sequences beside the assembly of <pawl/percpu.h>, which is inlined. The goals of
 * docs/restartable.md: a counter within 1.35 of the assembly, pop and push of a list within 1.5. */
#include "bench.h"

#include <pawl/restartable.h>

#include <errno.h>

enum { NODES = 16 };

struct slice {
    long word;
    struct pawl_percpu_list list;
};

#define AT(field) offsetof(struct slice, field)

PAWL_RESTARTABLE(long, c_add, (struct pawl_percpu * pc, long n), (pc, n))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);

    PAWL_RS_COMMIT(slice->word, PAWL_RS_LOAD(slice->word) + n);
    return 0;
}

PAWL_RESTARTABLE(long, c_push, (struct pawl_percpu * pc, struct pawl_percpu_node *node), (pc, node))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);

    PAWL_RS_SCRATCH(node->next, PAWL_RS_LOAD(slice->list.head));
    PAWL_RS_COMMIT(slice->list.head, node);
    return 0;
}

PAWL_RESTARTABLE(struct pawl_percpu_node *, c_pop, (struct pawl_percpu * pc), (pc))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);
    struct pawl_percpu_node *node = PAWL_RS_LOAD(slice->list.head);

    if (node == NULL)
        return NULL;
    PAWL_RS_COMMIT(slice->list.head, PAWL_RS_LOAD(node->next));
    return node;
}

static int open_region(unsigned threads, void **shared)
{
    (void)threads;
    *shared = pawl_percpu_open(sizeof(struct slice), PAWL_PERCPU_BY_CPU);
    return *shared != NULL ? 0 : -errno;
}

static void close_region(void *shared)
{
    pawl_percpu_close(shared);
}

static const char *no_sequences(void)
{
    if (!PAWL_RESTARTABLE_SEQUENCES)
        return "this build has no sequences: it is not optimised, or instrumented";
    return pawl_rseq_available() ? NULL : pawl_rseq_get_info()->reason;
}

/* Each thread brings nodes to the list of its CPU, and takes as many away again. */
static struct pawl_percpu_node nodes[2][NODES] PAWL_LINE_PAIR_ALIGNED;

static void fill_list(struct bench_thread *thread)
{
    for (unsigned i = 0; i < NODES; i++)
        (void)pawl_percpu_push(thread->shared, AT(list), &nodes[thread->index % 2][i]);
}

static void empty_list(struct bench_thread *thread)
{
    while (pawl_percpu_pop(thread->shared, AT(list)) != NULL) {
    }
}

static void run_assembly_add(struct bench_thread *thread, uint64_t iterations)
{
    struct pawl_percpu *pc = thread->shared;

    for (uint64_t i = 0; i < iterations; i++)
        (void)pawl_percpu_add(pc, AT(word), 1);
}

static void run_c_add(struct bench_thread *thread, uint64_t iterations)
{
    struct pawl_percpu *pc = thread->shared;

    for (uint64_t i = 0; i < iterations; i++)
        (void)c_add(pc, 1);
}

static void run_assembly_list(struct bench_thread *thread, uint64_t iterations)
{
    struct pawl_percpu *pc = thread->shared;

    for (uint64_t i = 0; i < iterations; i++) {
        struct pawl_percpu_node *node = pawl_percpu_pop(pc, AT(list));

        if (node != NULL)
            (void)pawl_percpu_push(pc, AT(list), node);
    }
}

static void run_c_list(struct bench_thread *thread, uint64_t iterations)
{
    struct pawl_percpu *pc = thread->shared;

    for (uint64_t i = 0; i < iterations; i++) {
        struct pawl_percpu_node *node = c_pop(pc);

        if (node != NULL)
            (void)c_push(pc, node);
    }
}

#define CONTENDER(text, loop)                                                         \
    {                                                                                 \
        .name = text, .unavailable = no_sequences, .setup = open_region, .run = loop, \
        .teardown = close_region                                                      \
    }
#define LIST_CONTENDER(text, loop)                                                                        \
    {                                                                                                     \
        .name = text, .unavailable = no_sequences, .setup = open_region, .enter = fill_list, .run = loop, \
        .leave = empty_list, .teardown = close_region                                                     \
    }

static const struct bench_contender add[] = {CONTENDER("assembly, inline", run_assembly_add),
                                             CONTENDER("plain C", run_c_add),
                                             {0}};
static const struct bench_contender list[] = {LIST_CONTENDER("assembly, inline", run_assembly_list),
                                              LIST_CONTENDER("plain C", run_c_list),
                                              {0}};

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "add",
         .about = "A counter.",
         .unit = "add",
         .threads = {1, 2},
         .threads_fixed = true,
         .contenders = add},
        {.name = "list",
         .about = "Intrusive list.",
         .unit = "pop+push pair",
         .threads = {1, 2},
         .threads_fixed = true,
         .contenders = list},
        {0},
    };
    static const struct bench_program program = {
        "restartable", "Restartable sequences in plain C beside hand-written assembly.", groups};

    return bench_main(argc, argv, &program);
}
