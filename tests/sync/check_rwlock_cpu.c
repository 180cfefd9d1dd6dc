/* SPDX-License-Identifier: MIT */
/* Closures of the rwlock's bias for the model checker, on CPUs of its own: rwlock.c and bias.c as they are, over a
 * stand-in for the room of per-CPU data. (The checker's kernel has no rseq. What the room does without, slots
 * with locks, orders much that sequences do not, and takes minutes to explore.)
 *
 * A thread is a CPU. Its sequences run while it holds the mutex `running`, and membarrier takes each of these mutexes
 * in turn. That is what the kernel promises: when it returns, a sequence is over or not begun; what came before the
 * one is seen after the other; and to sequences of its own CPU, or to stores of others, it promises nothing.
 *
 * Default: the lock is biased, a writer revokes that, a reader comes. -DGRANTING: the lock becomes biased meanwhile,
 * for the first time or, -DAGAIN, after a revocation.
 *
 * Mutants that survive all of them, and why:
 *     the release fence in rdunlock, and the release in rdunlock_slow_: the one covers the other, and membarrier both
 *         where the count is revoked. ThreadSanitizer knows the second only.
 *     the acquire of `biased` in rdlock, and the releases that pair with it: they are ThreadSanitizer's, which knows
 *         no fences.
 *     the acquires in pawl_percpu_next: here every slot was in use before the threads started.
 *     S2 and U1 of the mutex: see check_mutex.c. */
#include <pawl/rwlock.h>

#include "../percpu/slice_words.h"
#include "bias.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>

enum { CPUS = 2 };

/* ---- the stand-in; the names come from check.sh ---- */

static struct bias words[CPUS];
static pthread_mutex_t running[CPUS] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static char region[sizeof(struct pawl_percpu) + CPUS * sizeof(uintptr_t)] __attribute__((aligned(16)));
static __thread int cpu;

bool cpu_available(void)
{
    return false; /* nobody asks the kernel */
}

int cpu_fence(int which)
{
    (void)which;
    for (int i = 0; i < CPUS; i++) {
        pthread_mutex_lock(&running[i]);
        pthread_mutex_unlock(&running[i]);
    }
    return 0;
}

int cpu_load(struct pawl_percpu *pc, size_t at, long *value)
{
    (void)pc;
    (void)at;
    *value = 0; /* all that is asked for is the first use, and here every slot is in use */
    return 0;
}

int cpu_add_via(struct pawl_percpu *pc, size_t at, ptrdiff_t displacement, long n)
{
    PAWL_ATOMIC(long) * count;

    (void)pc;
    (void)at;
    (void)displacement;
    pthread_mutex_lock(&running[cpu]);
    /* relaxed, all, as in a sequence */
    count = (PAWL_ATOMIC(long) *)pawl_load_relaxed(&words[cpu].via); // NOLINT(performance-no-int-to-ptr)
    if (count != NULL)
        pawl_store_relaxed(count, pawl_load_relaxed(count) + n);
    pthread_mutex_unlock(&running[cpu]);
    return count != NULL ? 0 : -EAGAIN;
}

int pawl_slice_words_take(size_t count, struct pawl_percpu **pc, size_t *at)
{
    (void)count;
    *pc = (struct pawl_percpu *)(void *)region;
    *at = 0;
    return 0;
}

void pawl_slice_words_give(struct pawl_percpu *pc, size_t at, size_t count)
{
    (void)pc;
    (void)at;
    (void)count;
}

static void start_cpus(void)
{
    struct pawl_percpu *pc = (struct pawl_percpu *)(void *)region;

    pc->limit = pc->slots = CPUS;
    pawl_store_relaxed(&pc->used, (uint32_t)CPUS);
    pawl_store_relaxed(&pc->used_locked, (uint32_t)CPUS);
    for (int i = 0; i < CPUS; i++)
        pawl_store_relaxed(&pc->slice[i], (uintptr_t)&words[i]);
}

/* ---- the closure ---- */

static struct pawl_rwlock lock;
static int a, b; /* plain: the lock is all that orders them */

static void read_both(void)
{
    pawl_rwlock_rdlock(&lock);
    assert(a == b);
    pawl_rwlock_rdunlock(&lock);
}

static void write_both(void)
{
    pawl_rwlock_wrlock(&lock);
    assert(a == b);
    a++;
    b++;
    pawl_rwlock_wrunlock(&lock);
}

static void *run_reader(void *unused)
{
    (void)unused;
    cpu = 1;
    read_both();
    return NULL;
}

int main(void)
{
    pthread_t reader;

    start_cpus();
#if !GRANTING || AGAIN
    read_both();
    assert(pawl_load_relaxed(&lock.biased) == 1);
#endif
    pthread_create(&reader, NULL, run_reader, NULL);
    write_both();
#if GRANTING
    read_both();
#endif
    pthread_join(reader, NULL);
    assert(a == 1 && b == 1);
    return 0;
}
