/* SPDX-License-Identifier: MIT */
/* A position that one thread moves and others read: whole snapshots, and readers that store nothing. */
#include <pawl/seqlock.h>

#include <pthread.h>
#include <stdio.h>

struct position {
    double x, y, z;
    uint64_t step;
};

static struct pawl_seqlock lock = PAWL_SEQLOCK_INIT;
static PAWL_ATOMIC(uint64_t) words[sizeof(struct position) / 8];

static void *move(void *unused)
{
    (void)unused;
    for (uint64_t step = 1; step <= 1000000; step++) {
        double at = (double)step;
        struct position position = {at, 2 * at, 3 * at, step};

        pawl_seqlock_write(&lock, words, &position, sizeof position);
    }
    return NULL;
}

int main(void)
{
    struct position position = {0, 0, 0, 0};
    pthread_t mover;
    long reads = 0;

    if (pthread_create(&mover, NULL, move, NULL) != 0)
        return 1;
    while (position.step < 1000000) {
        pawl_seqlock_read(&lock, &position, words, sizeof position);
        if (position.y != 2 * position.x || position.z != 3 * position.x)
            return 1; /* half of one step and half of another: it does not happen */
        reads++;
    }
    pthread_join(mover, NULL);
    printf("%ld snapshots\n", reads);
    return 0;
}
