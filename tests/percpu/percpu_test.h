/* SPDX-License-Identifier: MIT */
/* Shared by the tests of <pawl/percpu.h>: which CPUs there are, pinning, random numbers with a seed that
 * is printed, and one group of tests for each way to number the slots. */
#ifndef PAWL_TESTS_PERCPU_TEST_H
#define PAWL_TESTS_PERCPU_TEST_H

#include <pawl/percpu.h>

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#ifndef UNDER_TSAN
#define UNDER_TSAN 0
#endif

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#ifndef UNDER_ASAN
#define UNDER_ASAN 0
#endif

#define UNDER_SANITIZER (UNDER_TSAN || UNDER_ASAN)

#define CPUS_MAX 64

/* ---- CPUs ---- */

/* Up to CPUS_MAX CPUs that this thread may run on. Returns how many. */
static inline int allowed_cpus(int cpu[CPUS_MAX])
{
    cpu_set_t set;
    int count = 0;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 0;
    for (int c = 0; c < CPU_SETSIZE && count < CPUS_MAX; c++)
        if (CPU_ISSET(c, &set))
            cpu[count++] = c;
    return count;
}

/* `tid` 0: the calling thread. Returns 0 or a negative errno. */
static inline int pin(pid_t tid, int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(tid, sizeof set, &set) == 0 ? 0 : -errno;
}

/* ---- Random numbers ---- */

/* PAWL_TEST_SEED, or a new one. Printed, so that a failed run can be repeated. */
static inline uint64_t seed_of_run(void)
{
    const char *wish = getenv("PAWL_TEST_SEED");
    struct timespec now;
    uint64_t seed;

    clock_gettime(CLOCK_REALTIME, &now);
    seed = wish != NULL ? strtoull(wish, NULL, 0)
                        : (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
    printf("PAWL_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* splitmix64 (G. Steele et al., 2014): any state is a good one. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint32_t random_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)((random_next(state) >> 32) * limit >> 32);
}

/* ---- Groups ---- */

static inline const char *name_of_kind(enum pawl_percpu_index by)
{
    return by == PAWL_PERCPU_BY_CPU ? "by CPU" : by == PAWL_PERCPU_BY_CID ? "by mm_cid" : "by any";
}

/* BY_CID is refused exactly where sequences run and the kernel keeps no mm_cid. */
static inline bool kind_is_offered(enum pawl_percpu_index by)
{
    return by != PAWL_PERCPU_BY_CID || !pawl_rseq_available() || pawl_rseq_get_info()->has_cid;
}

static inline void print_mode(void)
{
    const struct pawl_rseq_info *info = pawl_rseq_get_info();

    printf("sequences: %s (%s)\n", pawl_rseq_mode_name(info->mode), info->reason);
}

#endif
