/* SPDX-License-Identifier: MIT */
/* Restartable sequences: what this machine offers, and where a thread's area is.
 *
 * Purpose    The floor under <pawl/percpu.h>, which is what programs use. Take this header to ask
 *            which implementation runs, to fence another CPU, or to write sequences of your own.
 * Model      The kernel keeps a `struct rseq` for every registered thread: the CPU it runs on, its
 *            NUMA node, its concurrency id (mm_cid: dense numbers below the count of threads that
 *            run at the same time), and a pointer to the descriptor of the sequence it is in. A
 *            thread that is preempted, migrated or signalled inside a sequence resumes at the
 *            sequence's abort handler instead.
 * Register   Nobody has to. glibc >= 2.35 registers every thread and its area is used. Elsewhere
 *            (older glibc, musl) the library registers a thread at its first operation and
 *            unregisters it at its exit (in a destructor of thread-specific data; a thread whose very first
 *            operation runs in the last round of those destructors must not use per-CPU data).
 * Off        When rseq is missing (kernel < 4.18, valgrind, qemu-user, gVisor, the tunable
 *            glibc.pthread.rseq=0, Linux 6.19 and 7.0 on aarch64, which lose aborts) or switched off
 *            by PAWL_RSEQ=off in the environment, every operation of <pawl/percpu.h> takes its
 *            locked form and stays correct. Debuggers: a single-stepped sequence restarts for
 *            ever; debug with PAWL_RSEQ=off.
 * vfork      The child of vfork() (or of a raw clone(CLONE_VM) without its own TLS) shares its
 *            parent's area but is not registered: it must not run sequences. fork() is safe.
 * dlclose    The kernel may read a thread's last descriptor at any later preemption. Before code
 *            with inlined sequences is unmapped, each thread that ran it calls pawl_rseq_clear().
 * Source     Linux rseq(2), membarrier(2); M. Desnoyers, "Restartable sequences", 2015-2024.
 */
#ifndef PAWL_RSEQ_H
#define PAWL_RSEQ_H

#include <pawl/config.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

/* Why sequences run, or do not. */
enum pawl_rseq_mode {
    PAWL_RSEQ_LIBC,    /* libc registers every thread */
    PAWL_RSEQ_OWN,     /* this library registers a thread at its first operation */
    PAWL_RSEQ_OFF,     /* switched off: PAWL_RSEQ=off */
    PAWL_RSEQ_MISSING, /* the kernel has no rseq, or libc was told not to register */
    PAWL_RSEQ_BROKEN,  /* the kernel's rseq is known to lose aborts */
    PAWL_RSEQ_FOREIGN, /* for a machine without sequences here, or instrumented, or a second copy of the library */
};

struct pawl_rseq_info {
    enum pawl_rseq_mode mode;
    const char *reason;    /* one English phrase, static */
    ptrdiff_t offset;      /* of a thread's struct rseq from its thread pointer */
    uint32_t feature_size; /* bytes of struct rseq that the kernel keeps up to date; 0: none */
    bool has_node;         /* node_id is kept */
    bool has_cid;          /* mm_cid is kept */
    bool has_fence;        /* membarrier can restart sequences on other CPUs */
    bool has_fence_cpu;    /* ... on one chosen CPU */
    uint32_t limit;        /* every CPU number and mm_cid is below this */
};

/* True when sequences run as restartable sequences in this process.
 * Any thread, any time, signal handlers too; wait-free. */
PAWL_API bool pawl_rseq_available(void);

/* What was found at start. The answer never changes afterwards; never NULL. */
PAWL_API const struct pawl_rseq_info *pawl_rseq_get_info(void);

/* A mode in one word: "libc", "own", "off", "missing", "broken", "foreign". */
PAWL_API const char *pawl_rseq_mode_name(enum pawl_rseq_mode mode);

/* Forget the calling thread's last descriptor: before dlclose() of code with inlined sequences. */
PAWL_API void pawl_rseq_clear(void);

/* Restart every sequence that is running on CPU `cpu` now (-1: on every CPU), in any thread of
 * this process. After it returns, each sequence there has either committed, and its stores are
 * visible to the caller, or will start again and see the caller's earlier stores.
 * Costs a system call and an interrupt on the CPU (1 to tens of microseconds).
 * Uses membarrier; without it, visits the CPUs one by one with sched_setaffinity, which reaches the threads
 * in the caller's own cpuset only.
 * Returns 0; -EINVAL for a CPU number out of range; -EPERM (or another errno of sched_setaffinity)
 * when neither way is allowed here; -ENOMEM.
 * Any thread; blocking; not from a signal handler. */
PAWL_API int pawl_rseq_fence(int cpu);

/* Where a thread's struct rseq lies, from its thread pointer: for inline readers of the CPU number, and for the
 * inlined sequences of executables. Read only. 0 until the library has been initialised. */
extern PAWL_API ptrdiff_t pawl_rseq_offset;

PAWL_END_DECLS
#endif
