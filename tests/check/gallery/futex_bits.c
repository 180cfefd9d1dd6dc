/* SPDX-License-Identifier: MIT */
/* expect: not modelled
 * A futex that is woken by other bits than it sleeps with is not woken. The checker has no bits, and says so. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef FIXED
static const unsigned SLEEPS = FUTEX_BITSET_MATCH_ANY, WAKES = FUTEX_BITSET_MATCH_ANY;
#else
static const unsigned SLEEPS = 1, WAKES = 2;
#endif
static atomic_uint word;

static void *sleeper(void *unused)
{
    while (atomic_load(&word) == 0)
        syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, SLEEPS);
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, sleeper, NULL);
    atomic_store(&word, 1);
    syscall(SYS_futex, &word, FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, WAKES);
    pthread_join(t, NULL);
    return 0;
}
