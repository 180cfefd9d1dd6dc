/* SPDX-License-Identifier: MIT */
/* The restartable sequences of the caches as the model checker has them: on a CPU one after the other, against
 * all else interleaved. Included before cache.c.
 *
 * An aborted try is left out: each of the sequences has one store that anybody else sees, its last, and
 * tests/malloc/test_interruption.c and pawl rseq-check prove that of the machine code. What is left to go
 * through is what they meet: the table, the fence, chains that come and go. */
#ifndef PAWL_TESTS_MALLOC_SEQUENCES_H
#define PAWL_TESTS_MALLOC_SEQUENCES_H

#include <errno.h>
#include <pawl/check.h>
#include <pawl/percpu.h>
#include <sys/syscall.h>
#include <unistd.h>

#undef PAWL_PERCPU_SEQUENCES
#define PAWL_PERCPU_SEQUENCES 1
#define PAWL_MALLOC_ARCH_CACHE_X86_64_H
#define PAWL_MALLOC_ARCH_CACHE_AARCH64_H
#include "cache.h"

#ifndef CPUS
#define CPUS 1u
#endif

#define PAWL_SEQ_MISS (-4096)

/* The thread's CPU: any, at every look, unless it is pinned. */
#ifdef PINNED
static _Thread_local uint32_t own_cpu;
#define here() own_cpu
#else
#define here() pawl_check_choose(CPUS)
#endif
#define RSEQ_WORD(at) ((void)(at), here())

/* Begins on some CPU. NULL: no cache there. */
static inline char *sequence_begin(struct pawl_percpu *pc)
{
    uint32_t cpu = pawl_check_rseq_begin(CPUS);
#ifdef PINNED
    pawl_check_assume(cpu == own_cpu);
#endif
    /* acquire: the sequences' loads depend on this one's value, for which C11 has no weaker word */
    uintptr_t slice = pawl_load_acquire(&pc->slice[cpu]);

    return (slice & 1) == 0 ? (char *)slice : NULL;
}

static inline struct node *cache_seq_take(struct pawl_percpu *pc, size_t entry)
{
    char *cache = sequence_begin(pc);
    struct node *node = cache != NULL
                            ? cache_take(&((struct cache *)(void *)cache)->entry[entry / ENTRY_WORDS])
                            : chain_end();

    pawl_check_rseq_end();
    return node;
}

static inline bool cache_seq_give(struct pawl_percpu *pc, size_t entry, struct node *node)
{
    char *cache = sequence_begin(pc);
    bool given = cache != NULL &&
                 cache_give(&((struct cache *)(void *)cache)->entry[entry / ENTRY_WORDS], node);

    pawl_check_rseq_end();
    return given;
}

static inline int model_cas(struct pawl_percpu *pc, size_t at, long expect, long desired)
{
    char *cache = sequence_begin(pc);
    int status = PAWL_SEQ_MISS;

    if (cache != NULL) {
        long *word = (long *)(void *)(cache + at);

        status = *word == expect ? 0 : -EAGAIN;
        if (status == 0)
            *word = desired;
    }
    pawl_check_rseq_end();
    return status;
}

static inline int model_load(struct pawl_percpu *pc, size_t at, long *value)
{
    char *cache = sequence_begin(pc);

    if (cache != NULL)
        *value = *(long *)(void *)(cache + at);
    pawl_check_rseq_end();
    return cache != NULL ? 0 : PAWL_SEQ_MISS;
}

#define pawl_seq_cas model_cas
#define pawl_seq_load model_load

/* membarrier: the one system call that cache.c makes. */
static inline long model_membarrier(void)
{
#ifndef NO_FENCE
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        pawl_check_rseq_fence(cpu);
#endif
    return 0;
}
#define syscall(...) model_membarrier()

#endif
