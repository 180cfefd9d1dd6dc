/* SPDX-License-Identifier: MIT */
/* Where a thread runs and how many CPUs there are. Sets and placement are in cpuset.c. */
#include "cpu_limit.h"

#include <pawl/atomic.h>
#include <pawl/cpu.h>
#include <pawl/rseq.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

extern inline uint32_t pawl_cpu_rseq_field(ptrdiff_t offset, size_t field);
extern inline int pawl_cpu_id(void);

PAWL_COLD int pawl_cpu_id_ask(void)
{
    int cpu = sched_getcpu();
    return cpu >= 0 ? cpu : -errno;
}

/* The calling thread's struct rseq is kept by the kernel, so that its other fields are valid too. */
static bool registered(void)
{
    return pawl_rseq_offset != 0 && (int32_t)pawl_cpu_rseq_field(pawl_rseq_offset, PAWL_RSEQ_CPU_ID) >= 0;
}

int pawl_cpu_node(void)
{
    if (registered() && pawl_rseq_get_info()->has_node)
        return (int)pawl_cpu_rseq_field(pawl_rseq_offset, PAWL_RSEQ_NODE_ID);
    unsigned cpu, node;
#ifdef __GLIBC__
    int error = getcpu(&cpu, &node); /* through the vDSO */
#else
    int error = (int)syscall(SYS_getcpu, &cpu, &node, NULL); /* musl has no such function */
#endif
    return error == 0 ? (int)node : -errno;
}

int pawl_cpu_cid(void)
{
    if (registered() && pawl_rseq_get_info()->has_cid)
        return (int)pawl_cpu_rseq_field(pawl_rseq_offset, PAWL_RSEQ_MM_CID);
    return -ENOTSUP;
}

int pawl_cpu_kernel_mask(unsigned long mask[static PAWL_CPU_MASK_WORDS])
{
    memset(mask, 0, PAWL_CPU_MASK_WORDS * sizeof(mask[0]));
    /* The system call, not the libc function: only it returns how many bytes the kernel's mask has. */
    long bytes = syscall(SYS_sched_getaffinity, 0, PAWL_CPU_MASK_WORDS * sizeof(mask[0]), mask);
    return bytes > 0 ? (int)bytes : -errno;
}

uint32_t pawl_cpu_limit(void)
{
    static PAWL_ATOMIC(uint32_t) cached;
    /* relaxed, here and below: one word that every caller computes alike */
    uint32_t limit = pawl_load_relaxed(&cached);
    if (PAWL_LIKELY(limit != 0))
        return limit;
    unsigned long mask[PAWL_CPU_MASK_WORDS];
    int bytes = pawl_cpu_kernel_mask(mask);
    /* A sandbox that refuses the call must not make the bound too small: more than any kernel has. */
    limit = bytes > 0 ? (uint32_t)bytes * 8 : (uint32_t)(PAWL_CPU_MASK_WORDS * PAWL_BITS_PER_LONG);
    pawl_store_relaxed(&cached, limit);
    return limit;
}

ssize_t pawl_cpu_read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    size_t length = 0;
    ssize_t got;
    while (length < size - 1) {
        got = read(fd, text + length, size - 1 - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    close(fd);
    text[length] = '\0';
    return length == size - 1 ? -EFBIG : (ssize_t)length;
}

/* The highest CPU of a list file plus one, and how many it names; false if there is no such list. */
static bool read_list_file(const char *path, uint32_t *end, uint32_t *count)
{
    char text[PAWL_CPU_LIST_BYTES];
    struct pawl_cpu_range range;
    const char *at = text;
    *end = *count = 0;
    if (pawl_cpu_read_file(path, text, sizeof(text)) <= 0)
        return false;
    int more;
    while ((more = pawl_cpu_next_range(&at, &range)) > 0) {
        *end = range.last >= *end ? range.last + 1 : *end;
        *count += range.last - range.first + 1;
    }
    return more == 0 && *end > 0 && *end <= pawl_cpu_limit();
}

/* The highest CPU of the calling thread's affinity plus one; 0 if it cannot be read. */
static uint32_t allowed_end(void)
{
    unsigned long mask[PAWL_CPU_MASK_WORDS];
    if (pawl_cpu_kernel_mask(mask) < 0)
        return 0;
    for (uint32_t i = PAWL_CPU_MASK_WORDS; i-- > 0;)
        if (mask[i])
            return (i + 1) * PAWL_BITS_PER_LONG - (uint32_t)__builtin_clzl(mask[i]);
    return 0;
}

uint32_t pawl_cpu_possible(void)
{
    static PAWL_ATOMIC(uint32_t) cached;
    uint32_t possible = pawl_load_relaxed(&cached);
    if (PAWL_LIKELY(possible != 0))
        return possible;
    uint32_t end, count;
    possible = pawl_cpu_limit();
    if (read_list_file("/sys/devices/system/cpu/possible", &end, &count)) {
        /* Containers with a rewritten /sys may run on CPUs above what it shows. */
        uint32_t allowed = allowed_end();
        possible = allowed > end ? allowed : end;
    }
    pawl_store_relaxed(&cached, possible);
    return possible;
}

uint32_t pawl_cpu_online(void)
{
    uint32_t end, count;
    if (read_list_file("/sys/devices/system/cpu/online", &end, &count))
        return count;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
}

uint32_t pawl_cpu_allowed(void)
{
    unsigned long mask[PAWL_CPU_MASK_WORDS];
    uint32_t count = 0;
    if (pawl_cpu_kernel_mask(mask) < 0)
        return pawl_cpu_online();
    for (uint32_t i = 0; i < PAWL_CPU_MASK_WORDS; i++)
        count += (uint32_t)__builtin_popcountl(mask[i]);
    return count > 0 ? count : 1;
}
