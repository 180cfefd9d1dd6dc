/* SPDX-License-Identifier: MIT */
/* What the tests of the logring share. */
#ifndef PAWL_TESTS_QUEUE_LOGRING_TEST_H
#define PAWL_TESTS_QUEUE_LOGRING_TEST_H

#include "../../../src/core/queue/logring_format.h"
#include "../../sync/sync_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#define SMALL_RING ((size_t)16 << 10)

/* This thread stays on its CPU, so that one ring has all the records. */
static inline void stay(void)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
}

static inline int create(const struct pawl_logring_options *options)
{
    int fd = pawl_logring_create("test", options);

    assert_true(fd >= 0);
    return fd;
}

static inline struct pawl_logring *open_log(int fd)
{
    struct pawl_logring *log = pawl_logring_open(fd);

    assert_non_null(log);
    return log;
}

static inline struct pawl_logring_reader *open_reader(int fd, enum pawl_logring_start from)
{
    struct pawl_logring_reader *reader = pawl_logring_reader_open(fd, from);

    assert_non_null(reader);
    return reader;
}

/* A pattern that depends on the length and a number. */
static inline void fill(unsigned char *bytes, size_t length, unsigned number)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (unsigned char)(length * 7 + number * 13 + i);
}

static inline void expect_filled(const struct pawl_logring_record *record, size_t length, unsigned number)
{
    const unsigned char *bytes = record->data;

    assert_int_equal(record->bytes, length);
    for (size_t i = 0; i < length; i++)
        assert_int_equal(bytes[i], (unsigned char)(length * 7 + number * 13 + i));
}

/* The tests of files and processes, in a file of their own: how many failed. */
int run_logring_files(void);

#endif
