/* SPDX-License-Identifier: MIT */
/* executions: 4 (who wakes the sleepers of a futex last may find the word gone: only its address counts; FUTEX_WAKE reads
 * nothing) */
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_uint *word;

static void *open_it(void *unused)
{
    atomic_uint *w = word;
    atomic_store_explicit(w, 1, memory_order_release);
    syscall(SYS_futex, w, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    return unused;
}

int main(void)
{
    pthread_t t;
    int slept = 0;
    word = malloc(sizeof *word);
    atomic_init(word, 0);
    pthread_create(&t, NULL, open_it, NULL);
    while (atomic_load_explicit(word, memory_order_acquire) == 0) {
        slept = 1;
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    }
    free(word);
    printf("slept %d\n", slept);
    pthread_join(t, NULL);
    return 0;
}
