/* SPDX-License-Identifier: MIT */
/* executions: 2 */
#include <assert.h>
#include <stdio.h>
#include <threads.h>

static mtx_t m;
static int order;
static thread_local int own;

static int append(void *digit)
{
    assert(own == 0);
    own = (int)(long)digit;
    mtx_lock(&m);
    order = order * 10 + own;
    mtx_unlock(&m);
    return own + 40;
}

int main(void)
{
    thrd_t t[2];
    int result;
    mtx_init(&m, mtx_plain);
    for (long i = 0; i < 2; i++)
        thrd_create(&t[i], append, (void *)(i + 1));
    for (int i = 0; i < 2; i++) {
        thrd_join(t[i], &result);
        assert(result == 41 + i);
    }
    mtx_destroy(&m);
    printf("%d\n", order);
    return 0;
}
