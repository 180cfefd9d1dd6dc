/* SPDX-License-Identifier: MIT */
/* Regions: one mapping with the table of slices, the locks of the locked slots, and the slices. */
#include "region.h"
#include "rseq_area.h"

#include "../sync/lsan.h"

#include <pawl/cpu.h>

#include <errno.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Locked slots for operations that interrupt none. Where no thread has rseq they carry the whole load: one
 * a CPU then, within reason. */
#define LOCKED_SLOTS_MIN 16u
#define LOCKED_SLOTS_MAX 256u
#define MAPPED_MAX ((size_t)1 << 40)
#define NODES_MAX 1024

extern inline void *pawl_percpu_slice(struct pawl_percpu *pc, uint32_t slot);
extern inline void *pawl_percpu_next(struct pawl_percpu *pc, uint32_t *slot);

/* A region before it is mapped. */
struct plan {
    size_t bytes;
    size_t stride;
    size_t head; /* bytes before the first slice */
    size_t mapped;
    size_t locks_at;
    uint32_t limit;
    uint32_t reserved;
    uint32_t locked;
};

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static int plan_region(struct plan *plan, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint32_t possible = pawl_cpu_possible();

    if (bytes == 0 || bytes > MAPPED_MAX)
        return -EINVAL;
    plan->bytes = bytes;
    plan->stride = round_up(bytes, page);
    plan->limit = pawl_cpu_limit();
    plan->reserved = possible < plan->limit ? possible : plan->limit;
    plan->locked = LOCKED_SLOTS_MIN;
    if (!pawl_rseq_available() && plan->reserved > plan->locked)
        plan->locked = plan->reserved < LOCKED_SLOTS_MAX ? plan->reserved : LOCKED_SLOTS_MAX;
    plan->locked += LOCKED_SLOTS_NESTED;
    plan->locks_at = round_up(sizeof(struct region) + (plan->limit + plan->locked) * sizeof(uintptr_t),
                              sizeof(struct slot_lock));
    plan->head = round_up(plan->locks_at + plan->locked * sizeof(struct slot_lock), page);
    if ((MAPPED_MAX - plan->head) / (plan->reserved + plan->locked) < plan->stride)
        return -EINVAL;
    plan->mapped = plan->head + (plan->reserved + plan->locked) * plan->stride;
    return 0;
}

static void lay_out(struct region *region, const struct plan *plan)
{
    struct pawl_percpu *pc = &region->pc;

    region->mapped = plan->mapped;
    region->reserved = plan->reserved;
    region->locks = (struct slot_lock *)(void *)((char *)region + plan->locks_at);
    pc->bytes = plan->bytes;
    pc->stride = plan->stride;
    region->memory = (char *)region + plan->head;
    pc->limit = plan->limit;
    pc->slots = plan->limit + plan->locked;
    /* relaxed, here and below: nobody has the region yet */
    pawl_store_relaxed(&pc->used, 0u);
    pawl_store_relaxed(&pc->used_locked, plan->limit);
    pc->none[0] = PAWL_SLICE_MISSING;
    pc->none[1] = PAWL_SLICE_MISSING;
    for (uint32_t slot = 0; slot < pc->slots; slot++) {
        bool has_home = slot < plan->reserved || slot >= plan->limit;

        pawl_store_relaxed(&pc->slice[slot], has_home ? PAWL_SLICE_UNUSED : PAWL_SLICE_MISSING);
    }
}

static bool more_than_one_node(void)
{
    return access("/sys/devices/system/node/node1", F_OK) == 0;
}

static struct region *map_region(const struct plan *plan)
{
    /* NORESERVE: slices of CPUs that never run here are addresses only */
    void *memory = mmap(NULL, plan->mapped, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    /* A huge page would span the slices of many CPUs: memory for all, on the node of the first. Kernels
     * without huge pages refuse, which is as good. */
    madvise(memory, plan->mapped, MADV_NOHUGEPAGE);
    return memory;
}

static int choose_index(struct region *region, enum pawl_percpu_index by)
{
    const struct pawl_rseq_info *rseq = pawl_rseq_get_info();

    if (by != PAWL_PERCPU_BY_ANY && by != PAWL_PERCPU_BY_CPU && by != PAWL_PERCPU_BY_CID)
        return -EINVAL;
    /* Without sequences nothing is numbered: the locked slots serve either wish. */
    if (by == PAWL_PERCPU_BY_CID && pawl_rseq_available() && !rseq->has_cid)
        return -ENOTSUP;
    region->by_cpu = by == PAWL_PERCPU_BY_CPU || !rseq->has_cid;
    region->numa = region->by_cpu && more_than_one_node();
    region->pc.rseq_at = rseq->offset;
    region->pc.index_at = rseq->offset + (ptrdiff_t)(region->by_cpu ? offsetof(struct rseq_area, cpu_id)
                                                                    : offsetof(struct rseq_area, mm_cid));
    return 0;
}

struct pawl_percpu *pawl_percpu_open(size_t bytes, enum pawl_percpu_index by)
{
    struct plan plan;
    struct region *region;
    int status = plan_region(&plan, bytes);

    if (status != 0) {
        errno = -status;
        return NULL;
    }
    region = map_region(&plan);
    if (region == NULL)
        return NULL;
    lay_out(region, &plan);
    status = choose_index(region, by);
    if (status != 0) {
        munmap(region, plan.mapped);
        errno = -status;
        return NULL;
    }
    pawl_rseq_prepare_fence();
    pawl_lsan_look_into_(region, plan.mapped);
    return &region->pc;
}

void pawl_percpu_close(struct pawl_percpu *pc)
{
    if (pc == NULL)
        return;
    pawl_lsan_look_away_(region_of(pc), region_of(pc)->mapped);
    munmap(region_of(pc), region_of(pc)->mapped);
}

static char *home_of(struct pawl_percpu *pc, uint32_t slot)
{
    struct region *region = region_of(pc);

    if (slot < region->reserved)
        return region->memory + slot * pc->stride;
    if (slot >= pc->limit && slot < pc->slots)
        return region->memory + (region->reserved + (slot - pc->limit)) * pc->stride;
    return NULL;
}

/* The node of a CPU, or -1. This may run in a signal handler: no allocation, no directory stream.
 * Mostly it is the CPU that this thread runs on: one system call then, instead of one for each node. */
static int node_of_cpu(uint32_t cpu)
{
    char path[64];
    unsigned int here;
    unsigned int node_here;

    if (syscall(__NR_getcpu, &here, &node_here, NULL) == 0 && here == cpu && node_here < NODES_MAX)
        return (int)node_here;
    for (int node = 0; node < NODES_MAX; node++) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/node%d", cpu, node);
        if (access(path, F_OK) == 0)
            return node;
    }
    return -1;
}

/* The first touch would place a page on the right node by itself, unless another CPU touches it first
 * (pawl_percpu_detach and revoke do) or the thread has a policy of its own. A wish: failure is no error. */
static void bind_to_node(struct pawl_percpu *pc, char *slice, uint32_t cpu)
{
    unsigned long mask[NODES_MAX / 64] = {0};
    int node = node_of_cpu(cpu);

    if (node < 0)
        return;
    mask[node / 64] = 1ul << node % 64;
    syscall(__NR_mbind, slice, pc->stride, MPOL_PREFERRED, mask, 8 * sizeof mask, 0);
}

/* Before the slot gets its slice, so that whoever used the slot has raised the mark before. */
static void raise_mark(PAWL_ATOMIC(uint32_t) * mark, uint32_t slot)
{
    /* relaxed: a guess that the exchange validates */
    uint32_t seen = pawl_load_relaxed(mark);

    /* release U: pairs with the acquire in pawl_percpu_next; the loop ends because the mark only rises */
    while (seen <= slot && !pawl_cas_weak_release(mark, &seen, slot + 1)) {
    }
}

bool pawl_region_use(struct pawl_percpu *pc, uint32_t slot)
{
    uintptr_t seen = PAWL_SLICE_UNUSED;
    char *home = home_of(pc, slot);

    if (home == NULL)
        return false;
    /* relaxed: only a hint; the exchange decides */
    if (pawl_load_relaxed(&pc->slice[slot]) != PAWL_SLICE_UNUSED)
        return true;
    if (region_of(pc)->numa && slot < pc->limit)
        bind_to_node(pc, home, slot);
    raise_mark(slot < pc->limit ? &pc->used : &pc->used_locked, slot);
    /* release: nothing but zeroes is published; pairs with the acquire in pawl_percpu_slice all the same.
     * When it fails somebody else was first, or detached the slot. */
    (void)pawl_cas_release(&pc->slice[slot], &seen, (uintptr_t)home);
    return true;
}

int pawl_percpu_fence(struct pawl_percpu *pc, uint32_t slot)
{
    if (slot >= pc->slots)
        return -EINVAL;
    if (slot >= pc->limit) {
        pawl_turn_pass(pc, slot);
        return 0;
    }
    return pawl_rseq_fence(region_of(pc)->by_cpu ? (int)slot : -1);
}

/* LEAVING in the table, and what stood there. Returns 0, -EINVAL, -EBUSY. */
static int take_word(struct pawl_percpu *pc, uint32_t slot, uintptr_t *word)
{
    if (slot < pc->slots)
        pawl_region_use(pc, slot); /* what is attached later must be found by pawl_percpu_next */
    /* relaxed: validated by the exchange */
    *word = slot < pc->slots ? pawl_load_relaxed(&pc->slice[slot]) : PAWL_SLICE_MISSING;
    do {
        if (*word == PAWL_SLICE_MISSING)
            return -EINVAL;
        if ((*word & 1) != 0)
            return -EBUSY; /* away, or leaving in another thread's hand */
        /* acq_rel: acquire pairs with the release in pawl_percpu_attach, for a slice that another thread
         * attached; the fence that follows orders everything else */
    } while (!pawl_cas_weak_acq_rel(&pc->slice[slot], word, PAWL_SLICE_LEAVING));
    return 0;
}

void *pawl_percpu_detach(struct pawl_percpu *pc, uint32_t slot)
{
    uintptr_t word;
    int status = take_word(pc, slot, &word);

    if (status == 0) {
        /* From here on new operations miss; the fence ends those that read the table before. */
        status = pawl_percpu_fence(pc, slot);
        /* A plain store, because nobody else changes a word that is LEAVING. release: as it was published
         * before, when the fence failed */
        pawl_store_release(&pc->slice[slot], status == 0 ? PAWL_SLICE_AWAY : word);
    }
    if (status != 0) {
        errno = -status;
        return NULL;
    }
    return (void *)word;
}

int pawl_percpu_attach(struct pawl_percpu *pc, uint32_t slot, void *slice)
{
    uintptr_t away = PAWL_SLICE_AWAY;

    if (home_of(pc, slot) == NULL || slice == NULL || (uintptr_t)slice % 16 != 0)
        return -EINVAL;
    /* release: publishes what the caller stored in the slice to the slot's next operation (which reads it
     * through the address: a dependency) and to pawl_percpu_slice */
    return pawl_cas_release(&pc->slice[slot], &away, (uintptr_t)slice) ? 0 : -EBUSY;
}
