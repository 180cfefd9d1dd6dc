/* SPDX-License-Identifier: MIT */
/* Seqlocks and latches: whole snapshots, retries, writers that are stopped. */
#include "sync_test.h"

#include <pawl/seqlock.h>

#include <errno.h>

/* 344 bytes: every branch of the copy is taken, the loop twice. */
enum { WORDS = 43, BYTES = WORDS * 8, READERS = 3, WRITERS = 3, WRITES = 30000 };

struct seq_data {
    struct pawl_seqlock lock;
    PAWL_ATOMIC(uint64_t) words[WORDS];
};

struct latch_data {
    struct pawl_latch latch;
    PAWL_ATOMIC(uint64_t) words[2 * WORDS];
};

/* The content of write number n: every word follows from it. */
static void fill(uint64_t *words, uint64_t n)
{
    for (uint64_t i = 0; i < WORDS; i++)
        words[i] = n * (2 * i + 1);
}

static bool whole(const uint64_t *words)
{
    for (uint64_t i = 1; i < WORDS; i++)
        if (words[i] != words[0] * (2 * i + 1))
            return false;
    return true;
}

static void a_read_returns_the_last_write(void **state)
{
    struct seq_data data;
    uint64_t in[WORDS], out[WORDS];

    (void)state;
    memset(&data, 0, sizeof data);
    for (uint64_t n = 1; n < 5; n++) {
        fill(in, n);
        pawl_seqlock_write(&data.lock, data.words, in, BYTES);
        pawl_seqlock_read(&data.lock, out, data.words, BYTES);
        assert_memory_equal(in, out, BYTES);
        assert_true(pawl_seqlock_tryread(&data.lock, out, data.words, BYTES));
    }
    assert_true(pawl_load_relaxed(&data.lock.sequence) == 8);
}

static void any_number_of_words_and_any_alignment_of_the_copy(void **state)
{
    struct seq_data data;
    uint64_t in[WORDS];
    char out[BYTES + 2];

    (void)state;
    memset(&data, 0, sizeof data);
    fill(in, 3);
    for (size_t bytes = 0; bytes <= BYTES; bytes += 8) {
        memset(out, 0x55, sizeof out);
        pawl_seqlock_write_locked(&data.lock, data.words, in, bytes);
        pawl_seqlock_read(&data.lock, out + 1, data.words, bytes);
        assert_memory_equal(out + 1, in, bytes);
        assert_int_equal(out[0], 0x55);
        assert_int_equal(out[bytes + 1], 0x55);
    }
}

static void a_read_fails_while_a_writer_is_inside(void **state)
{
    struct seq_data data;
    uint64_t out[WORDS], sequence;

    (void)state;
    memset(&data, 0, sizeof data);
    sequence = pawl_seqlock_read_begin(&data.lock);
    assert_false(pawl_seqlock_read_retry(&data.lock, sequence));
    pawl_seqlock_write_begin(&data.lock);
    assert_false(pawl_seqlock_tryread(&data.lock, out, data.words, BYTES));
    assert_true(pawl_seqlock_read_retry(&data.lock, sequence));
    pawl_seqlock_write_end(&data.lock);
    assert_true(pawl_seqlock_read_retry(&data.lock, sequence));
    assert_true(pawl_seqlock_tryread(&data.lock, out, data.words, BYTES));
}

static void the_sequence_wraps(void **state)
{
    struct seq_data data;
    uint64_t in[WORDS], out[WORDS];

    (void)state;
    memset(&data, 0, sizeof data);
    pawl_store_relaxed(&data.lock.sequence, UINT64_MAX - 1);
    fill(in, 9);
    pawl_seqlock_write(&data.lock, data.words, in, BYTES);
    assert_true(pawl_load_relaxed(&data.lock.sequence) == 0);
    pawl_seqlock_read(&data.lock, out, data.words, BYTES);
    assert_memory_equal(in, out, BYTES);
}

static void end_without_begin(void *lock)
{
    pawl_seqlock_write_end(lock);
}

static void ending_a_write_that_has_not_begun_aborts_with_one_line(void **state)
{
    struct pawl_seqlock lock = PAWL_SEQLOCK_INIT;

    (void)state;
    expect_abort(end_without_begin, &lock, "pawl: pawl_seqlock_write_end: no write has begun");
}

/* ---- latch ---- */

/* At every step of a write the readers have a whole copy: the steps of pawl_latch_write, one by one. */
static void a_latch_can_be_read_at_every_step_of_a_write(void **state)
{
    struct latch_data data;
    uint64_t in[WORDS], out[WORDS];

    (void)state;
    memset(&data, 0, sizeof data);
    fill(in, 1);
    pawl_latch_write(&data.latch, data.words, in, BYTES);
    pawl_latch_read(&data.latch, out, data.words, BYTES);
    assert_memory_equal(in, out, BYTES);
    for (int half = 0; half < 2; half++) {
        pawl_store_release(&data.latch.sequence, pawl_load_relaxed(&data.latch.sequence) + 1);
        for (int i = 0; i < WORDS; i++) {
            pawl_store_relaxed(&data.words[half * WORDS + i], UINT64_C(0xdead));
            pawl_latch_read(&data.latch, out, data.words, BYTES);
            assert_true(whole(out));
        }
        fill(in, 2);
        pawl_words_store(data.words + half * WORDS, in, BYTES);
    }
    pawl_latch_read(&data.latch, out, data.words, BYTES);
    assert_memory_equal(in, out, BYTES);
}

/* ---- many threads ---- */

struct storm {
    struct seq_data seq;
    struct latch_data latch;
    PAWL_ATOMIC(int) writing;
    PAWL_ATOMIC(uint64_t) next;
    int writes;
};

static void *write_seqlock(void *argument)
{
    struct storm *storm = argument;
    uint64_t words[WORDS];

    for (int i = 0; i < storm->writes; i++) {
        pawl_seqlock_lock(&storm->seq.lock);
        pawl_words_load(words, storm->seq.words, BYTES);
        if (!whole(words))
            abort();
        fill(words, words[0] + 1); /* a lost write would show in the sum */
        pawl_words_store(storm->seq.words, words, BYTES);
        pawl_seqlock_unlock(&storm->seq.lock);
    }
    pawl_fetch_sub_relaxed(&storm->writing, 1);
    return NULL;
}

static void *write_latch(void *argument)
{
    struct storm *storm = argument;
    uint64_t words[WORDS];

    for (int i = 0; i < storm->writes; i++) {
        fill(words, (uint64_t)i + 1);
        pawl_latch_write(&storm->latch.latch, storm->latch.words, words, BYTES);
    }
    pawl_fetch_sub_relaxed(&storm->writing, 1);
    return NULL;
}

/* Returns how many reads were torn or older than one before. */
static void *read_seqlock(void *argument)
{
    struct storm *storm = argument;
    uint64_t words[WORDS], last = 0;
    long bad = 0;

    while (pawl_load_relaxed(&storm->writing) != 0) {
        pawl_seqlock_read(&storm->seq.lock, words, storm->seq.words, BYTES);
        bad += !whole(words) || words[0] < last;
        last = words[0];
    }
    return (void *)bad;
}

static void *read_latch(void *argument)
{
    struct storm *storm = argument;
    uint64_t words[WORDS], last = 0;
    long bad = 0;

    while (pawl_load_relaxed(&storm->writing) != 0) {
        pawl_latch_read(&storm->latch.latch, words, storm->latch.words, BYTES);
        bad += !whole(words) || words[0] < last;
        last = words[0];
    }
    return (void *)bad;
}

static void race(struct storm *storm, int writers, void *(*write)(void *), void *(*read)(void *))
{
    pthread_t readers[READERS], threads[WRITERS];

    pawl_store_relaxed(&storm->writing, writers);
    storm->writes = rounds(WRITES);
    for (int i = 0; i < READERS; i++)
        readers[i] = start(read, storm);
    for (int i = 0; i < writers; i++)
        threads[i] = start(write, storm);
    for (int i = 0; i < writers; i++)
        join(threads[i]);
    for (int i = 0; i < READERS; i++)
        assert_int_equal((long)join(readers[i]), 0);
}

static void no_snapshot_of_a_seqlock_is_torn_or_goes_back(void **state)
{
    struct storm *storm = calloc(1, sizeof *storm);

    (void)state;
    assert_non_null(storm);
    race(storm, WRITERS, write_seqlock, read_seqlock);
    assert_int_equal(pawl_load_relaxed(&storm->seq.words[0]), (uint64_t)WRITERS * (uint64_t)storm->writes);
    free(storm);
}

static void no_snapshot_of_a_latch_is_torn_or_goes_back(void **state)
{
    struct storm *storm = calloc(1, sizeof *storm);

    (void)state;
    assert_non_null(storm);
    race(storm, 1, write_latch, read_latch);
    free(storm);
}

/* What the vector loads of words_x86_64.h stand on. */
static void *flip_words(void *argument)
{
    struct storm *storm = argument;

    for (int i = 0; i < storm->writes; i++)
        for (int k = 0; k < WORDS; k++) /* relaxed: each word by itself is what the reader looks at */
            pawl_store_relaxed(&storm->seq.words[k], i % 2 == 0 ? UINT64_MAX : 0);
    pawl_fetch_sub_relaxed(&storm->writing, 1);
    return NULL;
}

/* Returns how many words were neither the one value nor the other. */
static void *read_words(void *argument)
{
    struct storm *storm = argument;
    uint64_t words[WORDS];
    long bad = 0;

    while (pawl_load_relaxed(&storm->writing) != 0) {
        pawl_words_load(words, storm->seq.words, BYTES);
        for (int k = 0; k < WORDS; k++)
            bad += words[k] != 0 && words[k] != UINT64_MAX;
    }
    return (void *)bad;
}

static void a_word_is_old_or_new_even_while_it_is_written(void **state)
{
    struct storm *memory = calloc(2, sizeof *memory);

    (void)state;
    assert_non_null(memory);
    /* Every position that a word can have in a line. */
    for (size_t shift = 0; shift < PAWL_CACHELINE; shift += 8)
        race((struct storm *)(void *)((char *)memory + shift), 1, flip_words, read_words);
    free(memory);
}

/* ---- a writer in another process, stopped inside ---- */

static pid_t stopped_child(void (*run)(void *), void *argument)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        expect_end_within(60);
        run(argument);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
    return child;
}

static void stop_inside_seqlock(void *argument)
{
    struct storm *storm = argument;

    pawl_seqlock_lock(&storm->seq.lock);
    raise(SIGSTOP);
    pawl_seqlock_unlock(&storm->seq.lock);
}

static void stop_inside_latch(void *argument)
{
    struct storm *storm = argument;

    pawl_store_release(&storm->latch.latch.sequence, UINT64_C(1));
    pawl_store_relaxed(&storm->latch.words[0], UINT64_C(0xdead));
    raise(SIGSTOP);
}

static void a_stopped_writer_stops_readers_of_a_seqlock_not_of_a_latch(void **state)
{
    struct storm *storm = map_shared(sizeof *storm);
    uint64_t words[WORDS];
    pid_t child = stopped_child(stop_inside_seqlock, storm);

    (void)state;
    assert_false(pawl_seqlock_tryread(&storm->seq.lock, words, storm->seq.words, BYTES));
    assert_int_equal(kill(child, SIGCONT), 0);
    pawl_seqlock_read(&storm->seq.lock, words, storm->seq.words, BYTES);
    assert_true(whole(words));
    assert_int_equal(status_of(child), 0);

    child = stopped_child(stop_inside_latch, storm);
    pawl_latch_read(&storm->latch.latch, words, storm->latch.words, BYTES);
    assert_true(whole(words));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_true(WIFSIGNALED(status_of(child)));
    pawl_latch_read(&storm->latch.latch, words, storm->latch.words, BYTES);
    assert_true(whole(words));
    munmap(storm, sizeof *storm);
}

/* Readers store nothing: they live with a read-only mapping. */
static void readers_need_no_write_access(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct storm *storm = map_shared(page);
    uint64_t words[WORDS], out[WORDS];

    (void)state;
    assert_true(sizeof *storm <= page);
    fill(words, 5);
    pawl_seqlock_write(&storm->seq.lock, storm->seq.words, words, BYTES);
    pawl_latch_write(&storm->latch.latch, storm->latch.words, words, BYTES);
    assert_int_equal(mprotect(storm, page, PROT_READ), 0);
    pawl_seqlock_read(&storm->seq.lock, out, storm->seq.words, BYTES);
    assert_memory_equal(words, out, BYTES);
    memset(out, 0, BYTES);
    pawl_latch_read(&storm->latch.latch, out, storm->latch.words, BYTES);
    assert_memory_equal(words, out, BYTES);
    munmap(storm, page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_returns_the_last_write),
        cmocka_unit_test(any_number_of_words_and_any_alignment_of_the_copy),
        cmocka_unit_test(a_read_fails_while_a_writer_is_inside),
        cmocka_unit_test(the_sequence_wraps),
        cmocka_unit_test(ending_a_write_that_has_not_begun_aborts_with_one_line),
        cmocka_unit_test(a_latch_can_be_read_at_every_step_of_a_write),
        cmocka_unit_test(no_snapshot_of_a_seqlock_is_torn_or_goes_back),
        cmocka_unit_test(no_snapshot_of_a_latch_is_torn_or_goes_back),
        cmocka_unit_test(a_word_is_old_or_new_even_while_it_is_written),
        cmocka_unit_test(a_stopped_writer_stops_readers_of_a_seqlock_not_of_a_latch),
        cmocka_unit_test(readers_need_no_write_access),
    };

#ifdef __AVX2__
    if (!__builtin_cpu_supports("avx2"))
        return 77; /* skipped */
#endif
    expect_end_within(100);
    return cmocka_run_group_tests_name("seqlock", tests, NULL, NULL);
}
