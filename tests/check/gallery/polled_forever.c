/* SPDX-License-Identifier: MIT */
/* expect: livelock
 * A thread polls under a mutex for what the other wrote to a copy. */
#include <pthread.h>
#include <stdbool.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static bool done, copy;

static void *finish(void *unused)
{
    pthread_mutex_lock(&m);
#ifdef FIXED
    done = true;
#endif
    copy = true;
    pthread_mutex_unlock(&m);
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, finish, NULL);
    for (bool now = false; !now;) {
        pthread_mutex_lock(&m);
        now = done;
        pthread_mutex_unlock(&m);
    }
    pthread_join(t, NULL);
    return !copy;
}
