/* SPDX-License-Identifier: MIT */
/* What pawl tap promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run.h"

#include <pawl/logring.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[64];

/* A name in memory that no file has. */
static int begin(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/dev/shm/pawl-tap-test-%d", (int)getpid());
    unlink(path);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static size_t lines(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

static void the_demonstration_can_be_listed_and_filtered(void **state)
{
    const struct outcome *shown;

    (void)state;
    assert_int_equal(PAWL("tap", "--demo", path)->status, 0);
    shown = PAWL("tap", path);
    assert_int_equal(shown->status, 0);
    assert_int_equal(lines(shown->out), 1000);
    assert_contains(shown->out, "important  request 3 timeout");
    shown = PAWL("tap", "--class", "vital", path);
    assert_int_equal(lines(shown->out), 1);
    assert_contains(shown->out, " vital ");
    shown = PAWL("tap", "--grep", "timeout", path);
    assert_int_equal(lines(shown->out), 20);
    assert_int_equal(lines(PAWL("tap", "--max", "5", path)->out), 5);
    assert_int_equal(lines(PAWL("tap", "--now", path)->out), 0);
    assert_int_equal(lines(PAWL("tap", "--ring", "60000", path)->out), 0);
    assert_refused(PAWL("tap", "--demo", path), 1, "File exists");
}

static void json_has_an_object_for_each_record(void **state)
{
    json_t *object;
    const struct outcome *shown;

    (void)state;
    assert_int_equal(PAWL("tap", "--demo", path)->status, 0);
    shown = PAWL("tap", "--json", "--class", "vital", path);
    object = assert_json(shown);
    assert_string_equal(json_string_value(json_object_get(object, "class")), "vital");
    assert_string_equal(json_string_value(json_object_get(object, "text")),
                        "configuration loaded again, generation 0");
    assert_true(json_integer_value(json_object_get(object, "realtime_ns")) > 1600000000000000000);
    json_decref(object);
    object = assert_json(PAWL("tap", "--count", "--json", path));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(object, "written"), "important")),
                     20);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(object, "read"), "detail")), 779);
    assert_int_equal(json_integer_value(json_object_get(object, "damaged")), 0);
    json_decref(object);
    assert_contains(PAWL("tap", "--count", path)->out,
                    "important            20            0           20            0");
}

static void a_writer_that_was_killed_can_still_be_read(void **state)
{
    const struct pawl_logring_options small = {.ring_bytes = 16 << 10};
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), status;
    pid_t child;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(pawl_logring_format(fd, &small), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct pawl_logring *log = pawl_logring_open(fd);

        for (int i = 0; log != NULL && i < 5000; i++)
            (void)pawl_logring_push(log, PAWL_LOG_DETAIL, "\001 binary", 8);
        (void)pawl_logring_push(log, PAWL_LOG_VITAL, "\xff\xfe", 2);
        (void)pawl_logring_push(log, PAWL_LOG_VITAL, "last words\n", 11);
        abort();
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    close(fd);
    assert_contains(PAWL("tap", path)->out, "last words\n");
    assert_contains(PAWL("tap", path)->out, "\\x01 binary");
    assert_contains(PAWL("tap", path)->out, "-- ");
    assert_contains(PAWL("tap", "--json", path)->out, "\"hex\":\"fffe\"");
    assert_contains(PAWL("tap", "--json", path)->out, "{\"lost\":{\"vital\":0,");
}

/* The word in front of the bytes of a record is its stamp. */
static void spoil_stamp(int fd, const char *bytes, uint64_t stamp)
{
    const size_t size = (size_t)lseek(fd, 0, SEEK_END);
    char *file = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *at;

    assert_true(file != MAP_FAILED);
    at = memmem(file, size, bytes, strlen(bytes));
    assert_non_null(at);
    memcpy(at - sizeof stamp, &stamp, sizeof stamp);
    munmap(file, size);
}

static void records_of_anybody_command_no_terminal_and_may_have_any_time(void **state)
{
    const struct pawl_logring_options small = {.ring_bytes = 16 << 10};
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    struct pawl_logring *log;
    const struct outcome *shown;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(pawl_logring_format(fd, &small), 0);
    log = pawl_logring_open(fd);
    assert_non_null(log);
    /* colours, a control character of two bytes, half a character, one too long, a surrogate; and three good ones */
    assert_int_equal(
        pawl_logring_push(log, 0,
                          "a\033[31m\xc2\x9b\xe2\x82|\xc0\xaf\xed\xa0\x80 \\ gr\xc3\xbcn \xe2\x82\xac", 28),
        0);
    shown = PAWL("tap", path);
    assert_int_equal(shown->status, 0);
    assert_contains(
        shown->out,
        "  a\\x1b[31m\\xc2\\x9b\\xe2\\x82|\\xc0\\xaf\\xed\\xa0\\x80 \\\\ gr\xc3\xbcn \xe2\x82\xac\n");
    assert_int_equal(pawl_logring_push(log, 0, "the far end of time", 19), 0);
    spoil_stamp(fd, "the far end of time", INT64_MAX);
    assert_contains(PAWL("tap", path)->out, "vital      the far end of time\n");
    shown = PAWL("tap", "--json", "--grep", "the far end", path);
    assert_int_equal(shown->status, 0);
    assert_contains(shown->out, "\"stamp_ns\":9223372036854775807");
    spoil_stamp(fd, "the far end of time", UINT64_MAX - 5);
    assert_contains(PAWL("tap", path)->out, "vital      the far end of time\n");
    pawl_logring_close(log);
    close(fd);
}

static void following_ends_after_so_many_records(void **state)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), status;
    pid_t child;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(pawl_logring_format(fd, NULL), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct pawl_logring *log = pawl_logring_open(fd);

        for (int i = 0; log != NULL && i < 2000; i++) {
            usleep(1000);
            (void)pawl_logring_push(log, PAWL_LOG_NORMAL, "tick", 4);
        }
        _exit(0);
    }
    assert_int_equal(lines(PAWL("tap", "--follow", "--max", "50", path)->out), 50);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(fd);
}

static void what_cannot_be_read_is_said(void **state)
{
    int fd;

    (void)state;
    assert_refused(PAWL("tap"), 2, "needs one file");
    assert_refused(PAWL("tap", "a", "b"), 2, "needs one file");
    assert_refused(PAWL("tap", "--class", "loud", path), 2, "no class 'loud'");
    assert_refused(PAWL("tap", "--max", "many", path), 2, "'many' is not a number");
    assert_refused(PAWL("tap", "--seconds", "5", path), 2, "--seconds goes with --demo");
    assert_refused(PAWL("tap", path), 1, "No such file");
    assert_refused(PAWL("tap", "/dev/null"), 1, "/dev/null");
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_refused(PAWL("tap", path), 1, "empty: not made yet");
    assert_int_equal(ftruncate(fd, 100000), 0);
    assert_refused(PAWL("tap", path), 1, "empty: not made yet");
    assert_int_equal(write(fd, "something else", 14), 14);
    assert_refused(PAWL("tap", path), 1, "not a logring");
    close(fd);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(PAWL("tap", path), 1, "not a logring"); /* nobody writes: not waited for */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_demonstration_can_be_listed_and_filtered, begin, end),
        cmocka_unit_test_setup_teardown(json_has_an_object_for_each_record, begin, end),
        cmocka_unit_test_setup_teardown(a_writer_that_was_killed_can_still_be_read, begin, end),
        cmocka_unit_test_setup_teardown(records_of_anybody_command_no_terminal_and_may_have_any_time, begin,
                                        end),
        cmocka_unit_test_setup_teardown(following_ends_after_so_many_records, begin, end),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_said, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
