/* SPDX-License-Identifier: MIT */
/* Routes that every thread looks up and one changes now and then: the reader-biased lock. */
#include <pawl/rwlock.h>

#include <pthread.h>
#include <stdio.h>

enum { READERS = 3, ROUTES = 16, LOOKUPS = 300000, CHANGES = 50 };

static struct pawl_rwlock lock = PAWL_RWLOCK_INIT;
static int gateway[ROUTES], backup[ROUTES]; /* always of the same version */

static void *look_up(void *unused)
{
    long mixed = 0;

    (void)unused;
    for (int i = 0; i < LOOKUPS; i++) {
        pawl_rwlock_rdlock(&lock); /* counts on this CPU: no atomic instruction, no shared line */
        mixed += gateway[i % ROUTES] != backup[i % ROUTES];
        pawl_rwlock_rdunlock(&lock);
    }
    return (void *)mixed;
}

int main(void)
{
    pthread_t readers[READERS];
    long mixed = 0;
    void *result;

    for (int i = 0; i < READERS; i++)
        if (pthread_create(&readers[i], NULL, look_up, NULL) != 0)
            return 1;
    for (int version = 1; version <= CHANGES; version++) {
        pawl_rwlock_wrlock(&lock); /* interrupts every CPU once, to take the bias back */
        for (int i = 0; i < ROUTES; i++)
            gateway[i] = backup[i] = version;
        pawl_rwlock_wrunlock(&lock);
    }
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers[i], &result);
        mixed += (long)result;
    }
    pawl_rwlock_destroy(&lock);
    printf("%ld mixed versions\n", mixed);
    return mixed == 0 ? 0 : 1;
}
