/* SPDX-License-Identifier: MIT */
/* What a program does wrong is noticed, in one line, and ends it. With PAWL_MALLOC=hardened in the
 * environment more is. */
#include "family.h"

#include <fcntl.h>
#include <pawl/malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static bool hardened(void)
{
    struct pawl_malloc_stats stats;

    pawl_malloc_get_stats(&stats);
    return stats.hardened;
}

/* Runs it in a child. Returns the signal that ended it (0: none), what it said in `said`. */
static int outcome(void (*mistake)(void), char *said, size_t size)
{
    int channel[2];
    int status = 0;
    size_t length = 0;
    pid_t child;

    if (pipe(channel) != 0)
        return -1;
    child = fork();
    if (child == 0) {
        const struct rlimit no_core = {0, 0};

        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGSEGV, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        dup2(channel[1], STDERR_FILENO);
        mistake();
        _exit(0);
    }
    close(channel[1]);
    for (ssize_t got; (got = read(channel[0], said + length, size - 1 - length)) > 0;)
        length += (size_t)got;
    said[length] = '\0';
    close(channel[0]);
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void assert_noticed(void (*mistake)(void), const char *words)
{
    char said[1000];

    assert_int_equal(outcome(mistake, said, sizeof said), SIGABRT);
    if (strstr(said, words) == NULL)
        fail_msg("said '%s', not '%s'", said, words);
    assert_memory_equal(said, "pawl-malloc: ", 13);
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1); /* one line */
}

static void free_twice(void)
{
    void *block = m(malloc)(100);

    m(free)(block);
    m(free)(opaque(block));
}

/* Noticed when it would be handed out a second time. */
static void free_twice_much_later(void)
{
    void *block = m(malloc)(100);
    void *other[2000];

    for (int i = 0; i < 2000; i++)
        other[i] = m(malloc)(100);
    m(free)(block);
    for (int i = 0; i < 2000; i++)
        m(free)(other[i]);
    m(free)(opaque(block));
    for (int i = 0; i < 5000; i++)
        if (m(malloc)(100) == NULL)
            return;
}

static void free_twice_after_it_went_back(void)
{
    void *keep = m(malloc)(100);
    void *block = m(malloc)(100);

    m(free)(block);
    (void)pawl_malloc_release(0);
    m(free)(opaque(block));
    (void)pawl_malloc_release(0);
    m(free)(keep);
}

/* It lies in a chain, whose mark is gone. */
static void write_to_a_free_block(void)
{
    char *block = m(malloc)(100);

    m(free)(block);
    memset(opaque(block), 0x41, 100);
    if (m(malloc)(100) == NULL)
        return;
    (void)pawl_malloc_release(0); /* hardened: when it leaves quarantine */
}

static void free_large_twice(void)
{
    void *block = m(malloc)(1000000);

    m(free)(block);
    m(free)(opaque(block));
}

static void free_of_the_stack(void)
{
    char array[64];

    m(free)(opaque(array + 16));
}

static void free_of_static_memory(void)
{
    static char array[64];

    m(free)(opaque(array));
}

static void free_inside_a_large_block(void)
{
    char *block = m(malloc)(1000000);

    m(free)(opaque(block + 4096 * 4));
}

static void free_inside_a_small_block(void)
{
    char *block = m(malloc)(100);

    m(free)(opaque(block + 16));
    (void)pawl_malloc_release(0); /* at the latest when it comes back to its span */
}

static void realloc_of_the_stack(void)
{
    char array[64];

    if (opaque(m(realloc)(opaque(array), 100)) == NULL)
        return;
}

static void a_block_freed_twice_is_noticed(void **state)
{
    (void)state;
    assert_noticed(free_twice, "free() of a block that is free already");
    assert_noticed(free_twice_much_later, hardened() ? "free() of" : "freed twice");
    assert_noticed(free_twice_after_it_went_back, "free() of");
    assert_noticed(free_large_twice, "free() of");
}

static void an_address_that_is_no_block_is_noticed(void **state)
{
    (void)state;
    assert_noticed(free_of_the_stack, "free() of an address that no block has");
    assert_noticed(free_of_static_memory, "free() of an address that no block has");
    assert_noticed(free_inside_a_large_block, "free() of an address");
    assert_noticed(free_inside_a_small_block, "free() of an address inside a block");
    assert_noticed(realloc_of_the_stack, "realloc() of an address that no block has");
}

static void a_write_to_a_free_block_is_noticed(void **state)
{
    (void)state;
    assert_noticed(write_to_a_free_block,
                   hardened() ? "written to after its free()" : "a free block was written to");
}

/* ---- hardened ---- */

static void write_one_byte_behind(void)
{
    volatile char *block = m(malloc)(100);

    block[100] = (char)(block[100] + 1); /* what stands there is any byte */
    m(free)(opaque((void *)(uintptr_t)block));
}

static void write_far_behind(void)
{
    char *block = m(malloc)(40);

    memset(opaque(block), 7, 70);
    m(free)(block);
}

static void write_after_free(void)
{
    char *block = m(malloc)(100);

    m(free)(block);
    ((volatile char *)opaque(block))[50] = 1;
    (void)pawl_malloc_release(0);
}

static void write_behind_a_large_block(void)
{
    char *block = m(malloc)(100000);

    ((volatile char *)opaque(block))[100000 + 15] = 1;
}

static void read_a_large_block_after_free(void)
{
    char *block = m(malloc)(100000);

    m(free)(block);
    (void)((volatile char *)opaque(block))[5];
}

static void writes_behind_and_after_are_noticed_when_hardened(void **state)
{
    (void)state;
    char said[1000];

    if (!hardened())
        skip();
    assert_noticed(write_one_byte_behind, "memory behind a block was written to");
    assert_noticed(write_far_behind, "memory behind a block was written to");
    assert_noticed(write_after_free, "a block was written to after its free()");
    assert_int_equal(outcome(write_behind_a_large_block, said, sizeof said), SIGSEGV);
    assert_int_equal(outcome(read_a_large_block_after_free, said, sizeof said), SIGSEGV);
}

static void a_hardened_block_is_zero_and_exactly_as_large_as_asked_for(void **state)
{
    (void)state;
    if (!hardened())
        skip();
    for (size_t size = 1; size < 100000; size = size * 2 + 3) {
        for (int turn = 0; turn < 3; turn++) {
            unsigned char *block = m(malloc)(size);

            assert_int_equal(m(malloc_usable_size)(block), size);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(block[i], 0);
            memset(block, 0xee, size);
            m(free)(block);
        }
    }
}

/* Ends by a signal when one of them is missing. */
static void leak_one_of_each(void)
{
    int nowhere = open("/dev/null", O_WRONLY);
    uint64_t before = pawl_malloc_leaks(nowhere);
    void *volatile kept;

    kept = m(malloc)((size_t)1 << 20);
    if (pawl_malloc_leaks(nowhere) != before + 1)
        abort();
    kept = m(malloc)(100);
    if (pawl_malloc_leaks(nowhere) != before + 2)
        abort();
    if (pawl_malloc_profile_start(1) != 0)
        abort();
    kept = m(malloc)(100);
    (void)kept;
    if (pawl_malloc_leaks(nowhere) != before + 3)
        abort();
}

static void leaks_of_every_kind_are_counted(void **state)
{
    (void)state;
    char said[1000];

    assert_int_equal(outcome(leak_one_of_each, said, sizeof said), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_freed_twice_is_noticed),
        cmocka_unit_test(an_address_that_is_no_block_is_noticed),
        cmocka_unit_test(a_write_to_a_free_block_is_noticed),
        cmocka_unit_test(writes_behind_and_after_are_noticed_when_hardened),
        cmocka_unit_test(a_hardened_block_is_zero_and_exactly_as_large_as_asked_for),
        cmocka_unit_test(leaks_of_every_kind_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
