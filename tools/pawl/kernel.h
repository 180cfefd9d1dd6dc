/* SPDX-License-Identifier: MIT */
/* What the running kernel offers and grants, gathered once; topo_text.c and topo_json.c print it.
 * A fact that cannot be had says so (a NULL set, a count of 0, an errno); nothing here fails. */
#ifndef PAWL_TOOL_KERNEL_H
#define PAWL_TOOL_KERNEL_H

#include "cgroup.h"

#include <pawl/rseq.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/utsname.h>

/* A bit of a flag word and its name in the kernel's headers, without the common prefix. */
struct flag_name {
    uint64_t flag;
    const char *name;
};

enum { HUGE_SIZES_MAX = 8 };

struct huge_size {
    uint64_t bytes;
    int64_t reserved; /* pages in the pool */
    int64_t free;
    int64_t overcommit; /* pages the pool may grow by on demand */
};

struct page_facts {
    uint64_t base_bytes;
    size_t huge_count;
    struct huge_size huge[HUGE_SIZES_MAX]; /* by size */
    /* Transparent huge pages: the chosen word of each file; "" when the kernel has none. */
    char thp[32];
    char thp_defrag[32];
    char thp_shmem[32];
    uint64_t thp_bytes; /* 0: unknown */
};

struct cpu_facts {
    hwloc_bitmap_t possible; /* may ever come online; NULL: /sys is not mounted */
    hwloc_bitmap_t online;
    hwloc_bitmap_t allowed; /* for this process, by affinity and cpuset */
    struct cgroup_cpu cgroup;
};

struct membarrier_facts {
    int error;         /* 0, or why the query failed: ENOSYS, EPERM under a seccomp filter */
    uint32_t commands; /* bits of enum membarrier_cmd */
};

struct io_uring_facts {
    int error;    /* 0: a ring could be set up; else the errno */
    int disabled; /* the sysctl kernel.io_uring_disabled: 0, 1, 2; -1: this kernel has none */
    uint32_t features;
    unsigned opcodes; /* operations that the kernel supports; 0: could not be asked */
};

struct clock_facts {
    char source[32]; /* "" : unknown */
    char available[128];
    const char *counter; /* the instruction that user space reads: "rdtsc", "cntvct_el0"; NULL: none known */
    bool invariant;      /* ticks at one rate in every power state */
    uint64_t hz;         /* as the hardware or the kernel declares it; 0: not declared */
};

struct kernel_facts {
    struct utsname uts;
    struct cpu_facts cpus;
    struct page_facts pages;
    const struct pawl_rseq_info *rseq;
    struct membarrier_facts membarrier;
    struct io_uring_facts io_uring;
    struct clock_facts clock;
};

/* `root` stands before /proc and /sys; the command passes "". Returns 0 or -ENOMEM. */
int kernel_read(struct kernel_facts *facts, const char *root);
void kernel_free(struct kernel_facts *facts);

void pages_read(struct page_facts *pages, const char *root);
void membarrier_read(struct membarrier_facts *membarrier);
void io_uring_read(struct io_uring_facts *io_uring, const char *root);
void clock_read(struct clock_facts *clock, const char *root);

/* Bytes free on a NUMA node now; -1: unknown. */
int64_t node_free_bytes(unsigned node, const char *root);

/* Why no ring could be set up, as a phrase that says what to do. */
const char *io_uring_reason(const struct io_uring_facts *io_uring);

/* Tables end with a NULL name. */
extern const struct flag_name membarrier_names[];
extern const struct flag_name io_uring_feature_names[];

#endif
