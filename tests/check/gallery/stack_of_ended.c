/* SPDX-License-Identifier: MIT */
/* expect: memory error
 * A thread's variable, which its parent reads when the thread has been joined. Repair: the parent's. */
#include <pthread.h>

static int *result;

static void *work(void *room)
{
    int own = 1;
    result = room ? room : &own;
    *result = 5;
    return room;
}

int main(void)
{
    pthread_t t;
    int room;
#ifdef FIXED
    pthread_create(&t, NULL, work, &room);
#else
    pthread_create(&t, NULL, work, NULL);
#endif
    pthread_join(t, NULL);
    room = *result;
    return room != 5;
}
