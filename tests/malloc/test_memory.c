/* SPDX-License-Identifier: MIT */
/* Memory: refused by the kernel at any moment, limited, given back. */
#include "family.h"

#include "cache.h"
#include "map.h"
#include "page_heap.h"
#include "system.h"

#include <errno.h>
#include <pawl/malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || PAWL_INSTRUMENTED
#define SANITIZED true
#else
#define SANITIZED false
#endif

enum { BLOCKS = 600 };

static void *block[BLOCKS];
static size_t size_of[BLOCKS];

static bool keep(int i, void *made, size_t size)
{
    block[i] = made;
    size_of[i] = size;
    if (made == NULL)
        return errno == ENOMEM;
    memset(made, i & 255, size < 4096 ? size : 4096);
    return true;
}

/* A little of everything. False: a refusal without ENOMEM, or memory that changed. */
static bool use_everything(void)
{
    bool fine = true;

    for (int i = 0; i < BLOCKS; i++) {
        size_t size = ((size_t)i * 7919 + 1) % ((size_t)1 << i % 20);

        errno = 0;
        if (i % 7 == 0)
            fine = keep(i, m(calloc)(1, size), size) && fine;
        else if (i % 7 == 1)
            fine = keep(i, m(memalign)((size_t)32 << i % 9, size), size) && fine;
        else
            fine = keep(i, m(malloc)(size), size) && fine;
    }
    for (int i = 0; i < BLOCKS; i += 3) {
        size_t size = size_of[i] * 3 + 100;
        unsigned char *moved;

        errno = 0;
        if (block[i] == NULL)
            continue;
        moved = m(realloc)(block[i], size);
        if (moved == NULL)
            fine = errno == ENOMEM && fine;
        else
            block[i] = moved;
    }
    for (int i = 0; i < BLOCKS; i++) {
        const unsigned char *b = block[i];
        size_t n = size_of[i] < 4096 ? size_of[i] : 4096;

        for (size_t k = 0; b != NULL && k < n; k++)
            fine = b[k] == (i & 255) && fine;
        m(free)(block[i]);
    }
    return fine;
}

static void refuse(uint64_t at, uint64_t count)
{
    pawl_store_relaxed(&pawl_system_faults_.calls, UINT64_C(0)); /* relaxed, all: one thread */
    pawl_store_relaxed(&pawl_system_faults_.fail_count, count);
    pawl_store_relaxed(&pawl_system_faults_.fail_at, at);
}

/* In a child, whose heap is as new as possible. Returns how many calls could be refused; -1: something
 * went wrong. */
static long in_child(uint64_t at, uint64_t count)
{
    int channel[2];
    long calls = -1;
    int status;
    pid_t child;

    if (pipe(channel) != 0)
        return -1;
    child = fork();
    if (child == 0) {
        bool fine;

        (void)pawl_malloc_release(0);
        refuse(at, count);
        fine = use_everything();
        (void)pawl_malloc_release(0);
        calls = (long)pawl_load_relaxed(&pawl_system_faults_.calls);
        refuse(0, 0);
        fine = use_everything() && fine; /* and all is well again */
        if (!fine || write(channel[1], &calls, sizeof calls) != (ssize_t)sizeof calls)
            _exit(1);
        _exit(0);
    }
    close(channel[1]);
    if (read(channel[0], &calls, sizeof calls) != (ssize_t)sizeof calls)
        calls = -1;
    close(channel[0]);
    return waitpid(child, &status, 0) == child && status == 0 ? calls : -1;
}

static void any_single_refusal_by_the_kernel_is_survived(void **state)
{
    (void)state;
    long calls = in_child(UINT64_MAX, 0);

    const char *longer = getenv("PAWL_TEST_LONG");
    long children = longer != NULL && strcmp(longer, "1") == 0 ? calls : SANITIZED ? 15 : 50;

    assert_true(calls > 5);
    for (long at = 1; at <= calls; at += 1 + calls / children)
        assert_true(in_child((uint64_t)at, 1) >= 0);
}

static void a_kernel_that_refuses_from_some_point_on_is_survived(void **state)
{
    (void)state;
    long calls = in_child(UINT64_MAX, 0);

    for (long at = 1; at <= calls; at += 1 + calls / 12)
        assert_true(in_child((uint64_t)at, UINT64_MAX) >= 0);
}

/* Runs a test's body in a process of its own. Returns what it returned; 128 and a signal. */
static int apart(int (*body)(void))
{
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        _exit(body());
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Takes all that a limit leaves, gives it back, and goes on. */
static int exhaust(int resource)
{
    const size_t room = (size_t)300 << 20;
    struct rlimit limit;
    void *chain = NULL;
    size_t got = 0;

    (void)pawl_malloc_release(0);
    if (getrlimit(resource, &limit) != 0)
        return 9;
    limit.rlim_cur = (rlim_t)room;
    if (setrlimit(resource, &limit) != 0)
        return 9;
    if (m(malloc)((size_t)1 << 40) != NULL || m(aligned_alloc)((size_t)1 << 40, 1) != NULL)
        return 3; /* what was refused takes nothing away from what follows */
    for (size_t size = 100000; size >= 100; size /= 10)
        for (void **made; (made = m(malloc)(size)) != NULL; got += size) {
            *made = chain;
            chain = made;
        }
    if (errno != ENOMEM || got < room / 2 || got > room)
        return 1;
    while (chain != NULL) {
        void *next = *(void **)chain;

        m(free)(chain);
        chain = next;
    }
    return use_everything() ? 0 : 2;
}

static int exhaust_addresses(void)
{
    return exhaust(RLIMIT_AS);
}

/* Counts what a kernel that does not overcommit counts: private memory that may be written to. */
static int exhaust_data(void)
{
    return exhaust(RLIMIT_DATA);
}

static void limits_of_memory_give_enomem(void **state)
{
    (void)state;
    if (SANITIZED)
        skip();
    assert_int_equal(apart(exhaust_addresses), 0);
    assert_int_equal(apart(exhaust_data), 0);
}

static int shrink_without_memory(void)
{
    enum { SIZE = 1 << 20, SMALLER = 20000 };
    unsigned char *large = m(malloc)(SIZE);
    void *chain = NULL;
    unsigned char *shrunk;
    bool fine;

    memset(large, 7, SIZE);
    refuse(1, UINT64_MAX);
    for (size_t size = SMALLER; size >= 16; size /= 2)
        for (void **made; (made = m(malloc)(size)) != NULL;) {
            *made = chain;
            chain = made;
        }
    shrunk = m(realloc)(large, SMALLER);
    fine = shrunk != NULL && shrunk[0] == 7 && shrunk[SMALLER - 1] == 7;
    refuse(0, 0);
    for (; chain != NULL;) {
        void *next = *(void **)chain;

        m(free)(chain);
        chain = next;
    }
    m(free)(shrunk != NULL ? shrunk : large);
    return fine ? 0 : 1;
}

static bool is_hardened(void)
{
    struct pawl_malloc_stats stats;

    pawl_malloc_get_stats(&stats);
    return stats.hardened;
}

static void a_block_shrinks_also_without_memory(void **state)
{
    (void)state;
    if (is_hardened()) /* a canary stands behind what was asked for */
        skip();
    assert_int_equal(apart(shrink_without_memory), 0);
}

#define LOCKED " lo "
#define HUGE " hg " /* the kernel was asked for huge pages */

/* How many mappings there are, and whether the one that an address is in has this flag. */
static int mappings(const void *address, const char *flag, bool *flagged)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    bool inside = false;
    char line[512];
    int count = 0;

    *flagged = false;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        unsigned long from, to;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            count++;
            inside = (uintptr_t)address >= from && (uintptr_t)address < to;
        } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            *flagged = strstr(line, flag) != NULL;
        }
    }
    if (file != NULL)
        fclose(file);
    return count;
}

static bool has_huge_pages(const void *address)
{
    bool flagged;

    return mappings(address, HUGE, &flagged) > 0 && flagged;
}

static int ask_for_huge_pages(void)
{
    const size_t bytes = (size_t)20 << 20; /* three of them and a small one: less than 64 MiB */
    char *small = m(malloc)((size_t)1 << 20);
    char *large[3];

    if (small == NULL || has_huge_pages(small))
        return 1; /* a process of a few pages would pay 2 MiB for each */
    for (int i = 0; i < 2; i++) {
        large[i] = m(malloc)(bytes);
        if (large[i] == NULL || !has_huge_pages(large[i] + bytes / 2))
            return 2;
        if (has_huge_pages(large[i]) || has_huge_pages(small))
            return 3; /* who asked for much has used nothing yet */
    }
    for (int i = 0; i < 2; i++)
        memset(large[i], 1, bytes);
    large[2] = m(malloc)(bytes);
    if (large[2] == NULL || !has_huge_pages(large[2]))
        return 4;
    if (!has_huge_pages(large[0]) || !has_huge_pages(small))
        return 5; /* free pages that were mapped before are used again */
    for (int i = 0; i < 3; i++)
        m(free)(large[i]);
    m(free)(small);
    return 0;
}

/* The heap steps over a mapping that stands where it would go on; the part below is advised all the same. */
static int ask_around_an_obstacle(void)
{
    char *small = m(malloc)((size_t)1 << 20);
    char *obstacle = MAP_FAILED;
    char *large;
    bool flagged;

    if (small == NULL)
        return 9;
    if (pawl_map_.reserved) /* nothing can be in the way */
        return 0;
    for (char *at = small - (uintptr_t)small % CHUNK_BYTES; obstacle == MAP_FAILED; at += CHUNK_BYTES) {
        if (at > small + 64 * CHUNK_BYTES)
            return 8;
        obstacle = mmap(at, CHUNK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    }
    large = m(malloc)((size_t)80 << 20);
    if (large < obstacle + CHUNK_BYTES)
        return 1;
    if (mappings(large, HUGE, &flagged) == 0 || !flagged)
        return 2;
    if (mappings(small, HUGE, &flagged) == 0 || !flagged)
        return 3;
    if (mappings(obstacle, HUGE, &flagged) == 0 || flagged)
        return 4; /* that is not ours */
    munmap(obstacle, CHUNK_BYTES);
    m(free)(small);
    m(free)(large);
    return 0;
}

/* Before the heap has grown: the first test. */
static void a_large_block_gets_huge_pages_and_a_small_heap_none(void **state)
{
    (void)state;
    if (access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) != 0) /* the kernel has none */
        skip();
    assert_int_equal(apart(ask_for_huge_pages), 0);
    assert_int_equal(apart(ask_around_an_obstacle), 0);
}

/* Takes all that a limit leaves, to the last page, and frees it. Before anything was released in this process. */
static int release_without_a_page(void)
{
    const struct rlimit limit = {(rlim_t)100 << 20, RLIM_INFINITY};
    void *chain = NULL;
    size_t idle;

    if (setrlimit(RLIMIT_DATA, &limit) != 0)
        return 9;
    for (void **made; (made = m(malloc)(10000)) != NULL; chain = made)
        *made = chain;
    while (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
        ;
    while (chain != NULL) {
        void *next = *(void **)chain;

        m(free)(chain);
        chain = next;
    }
    (void)pawl_malloc_release(0);
    idle = pawl_pages_count_().idle;
    return idle < ((size_t)20 << 20) / PAGE_BYTES ? 0 : 1;
}

/* Before any of our own was: the second test. */
static void memory_is_released_also_where_none_is_left(void **state)
{
    (void)state;
    if (SANITIZED)
        skip();
    assert_int_equal(apart(release_without_a_page), 0);
}

/* A block that was moved is a mapping of its own, and grows beyond it when what lies behind is free. Moved again, it is in two
 * of them, and a kernel may refuse that after it has unmapped the place where the block should go. */
static int move_what_lies_in_two_mappings(void)
{
    enum { ROUNDS = 60, STEPS = 6, PAGE = 4096, SIZE = 1 << 20 };
    void *left[ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
        size_t size = SIZE + (size_t)(round * 37 % 256) * PAGE_BYTES;
        unsigned char *grown = m(malloc)(size);

        memset(grown, round, size);
        for (int step = 0; step < STEPS; step++) {
            size_t larger = size + SIZE / 2 + (size_t)((round * 7 + step * 61) % 200) * PAGE_BYTES;
            void *wall = (round + step) % 2 == 0 ? m(malloc)(SIZE) : NULL;

            grown = m(realloc)(grown, larger);
            if (grown == NULL)
                return 9;
            for (size_t at = 0; at < size; at += PAGE)
                if (grown[at] != round)
                    return 1;
            memset(grown, round, larger);
            size = larger;
            m(free)(wall);
        }
        left[round] = grown;
        if (round % 3 != 0) {
            m(free)(grown);
            left[round] = NULL;
        }
    }
    for (int round = 0; round < ROUNDS; round++)
        m(free)(left[round]);
    return 0;
}

static void a_block_in_two_mappings_moves(void **state)
{
    (void)state;
    assert_int_equal(apart(move_what_lies_in_two_mappings), 0);
}

/* Page tables are moved to where nothing is, and leave nothing; bytes are copied to where memory is, and leave theirs. */
static int grow_where_memory_was(void)
{
    enum { SIZE = 6 << 20, PAGES = SIZE / PAGE_BYTES, FEW = PAGES / 8 };
    void *walls[2];
    unsigned char *first = m(malloc)(SIZE), *second;
    size_t idle;

    walls[0] = m(malloc)(1 << 20);
    memset(first, 1, SIZE);
    idle = pawl_pages_count_().idle;
    first = m(realloc)(first, (size_t)2 * SIZE);
    if (pawl_pages_count_().idle > idle + FEW)
        return 1;
    memset(first, 1, (size_t)2 * SIZE);
    second = m(malloc)(SIZE);
    walls[1] = m(malloc)(1 << 20);
    memset(second, 2, SIZE);
    m(free)(first);
    idle = pawl_pages_count_().idle;
    second = m(realloc)(second, (size_t)2 * SIZE);
    if (pawl_pages_count_().idle + PAGES + FEW < idle)
        return 2;
    memset(second + SIZE, 2, SIZE);
    for (size_t at = 0; at < (size_t)2 * SIZE; at++)
        if (second[at] != 2)
            return 3;
    m(free)(second);
    m(free)(walls[0]);
    m(free)(walls[1]);
    return 0;
}

static void a_block_grows_where_memory_was(void **state)
{
    (void)state;
    if (SANITIZED || is_hardened() || pawl_cache_mode_ != CACHE_CPU || pawl_system_is_strict_())
        skip();
    assert_int_equal(apart(grow_where_memory_was), 0);
}

enum { MAPPINGS = 70000, MAPPING = 4096 };

/* Until the kernel grants no more: pages of which each is a mapping. NULL: it grants very many. */
static char *use_mappings_up(void)
{
    char *pages = mmap(NULL, (size_t)MAPPINGS * MAPPING, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (pages == MAP_FAILED)
        return NULL;
    for (size_t i = 1; i < MAPPINGS; i += 2)
        if (mprotect(pages + i * MAPPING, MAPPING, PROT_READ) != 0)
            return errno == ENOMEM ? pages : NULL;
    return NULL;
}

/* Then the kernel neither moves pages nor gives new ones, but bytes can be copied to what the heap has. */
static int move_without_a_mapping(void)
{
    enum { SIZE = 1 << 20 };
    unsigned char *grows = m(malloc)(SIZE);
    void *wall = m(malloc)(SIZE);
    void *room = m(malloc)((size_t)4 * SIZE);
    size_t used;

    memset(grows, 5, SIZE);
    m(free)(room);
    if (use_mappings_up() == NULL)
        return 77;
    used = pawl_pages_count_().used;
    grows = m(realloc)(grows, (size_t)2 * SIZE);
    if (grows == NULL)
        return 1;
    for (size_t i = 0; i < SIZE; i++)
        if (grows[i] != 5)
            return 2;
    if (pawl_pages_count_().used != used + (SIZE >> PAGE_SHIFT))
        return 3;
    m(free)(wall);
    m(free)(grows);
    return 0;
}

static void a_block_moves_also_where_mappings_are_used_up(void **state)
{
    (void)state;
    int status = SANITIZED || is_hardened() ? 77 : apart(move_without_a_mapping);

    if (status == 77)
        skip();
    assert_int_equal(status, 0);
}

static uint64_t next_random(void)
{
    static uint64_t state = 88172645463325252U;

    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* What a large block should hold: its number at the beginning of each page, and at its end. */
struct stamped {
    unsigned char *bytes;
    size_t size;
};

static bool is_all(const unsigned char *bytes, size_t size, int value)
{
    for (size_t at = 0; at < size; at += MAPPING)
        if (bytes[at] != value)
            return false;
    return true;
}

static void stamp(struct stamped *large, int value)
{
    for (size_t at = 0; at < large->size; at += MAPPING)
        large->bytes[at] = (unsigned char)value;
    large->bytes[large->size - 1] = (unsigned char)value;
}

/* A new size for a block, or a first one; false: a refusal without ENOMEM, or wrong bytes. */
static bool resize_at_random(struct stamped *large, int value)
{
    enum { LEAST = 100 << 10, MOST = 5 << 20 };
    size_t size = LEAST + next_random() % (next_random() % 4 == 0 ? MOST : MOST / 8);
    size_t common = size < large->size ? size : large->size;
    unsigned char *made;
    bool fine;

    errno = 0;
    made = large->bytes == NULL ? m(calloc)(1, size) : m(realloc)(large->bytes, size);
    if (made == NULL)
        return errno == ENOMEM && (large->bytes == NULL || is_all(large->bytes, large->size, value));
    fine = large->bytes == NULL ? is_all(made, size, 0) : is_all(made, common, value);
    *large = (struct stamped){made, size};
    stamp(large, value);
    return fine;
}

/* Grants two mappings more, or takes them again. */
static void move_the_limit(char *mappings)
{
    char *page = mappings + (1 + 2 * (next_random() % 64)) * MAPPING;

    (void)mprotect(page, MAPPING, next_random() % 2 == 0 ? PROT_NONE : PROT_READ);
}

/* With few or no mappings left, so that some of what the heap asks the kernel for is refused, now this and now that. */
static int resize_near_the_limit_of_mappings(void)
{
    enum { COUNT = 24, STEPS = 1500 };
    struct stamped held[COUNT] = {{NULL, 0}};
    size_t used = pawl_pages_count_().used;
    char *mappings = use_mappings_up();
    size_t pages = 0;

    if (mappings == NULL)
        return 77;
    for (int step = 0; step < STEPS; step++) {
        int i = (int)(next_random() % COUNT);
        size_t before = held[i].bytes != NULL ? DIV_UP(held[i].size, PAGE_BYTES) : 0;

        move_the_limit(mappings);
        if (held[i].bytes != NULL && next_random() % 4 == 0) {
            if (!is_all(held[i].bytes, held[i].size, i + 1))
                return 1;
            m(free)(held[i].bytes);
            held[i] = (struct stamped){NULL, 0};
        } else if (!resize_at_random(&held[i], i + 1)) {
            return 2;
        }
        pages += (held[i].bytes != NULL ? DIV_UP(held[i].size, PAGE_BYTES) : 0) - before;
        if (pawl_pages_count_().used != used + pages)
            return 3;
    }
    for (int i = 0; i < COUNT; i++) {
        if (held[i].bytes != NULL && !is_all(held[i].bytes, held[i].size, i + 1))
            return 4;
        m(free)(held[i].bytes);
    }
    return pawl_pages_count_().used == used ? 0 : 5;
}

static void blocks_change_their_size_at_random_near_the_limit_of_mappings(void **state)
{
    (void)state;
    int status = SANITIZED || is_hardened() ? 77 : apart(resize_near_the_limit_of_mappings);

    if (status == 77)
        skip();
    assert_int_equal(status, 0);
}

/* Memory of which each page of the machine is a mapping, and a few mappings that are left for it to be moved. */
static int move_a_part(void)
{
    enum { PAGES = 16, SIZE = PAGES * MAPPING };
    char *from = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *to = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *mappings;

    if (from == MAP_FAILED || to == MAP_FAILED)
        return 77;
    for (size_t at = MAPPING; at < SIZE; at += 2 * (size_t)MAPPING)
        if (madvise(from + at, MAPPING, MADV_DONTDUMP) != 0)
            return 77;
    mappings = use_mappings_up();
    if (mappings == NULL)
        return 77;
    for (size_t left = 0; left < 8; left++) {
        int moved;

        memset(from, (int)left + 1, SIZE);
        if (madvise(to, SIZE, MADV_DONTNEED) != 0)
            return 1;
        moved = pawl_system_move_(from, to, SIZE);
        for (size_t at = 0; at < SIZE; at++)
            if ((moved == 0 ? to : from)[at] != (char)left + 1)
                return 2;
        if (moved == -ENOMEM)
            return 0; /* `to` may have a hole */
        if (mprotect(mappings + (1 + 2 * left) * MAPPING, MAPPING, PROT_NONE) != 0)
            return 3;
    }
    return 0;
}

static void what_was_moved_in_part_is_moved_back(void **state)
{
    (void)state;
    int status = SANITIZED || sysconf(_SC_PAGESIZE) != MAPPING ? 77 : apart(move_a_part);

    if (status == 77)
        skip();
    assert_int_equal(status, 0);
}

/* Also those of which a whole number does not fit into a huge page. */
static int lie_close_together(size_t size)
{
    enum { COUNT = 60 };
    unsigned char *made[COUNT];
    void *aligned;
    uintptr_t first = UINTPTR_MAX, end = 0;
    bool fine = true;

    for (int i = 0; i < COUNT; i++) {
        made[i] = m(malloc)(size);
        if (made[i] == NULL)
            return 9;
        aligned = m(memalign)(CHUNK_BYTES / 8, size); /* another in between, that goes again */
        if ((uintptr_t)aligned % (CHUNK_BYTES / 8) != 0)
            return 8;
        m(free)(aligned);
        memset(made[i], i, size);
        if ((uintptr_t)made[i] < first)
            first = (uintptr_t)made[i];
        if ((uintptr_t)made[i] + size > end)
            end = (uintptr_t)made[i] + size;
    }
    for (int i = 0; i < COUNT; i++) {
        fine = made[i][0] == i && made[i][size / 2] == i && made[i][size - 1] == i && fine;
        m(free)(made[i]);
    }
    if (!fine)
        return 1;
    return end - first < COUNT * size + COUNT * size / 8 + 2 * CHUNK_BYTES ? 0 : 2;
}

static int lie_close_together_all(void)
{
    static const size_t sizes[] = {300000,  700000,  1048633, 1400000, 1500000,
                                   2100000, 2700000, 5300000, 9000000};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int status = lie_close_together(sizes[i]);

        if (status != 0) {
            print_message("blocks of %zu bytes\n", sizes[i]);
            return status;
        }
        (void)pawl_malloc_release(0);
    }
    return 0;
}

static void large_blocks_of_one_size_lie_close_together(void **state)
{
    (void)state;
    if (is_hardened()) /* those that were freed stay for a while */
        skip();
    assert_int_equal(apart(lie_close_together_all), 0);
}

static int move_what_is_locked(void)
{
    enum { SIZE = 1 << 20 };
    bool locked;
    void *moved;
    void *wall;
    void *old;

    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
        return 77;
    old = moved = m(malloc)(SIZE);
    wall = m(malloc)(SIZE);
    memset(moved, 1, SIZE);
    moved = m(realloc)(moved, (size_t)3 * SIZE);
    mappings(old, LOCKED, &locked);
    m(free)(wall);
    m(free)(moved);
    return locked ? 0 : 1;
}

static void locked_memory_stays_locked_when_a_block_moves(void **state)
{
    (void)state;
    int status = SANITIZED ? 77 : apart(move_what_is_locked);

    if (status == 77) /* we may not lock so much */
        skip();
    assert_int_equal(status, 0);
}

static int move_small_parts_of_a_large_heap(void)
{
    enum { COUNT = 40, SIZE = 512 << 10 };
    void *most = m(malloc)((size_t)6 << 30);
    void *parts[COUNT];
    bool locked;
    int before, after;

    if (most == NULL)
        return 77;
    for (int i = 0; i < COUNT; i++)
        *(char *)(parts[i] = m(malloc)(SIZE)) = 1; /* else there is nothing to move */
    before = mappings(most, LOCKED, &locked);
    for (int i = 0; i < COUNT; i++)
        parts[i] = m(realloc)(parts[i], (size_t)3 * SIZE);
    after = mappings(most, LOCKED, &locked);
    for (int i = 0; i < COUNT; i++)
        m(free)(parts[i]);
    m(free)(most);
    return after < before + COUNT / 2 ? 0 : 1;
}

/* The kernel grants a process 65,530. */
static void blocks_that_grow_do_not_use_mappings_up(void **state)
{
    (void)state;
    int status = SANITIZED || is_hardened() ? 77 : apart(move_small_parts_of_a_large_heap);

    if (status == 77) /* a kernel that counts memory before it is touched */
        skip();
    assert_int_equal(status, 0);
}

static size_t resident(void)
{
    unsigned long pages[2] = {0, 0};
    FILE *file = fopen("/proc/self/statm", "r");

    if (file != NULL) {
        if (fscanf(file, "%lu %lu", &pages[0], &pages[1]) != 2)
            pages[1] = 0;
        fclose(file);
    }
    return pages[1] * (size_t)sysconf(_SC_PAGESIZE);
}

static void a_large_alignment_costs_addresses_only(void **state)
{
    (void)state;
    size_t before = resident();
    void *aligned;

    if (SANITIZED)
        skip();
    aligned = m(memalign)((size_t)256 << 20, 100);
    assert_non_null(aligned);
    assert_true(resident() < before + ((size_t)32 << 20));
    m(free)(aligned);
}

static void what_is_freed_goes_back_to_the_kernel(void **state)
{
    (void)state;
    enum { COUNT = 40000 };
    static void *held[COUNT];
    size_t before, during;

    if (SANITIZED) /* their shadow is resident, too */
        skip();
    (void)pawl_malloc_release(0);
    before = resident();
    for (int i = 0; i < COUNT; i++) {
        held[i] = m(malloc)(2000);
        memset(held[i], 1, 2000);
    }
    during = resident();
    assert_true(during > before + ((size_t)70 << 20));
    for (int i = 0; i < COUNT; i++)
        m(free)(held[i]);
    /* Without being asked: all but what is kept for a moment. */
    assert_true(resident() < before + ((size_t)60 << 20));
    (void)pawl_malloc_release(0);
    assert_true(resident() < before + ((size_t)4 << 20));
}

static int release_beside_locked_pages(void)
{
    enum { COUNT = 100, SIZE = 1 << 20, LOCKED_ONES = 3 };
    char *held[COUNT];
    size_t before;

    (void)pawl_malloc_release(0);
    before = resident();
    for (int i = 0; i < COUNT; i++) {
        held[i] = m(malloc)(SIZE);
        memset(held[i], 1, SIZE);
    }
    for (int i = 0; i < LOCKED_ONES; i++)
        if (mlock(held[i * COUNT / LOCKED_ONES] + SIZE / 2, 1) != 0)
            return 77;
    for (int i = 0; i < COUNT; i++)
        m(free)(held[i]);
    (void)pawl_malloc_release(0);
    return resident() < before + (size_t)(LOCKED_ONES + 1) * (2 << 20) ? 0 : 1;
}

/* The kernel refuses to take those. */
static void pages_that_a_program_locked_keep_no_others(void **state)
{
    (void)state;
    int status = SANITIZED ? 77 : apart(release_beside_locked_pages);

    if (status == 77) /* we may not lock */
        skip();
    assert_int_equal(status, 0);
}

enum { LARGER_PAGE = 4 * PAGE_BYTES };

/* From so many of our pages behind a page of that machine on, so many. */
static bool discard_part(char *memory, size_t from, size_t count)
{
    char *address = memory + from * PAGE_BYTES, *end = address + count * PAGE_BYTES;
    size_t bytes = (size_t)8 * LARGER_PAGE;

    memset(memory, 1, bytes);
    if (!pawl_system_discard_(address, count * PAGE_BYTES))
        return false;
    for (char *at = memory; at < memory + bytes; at += 1024)
        if (*at != (at < address || at >= end))
            return false;
    return true;
}

static int have_larger_pages(void)
{
    char *memory = m(aligned_alloc)(LARGER_PAGE, (size_t)8 * LARGER_PAGE);
    char *part;

    if (memory == NULL || !discard_part(memory, 0, 4))
        return 77; /* an emulator that ignores it */
    part = memory + PAGE_BYTES;
    pawl_store_relaxed(&pawl_system_faults_.page, (size_t)LARGER_PAGE); /* relaxed: no other thread runs */
    for (size_t from = 0; from < 8; from++)
        for (size_t count = 1; from + count <= 24; count++)
            if (!discard_part(memory, from, count))
                return 1;
    if (pawl_system_guard_(part, PAGE_BYTES, true) || pawl_system_uncharge_(part, PAGE_BYTES) ||
        pawl_system_move_(part, part + LARGER_PAGE, PAGE_BYTES) == 0)
        return 2;
    if (!pawl_system_guard_(memory, LARGER_PAGE, true) || !pawl_system_guard_(part, PAGE_BYTES, false))
        return 3;
    memory[0] = 1; /* access to a part is access to all of it */
    m(free)(memory);
    return use_everything() ? 0 : 4;
}

/* As on aarch64 with 16 or 64 KiB: what lies beside a part of a page keeps its content. */
static void where_pages_are_larger_than_ours_nothing_is_lost(void **state)
{
    (void)state;
    int status = apart(have_larger_pages);

    if (status == 77)
        skip();
    assert_int_equal(status, 0);
}

#define CHARGED " ac " /* the kernel counts the mapping */

static bool is_charged(const char *address)
{
    bool flagged;

    mappings(address, CHARGED, &flagged);
    return flagged;
}

static void be_strict(void)
{
    pawl_store_relaxed(&pawl_system_faults_.strict, true); /* relaxed: no other thread runs yet */
}

enum { GONE_SIZE = 40 << 20 };

/* A large block that was used, freed and released; NULL: this kernel does not tell. */
static char *make_gone(void)
{
    char *large;

    be_strict();
    (void)pawl_malloc_release(0);
    large = m(malloc)(GONE_SIZE);
    if (large == NULL)
        return NULL;
    memset(large, 1, GONE_SIZE);
    if (!is_charged(large + GONE_SIZE / 2))
        return NULL;
    m(free)(large);
    (void)pawl_malloc_release(0);
    return large;
}

static int release_what_is_charged(void)
{
    char *large = make_gone();
    size_t gone = pawl_pages_count_().gone;
    bool huge_before, huge;
    char *again;

    if (large == NULL)
        return 77;
    if (is_charged(large + GONE_SIZE / 2) || gone < GONE_SIZE >> PAGE_SHIFT || pawl_pages_count_().idle != 0)
        return 1;
    if (large[GONE_SIZE / 2] != 0) /* a sequence may read there */
        return 2;
    mappings(large + GONE_SIZE / 2, HUGE, &huge_before);
    again = m(calloc)(1, GONE_SIZE);
    if (again == NULL || !is_charged(again + GONE_SIZE / 2))
        return 3;
    if (pawl_pages_count_().gone > gone - (GONE_SIZE >> PAGE_SHIFT))
        return 4; /* of the same pages */
    for (size_t i = 0; i < GONE_SIZE; i++)
        if (again[i] != 0)
            return 5;
    memset(again, 1, GONE_SIZE);
    mappings(again + GONE_SIZE / 2, HUGE, &huge);
    if (huge != huge_before || (access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0 && !huge))
        return 6;
    m(free)(again);
    return use_everything() ? 0 : 7;
}

static void without_overcommit_what_is_released_is_not_charged(void **state)
{
    (void)state;
    int status = apart(release_what_is_charged);

    if (status == 77)
        skip();
    assert_int_equal(status, 0);
}

/* All of it, of one chunk, and more of a block in place. */
static int take_what_is_refused(void)
{
    char *large = make_gone();
    const struct page_counts before = pawl_pages_count_();
    struct page_counts after;
    char *again;

    if (large == NULL)
        return 77;
    refuse(1, UINT64_MAX);
    for (size_t size = GONE_SIZE; size > (size_t)1 << 19; size /= 2) {
        errno = 0;
        if (m(malloc)(size) != NULL || errno != ENOMEM)
            return 1;
    }
    refuse(0, 0);
    after = pawl_pages_count_();
    if (after.gone != before.gone || after.used != before.used || after.idle != before.idle)
        return 2;
    for (size_t at = 0; at < GONE_SIZE; at += CHUNK_BYTES)
        if (is_charged(large + at))
            return 3;
    refuse(1, 1); /* one run only: there is another place */
    again = m(malloc)(GONE_SIZE);
    refuse(0, 0);
    if (again == NULL)
        return 4;
    memset(again, 1, GONE_SIZE);
    m(free)(again);
    return use_everything() ? 0 : 5;
}

static void charged_memory_that_is_refused_is_enomem_and_nothing_is_lost(void **state)
{
    (void)state;
    int status = is_hardened() ? 77 : apart(take_what_is_refused); /* small blocks of it take whole pages */

    if (status == 77)
        skip();
    assert_int_equal(status, 0);
}

/* Of gone, idle and gone pages the kernel grants the first, and refuses the last. */
static int take_what_is_granted_in_part(void)
{
    enum { PART = GONE_SIZE / 4 };
    char *large = make_gone();
    char *first = m(malloc)(PART);
    char *second = m(malloc)(PART);
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long data = 0;
    struct rlimit limit;
    bool is_known;
    size_t gone;

    if (large == NULL || first == NULL || second == NULL || file == NULL ||
        getrlimit(RLIMIT_DATA, &limit) != 0)
        return 77;
    m(free)(first);
    (void)pawl_malloc_release(0);
    m(free)(second);
    is_known = fscanf(file, "%*u %*u %*u %*u %*u %lu", &data) == 1;
    fclose(file);
    if (is_charged(first) || !is_charged(second))
        return 1;
    if (!is_known)
        return 77;
    limit.rlim_cur = (rlim_t)data * (rlim_t)sysconf(_SC_PAGESIZE) + PART + PART / 4;
    if (setrlimit(RLIMIT_DATA, &limit) != 0)
        return 77;
    gone = pawl_pages_count_().gone;
    if (m(malloc)(GONE_SIZE) != NULL || errno != ENOMEM || pawl_pages_count_().gone != gone)
        return 2;
    if (is_charged(first))
        return 3;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_DATA, &limit) == 0 && m(malloc)(GONE_SIZE) == NULL)
        return 4;
    return use_everything() ? 0 : 5;
}

static void what_was_granted_in_part_is_given_back(void **state)
{
    (void)state;
    int status = SANITIZED || is_hardened() ? 77 : apart(take_what_is_granted_in_part);

    if (status == 77)
        skip();
    assert_int_equal(status, 0);
}

/* Behind pages that are gone, at the window's end, the heap grows by what suffices without them. */
static int take_what_is_new(size_t gone_count, size_t count)
{
    struct page_counts before, after;
    size_t end, page;

    be_strict();
    do { /* the last pages of the last chunk */
        page = pawl_pages_alloc_(gone_count, 1);
        end = pawl_load_relaxed(&pawl_map_.bytes) >> PAGE_SHIFT; /* relaxed: one thread */
    } while (page != NO_PAGE && page + gone_count != end);
    if (page == NO_PAGE)
        return 9;
    pawl_pages_free_(page, gone_count, true);
    (void)pawl_pages_release_(0);
    before = pawl_pages_count_();
    if (before.gone < gone_count)
        return 1;
    refuse(2, 1); /* after the call that grows the heap, the one that makes those writable */
    page = pawl_pages_alloc_(count, 1);
    refuse(0, 0);
    after = pawl_pages_count_();
    if (page == NO_PAGE || after.gone != before.gone)
        return 2;
    memset(page_address(page), 1, count << PAGE_SHIFT);
    pawl_pages_free_(page, count, true);
    return after.mapped > before.mapped ? 0 : 3;
}

static int take_what_is_new_behind_a_tail(void)
{
    return take_what_is_new(CHUNK_PAGES / 2, CHUNK_PAGES + CHUNK_PAGES / 2);
}

static int take_what_is_new_behind_a_chunk(void)
{
    return take_what_is_new(CHUNK_PAGES, 2 * CHUNK_PAGES);
}

static void what_the_heap_grew_by_serves_also_if_pages_before_it_are_refused(void **state)
{
    (void)state;
    assert_int_equal(apart(take_what_is_new_behind_a_tail), 0);
    assert_int_equal(apart(take_what_is_new_behind_a_chunk), 0);
}

static int grow_into_what_is_gone(void)
{
    enum { SIZE = GONE_SIZE / 2 };
    char *large = make_gone();
    char *grows;
    char *grown;

    if (large == NULL)
        return 77;
    grows = m(malloc)(SIZE);
    memset(grows, 3, SIZE);
    refuse(1, UINT64_MAX);
    if (m(realloc)(grows, SIZE + SIZE / 2) != NULL)
        return 1;
    refuse(0, 0);
    grown = m(realloc)(grows, SIZE + SIZE / 2);
    if (grown != grows || grown[SIZE - 1] != 3)
        return 2;
    memset(grown, 4, SIZE + SIZE / 2);
    m(free)(grown);
    return 0;
}

static void a_block_grows_into_pages_that_were_not_charged(void **state)
{
    (void)state;
    int status = is_hardened() ? 77 : apart(grow_into_what_is_gone); /* there no block grows in place */

    if (status == 77)
        skip();
    assert_int_equal(status, 0);
}

static void what_is_kept_decays(void **state)
{
    (void)state;
    const struct timespec tick = {0, 220000000};
    struct pawl_malloc_stats stats;
    void *large;
    size_t idle;

    pawl_malloc_get_stats(&stats);
    if (stats.hardened) /* quarantine keeps it */
        skip();
    large = m(malloc)((size_t)6 << 20);
    memset(large, 1, (size_t)6 << 20);
    m(free)(large);
    idle = pawl_pages_count_().idle;
    assert_true(idle >= ((size_t)4 << 20) >> 13);
    for (int t = 0; t < 5; t++) {
        void *some[4000];

        nanosleep(&tick, NULL);
        for (int i = 0; i < 4000; i++) /* enough to need a slow path, which does the housekeeping */
            some[i] = m(malloc)(16);
        for (int i = 0; i < 4000; i++)
            m(free)(some[i]);
    }
    assert_true(pawl_pages_count_().idle < idle / 4);
}

static void *allocate_a_little(void *unused)
{
    void *held[100];

    (void)unused;
    for (int i = 0; i < 100; i++)
        held[i] = m(malloc)((size_t)i * 11);
    for (int i = 0; i < 100; i++)
        m(free)(held[i]);
    return NULL;
}

static void threads_that_end_leave_nothing(void **state)
{
    (void)state;
    struct pawl_malloc_stats before = {.used = 0};
    struct pawl_malloc_stats after;

    for (int round = 0; round < 300; round++) {
        pthread_t thread;

        if (round == 100)
            pawl_malloc_get_stats(&before);
        assert_int_equal(pthread_create(&thread, NULL, allocate_a_little, NULL), 0);
        pthread_join(thread, NULL);
    }
    pawl_malloc_get_stats(&after);
    assert_true(after.metadata <=
                before.metadata + ((uint64_t)256 << 10)); /* a piece may just have been used up */
    assert_true(after.cached <= before.cached + ((uint64_t)1 << 18));
}

static void statistics_count_what_is_allocated(void **state)
{
    (void)state;
    struct pawl_malloc_stats before, after;
    void *held[1000];

    pawl_malloc_get_stats(&before);
    if (before.hardened) /* blocks have other sizes there */
        skip();
    for (int i = 0; i < 1000; i++)
        held[i] = m(malloc)(100);
    void *large = m(malloc)((size_t)3 << 20);

    pawl_malloc_get_stats(&after);
    assert_int_equal(after.large - before.large, (uint64_t)3 << 20);
    assert_int_equal(after.large_blocks - before.large_blocks, 1);
    assert_in_range(after.used - before.used - ((uint64_t)3 << 20), 112000, 140000);
    for (int i = 0; i < 1000; i++)
        m(free)(held[i]);
    m(free)(large);
    pawl_malloc_get_stats(&after);
    assert_true(after.used < before.used + 30000 && before.used < after.used + 30000);
    assert_true(pawl_malloc_stats_write(-1, PAWL_MALLOC_JSON) == -EBADF);
}

/* What the profile says: bytes of samples in use, and how many samples there were in all. */
static bool read_profile(unsigned long long *bytes, unsigned long long *all)
{
    FILE *file = tmpfile();
    bool fine = file != NULL && pawl_malloc_profile_write(fileno(file)) == 0 &&
                fseek(file, 0, SEEK_SET) == 0 &&
                fscanf(file, "heap profile: %*u: %llu [%llu:", bytes, all) == 2;

    if (file != NULL)
        fclose(file);
    return fine;
}

static uint64_t sampled_bytes(void)
{
    unsigned long long bytes, all;

    return read_profile(&bytes, &all) ? bytes : UINT64_MAX;
}

static int grow_in_sight(void)
{
    size_t size = 40000;
    void *grown = m(malloc)(size);

    if (pawl_malloc_profile_start(1000) != 0 || pawl_malloc_profile_start(2000) != -EBUSY)
        return 1;
    while (size < (size_t)8 << 20)
        grown = m(realloc)(grown, size = size * 3 / 2);
    if (sampled_bytes() < size || sampled_bytes() > 4 * size)
        return 2;
    m(free)(grown);
    return sampled_bytes() < size / 4 ? 0 : 3;
}

/* A sample in a million bytes: of a hundred million, about a hundred. */
static int resize_in_sight(void)
{
    enum { TIMES = 1000, SIZE = 100000 };
    unsigned long long bytes, all;
    void *resized = m(malloc)(SIZE);

    if (pawl_malloc_profile_start(1000000) != 0)
        return 1;
    for (int i = 0; i < TIMES; i++)
        resized = m(realloc)(resized, SIZE + (i % 2) * 8192);
    m(free)(resized);
    return read_profile(&bytes, &all) && all >= 50 && all <= 200 ? 0 : 2;
}

static int sample_next_to_nothing(void)
{
    void *held[100];

    if (pawl_malloc_profile_start(SIZE_MAX) != 0)
        return 1;
    for (int i = 0; i < 100; i++)
        held[i] = m(malloc)(1000);
    if (sampled_bytes() != 0)
        return 2;
    for (int i = 0; i < 100; i++)
        m(free)(held[i]);
    return 0;
}

static void a_profile_sees_blocks_that_grow(void **state)
{
    (void)state;
    if (is_hardened()) /* no samples there */
        skip();
    assert_int_equal(apart(grow_in_sight), 0);
    assert_int_equal(apart(resize_in_sight), 0);
    assert_int_equal(apart(sample_next_to_nothing), 0);
}

static void *read_and_allocate(void *from)
{
    char bytes[512];

    while (read(*(int *)from, bytes, sizeof bytes) > 0)
        m(free)(m(malloc)(100000));
    return NULL;
}

/* From another place each time: two functions, which no compiler takes for one. */
static void *allocate_left(unsigned int path, int depth);

static __attribute__((noinline)) void *allocate_right(unsigned int path, int depth)
{
    void *volatile made = NULL;

    if (depth == 0)
        made = m(malloc)(40000);
    else
        made = (path & 1) != 0 ? allocate_right(path >> 1, depth - 1) : allocate_left(path >> 1, depth - 1);
    return made;
}

static __attribute__((noinline)) void *allocate_left(unsigned int path, int depth)
{
    void *volatile made = NULL;

    if (depth == 0)
        made = m(malloc)(50000);
    else
        made = (path & 1) != 0 ? allocate_right(path >> 1, depth - 1) : allocate_left(path >> 1, depth - 1);
    return made;
}

static int read_own_profile(void)
{
    pthread_t reader;
    int channel[2];
    int status;

    alarm(60);
    if (pawl_malloc_profile_start(1000) != 0 || pipe(channel) != 0)
        return 1;
    for (unsigned int path = 0; path < 1024; path++)
        m(free)(allocate_left(path, 10));
    if (pthread_create(&reader, NULL, read_and_allocate, &channel[0]) != 0)
        return 2;
    status = pawl_malloc_profile_write(channel[1]);
    close(channel[1]);
    pthread_join(reader, NULL);
    return status == 0 ? 0 : 3;
}

static void a_profile_is_read_by_a_thread_that_allocates(void **state)
{
    (void)state;
    if (is_hardened())
        skip();
    assert_int_equal(apart(read_own_profile), 0);
}

static void the_background_thread_starts_once_and_stops(void **state)
{
    (void)state;
    assert_int_equal(pawl_malloc_background_start(), 0);
    assert_int_equal(pawl_malloc_background_start(), 0);
    assert_true(use_everything());
    pawl_malloc_background_stop();
    pawl_malloc_background_stop();
}

/* With argument "strict" all of it as if the kernel did not overcommit. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_block_gets_huge_pages_and_a_small_heap_none),
        cmocka_unit_test(memory_is_released_also_where_none_is_left),
        cmocka_unit_test(without_overcommit_what_is_released_is_not_charged),
        cmocka_unit_test(charged_memory_that_is_refused_is_enomem_and_nothing_is_lost),
        cmocka_unit_test(a_block_grows_into_pages_that_were_not_charged),
        cmocka_unit_test(what_was_granted_in_part_is_given_back),
        cmocka_unit_test(what_the_heap_grew_by_serves_also_if_pages_before_it_are_refused),
        cmocka_unit_test(any_single_refusal_by_the_kernel_is_survived),
        cmocka_unit_test(a_kernel_that_refuses_from_some_point_on_is_survived),
        cmocka_unit_test(limits_of_memory_give_enomem),
        cmocka_unit_test(large_blocks_of_one_size_lie_close_together),
        cmocka_unit_test(a_block_shrinks_also_without_memory),
        cmocka_unit_test(locked_memory_stays_locked_when_a_block_moves),
        cmocka_unit_test(a_block_in_two_mappings_moves),
        cmocka_unit_test(a_block_grows_where_memory_was),
        cmocka_unit_test(a_block_moves_also_where_mappings_are_used_up),
        cmocka_unit_test(blocks_change_their_size_at_random_near_the_limit_of_mappings),
        cmocka_unit_test(what_was_moved_in_part_is_moved_back),
        cmocka_unit_test(blocks_that_grow_do_not_use_mappings_up),
        cmocka_unit_test(a_large_alignment_costs_addresses_only),
        cmocka_unit_test(what_is_freed_goes_back_to_the_kernel),
        cmocka_unit_test(pages_that_a_program_locked_keep_no_others),
        cmocka_unit_test(where_pages_are_larger_than_ours_nothing_is_lost),
        cmocka_unit_test(what_is_kept_decays),
        cmocka_unit_test(threads_that_end_leave_nothing),
        cmocka_unit_test(statistics_count_what_is_allocated),
        cmocka_unit_test(a_profile_sees_blocks_that_grow),
        cmocka_unit_test(a_profile_is_read_by_a_thread_that_allocates),
        cmocka_unit_test(the_background_thread_starts_once_and_stops),
    };

    if (argc > 1 && strcmp(argv[1], "strict") == 0)
        be_strict();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
