/* SPDX-License-Identifier: MIT */
/* What the logring promises to one thread at a time, and what it makes of bad files. */
#include "../../../src/core/queue/logring_format.h"
#include "../../sync/sync_test.h"
#include "../no_kernel.h"

#include <pawl/cpu.h>
#include <pawl/rseq.h>

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>

#define SMALL_RING ((size_t)16 << 10)

/* This thread stays on its CPU, so that one ring has all the records. */
static void stay(void)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
}

static int create(const struct pawl_logring_options *options)
{
    int fd = pawl_logring_create("test", options);

    assert_true(fd >= 0);
    return fd;
}

static struct pawl_logring *open_log(int fd)
{
    struct pawl_logring *log = pawl_logring_open(fd);

    assert_non_null(log);
    return log;
}

static struct pawl_logring_reader *open_reader(int fd, enum pawl_logring_start from)
{
    struct pawl_logring_reader *reader = pawl_logring_reader_open(fd, from);

    assert_non_null(reader);
    return reader;
}

/* A pattern that depends on the length and a number. */
static void fill(unsigned char *bytes, size_t length, unsigned number)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (unsigned char)(length * 7 + number * 13 + i);
}

static void expect_filled(const struct pawl_logring_record *record, size_t length, unsigned number)
{
    const unsigned char *bytes = record->data;

    assert_int_equal(record->bytes, length);
    for (size_t i = 0; i < length; i++)
        assert_int_equal(bytes[i], (unsigned char)(length * 7 + number * 13 + i));
}

static void what_cannot_be_is_refused(void **state)
{
    struct pawl_logring_options options = {.ring_bytes = (size_t)2 << 30};
    char text[8192];
    int fd;

    (void)state;
    assert_int_equal(pawl_logring_create("x", &options), -1);
    assert_int_equal(errno, EINVAL);
    options = (struct pawl_logring_options){.lanes = 1000};
    assert_int_equal(pawl_logring_create("x", &options), -1);
    fd = memfd_create("empty", MFD_CLOEXEC);
    assert_null(pawl_logring_open(fd));
    assert_int_equal(errno, EAGAIN);
    assert_null(pawl_logring_reader_open(fd, PAWL_LOGRING_OLDEST));
    assert_int_equal(errno, EAGAIN);
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 16; i++)
        assert_int_equal(write(fd, text, sizeof text), sizeof text);
    assert_null(pawl_logring_open(fd));
    assert_int_equal(errno, EINVAL);
    assert_null(pawl_logring_reader_open(fd, PAWL_LOGRING_OLDEST));
    assert_int_equal(errno, EINVAL);
    assert_int_equal(pawl_logring_format(fd, NULL), -EEXIST);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pawl_logring_format(fd, NULL), 0);
    assert_int_equal(ftruncate(fd, 1 << 20), 0); /* shorter than it says */
    assert_null(pawl_logring_reader_open(fd, PAWL_LOGRING_OLDEST));
    assert_int_equal(errno, EINVAL);
    close(fd);
    assert_null(pawl_logring_reader_open(-1, PAWL_LOGRING_OLDEST));
    assert_int_equal(errno, EBADF);
    fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
    assert_null(pawl_logring_open(fd));
    close(fd);
    pawl_logring_close(NULL);
    pawl_logring_reader_close(NULL);
}

static void a_memfd_cannot_be_shrunk_under_its_readers(void **state)
{
    int fd = create(NULL);

    (void)state;
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(errno, EPERM);
    close(fd);
}

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
    static const uint64_t starts[] = {0xffffe000, (UINT64_C(1) << 63) - 8192, (UINT64_C(1) << 62) - 4096};

    (void)state;
    stay();
    for (size_t s = 0; s < 3; s++) {
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

static void readers_need_read_access_only(void **state)
{
    int fd = create(NULL), read_only;
    struct pawl_logring *log = open_log(fd);
    struct pawl_logring_reader *readers[3];
    struct pawl_logring_record record;
    char path[64];

    (void)state;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_only = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(read_only >= 0);
    assert_null(pawl_logring_open(read_only));
    assert_int_equal(errno, EACCES);
    for (int i = 0; i < 3; i++) /* each has its own place */
        readers[i] = open_reader(read_only, PAWL_LOGRING_OLDEST);
    close(read_only);
    assert_int_equal(pawl_logring_push(log, 0, "all", 3), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pawl_logring_read(readers[i], &record), 0);
        assert_memory_equal(record.data, "all", 3);
        pawl_logring_reader_close(readers[i]);
    }
    pawl_logring_close(log);
    close(fd);
}

static void push_as_a_child(void *log)
{
    for (int i = 0; i < 1000; i++)
        if (pawl_logring_push(log, 1, "child", 5) != 0)
            _exit(1);
}

static void a_forked_child_may_push_beside_its_parent(void **state)
{
    int fd = create(NULL);
    struct pawl_logring *log = open_log(fd);
    struct pawl_logring_reader *reader = open_reader(fd, PAWL_LOGRING_OLDEST);
    struct pawl_logring_record record;
    struct pawl_logring_counts counts;
    pid_t child;
    int status, seen = 0;

    (void)state;
    assert_int_equal(pawl_logring_push(log, 0, "parent", 6), 0); /* has its lanes, if it needs any */
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        push_as_a_child(log);
        _exit(0);
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(pawl_logring_push(log, 0, "parent", 6), 0);
    status = status_of(child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    while (pawl_logring_read(reader, &record) == 0) {
        assert_memory_equal(record.data, record.importance == 0 ? "parent" : "child", record.bytes);
        seen++;
    }
    assert_int_equal(seen, 2001);
    pawl_logring_get_counts(reader, &counts);
    assert_true(counts.written[0] == 1001 && counts.written[1] == 1000);
    pawl_logring_reader_close(reader);
    pawl_logring_close(log);
    close(fd);
}

static void push_without_the_kernel(void *log)
{
    int status = pawl_logring_push(log, 0, "first", 5); /* in the form without rseq, claims a lane */

    forbid_system_calls();
    for (int i = 0; i < 20000 && status == 0; i++)
        status = pawl_logring_push(log, 1, "record", 6);
    syscall(__NR_exit_group, status == 0 ? 0 : 1);
}

static void a_push_does_not_call_the_kernel(void **state)
{
    struct pawl_logring *log;
    int fd, status;

    (void)state;
#if PAWL_INSTRUMENTED || defined(__SANITIZE_ADDRESS__)
    skip(); /* the sanitizer's runtime calls it */
#endif
    fd = create(NULL);
    log = open_log(fd);
    status = status_of_child(push_without_the_kernel, log);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip(); /* no seccomp here */
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    pawl_logring_close(log);
    close(fd);
}

/* Bytes from outside anywhere in the file, while it is read: nonsense may be shown, nothing else may happen. */
static void a_spoilt_file_leads_nobody_astray(void **state)
{
    unsigned seed = 11;

    (void)state;
    stay();
    expect_end_within(120);
    for (int round = 0; round < rounds(200); round++) {
        int fd = pawl_logring_create("spoilt", &(struct pawl_logring_options){.ring_bytes = SMALL_RING});
        struct pawl_logring *log = open_log(fd);
        struct pawl_logring_reader *reader = open_reader(fd, PAWL_LOGRING_OLDEST);
        struct pawl_logring_record record;
        struct stat status;
        unsigned char bytes[300];
        uint64_t sum = 0;
        uint64_t *words;
        uint64_t used = 0;

        assert_int_equal(fstat(fd, &status), 0);
        words = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        for (unsigned i = 0; i < 200; i++) {
            fill(bytes, i, i);
            (void)pawl_logring_push(log, i % 4, bytes, i);
        }
        while (used == 0 || words[used] == 0) /* somewhere in the ring that is in use */
            used = 512 + (uint64_t)rand_r(&seed) % ((uint64_t)status.st_size / 8 - 512);
        for (int k = 0; k < 20; k++) {
            uint64_t at = used + (uint64_t)rand_r(&seed) % 512;

            if (at < (uint64_t)status.st_size / 8)
                words[at] ^= (uint64_t)rand_r(&seed) << (rand_r(&seed) % 40);
        }
        if (round % 2 == 0) { /* the head of a ring */
            uint64_t ring = (uint64_t)sched_getcpu();
            uint64_t *head = words + (4096 + ring * (4096 + SMALL_RING)) / 8;

            head[rand_r(&seed) % 2] += (uint64_t)rand_r(&seed) << (rand_r(&seed) % 33);
        }
        for (int k = 0; k < 100000 && pawl_logring_read(reader, &record) == 0; k++)
            for (uint32_t i = 0; i < record.bytes; i++)
                sum += ((const unsigned char *)record.data)[i]; /* all of it can be read */
        assert_true(sum != UINT64_MAX);
        munmap(words, (size_t)status.st_size);
        pawl_logring_reader_close(reader);
        pawl_logring_close(log);
        close(fd);
    }
    alarm(0);
}

static void hold_a_lane(void *argument)
{
    int *gate = argument;
    struct pawl_logring *log = pawl_logring_open(gate[2]);
    char byte;

    if (log == NULL || pawl_logring_push(log, 0, "x", 1) != 0)
        _exit(1);
    (void)!write(gate[1], "x", 1);
    close(gate[1]);
    (void)!read(gate[3], &byte, 1);
    _exit(0);
}

/* Without sequences only: lanes are of one process at a time, and come back when it ends, however it ends. */
static void lanes_run_out_and_come_back(void **state)
{
    struct pawl_logring *log;
    struct pawl_logring_reader *reader;
    struct pawl_logring_counts counts;
    int ready[2], hold[2], gate[4];
    pid_t child;
    char byte;
    int fd;

    (void)state;
    if (pawl_rseq_available())
        skip();
    fd = create(&(struct pawl_logring_options){.lanes = 4});
    log = open_log(fd);
    reader = open_reader(fd, PAWL_LOGRING_OLDEST);
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(hold), 0);
    memcpy(gate, (int[]){ready[0], ready[1], fd, hold[0]}, sizeof gate);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        hold_a_lane(gate);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(pawl_logring_push(log, 3, "y", 1), -EBUSY);
    pawl_logring_get_counts(reader, &counts);
    assert_true(counts.refused[3] == 1 && counts.written[0] == 1);
    kill(child, SIGKILL);
    (void)status_of(child);
    sleep_ms(150); /* after a failure none is looked for, for 100 ms */
    assert_int_equal(pawl_logring_push(log, 3, "y", 1), 0);
    pawl_logring_reader_close(reader);
    pawl_logring_close(log);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(a_memfd_cannot_be_shrunk_under_its_readers),
        cmocka_unit_test(what_is_pushed_is_read_whole_and_in_order),
        cmocka_unit_test(the_newest_win_and_every_loss_is_counted_by_class),
        cmocka_unit_test(a_reader_may_begin_now),
        cmocka_unit_test(when_overloaded_the_less_essential_are_turned_away_first),
        cmocka_unit_test(no_record_overwrites_what_is_younger_than_its_horizon),
        cmocka_unit_test(a_large_record_is_committed_whole_or_not_at_all),
        cmocka_unit_test(a_large_record_whose_parts_are_gone_is_counted_as_lost),
        cmocka_unit_test(positions_may_wrap),
        cmocka_unit_test(readers_need_read_access_only),
        cmocka_unit_test(a_forked_child_may_push_beside_its_parent),
        cmocka_unit_test(a_push_does_not_call_the_kernel),
        cmocka_unit_test(a_spoilt_file_leads_nobody_astray),
        cmocka_unit_test(lanes_run_out_and_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
