/* SPDX-License-Identifier: MIT */
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define NODES_MAX 1024u

struct pawl_system_faults pawl_system_faults_;

static size_t machine_page(void)
{
    size_t page = pawl_load_relaxed(&pawl_system_faults_.page); /* relaxed: a wish of tests */

    return PAWL_LIKELY(page == 0) ? (size_t)sysconf(_SC_PAGESIZE) : page;
}

/* Whether these are whole pages of the machine. Where those are larger than ours (aarch64: 16 or 64 KiB), the kernel refuses
 * an address within one, and takes what is behind an end within one along. */
static bool is_whole(const void *address, size_t bytes)
{
    return (((uintptr_t)address | bytes) & (machine_page() - 1)) == 0;
}

/* A test wants this call to be refused. */
static bool refused(void)
{
    /* relaxed, all: counters of tests; without one, `fail_at` is a word that stays 0 */
    uint64_t at = pawl_load_relaxed(&pawl_system_faults_.fail_at);
    uint64_t number;

    if (PAWL_LIKELY(at == 0))
        return false;
    number = pawl_fetch_add_relaxed(&pawl_system_faults_.calls, UINT64_C(1)) + 1;
    return number >= at && number - at < pawl_load_relaxed(&pawl_system_faults_.fail_count);
}

static void *map(void *address, size_t bytes, int protection, int flags, int *error)
{
    int before = errno;
    void *memory = MAP_FAILED;

    errno = ENOMEM;
    if (!refused())
        memory = mmap(address, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    *error = errno;
    errno = before;
    return memory != MAP_FAILED ? memory : NULL;
}

void *pawl_system_map_(size_t bytes)
{
    int error;

    return map(NULL, bytes, PROT_READ | PROT_WRITE, 0, &error);
}

int pawl_system_map_at_(void *address, size_t bytes)
{
    int error;
    void *memory = map(address, bytes, PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE, &error);

    if (memory == address)
        return 0;
    if (memory == NULL)
        return error == EEXIST ? -EEXIST : -ENOMEM;
    /* a kernel before 4.17 took the address for a wish */
    pawl_system_unmap_(memory, bytes);
    return -EEXIST;
}

void *pawl_system_reserve_(size_t bytes)
{
    int error;

    return map(NULL, bytes, PROT_NONE, MAP_NORESERVE, &error);
}

bool pawl_system_map_over_(void *address, size_t bytes)
{
    int error;

    return map(address, bytes, PROT_READ | PROT_WRITE, MAP_FIXED, &error) != NULL;
}

void pawl_system_unmap_(void *address, size_t bytes)
{
    int before = errno;

    munmap(address, bytes);
    errno = before;
}

/* Whole pages of the machine. Emulators (qemu-user) accept the advice and do nothing, and what was to read as zero is still
 * there. Tried out with the first range, which is the caller's and holds nothing: a page for it could not be had where memory
 * is short. */
static bool discard_whole(char *address, size_t bytes)
{
    enum { UNKNOWN, WORKS, IS_IGNORED };
    static PAWL_ATOMIC(int) known;
    int answer = pawl_load_relaxed(&known); /* relaxed: one word that every caller computes alike */
    volatile char *trial = address;
    int before = errno;
    int status;

    if (answer == IS_IGNORED || refused())
        return false;
    if (answer == UNKNOWN)
        *trial = 1;
    status = madvise(address, bytes, MADV_DONTNEED);
    errno = before;
    if (status != 0)
        return false;
    if (answer == UNKNOWN) {
        answer = *trial == 0 ? WORKS : IS_IGNORED;
        pawl_store_relaxed(&known, answer);
    }
    return answer == WORKS;
}

/* At the edges, where the machine's pages are larger than ours, parts of them that are not ours alone stay, and are cleared. */
bool pawl_system_discard_(void *address, size_t bytes)
{
    size_t page = machine_page();
    char *start = address, *end = start + bytes;
    char *from = start + (-(uintptr_t)start & (page - 1));
    char *to = end - ((uintptr_t)end & (page - 1));

    if (PAWL_UNLIKELY(from >= to))
        from = to = end;
    else if (!discard_whole(from, (size_t)(to - from)))
        return false;
    memset(start, 0, (size_t)(from - start));
    memset(to, 0, (size_t)(end - to));
    return true;
}

/* By system calls of our own: open() and read() of libc are points of cancellation, which free() is not. */
static bool reads_strict(void)
{
    int before = errno;
    char digit = '0';
    long file = syscall(SYS_openat, AT_FDCWD, "/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);

    if (file >= 0) {
        if (syscall(SYS_read, file, &digit, sizeof digit) != (long)sizeof digit)
            digit = '0';
        syscall(SYS_close, file);
    }
    errno = before;
    return digit == '2';
}

bool pawl_system_is_strict_(void)
{
    enum { UNKNOWN, STRICT, LENIENT };
    static PAWL_ATOMIC(int) known;
    int answer = pawl_load_relaxed(&known); /* relaxed: one word that every caller computes alike */

    if (answer == UNKNOWN) {
        answer = reads_strict() ? STRICT : LENIENT;
        pawl_store_relaxed(&known, answer);
    }
    return answer == STRICT || pawl_load_relaxed(&pawl_system_faults_.strict); /* relaxed: a wish of tests */
}

/* The charge is the mapping's, so a new one takes its place. It can be read: a sequence may be about to. Not with
 * MAP_NORESERVE: what is mapped so could never be merged with its neighbours again. */
bool pawl_system_uncharge_(void *address, size_t bytes)
{
    int error;

    return is_whole(address, bytes) && map(address, bytes, PROT_READ, MAP_FIXED, &error) != NULL;
}

/* Access again: also to what shares its first and last page, of which nothing can be guarded. */
bool pawl_system_guard_(void *address, size_t bytes, bool guarded)
{
    size_t page = machine_page();
    size_t before_it = (uintptr_t)address & (page - 1);
    int before = errno;
    int status = -1;

    if ((!guarded || is_whole(address, bytes)) && !refused())
        status = mprotect((char *)address - before_it, ROUND_UP(before_it + bytes, page),
                          guarded ? PROT_NONE : PROT_READ | PROT_WRITE);
    errno = before;
    return status == 0;
}

void pawl_system_huge_(void *address, size_t bytes)
{
    int before = errno;

    (void)madvise(address, bytes, MADV_HUGEPAGE);
    errno = before;
}

size_t pawl_system_resident_(void *chunk)
{
    unsigned char held[CHUNK_BYTES / 4096] = {0}; /* of each page, bit 0 */
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int before = errno;
    size_t pages = 0;

    if (page >= 4096 && mincore(chunk, CHUNK_BYTES, held) == 0)
        for (size_t i = 0; i < CHUNK_BYTES / page; i++)
            pages += held[i] & 1;
    errno = before;
    return pages * page;
}

int pawl_system_bind_(void *address, size_t bytes, uint32_t node)
{
    unsigned long mask[NODES_MAX / (8 * sizeof(unsigned long))] = {0};
    int before = errno;
    int status = -ENOMEM;

    if (node > NODES_MAX)
        return -EINVAL;
    if (node > 0)
        mask[(node - 1) / (8 * sizeof *mask)] = 1ul << (node - 1) % (8 * sizeof *mask);
    if (!refused())
        status = syscall(SYS_mbind, address, bytes, node > 0 ? MPOL_BIND : MPOL_DEFAULT,
                         node > 0 ? mask : NULL, node > 0 ? (unsigned long)NODES_MAX : 0ul,
                         node > 0 ? MPOL_MF_MOVE : 0) == 0
                     ? 0
                     : -errno;
    errno = before;
    return status;
}

static bool is_zero(const char *bytes, size_t n)
{
    uint64_t word;

    for (size_t at = 0; at < n; at += sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        if (word != 0)
            return false;
    }
    return true;
}

/* What the kernel did of a move before it failed. When it finds that the memory lies in two mappings, Linux 6.1 has unmapped
 * the target; 6.18 moves one mapping after the other, and may find the mappings used up when it has moved the first. The
 * target was zero: what it holds now has come from there. Ordinary use is advised already: this only asks whether a page
 * is mapped. By pages of the machine, since the program may have divided its blocks. */
static int undo_move(char *from, char *to, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int status = -EAGAIN;
    int error;

    if (pawl_system_map_at_(to, bytes) == 0) /* then nothing was left of it */
        return status;
    for (size_t at = 0; at < bytes; at += page) {
        if (madvise(to + at, page, MADV_NORMAL) == 0) {
            if (!is_zero(to + at, page))
                memcpy(from + at, to + at, page);
        } else if (map(to + at, page, PROT_READ | PROT_WRITE, MAP_FIXED, &error) == NULL) {
            status = -ENOMEM;
        }
    }
    return status;
}

int pawl_system_move_(void *from, void *to, size_t bytes)
{
    int before = errno;
    int status = 0;

    if (!is_whole(from, bytes) || !is_whole(to, bytes) || refused())
        return -EAGAIN;
    if (mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) == MAP_FAILED)
        status = undo_move(from, to, bytes);
    errno = before;
    return status;
}

uint64_t pawl_system_now_(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t pawl_system_random_(void)
{
    int before = errno;
    uint64_t bits = 0;
    const void *given = (const void *)getauxval(AT_RANDOM);

    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != (ssize_t)sizeof bits) {
        if (given != NULL) /* 16 bytes of the kernel, of which libc takes some for its canaries */
            memcpy(&bits, (const char *)given + 8, sizeof bits);
        bits *= UINT64_C(0x9e3779b97f4a7c15);
    }
    errno = before;
    return bits;
}
