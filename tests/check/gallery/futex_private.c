/* SPDX-License-Identifier: MIT */
/* expect: deadlock
 * Who sleeps on a futex that is shared with other processes is not woken through a private one, though it is the same word. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef FIXED
enum { SLEEP = FUTEX_WAIT, WAKE = FUTEX_WAKE };
#else
enum { SLEEP = FUTEX_WAIT, WAKE = FUTEX_WAKE_PRIVATE };
#endif
static atomic_uint word;

static void *sleeper(void *unused)
{
    while (atomic_load(&word) == 0)
        syscall(SYS_futex, &word, SLEEP, 0, NULL);
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, sleeper, NULL);
    atomic_store(&word, 1);
    syscall(SYS_futex, &word, WAKE, 1);
    pthread_join(t, NULL);
    return 0;
}
