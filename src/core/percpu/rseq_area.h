/* SPDX-License-Identifier: MIT */
/* The kernel's per-thread area for restartable sequences, as rseq(2) lays it out. */
#ifndef PAWL_CORE_PERCPU_RSEQ_AREA_H
#define PAWL_CORE_PERCPU_RSEQ_AREA_H

#include <pawl/config.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 32 bytes, the size of the first ABI: a longer registration opts in to the rules of Linux 7,
 * which kill a process for what the first ABI allows. */
struct rseq_area {
    uint32_t cpu_id_start;
    uint32_t cpu_id;  /* the CPU; negative: the thread is not registered */
    uint64_t rseq_cs; /* the descriptor of the sequence that runs, or a stale one */
    uint32_t flags;
    uint32_t node_id;
    uint32_t mm_cid;
    uint32_t reserved;
} __attribute__((aligned(32)));

PAWL_STATIC_ASSERT(offsetof(struct rseq_area, rseq_cs) == 8, "rseq(2)");
PAWL_STATIC_ASSERT(offsetof(struct rseq_area, mm_cid) == 24, "rseq(2)");
PAWL_STATIC_ASSERT(sizeof(struct rseq_area) == 32, "rseq(2)");

/* Values of cpu_id for a thread that is not registered, as the kernel and glibc write them. */
#define RSEQ_CPU_ID_UNINITIALIZED ((uint32_t)-1)
#define RSEQ_CPU_ID_FAILED ((uint32_t)-2)

/* The signature that stands before every abort handler; the kernel compares it. */
#if defined(__aarch64__)
#define RSEQ_SIGNATURE 0xd428bc00u
#else
#define RSEQ_SIGNATURE 0x53053053u
#endif

/* Registers the calling thread where the library itself registers threads (PAWL_RSEQ_OWN).
 * True when the thread is registered now. Wait-free but for the system call. */
bool pawl_rseq_register_thread(void);

/* Makes membarrier's sequence fence ready to use; cheap while the process has one thread. */
void pawl_rseq_prepare_fence(void);

#endif
