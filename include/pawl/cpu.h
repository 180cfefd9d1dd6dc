/* SPDX-License-Identifier: MIT */
/* Where a thread runs: CPU, NUMA node, concurrency id; which CPUs there are; pinning.
 *
 * Purpose    To pick a shard, a per-CPU slot or a node-local pool, and to place threads. The answer
 *            is a hint: the thread may be moved before it is used. Data that must belong to the CPU
 *            is for <pawl/percpu.h>, which reads the CPU number inside a restartable sequence.
 * Model      CPU numbers are below pawl_cpu_limit() always and may have gaps. Sets of CPUs are sized
 *            at run time: machines with more than 1024 CPUs (glibc's CPU_SETSIZE) are ordinary here.
 * Progress   pawl_cpu_id(), pawl_cpu_node(), pawl_cpu_cid(): wait-free, signal-safe. The rest makes
 *            system calls or allocates: ordinary threads only.
 * Ordering   none; nothing is published.
 * Cost       pawl_cpu_id() three plain loads and two predictable branches where the kernel keeps a
 *            struct rseq for the thread, else getcpu through the vDSO.
 * vfork      The child of vfork() shares its parent's struct rseq without being registered and reads
 *            the parent's CPU.
 * Source     Linux rseq(2), sched_setaffinity(2), Documentation/admin-guide/cputopology.rst
 */
#ifndef PAWL_CPU_H
#define PAWL_CPU_H

#include <pawl/config.h>
#include <pawl/rseq.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

/* ---- where the calling thread is ---- */

/* Offsets in struct rseq (the kernel's ABI, <linux/rseq.h>). */
#define PAWL_RSEQ_CPU_ID 4
#define PAWL_RSEQ_NODE_ID 20
#define PAWL_RSEQ_MM_CID 24

/* The out-of-line half of pawl_cpu_id(): asks the kernel. */
PAWL_API PAWL_COLD int pawl_cpu_id_ask(void);

/* One 32-bit field of the calling thread's struct rseq, which must exist. Volatile: the kernel
 * writes it at every migration, between any two instructions of this thread. */
PAWL_API PAWL_INLINE uint32_t pawl_cpu_rseq_field(ptrdiff_t offset, size_t field)
{
#if defined(__x86_64__) && !defined(__clang__) && defined(__GNUC__) && __GNUC__ < 11
    char *thread; /* gcc has the builtin since 11 */
    __asm__("mov %%fs:0, %0" : "=r"(thread));
#else
    char *thread = (char *)__builtin_thread_pointer();
#endif
    return *(const volatile uint32_t *)(const volatile void *)(thread + offset + field);
}

/* The CPU the calling thread runs on: a number below pawl_cpu_limit(), or -ENOSYS where neither rseq
 * nor getcpu exist. Stale as soon as it is returned: use it to choose, not to exclude.
 * Any thread, signal handlers too; wait-free. */
PAWL_API PAWL_INLINE int pawl_cpu_id(void)
{
    ptrdiff_t offset = pawl_rseq_offset;
    if (PAWL_LIKELY(offset != 0)) {
        int32_t cpu = (int32_t)pawl_cpu_rseq_field(offset, PAWL_RSEQ_CPU_ID);
        if (PAWL_LIKELY(cpu >= 0)) /* negative: this thread is not registered */
            return cpu;
    }
    return pawl_cpu_id_ask();
}

/* The NUMA node the calling thread runs on, or -ENOSYS. From struct rseq on Linux >= 6.3, else by
 * system call. Any thread, signal handlers too; wait-free. */
PAWL_API int pawl_cpu_node(void);

/* The calling thread's concurrency id (mm_cid): of the threads of this process that run at one
 * moment no two have the same, and the numbers are dense from 0. Memory indexed by it is in
 * proportion to the threads that run, not to the CPUs that exist.
 * Returns -ENOTSUP before Linux 6.3, without rseq, and for a thread that is not registered.
 * Any thread, signal handlers too; wait-free. */
PAWL_API int pawl_cpu_cid(void);

/* ---- how many CPUs ---- */

/* Every CPU number this kernel can ever hand out is below this, hot-plugged ones too. Taken from the
 * size of the kernel's own masks, so that it holds without /sys and inside containers; may exceed
 * the real number by far. For array bounds. Never fails. Constant; any thread. */
PAWL_API uint32_t pawl_cpu_limit(void);

/* The highest CPU number that can exist on this machine, plus one: /sys/devices/system/cpu/possible,
 * or pawl_cpu_limit() when that cannot be read. For sizes and for loops over CPUs; an index still
 * has to be checked against it, as some containers show a shortened file.
 * Constant; any thread. */
PAWL_API uint32_t pawl_cpu_possible(void);

/* How many CPUs are online now, at least 1. Changes with hot-plug. */
PAWL_API uint32_t pawl_cpu_online(void);

/* How many CPUs the calling thread may run on now (affinity, cpuset cgroup), at least 1: how many
 * threads are worth starting. A quota of CPU time (cgroup cpu.max) is not counted. */
PAWL_API uint32_t pawl_cpu_allowed(void);

/* ---- sets of CPUs ---- */

struct pawl_cpuset; /* room for CPU numbers below its limit; one owner at a time */

/* An empty set for CPU numbers below `limit`; 0 means pawl_cpu_limit(). The largest limit is 2^20.
 * Returns NULL with errno ENOMEM or EINVAL. */
PAWL_API PAWL_MUST_USE struct pawl_cpuset *pawl_cpuset_open(uint32_t limit);
PAWL_API void pawl_cpuset_close(struct pawl_cpuset *set); /* NULL is fine */

PAWL_API uint32_t pawl_cpuset_limit(const struct pawl_cpuset *set) PAWL_NONNULL;
PAWL_API void pawl_cpuset_clear(struct pawl_cpuset *set) PAWL_NONNULL;

/* Add or remove one CPU. Returns 0; -EINVAL for a CPU that is negative or not below the limit. */
PAWL_API int pawl_cpuset_add(struct pawl_cpuset *set, int cpu) PAWL_NONNULL;
PAWL_API int pawl_cpuset_del(struct pawl_cpuset *set, int cpu) PAWL_NONNULL;

/* Whether `cpu` is in the set; false for any number out of range. */
PAWL_API bool pawl_cpuset_has(const struct pawl_cpuset *set, int cpu) PAWL_NONNULL;
PAWL_API uint32_t pawl_cpuset_count(const struct pawl_cpuset *set) PAWL_NONNULL;
PAWL_API bool pawl_cpuset_equal(const struct pawl_cpuset *a, const struct pawl_cpuset *b) PAWL_NONNULL;

/* The smallest CPU of the set that is greater than `after`, or -1. The whole set:
 *     for (int cpu = pawl_cpuset_next(set, -1); cpu >= 0; cpu = pawl_cpuset_next(set, cpu)) */
PAWL_API int pawl_cpuset_next(const struct pawl_cpuset *set, int after) PAWL_NONNULL;

/* Read the kernel's list form, "0-3,8\n", as in sysfs and cpuset files; blanks at the ends are
 * skipped and an empty list is the empty set. Replaces the contents.
 * Returns 0; -EINVAL for malformed text, -ERANGE for a CPU not below the limit; the set is then
 * unchanged. */
PAWL_API int pawl_cpuset_parse(struct pawl_cpuset *set, const char *text) PAWL_NONNULL;

/* Write the list form. As snprintf: never more than `size` bytes with the final zero, and the result
 * is the length the whole text has. `text` may be NULL when size is 0. */
PAWL_API size_t pawl_cpuset_format(const struct pawl_cpuset *set, char *text, size_t size)
    __attribute__((nonnull(1)));

/* ---- placement ---- */

/* The CPUs the calling thread may run on now. Returns 0; -ERANGE when one does not fit the set (open
 * it with limit 0); otherwise what sched_getaffinity says. */
PAWL_API int pawl_cpu_get_affinity(struct pawl_cpuset *set) PAWL_NONNULL;

/* Restrict the calling thread to the CPUs of the set. On return it runs on one of them.
 * Returns 0; -EINVAL for an empty set; -ENODEV when no CPU of the set is online and permitted here
 * (see the cpuset cgroup); otherwise what sched_setaffinity says. */
PAWL_API int pawl_cpu_set_affinity(const struct pawl_cpuset *set) PAWL_NONNULL;

/* Pin the calling thread to one CPU. `saved`, unless NULL, receives the set it was allowed before;
 * give that to pawl_cpu_set_affinity() to undo the pinning.
 * Returns 0; -EINVAL for a number out of range; -ENODEV for a CPU that is offline or not permitted;
 * errors of pawl_cpu_get_affinity(). On an error the thread may run where it could before. */
PAWL_API int pawl_cpu_pin(int cpu, struct pawl_cpuset *saved);

PAWL_END_DECLS
#endif
