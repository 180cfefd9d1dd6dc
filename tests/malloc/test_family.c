/* SPDX-License-Identifier: MIT */
/* Each function of the family at its edges. */
#include "family.h"

#include <errno.h>
#include <pawl/malloc.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

/* NOLINTBEGIN(clang-analyzer-unix.Malloc): an assertion that fails ends the test, and what it holds */

static bool is_aligned(const void *block, size_t alignment)
{
    return (uintptr_t)block % alignment == 0;
}

static bool is_filled(const unsigned char *block, size_t n, unsigned char value)
{
    for (size_t i = 0; i < n; i++)
        if (block[i] != value)
            return false;
    return true;
}

static void malloc_of_nothing_is_a_block_of_its_own(void **state)
{
    (void)state;
    void *a = opaque(m(malloc)(opaque_size(0)));
    void *b = opaque(m(malloc)(opaque_size(0)));

    assert_non_null(a);
    assert_non_null(b);
    assert_ptr_not_equal(a, b);
    m(free)(a);
    m(free)(b);
}

static void every_size_is_aligned_and_as_large_as_it_says(void **state)
{
    (void)state;
    for (size_t size = 1; size < 300000; size += size < 2200 ? 1 : size / 37) {
        unsigned char *block = m(malloc)(size);
        size_t usable = m(malloc_usable_size)(block);

        assert_non_null(block);
        assert_true(is_aligned(block, 16));
        assert_true(usable >= size);
        memset(block, 0xa5, usable);
        m(free)(block);
    }
}

static void calloc_is_zero_also_where_memory_is_used_again(void **state)
{
    (void)state;
    for (size_t size = 1; size < 9000000; size = size * 3 + 1) {
        for (int turn = 0; turn < 3; turn++) {
            unsigned char *block = m(calloc)(1, size);

            assert_non_null(block);
            assert_true(is_filled(block, size, 0));
            memset(block, 0xff, size);
            m(free)(block);
        }
    }
}

static void too_much_is_refused_with_enomem(void **state)
{
    (void)state;
    const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX - 4096, (size_t)PTRDIFF_MAX + 1, PTRDIFF_MAX};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *block = m(malloc)(16);

        errno = 0;
        assert_null(m(malloc)(opaque_size(sizes[i])));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(m(calloc)(opaque_size(sizes[i]), 1));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(m(realloc)(opaque(block), opaque_size(sizes[i])));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(m(memalign)(64, opaque_size(sizes[i])));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(m(pvalloc)(opaque_size(sizes[i])));
        assert_int_equal(errno, ENOMEM);
        m(free)(block);
    }
}

static void products_that_overflow_are_refused(void **state)
{
    (void)state;
    size_t root = (size_t)1 << 32;
    void *block = m(malloc)(10);

    errno = 0;
    assert_null(m(calloc)(opaque_size(root), root));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(m(reallocarray)(opaque(block), opaque_size(root), root + 1));
    assert_int_equal(errno, ENOMEM);
    m(free)(block);
    block = m(reallocarray)(NULL, 10, 10);
    assert_non_null(block);
    m(free)(block);
}

static void free_keeps_errno(void **state)
{
    (void)state;
    void *large = m(malloc)(3000000);

    memset(large, 1, 3000000);
    errno = 77;
    m(free)(NULL);
    m(free)(large);
    m(free)(m(malloc)(40));
    assert_int_equal(errno, 77);
}

static void realloc_keeps_what_was_there(void **state)
{
    (void)state;
    const size_t sizes[] = {1,     17,     100,     1000, 5000,   40000, 300000, 3000000, 5000000,
                            20000, 700000, 2500000, 40,   100000, 60000, 33000,  32768,   32769};
    unsigned char *block = m(malloc)(1);
    size_t before = 1;

    block[0] = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t common = before < sizes[i] ? before : sizes[i];

        block = m(realloc)(opaque(block), sizes[i]);
        assert_non_null(block);
        for (size_t k = 0; k < common; k++)
            assert_int_equal(block[k], (unsigned char)(k * 7 / 3));
        for (size_t k = common; k < sizes[i]; k++)
            block[k] = (unsigned char)(k * 7 / 3);
        before = sizes[i];
    }
    m(free)(block);
}

static void realloc_of_nothing_allocates_and_to_nothing_frees(void **state)
{
    (void)state;
    void *block = m(realloc)(NULL, 100);

    assert_non_null(block);
    assert_null(opaque(m(realloc)(opaque(block), opaque_size(0))));
}

static void a_failed_realloc_leaves_the_block(void **state)
{
    (void)state;
    char *block = m(malloc)(100000);

    memset(block, 'x', 100000);
    assert_null(m(realloc)(opaque(block), opaque_size((size_t)1 << 47)));
    assert_int_equal(block[99999], 'x');
    m(free)(block);
}

static void alignments_hold_up_to_large_ones(void **state)
{
    (void)state;
    for (size_t alignment = 8; alignment <= (size_t)16 << 20; alignment *= 2) {
        size_t promised = alignment > 16 ? alignment : 16;

        for (size_t size = 0; size < 100000; size = size * 5 + 1) {
            void *a = m(aligned_alloc)(alignment, size);
            void *b = NULL;
            void *c = m(memalign)(alignment, size);

            assert_int_equal(m(posix_memalign)(&b, alignment, size), 0);
            assert_true(a != NULL && b != NULL && c != NULL);
            assert_true(is_aligned(a, promised) && is_aligned(b, promised) && is_aligned(c, promised));
            memset(a, 1, size);
            memset(b, 2, size);
            memset(c, 3, size);
            assert_true(is_filled(a, size, 1) && is_filled(b, size, 2) && is_filled(c, size, 3));
            m(free)(a);
            m(free_aligned_sized)(b, alignment, size);
            m(free)(c);
        }
    }
}

static void impossible_alignments_are_refused(void **state)
{
    (void)state;
    void *block = (void *)&block;
    void *before = block;

    assert_int_equal(m(posix_memalign)(&block, opaque_size(0), 8), EINVAL);
    assert_int_equal(m(posix_memalign)(&block, opaque_size(4), 8), EINVAL);
    assert_int_equal(m(posix_memalign)(&block, opaque_size(24), 8), EINVAL);
    errno = 5;
    assert_int_equal(m(posix_memalign)(&block, 64, opaque_size(SIZE_MAX)), ENOMEM);
    assert_int_equal(errno, 5);
    assert_ptr_equal(block, before);
    errno = 0;
    assert_null(m(aligned_alloc)(opaque_size(3), 8));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(m(memalign)(opaque_size(SIZE_MAX), 8));
    assert_int_equal(errno, EINVAL);
    block = m(memalign)(opaque_size(48), 100); /* as glibc: the next power of two */
    assert_true(is_aligned(block, 64));
    m(free)(block);
}

static void valloc_and_pvalloc_are_of_pages(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *a = m(valloc)(1);
    void *b = m(pvalloc)(1);
    void *c = m(pvalloc)(0);

    assert_true(is_aligned(a, page) && is_aligned(b, page) && is_aligned(c, page));
    assert_true(m(malloc_usable_size)(b) >= page);
    memset(b, 1, page);
    m(free)(a);
    m(free)(b);
    m(free)(c);
}

static void usable_size_of_nothing_is_nothing(void **state)
{
    (void)state;
    assert_int_equal(m(malloc_usable_size)(NULL), 0);
}

static void sized_frees_are_frees(void **state)
{
    (void)state;
    for (size_t size = 0; size < 100000; size = size * 3 + 1)
        m(free_sized)(m(malloc)(size), size);
    m(free_sized)(NULL, 0);
    m(free_aligned_sized)(NULL, 64, 0);
}

static void a_large_block_grows_in_place_or_moves_whole(void **state)
{
    (void)state;
    size_t size = 40000;
    uint64_t *block = m(malloc)(size);

    for (size_t i = 0; i < size / 8; i++)
        block[i] = i;
    for (int turn = 0; turn < 20; turn++) {
        size_t next = size + size / 3;

        block = m(realloc)(opaque(block), next);
        assert_non_null(block);
        for (size_t i = 0; i < size / 8; i += 97)
            assert_int_equal(block[i], i);
        for (size_t i = size / 8; i < next / 8; i++)
            block[i] = i;
        size = next;
    }
    m(free)(block);
}

#ifdef __GLIBC__
static void glibc_s_windows_show_what_is_there(void **state)
{
    (void)state;
    size_t before = m(mallinfo2)().uordblks;
    void *block = m(malloc)(5000000);
    char *text = NULL;
    size_t bytes;
    FILE *file = open_memstream(&text, &bytes);

    assert_true(m(mallinfo2)().uordblks >= before + 5000000);
    assert_int_equal(m(malloc_info)(1, file), EINVAL);
    assert_int_equal(m(malloc_info)(0, file), 0);
    fclose(file);
    assert_true(bytes > 0 && strncmp(text, "<malloc version=\"1\">", 20) == 0);
    assert_non_null(strstr(text, "<total type=\"mmap\" count="));
    assert_non_null(strstr(text, "</malloc>"));
    free(text);
    m(free)(block);
}
#endif

#if defined(__GLIBC__) && !defined(PAWL_MALLOC_PREFIXED)
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void *__libc_valloc(size_t size);
void *__libc_pvalloc(size_t size);
void __libc_free(void *block);

static void glibc_s_second_names_lead_to_the_same_heap(void **state)
{
    (void)state;
    char *block = __libc_malloc(100);

    block = realloc(block, 200);
    block = __libc_realloc(block, 300);
    free(block);
    free(__libc_calloc(3, 100));
    free(__libc_memalign(64, 100));
    free(__libc_valloc(100));
    free(__libc_pvalloc(100));
    __libc_free(malloc(100));
}
#endif

/* ---- signals ---- */

enum { ODD_SIZE = 208 }; /* of a class that nothing else here uses */

static volatile sig_atomic_t interrupts;
static volatile sig_atomic_t wrong;
static unsigned char *volatile held;       /* by the program, filled with 1 */
static unsigned char *volatile of_handler; /* from one signal to the next, filled with 2 */
static volatile size_t of_handler_bytes;

static void keep_a_block(int number)
{
    static const size_t sizes[] = {1, 24, 100, 700, 3000, 40000, 3000000};
    unsigned char *before = of_handler;

    (void)number;
    if (before != NULL && (before[0] != 2 || before[of_handler_bytes - 1] != 2))
        wrong = 1;
    m(free)(before);
    of_handler_bytes = sizes[(unsigned int)interrupts % (sizeof sizes / sizeof sizes[0])];
    of_handler = m(malloc)(of_handler_bytes);
    if (of_handler == NULL)
        wrong = 1;
    else
        memset(of_handler, 2, of_handler_bytes);
    interrupts = interrupts + 1;
}

/* Takes a block at one signal, gives it back at the next. */
static void allocate_like_the_program(int number)
{
    unsigned char *block = of_handler;

    (void)number;
    if (block != NULL) {
        of_handler = NULL;
        if (block[0] != 2)
            wrong = 1;
        m(free)(block);
    } else {
        block = m(malloc)(ODD_SIZE);
        if (block == NULL || block == held)
            wrong = 1;
        else
            block[0] = 2;
        of_handler = block;
    }
    interrupts = interrupts + 1;
}

static void be_interrupted_by(void (*handler)(int), int each_us)
{
    const struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    const struct sigaction none = {.sa_handler = SIG_IGN};
    const struct itimerval timer = {{0, each_us}, {0, each_us}};

    if (each_us > 0) {
        interrupts = wrong = 0;
        sigaction(SIGALRM, &action, NULL);
    }
    setitimer(ITIMER_REAL, &timer, NULL);
    if (each_us == 0)
        sigaction(SIGALRM, &none, NULL);
}

/* While the program is somewhere else. Inside of malloc its handlers may not call it, as with glibc. */
static void handlers_of_signals_may_allocate(void **state)
{
    (void)state;
    unsigned char *block[200];

    for (size_t i = 0; i < 200; i++) {
        block[i] = m(malloc)(i * 37 + 1);
        memset(block[i], 1, i * 37 + 1);
    }
    be_interrupted_by(keep_a_block, 200);
    while (interrupts < 300)
        usleep(100);
    be_interrupted_by(NULL, 0);
    assert_int_equal(wrong, 0);
    m(free)(of_handler);
    of_handler = NULL;
    for (size_t i = 0; i < 200; i++) {
        assert_true(is_filled(block[i], i * 37 + 1, 1));
        m(free)(block[i]);
    }
}

/* Between any two instructions of malloc and free, where neither needs a lock: a signal restarts the sequence. With blocks
 * of one class in this CPU's cache, and no other CPU, both stay on that path. */
static void a_signal_within_malloc_takes_no_block_twice(void **state)
{
    (void)state;
    struct pawl_malloc_stats stats;
    cpu_set_t all, one;
    void *warm[3];

    pawl_malloc_get_stats(&stats);
    if (strcmp(stats.mode, "cpu") != 0 || sched_getaffinity(0, sizeof all, &all) != 0)
        skip();
    CPU_ZERO(&one);
    CPU_SET((unsigned int)sched_getcpu(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    for (int i = 0; i < 3; i++)
        warm[i] = m(malloc)(ODD_SIZE);
    for (int i = 0; i < 3; i++)
        m(free)(warm[i]);
    be_interrupted_by(allocate_like_the_program, 100);
    while (interrupts < 1000) {
        unsigned char *block = m(malloc)(ODD_SIZE);

        held = block;
        block[0] = 1;
        if (block == of_handler || block[0] != 1)
            wrong = 1;
        held = NULL;
        m(free)(block);
    }
    be_interrupted_by(NULL, 0);
    m(free)(of_handler);
    sched_setaffinity(0, sizeof all, &all);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malloc_of_nothing_is_a_block_of_its_own),
        cmocka_unit_test(every_size_is_aligned_and_as_large_as_it_says),
        cmocka_unit_test(calloc_is_zero_also_where_memory_is_used_again),
        cmocka_unit_test(too_much_is_refused_with_enomem),
        cmocka_unit_test(products_that_overflow_are_refused),
        cmocka_unit_test(free_keeps_errno),
        cmocka_unit_test(realloc_keeps_what_was_there),
        cmocka_unit_test(realloc_of_nothing_allocates_and_to_nothing_frees),
        cmocka_unit_test(a_failed_realloc_leaves_the_block),
        cmocka_unit_test(alignments_hold_up_to_large_ones),
        cmocka_unit_test(impossible_alignments_are_refused),
        cmocka_unit_test(valloc_and_pvalloc_are_of_pages),
        cmocka_unit_test(usable_size_of_nothing_is_nothing),
        cmocka_unit_test(sized_frees_are_frees),
        cmocka_unit_test(a_large_block_grows_in_place_or_moves_whole),
        cmocka_unit_test(handlers_of_signals_may_allocate),
        cmocka_unit_test(a_signal_within_malloc_takes_no_block_twice),
#ifdef __GLIBC__
        cmocka_unit_test(glibc_s_windows_show_what_is_there),
#endif
#if defined(__GLIBC__) && !defined(PAWL_MALLOC_PREFIXED)
        cmocka_unit_test(glibc_s_second_names_lead_to_the_same_heap),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
/* NOLINTEND(clang-analyzer-unix.Malloc) */
