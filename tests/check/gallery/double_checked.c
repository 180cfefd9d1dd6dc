/* SPDX-License-Identifier: MIT */
/* expect: data race
 * Double-checked locking: the pointer is seen without the object behind it. Repair: release and acquire. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#ifdef FIXED
#define LOAD memory_order_acquire
#define STORE memory_order_release
#else
#define LOAD memory_order_relaxed
#define STORE memory_order_relaxed
#endif
struct object {
    int value;
};
static _Atomic(struct object *) instance;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct object *get(void)
{
    struct object *o = atomic_load_explicit(&instance, LOAD);
    if (o)
        return o;
    pthread_mutex_lock(&lock);
    o = atomic_load_explicit(&instance, memory_order_relaxed);
    if (!o) {
        o = malloc(sizeof *o);
        o->value = 42;
        atomic_store_explicit(&instance, o, STORE);
    }
    pthread_mutex_unlock(&lock);
    return o;
}

static void *use(void *unused)
{
    assert(get()->value == 42);
    return unused;
}

int main(void)
{
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, use, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    free(atomic_load(&instance));
    return 0;
}
