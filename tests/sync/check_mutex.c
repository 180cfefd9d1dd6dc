/* SPDX-License-Identifier: MIT */
/* Closures of the mutex for the model checker: exclusion, publication, no lost wake-up (a thread that sleeps for
 * ever is a deadlock), and that nobody looks at a mutex that the last holder has left. Instrumented builds
 * do not spin, so every wait goes through the futex.
 * -DTHREADS, -DTURNS; -DDEADLINE: each first attempt may time out; -DTRY: it is a trylock.
 *
 * Mutants that survive, and why: the release of S2 and the acquire of U1 in mutex.c. What they forbid is
 * that S1 reads what U2 stores although S2 comes before U1, a cycle of program order and reads-from. RC11 has none;
 * processors (aarch64) do. */
#include <pawl/mutex.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#ifndef THREADS
#define THREADS 2
#endif
#ifndef TURNS
#define TURNS 1
#endif

static char memory[sizeof(struct pawl_mutex)] __attribute__((aligned(8)));
static struct pawl_mutex *mutex;
static int count; /* plain: the lock is all that orders it */
static int owners = THREADS * TURNS;

static void add_once(void)
{
    int left;

#if DEADLINE
    if (pawl_mutex_timedlock(mutex, 1) != 0)
        pawl_mutex_lock(mutex);
#elif TRY
    if (pawl_mutex_trylock(mutex) != 0)
        pawl_mutex_lock(mutex);
#else
    pawl_mutex_lock(mutex);
#endif
    count++;
    left = --owners;
    if (left == 0)
        assert(count == THREADS * TURNS);
    pawl_mutex_unlock(mutex);
    if (left == 0)
        memset(memory, 0xa5, sizeof memory); /* plain: a race, if anybody still looks */
}

static void *add(void *unused)
{
    (void)unused;
    for (int i = 0; i < TURNS; i++)
        add_once();
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];

    mutex = (struct pawl_mutex *)(void *)memory;
    pawl_mutex_init(mutex, PAWL_PRIVATE);
    for (int i = 1; i < THREADS; i++)
        pthread_create(&threads[i], NULL, add, NULL);
    add(NULL);
    for (int i = 1; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert(count == THREADS * TURNS);
    return 0;
}
