/* SPDX-License-Identifier: MIT */
/* What the logring promises to one thread at a time. Files and processes are in test_logring_files.c. */
#include "test_logring.h"

static void what_is_pushed_is_read_whole_and_in_order(void **state)
{
    static unsigned char bytes[PAWL_LOGRING_INLINE_MAX + 8];
    int fd = create(&(struct pawl_logring_options){.ring_bytes = 1 << 24});
    struct pawl_logring *log = open_log(fd);
    struct pawl_logring_reader *reader = open_reader(fd, PAWL_LOGRING_OLDEST);
    struct pawl_logring_record record;
    uint64_t numbers[PAWL_LOGRING_CLASSES] = {0}, last = 0;

    (void)state;
    stay();
    close(fd);
    assert_int_equal(pawl_logring_read(reader, &record), -EAGAIN);
    for (size_t length = 0; length <= PAWL_LOGRING_INLINE_MAX; length += length < 130 ? 1 : 61) {
        fill(bytes + length % 8, length, 1); /* from any address */
        assert_int_equal(pawl_logring_push(log, length % 4, bytes + length % 8, length), 0);
    }
    fill(bytes, PAWL_LOGRING_INLINE_MAX, 1);
    assert_int_equal(pawl_logring_push(log, 0, bytes, PAWL_LOGRING_INLINE_MAX), 0);
    for (size_t length = 0; length <= PAWL_LOGRING_INLINE_MAX; length += length < 130 ? 1 : 61) {
        assert_int_equal(pawl_logring_read(reader, &record), 0);
        expect_filled(&record, length, 1);
        assert_int_equal(record.importance, length % 4);
        assert_int_equal(record.number, numbers[length % 4]++);
        assert_true(record.stamp_ns >= last);
        last = record.stamp_ns;
    }
    assert_int_equal(pawl_logring_read(reader, &record), 0);
    expect_filled(&record, PAWL_LOGRING_INLINE_MAX, 1);
    assert_int_equal(pawl_logring_read(reader, &record), -EAGAIN);
    assert_true(last <= monotonic_ns() + 1000000 && last + 60000 * MILLISECOND > monotonic_ns());
    assert_int_equal(pawl_logring_push(log, 4, bytes, 1), -EINVAL);
    assert_int_equal(pawl_logring_push(log, 0, bytes, PAWL_LOGRING_INLINE_MAX + 1), -EMSGSIZE);
    pawl_logring_reader_close(reader);
    pawl_logring_close(log);
}

static void expect_accounts(struct pawl_logring_reader *reader, const uint64_t *pushed)
{
    struct pawl_logring_counts counts;

    pawl_logring_get_counts(reader, &counts);
    for (int c = 0; c < PAWL_LOGRING_CLASSES; c++) {
        assert_int_equal(counts.written[c] + counts.refused[c], pushed[c]);
        assert_int_equal(counts.written[c], counts.read[c] + counts.lost[c]);
    }
    assert_int_equal(counts.damaged, 0);
}

/* Also: a class whose records are all gone is counted, and a reader that reads in between. */
static void the_newest_win_and_every_loss_is_counted_by_class(void **state)
{
    unsigned seed = 5;

    (void)state;
    stay();
    for (int pattern = 0; pattern < 20; pattern++) {
        int fd = create(&(struct pawl_logring_options){.ring_bytes = SMALL_RING});
        struct pawl_logring *log = open_log(fd);
        struct pawl_logring_reader *reader = open_reader(fd, PAWL_LOGRING_OLDEST), *late;
        struct pawl_logring_record record;
        uint64_t pushed[PAWL_LOGRING_CLASSES] = {0};
        unsigned char bytes[512];
        uint64_t last = 0;

        for (unsigned i = 0; i < 400 + 40u * (unsigned)pattern; i++) {
            unsigned c = i < 20 ? 3 : (unsigned)rand_r(&seed) % 3; /* of class 3 all are overwritten */
            size_t length = 4 + (size_t)rand_r(&seed) % 400;

            fill(bytes, length, i);
            memcpy(bytes, &i, sizeof i);
            assert_int_equal(pawl_logring_push(log, c, bytes, length), 0);
            pushed[c]++;
            if (rand_r(&seed) % 300 < pattern && pawl_logring_read(reader, &record) == 0) {
                unsigned number;

                memcpy(&number, record.data, sizeof number);
                assert_true(last == 0 || number > last);
                last = number;
            }
        }
        while (pawl_logring_read(reader, &record) == 0)
            memcpy(&last, record.data, sizeof(unsigned));
        assert_int_equal((unsigned)last, 400 + 40u * (unsigned)pattern - 1); /* the newest */
        expect_accounts(reader, pushed);
        late = open_reader(fd, PAWL_LOGRING_OLDEST); /* post mortem */
        for (last = 0; pawl_logring_read(late, &record) == 0; last++) {
        }
        assert_true(last > 20); /* nearly a ring of records is left */
        expect_accounts(late, pushed);
        pawl_logring_reader_close(late);
        pawl_logring_reader_close(reader);
        pawl_logring_close(log);
        close(fd);
    }
}

static void a_reader_may_begin_now(void **state)
{
    int fd = create(NULL);
    struct pawl_logring *log = open_log(fd);
    struct pawl_logring_reader *reader;
    struct pawl_logring_record record;
    struct pawl_logring_counts counts;

    (void)state;
    assert_int_equal(pawl_logring_push(log, 1, "old", 3), 0);
    reader = open_reader(fd, PAWL_LOGRING_NOW);
    assert_int_equal(pawl_logring_read(reader, &record), -EAGAIN);
    assert_int_equal(pawl_logring_push(log, 1, "new", 3), 0);
    assert_int_equal(pawl_logring_read(reader, &record), 0);
    assert_memory_equal(record.data, "new", 3);
    pawl_logring_get_counts(reader, &counts);
    assert_true(counts.written[1] == 2 && counts.read[1] == 1 && counts.lost[1] == 0);
    pawl_logring_reader_close(reader);
    pawl_logring_close(log);
    close(fd);
}

/* The records of a class may all be gone by then, and those of another be the first that are read. */
static void a_reader_that_begins_now_counts_from_there(void **state)
{
    const uint64_t pushed[PAWL_LOGRING_CLASSES] = {1000, 1000, 7, 0};
    int fd = create(&(struct pawl_logring_options){.ring_bytes = SMALL_RING});
    struct pawl_logring *log = open_log(fd);
    struct pawl_logring_reader *reader;
    struct pawl_logring_record record;
    struct pawl_logring_counts counts;
    char bytes[100] = "";

    (void)state;
    stay();
    for (unsigned i = 0; i < 500; i++) /* not for this reader */
        assert_int_equal(pawl_logring_push(log, i % 4, bytes, sizeof bytes), 0);
    reader = open_reader(fd, PAWL_LOGRING_NOW);
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(pawl_logring_push(log, 2, bytes, sizeof bytes), 0);
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(pawl_logring_push(log, i % 2, bytes, sizeof bytes), 0);
    while (pawl_logring_read(reader, &record) == 0) {
    }
    pawl_logring_get_counts(reader, &counts);
    for (unsigned c = 0; c < PAWL_LOGRING_CLASSES; c++)
        assert_int_equal(counts.read[c] + counts.lost[c], pushed[c]);
    assert_true(counts.read[0] > 0 && counts.lost[0] > 0 && counts.read[2] == 0);
    pawl_logring_reader_close(reader);
    pawl_logring_close(log);
    close(fd);
}

/* Stamps of the test's own: a second passes when we say so. */
static void when_overloaded_the_less_essential_are_turned_away_first(void **state)
{
    static const uint64_t second = 1000000000;
    int fd = create(&(struct pawl_logring_options){.ring_bytes = SMALL_RING,
                                                   .horizon_ns = {0, second, 5 * second, 9 * second}});
    struct pawl_logring *log = open_log(fd);
    struct pawl_logring_reader *reader = open_reader(fd, PAWL_LOGRING_OLDEST);
    struct pawl_logring_counts counts;
    uint64_t accepted[PAWL_LOGRING_CLASSES] = {0}, refused[PAWL_LOGRING_CLASSES] = {0};
    uint64_t now = 1000 * second;
    unsigned char bytes[100] = {0};

    (void)state;
    stay();
    /* An empty ring takes all. */
    for (unsigned c = 0; c < 4; c++) {
        assert_int_equal(pawl_logring_push_at_(log, c, bytes, sizeof bytes, now), 0);
        accepted[c]++;
    }
    /* 50 of each class a second is what the ring holds of some 0.6 seconds: too much for all but the vital. */
    for (int i = 0; i < 2000; i++) {
        now += second / 50;
        for (unsigned c = 0; c < 4; c++) {
            int status = pawl_logring_push_at_(log, c, bytes, sizeof bytes, now);

            assert_true(status == 0 || status == -ENOBUFS);
            if (status == 0)
                accepted[c]++;
            else
                refused[c]++;
        }
    }
    assert_int_equal(refused[0], 0);
    assert_true(refused[1] < refused[2] && refused[2] <= refused[3]);
    assert_true(accepted[1] > accepted[2]); /* the ring is at the horizon of class 1 */
    pawl_logring_get_counts(reader, &counts);
    for (unsigned c = 0; c < 4; c++)
        assert_true(counts.written[c] == accepted[c] && counts.refused[c] == refused[c]);
    /* The load goes: everything is taken again. */
    now += 20 * second;
    for (unsigned c = 0; c < 4; c++)
        assert_int_equal(pawl_logring_push_at_(log, c, bytes, sizeof bytes, now), 0);
    pawl_logring_reader_close(reader);
    pawl_logring_close(log);
    close(fd);
}

/* What is younger than its horizon, a record does not overwrite. */
static void no_record_overwrites_what_is_younger_than_its_horizon(void **state)
{
    static const uint64_t second = 1000000000;
    int fd = create(
        &(struct pawl_logring_options){.ring_bytes = SMALL_RING, .horizon_ns = {0, 0, 0, 10 * second}});
    struct pawl_logring *log = open_log(fd);
    struct pawl_logring_reader *reader;
    struct pawl_logring_record record;
    uint64_t now = 1000 * second, oldest = UINT64_MAX;
    unsigned char bytes[200] = {0};

    (void)state;
    stay();
    assert_int_equal(pawl_logring_push_at_(log, 0, "vital", 5, now), 0);
    for (int i = 0; i < 5000; i++) {
        now += second / 1000; /* 5 seconds in all */
        (void)pawl_logring_push_at_(log, 3, bytes, sizeof bytes, now);
    }
    reader = open_reader(fd, PAWL_LOGRING_OLDEST);
    while (pawl_logring_read(reader, &record) == 0)
        oldest = record.stamp_ns < oldest ? record.stamp_ns : oldest;
    assert_int_equal(oldest, 1000 * second); /* it is still there */
    pawl_logring_reader_close(reader);
    pawl_logring_close(log);
    close(fd);
}

static void a_large_record_is_committed_whole_or_not_at_all(void **state)
{
    int fd = create(NULL);
    struct pawl_logring *log = open_log(fd);
    struct pawl_logring_reader *reader = open_reader(fd, PAWL_LOGRING_OLDEST);
    struct pawl_logring_record record;
    struct pawl_logring_counts counts;
    static const size_t lengths[] = {0, 1, 4080, 4081, 8160, 8161, 100000, 524288};
    void *data;

    (void)state;
    assert_int_equal(pawl_logring_max(log), 524288);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        data = pawl_logring_reserve(log, 2, lengths[i]);
        assert_non_null(data);
        fill(data, lengths[i], 3);
        assert_int_equal(pawl_logring_read(reader, &record), -EAGAIN);
        assert_int_equal(pawl_logring_commit(log, data), 0);
        assert_int_equal(pawl_logring_push(log, 1, "behind", 6), 0);
        assert_int_equal(pawl_logring_read(reader, &record), 0);
        expect_filled(&record, lengths[i], 3);
        assert_true(record.importance == 2 && record.number == i);
        assert_int_equal(pawl_logring_read(reader, &record), 0);
        assert_memory_equal(record.data, "behind", 6);
        data = pawl_logring_reserve(log, 2, lengths[i]);
        assert_non_null(data);
        pawl_logring_abort(log, data);
        assert_int_equal(pawl_logring_read(reader, &record), -EAGAIN);
    }
    errno = 0;
    assert_null(pawl_logring_reserve(log, 2, 524289));
    assert_int_equal(errno, EMSGSIZE);
    assert_null(pawl_logring_reserve(log, 4, 10));
    assert_int_equal(errno, EINVAL);
    pawl_logring_get_counts(reader, &counts);
    assert_int_equal(counts.written[2], sizeof lengths / sizeof lengths[0]);
    pawl_logring_reader_close(reader);
    pawl_logring_close(log);
    close(fd);
}

static void a_large_record_whose_parts_are_gone_is_counted_as_lost(void **state)
{
    int fd = create(&(struct pawl_logring_options){.ring_bytes = SMALL_RING});
    struct pawl_logring *log = open_log(fd);
    struct pawl_logring_reader *reader = open_reader(fd, PAWL_LOGRING_OLDEST);
    struct pawl_logring_record record;
    uint64_t pushed[PAWL_LOGRING_CLASSES] = {0};
    unsigned char bytes[1000] = {0};

    (void)state;
    stay();
    for (int i = 0; i < 3; i++) {
        void *data = pawl_logring_reserve(log, 2, 7000);

        assert_non_null(data);
        fill(data, 7000, 1);
        assert_int_equal(pawl_logring_commit(log, data), 0);
        pushed[2]++;
        for (int k = 0; k < 5; k++, pushed[1]++) /* over the parts, not over the record that names them */
            assert_int_equal(pawl_logring_push(log, 1, bytes, sizeof bytes), 0);
    }
    while (pawl_logring_read(reader, &record) == 0)
        if (record.importance == 2)
            expect_filled(&record, 7000, 1);
    expect_accounts(reader, pushed);
    pawl_logring_reader_close(reader);
    pawl_logring_close(log);
    close(fd);
}

static void positions_may_wrap(void **state)
{
    /* The last one: while the reader keeps up. */
    static const uint64_t starts[] = {0xffffe000, (UINT64_C(1) << 63) - 8192, (UINT64_C(1) << 62) - 4096,
                                      (UINT64_C(1) << 63) - 4096};

    (void)state;
    stay();
    for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++) {
        int fd = create(&(struct pawl_logring_options){.ring_bytes = SMALL_RING});
        struct pawl_logring *log = open_log(fd);
        struct pawl_logring_reader *reader;
        struct pawl_logring_record record;
        struct pawl_logring_counts counts;
        unsigned char bytes[300];
        unsigned read = 0;

        pawl_logring_start_at_(log, starts[s] & (UINT64_MAX >> 1));
        reader = open_reader(fd, PAWL_LOGRING_NOW);
        for (unsigned i = 0; i < 300; i++) {
            fill(bytes, i, i);
            assert_int_equal(pawl_logring_push(log, i % 4, bytes, i), 0);
            if (i % 16 != 15 || (i > 100 && i < 220)) /* is overtaken in between */
                continue;
            while (pawl_logring_read(reader, &record) == 0) {
                expect_filled(&record, record.bytes, record.bytes);
                read++;
            }
        }
        while (pawl_logring_read(reader, &record) == 0)
            read++;
        pawl_logring_get_counts(reader, &counts);
        assert_int_equal(counts.damaged, 0);
        assert_true(read > 150 && counts.lost[0] > 0);
        assert_int_equal(counts.read[0] + counts.lost[0], counts.written[0]);
        pawl_logring_reader_close(reader);
        pawl_logring_close(log);
        close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_pushed_is_read_whole_and_in_order),
        cmocka_unit_test(the_newest_win_and_every_loss_is_counted_by_class),
        cmocka_unit_test(a_reader_may_begin_now),
        cmocka_unit_test(a_reader_that_begins_now_counts_from_there),
        cmocka_unit_test(when_overloaded_the_less_essential_are_turned_away_first),
        cmocka_unit_test(no_record_overwrites_what_is_younger_than_its_horizon),
        cmocka_unit_test(a_large_record_is_committed_whole_or_not_at_all),
        cmocka_unit_test(a_large_record_whose_parts_are_gone_is_counted_as_lost),
        cmocka_unit_test(positions_may_wrap),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    return failed + run_logring_files();
}
