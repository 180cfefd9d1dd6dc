/* SPDX-License-Identifier: MIT */
/* What the logring makes of bad files, and what it promises to other processes. */
#include "../no_kernel.h"
#include "test_logring.h"

#include <pawl/rseq.h>

#include <sys/mman.h>
#include <sys/stat.h>

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
    assert_int_equal(errno, EINVAL);
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

/* A large record among the others: its parts have names, which can be spoilt too. */
static void push_large(struct pawl_logring *log, unsigned importance)
{
    void *large = pawl_logring_reserve(log, importance, 6000);

    assert_non_null(large);
    memset(large, 'l', 6000);
    (void)pawl_logring_commit(log, large);
}

/* A word near `used` becomes another: somehow, slightly, or what stands elsewhere. */
static void spoil(uint64_t *words, uint64_t used, uint64_t end, unsigned *seed)
{
    uint64_t at = used + (uint64_t)rand_r(seed) % 512, from = used + (uint64_t)rand_r(seed) % 512;

    if (at >= end || from >= end)
        return;
    switch (rand_r(seed) % 3) {
    case 0:
        words[at] ^= (uint64_t)rand_r(seed) << (rand_r(seed) % 40);
        break;
    case 1:
        words[at] += (uint64_t)(rand_r(seed) % 65) - 32;
        break;
    default:
        words[at] = words[from];
    }
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
        struct pawl_logring_counts counts;
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
            if (i % 64 == 63)
                push_large(log, i % 4);
        }
        while (used == 0 || words[used] == 0) /* somewhere in the ring that is in use */
            used = 512 + (uint64_t)rand_r(&seed) % ((uint64_t)status.st_size / 8 - 512);
        for (int k = 0; k < 20; k++)
            spoil(words, used, (uint64_t)status.st_size / 8, &seed);
        if (round % 2 == 0) { /* the head of a ring */
            uint64_t ring = (uint64_t)sched_getcpu();
            uint64_t *head = words + (4096 + ring * (4096 + SMALL_RING)) / 8;

            head[rand_r(&seed) % 2] += (uint64_t)rand_r(&seed) << (rand_r(&seed) % 33);
        }
        for (int k = 0; k < 100000 && pawl_logring_read(reader, &record) == 0; k++) {
            for (uint32_t i = 0; i < record.bytes; i++)
                sum += ((const unsigned char *)record.data)[i]; /* all of it can be read */
            if (k % 16 == 0)
                spoil(words, used, (uint64_t)status.st_size / 8, &seed);
        }
        pawl_logring_get_counts(reader, &counts);
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

int run_logring_files(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(a_memfd_cannot_be_shrunk_under_its_readers),
        cmocka_unit_test(readers_need_read_access_only),
        cmocka_unit_test(a_forked_child_may_push_beside_its_parent),
        cmocka_unit_test(a_push_does_not_call_the_kernel),
        cmocka_unit_test(a_spoilt_file_leads_nobody_astray),
        cmocka_unit_test(lanes_run_out_and_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
