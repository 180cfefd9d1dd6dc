/* SPDX-License-Identifier: MIT */
/* Closures of the parker for the model checker: what an unparker did is seen, no token is lost.
 * -DUNPARKERS=1 or 2; -DDEADLINE: the first park may time out. */
#include <pawl/park.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>

#ifndef UNPARKERS
#define UNPARKERS 1
#endif

static struct pawl_parker parker;
static int done[UNPARKERS]; /* plain: the token is all that orders them */

static void *unpark(void *mine)
{
    *(int *)mine = 1;
    pawl_unpark(&parker);
    return NULL;
}

static void park_once(void)
{
#if DEADLINE
    /* The deadline may pass; then the token is there later. */
    if (pawl_park(&parker, 1) == 0)
        return;
#endif
    assert(pawl_park(&parker, PAWL_FOREVER) == 0);
}

int main(void)
{
    pthread_t threads[UNPARKERS];

    for (int i = 0; i < UNPARKERS; i++)
        pthread_create(&threads[i], NULL, unpark, &done[i]);
    park_once();
#if UNPARKERS == 1
    assert(done[0] == 1);
    pthread_join(threads[0], NULL);
    assert(pawl_parker_try(&parker) == -EAGAIN);
#else
    /* Two tokens are from both; one may be from either, or both that became one. */
    if (pawl_parker_try(&parker) == 0)
        assert(done[0] == 1 && done[1] == 1);
    for (int i = 0; i < UNPARKERS; i++)
        pthread_join(threads[i], NULL);
#endif
    return 0;
}
