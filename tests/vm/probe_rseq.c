/* SPDX-License-Identifier: MIT */
/* Smoke test of a test guest: is this the machine that was asked for, and do restartable sequences
 * work on it? Uses none of libpawl's code, so that a failure here speaks of the guest, one elsewhere of us.
 *
 *     probe_rseq present|absent [--cpus N] [--nodes N] [--lse yes|no]
 *
 * absent     libc must not have registered rseq (qemu-user): nothing more is tested.
 * present    registration; cpu_id on every CPU; node_id and mm_cid where the kernel offers them; a
 *            sequence against preemption and migration; the membarrier fence.
 */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <pawl/atomic.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#endif

enum {
    SLOT_BYTES = 128, /* one pair of cache lines a CPU; the assembly shifts by SLOT_SHIFT */
    SLOT_SHIFT = 7,
    NODE_ID_OFFSET = 20, /* in struct rseq; glibc 2.36 does not name the two yet */
    MM_CID_OFFSET = 24,
    ADDS_PER_THREAD = 20000,
    FENCES = 100,
    SPINS_IN_SEQUENCE = 2000, /* long enough that a fence mostly falls inside a sequence */
    HWCAP_AARCH64_ATOMICS = 1 << 8,
};
static_assert(SLOT_BYTES == 1 << SLOT_SHIFT, "the assembly indexes slots by a shift");

static unsigned failures;

static void check(bool holds, const char *promise)
{
    printf("%s %s\n", holds ? "ok    " : "FAILED", promise);
    failures += !holds;
}

__attribute__((noreturn)) static void die(const char *what, int error)
{
    printf("FAILED %s: %s\n", what, strerror(error));
    exit(EXIT_FAILURE);
}

static struct rseq *own_rseq(void)
{
    return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

static uint32_t rseq_field(size_t offset)
{
    return *(const volatile uint32_t *)((const char *)own_rseq() + offset);
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) {
        die("sched_setaffinity to one CPU", errno);
    }
}

/* ---------------------------------------------------------------- two sequences
 * Each has its descriptor in __rseq_cs, its abort handler, preceded by the signature, out of line in
 * __rseq_failure, and returns whether it committed. */

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define OPERANDS(...)                                                                           \
    [descriptor] "i"(offsetof(struct rseq, rseq_cs)), [cpu] "i"(offsetof(struct rseq, cpu_id)), \
        [shift] "i"(SLOT_SHIFT), [rseq] "r"(own_rseq()), __VA_ARGS__

/* Label 1: first instruction of the sequence; 2: behind the commit; 3: descriptor; 4: abort handler. */
#define DESCRIPTOR                       \
    ".pushsection __rseq_cs, \"aw\"\n\t" \
    ".balign 32\n"                       \
    "3:\t.long 0, 0\n\t"                 \
    ".quad 1f, 2f - 1f, 4f\n\t"          \
    ".popsection\n\t"

#if defined(__x86_64__)
#define ENTER "leaq 3b(%%rip), %%rax\n\tmovq %%rax, %c[descriptor](%[rseq])\n"
/* The signature is the displacement of a ud1 instruction, so that disassemblers stay in step. */
#define ABORT                                         \
    ".pushsection __rseq_failure, \"ax\"\n\t"         \
    ".byte 0x0f, 0xb9, 0x3d\n\t"                      \
    ".long " TEXT(RSEQ_SIG) "\n"                      \
                            "4:\tjmp %l[aborted]\n\t" \
                            ".popsection\n\t"
#define CLOBBERS "memory", "cc", "rax", "rcx"
/* slots[cpu]++ */
#define ADD_TO_SLOT                        \
    "1:\tmovl %c[cpu](%[rseq]), %%eax\n\t" \
    "shlq %[shift], %%rax\n\t"             \
    "addq $1, (%[slots], %%rax)\n"         \
    "2:\n\t"
/* target = *current; spin; (*target)++ */
#define ADD_TO_CURRENT                 \
    "1:\tmovq (%[current]), %%rax\n\t" \
    "movl %[spins], %%ecx\n"           \
    "5:\tsubl $1, %%ecx\n\t"           \
    "jnz 5b\n\t"                       \
    "addq $1, (%%rax)\n"               \
    "2:\n\t"
#elif defined(__aarch64__)
#define ENTER "adrp x9, 3b\n\tadd x9, x9, :lo12:3b\n\tstr x9, [%[rseq], %[descriptor]]\n"
#define ABORT                                            \
    ".pushsection __rseq_failure, \"ax\"\n\t"            \
    ".inst " TEXT(RSEQ_SIG_CODE) "\n"                    \
                                 "4:\tb %l[aborted]\n\t" \
                                 ".popsection\n\t"
#define CLOBBERS "memory", "cc", "x9", "x10", "x11"
#define ADD_TO_SLOT                           \
    "1:\tldr w9, [%[rseq], %[cpu]]\n\t"       \
    "add x10, %[slots], x9, lsl %[shift]\n\t" \
    "ldr x11, [x10]\n\t"                      \
    "add x11, x11, #1\n\t"                    \
    "str x11, [x10]\n"                        \
    "2:\n\t"
#define ADD_TO_CURRENT              \
    "1:\tldr x10, [%[current]]\n\t" \
    "mov w9, %w[spins]\n"           \
    "5:\tsubs w9, w9, #1\n\t"       \
    "b.ne 5b\n\t"                   \
    "ldr x11, [x10]\n\t"            \
    "add x11, x11, #1\n\t"          \
    "str x11, [x10]\n"              \
    "2:\n\t"
#else
#error "no restartable sequence written for this machine"
#endif

struct worker {
    PAWL_ATOMIC(PAWL_ATOMIC(uint64_t) *) current; /* where the sequences add */
    PAWL_ATOMIC(uint64_t) targets[2];
    PAWL_ATOMIC(uint64_t) commits, aborts;
    PAWL_ATOMIC(bool) stop;
    int cpu;
};

static bool add_to_slot(char *slots)
{
    __asm__ goto(DESCRIPTOR ENTER ADD_TO_SLOT ABORT : : OPERANDS([slots] "r"(slots)) : CLOBBERS : aborted);
    return true;
aborted:
    return false;
}

static bool add_to_current(const struct worker *worker)
{
    __asm__ goto(DESCRIPTOR ENTER ADD_TO_CURRENT ABORT
                 :
                 : OPERANDS([current] "r"(&worker->current), [spins] "r"(SPINS_IN_SEQUENCE))
                 : CLOBBERS
                 : aborted);
    return true;
aborted:
    return false;
}

/* ---------------------------------------------------------------- the machine */

static void show_machine(void)
{
    struct utsname name;
    uname(&name);
    printf("kernel %s %s, %ld CPUs online\n", name.release, name.machine, sysconf(_SC_NPROCESSORS_ONLN));
}

static void the_machine_has_the_cpus_asked_for(long cpus)
{
    check(cpus == 0 || sysconf(_SC_NPROCESSORS_ONLN) == cpus, "the machine has the CPUs asked for");
}

static void the_machine_has_the_nodes_asked_for(long nodes)
{
    char path[64];
    long found = 0;
    do {
        snprintf(path, sizeof path, "/sys/devices/system/node/node%ld", found);
    } while (access(path, F_OK) == 0 && ++found);
    printf("%ld NUMA nodes\n", found);
    check(nodes == 0 || found == nodes, "the machine has the NUMA nodes asked for");
}

static void the_processor_has_the_atomics_asked_for(const char *lse)
{
#ifdef __aarch64__
    const bool has = getauxval(AT_HWCAP) & HWCAP_AARCH64_ATOMICS;
    printf("atomics: %s\n", has ? "LSE" : "LL/SC");
    check(!lse || has == !strcmp(lse, "yes"), "the processor has the atomics asked for");
#else
    (void)lse;
#endif
}

/* ---------------------------------------------------------------- rseq */

static void libc_registered_the_thread(bool expected)
{
    printf("__rseq_size %u, __rseq_flags %u, __rseq_offset %td, kernel's feature size %lu\n", __rseq_size,
           __rseq_flags, __rseq_offset, getauxval(AT_RSEQ_FEATURE_SIZE));
    check((__rseq_size != 0) == expected,
          expected ? "libc registered the thread" : "libc did not register the thread");
}

/* Every CPU in turn: where the scheduler put us, what the kernel wrote, and where memory is near. */
static void the_area_follows_the_thread(const cpu_set_t *allowed)
{
    const unsigned long feature_size = getauxval(AT_RSEQ_FEATURE_SIZE);
    bool cpu_right = true, node_right = true, cid_right = true;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, allowed)) {
            continue;
        }
        unsigned kernel_cpu = 0, kernel_node = 0;
        pin(cpu);
        syscall(SYS_getcpu, &kernel_cpu, &kernel_node, NULL);
        cpu_right = cpu_right && own_rseq()->cpu_id == (uint32_t)cpu && kernel_cpu == (uint32_t)cpu;
        node_right = node_right && rseq_field(NODE_ID_OFFSET) == kernel_node;
        cid_right = cid_right && rseq_field(MM_CID_OFFSET) == 0;
    }
    sched_setaffinity(0, sizeof *allowed, allowed);
    check(cpu_right, "cpu_id is the CPU, on every CPU");
    printf("node_id %s, mm_cid %s\n", feature_size >= NODE_ID_OFFSET + 4 ? "offered" : "not offered",
           feature_size >= MM_CID_OFFSET + 4 ? "offered" : "not offered");
    if (feature_size >= NODE_ID_OFFSET + 4) {
        check(node_right, "node_id is the CPU's node, on every CPU");
    }
    if (feature_size >= MM_CID_OFFSET + 4) {
        check(cid_right, "mm_cid of a process's only thread is 0, on every CPU");
    }
}

/* ---------------------------------------------------------------- preemption and migration */

struct adders {
    char *slots;
    PAWL_ATOMIC(uint64_t) aborts;
};

static void *add_and_yield(void *argument)
{
    struct adders *const adders = argument;
    uint64_t aborts = 0;
    for (int done = 0; done < ADDS_PER_THREAD; done++) {
        while (!add_to_slot(adders->slots)) {
            aborts++;
        }
        if (done % 64 == 0) {
            sched_yield(); /* the neighbour on this CPU, perhaps in the midst of its sequence, goes on */
        }
    }
    pawl_fetch_add_relaxed(&adders->aborts, aborts); /* read after the join */
    return NULL;
}

static void no_add_is_lost(const cpu_set_t *allowed)
{
    const int threads = 2 * CPU_COUNT(allowed);
    struct adders adders = {.slots = NULL};
    pthread_t *const ids = calloc((size_t)threads, sizeof *ids);
    if (!ids || posix_memalign((void **)&adders.slots, SLOT_BYTES, (size_t)CPU_SETSIZE * SLOT_BYTES) != 0) {
        die("memory for the slots", ENOMEM);
    }
    memset(adders.slots, 0, (size_t)CPU_SETSIZE * SLOT_BYTES);
    for (int i = 0; i < threads; i++) {
        const int error = pthread_create(&ids[i], NULL, add_and_yield, &adders);
        if (error) {
            die("pthread_create", error);
        }
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
    }
    uint64_t sum = 0, used = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        uint64_t slot;
        memcpy(&slot, adders.slots + (size_t)cpu * SLOT_BYTES, sizeof slot);
        sum += slot;
        used += slot != 0;
    }
    printf("%d threads: %lu of %lu adds, on %lu CPUs, %lu aborts\n", threads, sum,
           (uint64_t)threads * ADDS_PER_THREAD, used, adders.aborts);
    check(sum == (uint64_t)threads * ADDS_PER_THREAD, "no add is lost, with two threads a CPU");
    free(adders.slots);
    free(ids);
}

/* ---------------------------------------------------------------- the fence */

static void *add_until_stopped(void *argument)
{
    struct worker *const worker = argument;
    pin(worker->cpu);
    while (!pawl_load_relaxed(&worker->stop)) {
        PAWL_ATOMIC(uint64_t) *const counter = add_to_current(worker) ? &worker->commits : &worker->aborts;
        pawl_fetch_add_relaxed(counter, 1); /* counts only; nothing is published by them */
    }
    return NULL;
}

static int membarrier(int command, unsigned flags, int cpu)
{
    return (int)syscall(SYS_membarrier, command, flags, cpu);
}

/* Redirect the worker, fence, and watch the old target: after the fence no sequence that read the old
 * pointer may commit. Without the fence nearly every round sees one more add. (Aborts prove nothing:
 * preemption causes them too.) */
static unsigned adds_behind_the_fence(struct worker *worker)
{
    unsigned late = 0;
    for (int round = 0; round < FENCES; round++) {
        PAWL_ATOMIC(uint64_t) *const old = &worker->targets[round % 2];
        const uint64_t commits = pawl_load_relaxed(&worker->commits);
        while (pawl_load_relaxed(&worker->commits) == commits) {
            sched_yield(); /* the worker runs */
        }
        /* relaxed: the membarrier below orders it against the worker's CPU */
        pawl_store_relaxed(&worker->current, &worker->targets[(round + 1) % 2]);
        const bool one_cpu = round % 4 < 2;
        if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, one_cpu ? MEMBARRIER_CMD_FLAG_CPU : 0,
                       worker->cpu) != 0) {
            die("membarrier(PRIVATE_EXPEDITED_RSEQ)", errno);
        }
        const uint64_t before = pawl_load_relaxed(old);
        usleep(1000);
        late += pawl_load_relaxed(old) != before;
    }
    return late;
}

static void the_fence_restarts_sequences(const cpu_set_t *allowed)
{
    struct worker worker = {.current = &worker.targets[0], .cpu = 0};
    pthread_t id;
    if (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0) != 0) {
        die("membarrier(REGISTER_PRIVATE_EXPEDITED_RSEQ)", errno);
    }
    /* The worker's CPU is its own: the last allowed one, while we stay on the first. */
    int first = -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, allowed)) {
            first = first < 0 ? cpu : first;
            worker.cpu = cpu;
        }
    }
    pin(first);
    const int error = pthread_create(&id, NULL, add_until_stopped, &worker);
    if (error) {
        die("pthread_create", error);
    }
    const unsigned late = adds_behind_the_fence(&worker);
    pawl_store_relaxed(&worker.stop, true);
    pthread_join(id, NULL);
    sched_setaffinity(0, sizeof *allowed, allowed);
    printf("%d fences: %lu commits, %lu aborts, %u late adds\n", FENCES, worker.commits, worker.aborts, late);
    check(late == 0, "behind the fence no older sequence commits");
}

/* ---------------------------------------------------------------- the command line */

struct expectation {
    bool present;
    long cpus, nodes;
    const char *lse;
};

static bool parse(struct expectation *expected, int argc, char **argv)
{
    if (argc < 2 || argc % 2 != 0 || (strcmp(argv[1], "present") != 0 && strcmp(argv[1], "absent") != 0)) {
        return false;
    }
    expected->present = !strcmp(argv[1], "present");
    for (int i = 2; i < argc; i += 2) {
        if (!strcmp(argv[i], "--cpus")) {
            expected->cpus = strtol(argv[i + 1], NULL, 10);
        } else if (!strcmp(argv[i], "--nodes")) {
            expected->nodes = strtol(argv[i + 1], NULL, 10);
        } else if (!strcmp(argv[i], "--lse")) {
            expected->lse = argv[i + 1];
        } else {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    struct expectation expected = {.present = false};
    cpu_set_t allowed;
    if (!parse(&expected, argc, argv)) {
        fprintf(stderr, "usage: probe_rseq present|absent [--cpus N] [--nodes N] [--lse yes|no]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    show_machine();
    the_machine_has_the_cpus_asked_for(expected.cpus);
    the_machine_has_the_nodes_asked_for(expected.nodes);
    the_processor_has_the_atomics_asked_for(expected.lse);
    libc_registered_the_thread(expected.present);
    if (expected.present && failures == 0) {
        if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
            die("sched_getaffinity", errno);
        }
        the_area_follows_the_thread(&allowed);
        no_add_is_lost(&allowed);
        the_fence_restarts_sequences(&allowed);
    }
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
