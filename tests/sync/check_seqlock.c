/* SPDX-License-Identifier: MIT */
/* Closures of seqlock and latch for the model checker: no snapshot is torn, none is older than what its reader
 * knows of, and what a writer did before the write is published. -DLATCH, -DWRITERS, -DWRITES. */
#include <pawl/seqlock.h>

#include <assert.h>
#include <pthread.h>

#ifndef WRITERS
#define WRITERS 1
#endif
#ifndef WRITES
#define WRITES 1
#endif

enum { BYTES = 16 };

static struct pawl_seqlock seqlock;
static struct pawl_latch latch;
static PAWL_ATOMIC(uint64_t) words[2 * BYTES / 8];
static int before; /* plain: written before the first write, read by who has seen it */

static void *write_words(void *argument)
{
    (void)argument;
#if WRITERS == 1
    before = 1;
#endif
    for (uint64_t i = 1; i <= WRITES; i++) {
#if LATCH
        uint64_t in[2] = {i, 10 * i};

        pawl_latch_write(&latch, words, in, BYTES);
#elif WRITERS == 1
        uint64_t in[2] = {i, 10 * i};

        pawl_seqlock_write(&seqlock, words, in, BYTES);
#else
        uint64_t in[2];

        pawl_seqlock_lock(&seqlock);
        pawl_words_load(in, words, BYTES);
        in[0]++;
        in[1] += 10;
        pawl_words_store(words, in, BYTES);
        pawl_seqlock_unlock(&seqlock);
#endif
    }
    return NULL;
}

static uint64_t read_words(void)
{
    uint64_t out[2];

#if LATCH
    pawl_latch_read(&latch, out, words, BYTES);
#else
    pawl_seqlock_read(&seqlock, out, words, BYTES);
#endif
    assert(out[1] == 10 * out[0]);
#if WRITERS == 1
    assert(out[0] == 0 || before == 1);
#endif
    return out[0];
}

int main(void)
{
    pthread_t writers[WRITERS];
    uint64_t last;

    (void)seqlock;
    (void)latch;
    for (int i = 0; i < WRITERS; i++)
        pthread_create(&writers[i], NULL, write_words, NULL);
    last = read_words();
#if READS > 1
    {
        uint64_t again = read_words();

        assert(again >= last);
        last = again;
    }
#endif
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    assert(read_words() == WRITERS * WRITES && last <= WRITERS * WRITES);
    return 0;
}
