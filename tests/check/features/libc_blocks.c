/* SPDX-License-Identifier: MIT */
/* executions: 2 (what the semaphore held)
 * Functions of libc that would otherwise see the checker's blocks and objects as their own. */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

static sem_t s;

static void *post(void *unused)
{
    sem_post(&s);
    return unused;
}

static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stdout, format, arguments);
    va_end(arguments);
    putc('\n', stdout);
}

static void mutex_that_knows_its_owner(void)
{
    pthread_mutexattr_t kind;
    pthread_mutex_t m;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&m, &kind);
    assert(pthread_mutex_unlock(&m) == EPERM);
    pthread_mutex_destroy(&m);
}

int main(void)
{
    pthread_t t;
    int value;
    struct timespec long_time = {1000, 0};
    char *p = malloc(4);
    strcpy(p, "abc");
    assert(malloc_usable_size(p) >= 4);
    p = reallocarray(p, 10, 10);
    assert(malloc_usable_size(p) >= 100 && memcmp(p, "abc", 4) == 0);
    assert(!reallocarray(p, SIZE_MAX, 2) && errno == ENOMEM);
    free(p);
    volatile size_t none = 0;
    errno = 0;
    void *volatile refused = aligned_alloc(none, 16);
    assert(!refused && errno == EINVAL);
    mutex_that_knows_its_owner();
    sem_init(&s, 0, 3);
    pthread_create(&t, NULL, post, NULL);
    sem_getvalue(&s, &value);
    thrd_sleep(&long_time, NULL);
    pthread_join(t, NULL);
    say("%d", value);
    return 0;
}
