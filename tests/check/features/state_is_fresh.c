/* SPDX-License-Identifier: MIT */
/* executions: 8 (four outcomes of store buffering, two orders of the destructors)
 * Globals, static variables, thread-local variables and the heap begin anew in every execution. */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_int x, y;
static int initialised = 7, zeroed[100];
static _Thread_local int local = 5;
static pthread_key_t key;
static atomic_int destroyed;

static void destroy(void *value)
{
    atomic_fetch_add_explicit(&destroyed, *(int *)value, memory_order_relaxed);
    free(value);
}

static void *work(void *argument)
{
    assert(local == 5 && initialised == 7 && zeroed[50] == 0);
    local++;
    errno = 3;
    int *value = malloc(sizeof *value);
    *value = 1;
    pthread_setspecific(key, value);
    assert(pthread_getspecific(key) == value);
    atomic_store_explicit(argument ? &x : &y, 1, memory_order_relaxed);
    return (void *)(long)atomic_load_explicit(argument ? &y : &x, memory_order_relaxed);
}

int main(void)
{
    static int calls;
    pthread_t t[2];
    void *result[2];
    char text[16] = "abc", *copy = strdup(text);
    assert(++calls == 1);
    pthread_key_create(&key, destroy);
    for (long i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, work, (void *)i);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], &result[i]);
    assert(local == 5 && destroyed == 2 && !strcmp(copy, "abc"));
    initialised = 8;
    zeroed[50] = 1;
    free(copy);
    printf("%d %d\n", result[0] != NULL, result[1] != NULL);
    return 0;
}
