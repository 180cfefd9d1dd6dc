/* SPDX-License-Identifier: MIT */
/* executions: 2 (what constructors made is there in every execution: keys, their values, thread-local variables) */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_key_t key, unused_key;
static int value, destroyed;
static _Thread_local int local = 1;
static atomic_int flag;

static void destroy(void *p)
{
    assert(p == &destroyed);
    destroyed++;
}

__attribute__((constructor)) static void before_main(void)
{
    if (pthread_key_create(&key, destroy) || pthread_key_create(&unused_key, NULL) ||
        pthread_setspecific(key, &value))
        abort();
    local = 2;
}

static void *other(void *argument)
{
    pthread_key_t third;
    assert(pthread_getspecific(key) == NULL && local == 1);
    pthread_setspecific(key, &destroyed);
    assert(pthread_key_create(&third, NULL) == 0 && third != key && third != unused_key);
    atomic_store_explicit(&flag, 1, memory_order_relaxed);
    return argument;
}

int main(void)
{
    pthread_t t;
    assert(pthread_getspecific(key) == &value && local == 2);
    pthread_create(&t, NULL, other, NULL);
    printf("%d\n", atomic_load_explicit(&flag, memory_order_relaxed));
    pthread_join(t, NULL);
    assert(destroyed == 1);
    assert(pthread_setspecific(key, NULL) == 0);
    /* In the next execution it exists again. */
    assert(pthread_key_delete(unused_key) == 0 && pthread_setspecific(unused_key, &value) != 0);
    local = 3;
    return 0;
}
