/* SPDX-License-Identifier: MIT */
/* What restartable sequences this process has: found once, before main(). */
#include "rseq_area.h"

#include <pawl/atomic.h>
#include <pawl/cpu.h>
#include <pawl/rseq.h>

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#endif
#define RSEQ_FLAG_UNREGISTER 1

/* glibc >= 2.35 defines these; elsewhere their addresses are NULL. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

/* The library's own area. It is what a thread uses where libc registers nobody, and what every
 * thread reads when sequences are off: never registered, it sends every operation to its locked form.
 * initial-exec: its offset from the thread pointer is one number for all threads. */
static __thread struct rseq_area own_area __attribute__((tls_model("initial-exec"))) = {
    .cpu_id_start = 0,
    .cpu_id = RSEQ_CPU_ID_UNINITIALIZED,
    .mm_cid = RSEQ_CPU_ID_UNINITIALIZED,
};

static struct pawl_rseq_info info = {.mode = PAWL_RSEQ_MISSING, .reason = "not looked for yet"};
static bool looked; /* set by the constructor, before any second thread */
static pthread_key_t exit_key;
static bool have_exit_key;

ptrdiff_t pawl_rseq_offset;

static ptrdiff_t offset_of_area(const struct rseq_area *area)
{
    return (const char *)area - (const char *)__builtin_thread_pointer();
}

static struct rseq_area *area_at(ptrdiff_t offset)
{
    return (struct rseq_area *)(void *)((char *)__builtin_thread_pointer() + offset);
}

static int sys_rseq(struct rseq_area *area, int flags)
{
    return (int)syscall(__NR_rseq, area, sizeof *area, flags, RSEQ_SIGNATURE);
}

static void mark_unregistered(struct rseq_area *area)
{
    area->cpu_id = RSEQ_CPU_ID_FAILED;
    area->mm_cid = RSEQ_CPU_ID_FAILED;
}

/* The kernel writes into the area at every return to this thread: it must let go before the thread's
 * storage is unmapped. What later destructors of the thread do takes the locked form. */
static void unregister_thread(void *area)
{
    /* The kernel leaves mm_cid = 0 behind: a handler that ran now would take it for slot 0. */
    const uint64_t all = ~UINT64_C(0);
    uint64_t before;

    syscall(__NR_rt_sigprocmask, SIG_BLOCK, &all, &before, sizeof before);
    sys_rseq(area, RSEQ_FLAG_UNREGISTER);
    mark_unregistered(area);
    syscall(__NR_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
}

bool pawl_rseq_register_thread(void)
{
    if (info.mode != PAWL_RSEQ_OWN || own_area.cpu_id == RSEQ_CPU_ID_FAILED)
        return false;
    if ((int32_t)own_area.cpu_id >= 0)
        return true;
    /* The destructor first: a registered thread without one would crash at its exit. EBUSY: a signal handler
     * came between and has registered this thread. */
    if (pthread_setspecific(exit_key, &own_area) == 0 && (sys_rseq(&own_area, 0) == 0 || errno == EBUSY))
        return true;
    mark_unregistered(&own_area);
    return false;
}

/* glibc 2.35 to 2.39 say 32 whatever the kernel keeps, 2.40 and backports say 20; later ones tell
 * the truth. For the first two the kernel's own word counts, within the 32 bytes registered. */
static uint32_t feature_size_of(unsigned int registered)
{
    unsigned long kernel = getauxval(AT_RSEQ_FEATURE_SIZE);

    if (registered != 20 && registered != 32)
        return registered;
    if (kernel == 0)
        kernel = 20; /* kernels before 6.3 keep the first five fields and do not say so */
    return kernel < 32 ? (uint32_t)kernel : 32;
}

/* Linux 6.19 on aarch64 does not abort a sequence that is preempted by a thread on its own CPU. The fix
 * came after 7.0 was out, and which of its stable releases have it cannot be told from here. */
static bool kernel_loses_aborts(void)
{
#if defined(__aarch64__)
    struct utsname name;
    unsigned int major;
    unsigned int minor;

    return uname(&name) == 0 && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
           ((major == 6 && minor == 19) || (major == 7 && minor == 0));
#else
    return false;
#endif
}

static bool own_registration_works(void)
{
    if (!have_exit_key && pthread_key_create(&exit_key, unregister_thread) != 0)
        return false;
    have_exit_key = true;
    info.mode = PAWL_RSEQ_OWN;
    return pawl_rseq_register_thread();
}

static void conclude(enum pawl_rseq_mode mode, const char *reason)
{
    info.mode = mode;
    info.reason = reason;
}

/* Inlined sequences arm where pawl_rseq_offset says. A program that holds the library twice (linked into it, and
 * shared) may have one variable for both; the copy that comes second leaves it alone, and runs sequences only when
 * it means the same area. Asked before this copy has set it. */
static bool another_copy_arms(bool libc_registers)
{
    return pawl_rseq_offset != 0 && !(libc_registers && pawl_rseq_offset == __rseq_offset);
}

static void choose_mode(const char *wish)
{
    bool libc_knows = &__rseq_size != NULL;
    bool libc_registers = libc_knows && __rseq_size != 0;

    info.offset = offset_of_area(&own_area);
    if (PAWL_INSTRUMENTED) {
        conclude(PAWL_RSEQ_FOREIGN, "an instrumented build runs the locked forms");
#if !defined(__x86_64__) && !defined(__aarch64__)
    } else if (true) {
        conclude(PAWL_RSEQ_FOREIGN, "no sequences are written for this architecture");
#endif
    } else if (strcmp(wish, "off") == 0) {
        conclude(PAWL_RSEQ_OFF, "switched off by PAWL_RSEQ=off");
    } else if (kernel_loses_aborts()) {
        conclude(PAWL_RSEQ_BROKEN, "Linux 6.19 and 7.0 on aarch64 lose aborts");
    } else if (another_copy_arms(libc_registers)) {
        conclude(PAWL_RSEQ_FOREIGN, "another copy of the library is in this process");
    } else if (libc_registers) {
        conclude(PAWL_RSEQ_LIBC, "libc registers every thread");
        info.offset = __rseq_offset;
        info.feature_size = feature_size_of(__rseq_size);
    } else if (libc_knows && strcmp(wish, "own") != 0) {
        conclude(PAWL_RSEQ_MISSING, "the kernel has no rseq, or glibc.pthread.rseq=0");
    } else if (own_registration_works()) {
        conclude(PAWL_RSEQ_OWN, "the library registers each thread at its first operation");
        info.feature_size = feature_size_of(32);
    } else {
        conclude(PAWL_RSEQ_MISSING, "the kernel refused to register a thread");
    }
}

static int membarrier(int command, unsigned int flags, int cpu)
{
    return (int)syscall(__NR_membarrier, command, flags, cpu);
}

/* Before the constructors of users: nothing below allocates or locks. */
__attribute__((constructor(101))) static void look(void)
{
    const char *wish = secure_getenv("PAWL_RSEQ");
    int commands;

    if (looked)
        return;
    choose_mode(wish != NULL ? wish : "auto");
    info.has_node = info.feature_size >= 24;
    info.has_cid = info.feature_size >= 28;
    info.limit = pawl_cpu_limit();
    commands = membarrier(MEMBARRIER_CMD_QUERY, 0, 0);
    info.has_fence = commands > 0 && (commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ) != 0;
    info.has_fence_cpu = info.has_fence; /* both came with Linux 5.10 */
    if (pawl_rseq_offset == 0)
        pawl_rseq_offset = info.offset;
    looked = true;
}

const struct pawl_rseq_info *pawl_rseq_get_info(void)
{
    if (PAWL_UNLIKELY(!looked))
        look(); /* a constructor that ran before ours, still alone */
    return &info;
}

bool pawl_rseq_available(void)
{
    enum pawl_rseq_mode mode = pawl_rseq_get_info()->mode;

    return mode == PAWL_RSEQ_LIBC || mode == PAWL_RSEQ_OWN;
}

const char *pawl_rseq_mode_name(enum pawl_rseq_mode mode)
{
    static const char *const names[] = {
        [PAWL_RSEQ_LIBC] = "libc",       [PAWL_RSEQ_OWN] = "own",       [PAWL_RSEQ_OFF] = "off",
        [PAWL_RSEQ_MISSING] = "missing", [PAWL_RSEQ_BROKEN] = "broken", [PAWL_RSEQ_FOREIGN] = "foreign",
    };

    return (size_t)mode < sizeof names / sizeof names[0] ? names[mode] : "unknown";
}

void pawl_rseq_clear(void)
{
    if (pawl_rseq_available()) {
        volatile struct rseq_area *area = area_at(info.offset);

        area->rseq_cs = 0;
    }
}

void pawl_rseq_prepare_fence(void)
{
    /* Repeating a registration is cheap and changes nothing. */
    if (pawl_rseq_get_info()->has_fence)
        membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0);
}

/* One membarrier; registers when this process has not yet (EPERM). */
static int fence_by_membarrier(int cpu)
{
    unsigned int flags = cpu >= 0 ? MEMBARRIER_CMD_FLAG_CPU : 0;

    for (int attempt = 0; attempt < 2; attempt++) {
        if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, flags, cpu) == 0)
            return 0;
        if (errno != EPERM)
            break;
        pawl_rseq_prepare_fence();
    }
    return -errno;
}

/* To run on a CPU is to have preempted what ran there: its sequence restarts. A CPU on which this thread
 * may not run (offline, or outside its cpuset) is one on which no thread of the process runs, unless its
 * threads were put into different cpusets: the header says so. */
static int visit(unsigned long *mask, size_t bytes, uint32_t cpu)
{
    const size_t bits = 8 * sizeof *mask;

    memset(mask, 0, bytes);
    mask[cpu / bits] = 1ul << (cpu % bits);
    if (syscall(__NR_sched_setaffinity, 0, bytes, mask) == 0 || errno == EINVAL)
        return 0;
    return -errno;
}

static int fence_by_visits(int cpu)
{
    size_t bytes = ((size_t)info.limit + 63) / 64 * 8;
    unsigned long *saved = calloc(2, bytes);
    unsigned long *mask;
    uint32_t first = cpu >= 0 ? (uint32_t)cpu : 0;
    uint32_t last = cpu >= 0 ? first : info.limit - 1;
    int status = 0;

    if (saved == NULL)
        return -ENOMEM;
    mask = saved + bytes / sizeof *saved;
    if (syscall(__NR_sched_getaffinity, 0, bytes, saved) < 0) {
        status = -errno;
    } else {
        for (uint32_t c = first; status == 0 && c <= last; c++)
            status = visit(mask, bytes, c);
        syscall(__NR_sched_setaffinity, 0, bytes, saved);
    }
    free(saved);
    return status;
}

int pawl_rseq_fence(int cpu)
{
    const struct pawl_rseq_info *found = pawl_rseq_get_info();
    int status;

    if (cpu < -1 || (cpu >= 0 && (uint32_t)cpu >= found->limit))
        return -EINVAL;
    /* full fence: the caller's earlier stores before the restart that will read them, also where
     * no sequence runs and nothing has to be restarted */
    pawl_fence_seq_cst();
    if (!pawl_rseq_available())
        return 0;
    status = found->has_fence ? fence_by_membarrier(cpu) : -ENOSYS;
    if (status != 0)
        status = fence_by_visits(cpu);
    pawl_fence_seq_cst();
    return status;
}
