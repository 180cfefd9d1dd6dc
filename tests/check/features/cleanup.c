/* SPDX-License-Identifier: MIT */
/* executions: 2 (either order of the sections)
 * pthread_exit() runs the handlers that are pushed, the innermost first, and none that was popped. */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static int said;

static void say(void *number)
{
    said = said * 10 + *(int *)number;
}

static void unlock(void *mutex)
{
    pthread_mutex_unlock(mutex);
}

static void leave(void *result)
{
    int two = 2, three = 3;
    pthread_cleanup_push(say, &two);
    pthread_cleanup_push(say, &three);
    pthread_cleanup_pop(0);
    pthread_exit(result);
    pthread_cleanup_pop(0);
}

static void *section(void *result)
{
    int one = 1;
    pthread_mutex_lock(&m);
    pthread_cleanup_push(unlock, &m);
    pthread_cleanup_push(say, &one);
    leave(result);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

int main(void)
{
    pthread_t t;
    void *result;
    int value = 7;
    pthread_create(&t, NULL, section, &value);
    pthread_mutex_lock(&m);
    int before = said;
    pthread_mutex_unlock(&m);
    pthread_join(t, &result);
    assert(result == &value && said == 21);
    printf("%d\n", before);
    return 0;
}
