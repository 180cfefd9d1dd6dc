/* SPDX-License-Identifier: MIT */
#include <pawl/arena.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct pawl_arena *arena_of(size_t bytes, unsigned int flags, struct pawl_arena_report *report)
{
    const struct pawl_arena_options options = {.bytes = bytes, .flags = flags};
    struct pawl_arena *arena = pawl_arena_open(&options, report);

    assert_non_null(arena);
    return arena;
}

static void blocks_are_aligned_apart_and_end_where_the_arena_ends(void **state)
{
    (void)state;
    struct pawl_arena *arena = arena_of(10000, 0, NULL);
    char *before = NULL;
    size_t got = 0;
    char *block;

    for (size_t alignment = 1; alignment <= 4096; alignment *= 2) {
        block = pawl_arena_alloc(arena, 10, alignment);
        assert_int_equal((uintptr_t)block % alignment, 0);
        assert_true(block >= before);
        memset(block, 1, 10);
        before = block + 10;
    }
    while ((block = pawl_arena_alloc(arena, 16, 16)) != NULL) {
        memset(block, 2, 16);
        got += 16;
    }
    assert_int_equal(errno, ENOMEM);
    assert_true(got < pawl_arena_bytes(arena));
    assert_null(pawl_arena_alloc(arena, SIZE_MAX, 16));
    pawl_arena_close(arena);
}

static void what_is_no_alignment_is_refused(void **state)
{
    (void)state;
    struct pawl_arena *arena = arena_of(10000, 0, NULL);

    errno = 0;
    assert_null(pawl_arena_alloc(arena, 1, 0));
    assert_int_equal(errno, EINVAL);
    assert_null(pawl_arena_alloc(arena, 1, 24));
    assert_null(pawl_arena_alloc(arena, 1, (size_t)1 << 30));
    pawl_arena_close(arena);
    pawl_arena_close(NULL);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    struct pawl_arena_options options = {.bytes = 0};

    errno = 0;
    assert_null(pawl_arena_open(&options, NULL));
    assert_int_equal(errno, EINVAL);
    options = (struct pawl_arena_options){.bytes = 100, .flags = 1u << 20};
    assert_null(pawl_arena_open(&options, NULL));
    assert_int_equal(errno, EINVAL);
    options = (struct pawl_arena_options){.bytes = (size_t)1 << 55};
    assert_null(pawl_arena_open(&options, NULL));
    assert_int_equal(errno, ENOMEM);
}

static void a_rewound_arena_gives_the_same_addresses_again(void **state)
{
    (void)state;
    struct pawl_arena *arena = arena_of(100000, 0, NULL);
    size_t mark = pawl_arena_mark(arena);
    void *first = pawl_arena_alloc(arena, 100, 16);

    assert_non_null(pawl_arena_alloc(arena, 5000, 16));
    pawl_arena_rewind(arena, mark);
    assert_ptr_equal(pawl_arena_alloc(arena, 100, 16), first);
    pawl_arena_close(arena);
}

static void the_report_says_what_is_there(void **state)
{
    (void)state;
    struct pawl_arena_report report;
    size_t bytes = (size_t)5 << 20;
    struct pawl_arena *arena = arena_of(bytes, 0, &report);

    assert_true(report.bytes >= bytes && report.resident < bytes / 2);
    pawl_arena_close(arena);
    arena = arena_of(bytes, PAWL_ARENA_FAULT, &report);
    assert_true(report.resident >= bytes);
    pawl_arena_close(arena);
    arena = arena_of(bytes, PAWL_ARENA_FAULT | PAWL_ARENA_HUGE, &report);
    assert_true(report.huge > 0 || report.huge_status != 0);
    pawl_arena_close(arena);
    arena = arena_of(bytes, PAWL_ARENA_LOCK, &report);
#if !defined(__SANITIZE_ADDRESS__) && \
    !PAWL_INSTRUMENTED /* sanitizers make mlock(2) do nothing, and succeed */
    assert_true(report.lock_status != 0 || report.resident >= bytes);
#endif
    pawl_arena_close(arena);
}

static void a_node_that_is_not_there_is_reported_and_with_strict_refused(void **state)
{
    (void)state;
    struct pawl_arena_report report;
    struct pawl_arena_options options = {.bytes = 100000, .flags = PAWL_ARENA_BIND, .node = 999};
    struct pawl_arena *arena = pawl_arena_open(&options, &report);

    assert_non_null(arena);
    assert_true(report.bind_status < 0);
    pawl_arena_close(arena);
    options.flags |= PAWL_ARENA_STRICT;
    assert_null(pawl_arena_open(&options, &report));
    assert_int_equal(errno, -report.bind_status);
}

/* ---- a machine with reserved huge pages, as the kernel shows it: the linker leads these calls here ---- */

static struct {
    bool reserved;      /* there are huge pages that nobody has yet, and many nodes */
    bool elsewhere;     /* none of them on the node that is asked for */
    int populate_error; /* of ordinary memory */
    char *huge;         /* where they are mapped */
    size_t huge_bytes;
    unsigned int taken, given_back;
} machine;

void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
    __attribute__((alias("__wrap_mmap"))); /* glibc's name where file offsets are of 64 bits */
int __real_munmap(void *address, size_t bytes);
int __wrap_munmap(void *address, size_t bytes);
int __real_madvise(void *address, size_t bytes, int advice);
int __wrap_madvise(void *address, size_t bytes, int advice);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    bool huge = (flags & MAP_HUGETLB) != 0;
    void *memory;

    if (huge && !machine.reserved) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    memory = (void *)__real_syscall(SYS_mmap, address, bytes, protection, flags & ~MAP_HUGETLB, fd, offset);
    if (huge) {
        machine.huge = memory;
        machine.huge_bytes = bytes;
        machine.taken++;
    }
    return memory;
}

int __wrap_munmap(void *address, size_t bytes)
{
    if (address == machine.huge && bytes == machine.huge_bytes) {
        machine.given_back++;
        machine.huge = NULL;
    }
    return __real_munmap(address, bytes);
}

int __wrap_madvise(void *address, size_t bytes, int advice)
{
    bool huge = machine.huge != NULL && (char *)address == machine.huge;
    int error = huge && machine.elsewhere ? EFAULT : huge ? 0 : machine.populate_error;

    if (advice == 23 && error != 0) { /* MADV_POPULATE_WRITE */
        errno = error;
        return -1;
    }
    return __real_madvise(address, bytes, advice);
}

/* Where huge pages are reserved, each node can be bound to. */
long __wrap_syscall(long number, ...)
{
    long a[6];
    va_list arguments;

    va_start(arguments, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(arguments, long);
    va_end(arguments);
    return machine.reserved && number == SYS_mbind
               ? 0
               : __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Every byte of it can be written to: where a huge page is missing that is a signal. */
static void use_whole(struct pawl_arena *arena)
{
    size_t left = pawl_arena_bytes(arena);
    char *block = pawl_arena_alloc(arena, left, 1);

    assert_non_null(block);
    memset(block, 1, left);
}

static void huge_pages_of_another_node_are_not_taken(void **state)
{
    (void)state;
    const struct pawl_arena_options options = {.bytes = 1000000,
                                               .flags = PAWL_ARENA_BIND | PAWL_ARENA_HUGE,
                                               .node = 1};
    struct pawl_arena_report report;
    struct pawl_arena *arena;

    memset(&machine, 0, sizeof machine);
    machine.reserved = machine.elsewhere = true;
    arena = pawl_arena_open(&options, &report);
    assert_non_null(arena);
    assert_int_equal(report.page, sysconf(_SC_PAGESIZE));
    assert_true(machine.taken == 1 && machine.given_back == 1);
    use_whole(arena);
    pawl_arena_close(arena);
    memset(&machine, 0, sizeof machine);
}

static void reserved_huge_pages_are_taken_and_given_back(void **state)
{
    (void)state;
    struct pawl_arena_options options = {.bytes = 1000000, .flags = PAWL_ARENA_BIND | PAWL_ARENA_HUGE};
    struct pawl_arena_report report;
    struct pawl_arena *arena;

    memset(&machine, 0, sizeof machine);
    machine.reserved = true;
    for (unsigned int turn = 1; turn <= 2; turn++) { /* bound, and wherever they are */
        arena = pawl_arena_open(&options, &report);
        assert_non_null(arena);
        assert_int_equal(report.page, (size_t)2 << 20);
        assert_true(report.bytes > (size_t)1 << 20 && report.huge_status == 0);
        use_whole(arena);
        pawl_arena_close(arena);
        assert_true(machine.taken == turn && machine.given_back == turn);
        options.flags = PAWL_ARENA_HUGE;
    }
    memset(&machine, 0, sizeof machine);
}

static void pages_that_the_kernel_has_not_are_not_touched(void **state)
{
    (void)state;
    struct pawl_arena_report report;
    size_t bytes = (size_t)1 << 20;
    struct pawl_arena *arena;

    memset(&machine, 0, sizeof machine);
    machine.populate_error = ENOMEM;
    arena = arena_of(bytes, PAWL_ARENA_FAULT, &report);
    assert_true(report.resident < bytes / 2);
    pawl_arena_close(arena);
    machine.populate_error = EINVAL; /* a kernel that does not know how: page by page */
    arena = arena_of(bytes, PAWL_ARENA_FAULT, &report);
    assert_true(report.resident >= bytes);
    pawl_arena_close(arena);
    memset(&machine, 0, sizeof machine);
}

enum { THREADS = 4, BLOCKS = 2000 };

static void *take_blocks(void *arena)
{
    for (int i = 0; i < BLOCKS; i++) {
        uint64_t *block = pawl_arena_alloc(arena, 24, 8);

        if (block == NULL || block[0] != 0)
            return (void *)1;
        block[0] = block[1] = block[2] = (uintptr_t)block;
    }
    return NULL;
}

static void threads_never_get_the_same_bytes(void **state)
{
    (void)state;
    struct pawl_arena *arena = arena_of((size_t)THREADS * BLOCKS * 24, 0, NULL);
    pthread_t thread[THREADS];

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, take_blocks, arena), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;

        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
    pawl_arena_close(arena);
}

static void a_mark_that_is_none_ends_the_program(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();

    if (child == 0) {
        struct pawl_arena *arena = arena_of(1000, 0, NULL);

        close(STDERR_FILENO);
        pawl_arena_rewind(arena, pawl_arena_mark(arena) + 1);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_apart_and_end_where_the_arena_ends),
        cmocka_unit_test(what_is_no_alignment_is_refused),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(a_rewound_arena_gives_the_same_addresses_again),
        cmocka_unit_test(the_report_says_what_is_there),
        cmocka_unit_test(a_node_that_is_not_there_is_reported_and_with_strict_refused),
        cmocka_unit_test(huge_pages_of_another_node_are_not_taken),
        cmocka_unit_test(reserved_huge_pages_are_taken_and_given_back),
        cmocka_unit_test(pages_that_the_kernel_has_not_are_not_touched),
        cmocka_unit_test(threads_never_get_the_same_bytes),
        cmocka_unit_test(a_mark_that_is_none_ends_the_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
