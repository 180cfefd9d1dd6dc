/* SPDX-License-Identifier: MIT */
/* What the kernel offers, one subject a line. */
#include "text.h"
#include "topo_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print_cpu_set(const char *label, hwloc_const_bitmap_t set, const char *note)
{
    text_label(label);
    if (!set) {
        fputs("unknown\n", stdout);
        return;
    }
    text_set(set);
    printf(" (%d)%s\n", hwloc_bitmap_weight(set), note);
}

static void print_cpus(const struct cpu_facts *cpus)
{
    bool restricted = cpus->online && !hwloc_bitmap_isincluded(cpus->online, cpus->allowed);

    print_cpu_set("Online", cpus->online, "");
    if (cpus->possible && cpus->online && !hwloc_bitmap_isequal(cpus->possible, cpus->online))
        print_cpu_set("Possible", cpus->possible, ": may come online");
    print_cpu_set("Allowed", cpus->allowed, restricted ? ": restricted by affinity or a cpuset" : "");
    if (cpus->cgroup.cpuset && cpus->online && !hwloc_bitmap_isincluded(cpus->online, cpus->cgroup.cpuset))
        print_cpu_set("Cpuset", cpus->cgroup.cpuset, ": granted by the control group");
    text_label("Quota");
    if (cpus->cgroup.limited)
        printf("%.4g CPUs' worth of time, set by %s\n", cpus->cgroup.quota, cpus->cgroup.group);
    else
        fputs(cpus->cgroup.version ? "none\n" : "none (no control groups)\n", stdout);
}

static void print_pages(const struct page_facts *pages)
{
    char size[BYTES_TEXT_MAX];

    text_label("Pages");
    printf("%s\n", text_bytes(size, pages->base_bytes));
    for (size_t i = 0; i < pages->huge_count; i++) {
        const struct huge_size *huge = &pages->huge[i];

        text_label(i == 0 ? "Huge pages" : "");
        printf("%s: %" PRId64 " reserved, %" PRId64 " free", text_bytes(size, huge->bytes), huge->reserved,
               huge->free);
        if (huge->overcommit > 0)
            printf(", %" PRId64 " more on demand", huge->overcommit);
        putchar('\n');
    }
    text_label("THP");
    if (pages->thp[0] == '\0') {
        fputs("none\n", stdout);
        return;
    }
    fputs(pages->thp, stdout);
    if (pages->thp_bytes > 0)
        printf(", pages of %s", text_bytes(size, pages->thp_bytes));
    if (pages->thp_defrag[0])
        printf(", defrag %s", pages->thp_defrag);
    if (pages->thp_shmem[0])
        printf(", shared memory %s", pages->thp_shmem);
    putchar('\n');
}

static void print_rseq(const struct pawl_rseq_info *rseq)
{
    bool runs = rseq->mode == PAWL_RSEQ_LIBC || rseq->mode == PAWL_RSEQ_OWN;

    text_label("rseq");
    printf("%s (%s): %s\n", runs ? "runs" : "does not run", pawl_rseq_mode_name(rseq->mode), rseq->reason);
    if (!runs)
        return;
    text_label("");
    printf("%" PRIu32 " bytes kept;%s%s%s%s CPU numbers below %" PRIu32 "\n", rseq->feature_size,
           rseq->has_node ? " node_id," : "", rseq->has_cid ? " mm_cid," : "",
           rseq->has_fence ? " remote fence," : "", rseq->has_fence_cpu ? " fence of one CPU," : "",
           rseq->limit);
}

static void print_membarrier(const struct membarrier_facts *membarrier)
{
    text_label("membarrier");
    if (membarrier->error)
        printf("none: %s\n", strerror(membarrier->error));
    else
        text_flags(membarrier_names, membarrier->commands, LABEL_WIDTH);
}

static void print_io_uring(const struct io_uring_facts *io_uring)
{
    text_label("io_uring");
    if (io_uring->error) {
        printf("not available (%s): %s\n", strerror(io_uring->error), io_uring_reason(io_uring));
        return;
    }
    if (io_uring->opcodes > 0)
        printf("available, %u operations\n", io_uring->opcodes);
    else
        fputs("available, operations not told (Linux 5.6 brought the question)\n", stdout);
    text_label("");
    text_flags(io_uring_feature_names, io_uring->features, LABEL_WIDTH);
}

static void print_clock(const struct clock_facts *clock)
{
    text_label("Clock");
    printf("%s", clock->source[0] ? clock->source : "unknown");
    if (clock->available[0])
        printf(" (of %s)", clock->available);
    if (clock->counter) {
        printf("; %s is %s", clock->counter, clock->invariant ? "invariant" : "not invariant");
        if (clock->hz > 0)
            printf(", %.6g MHz declared", (double)clock->hz / 1e6);
    }
    putchar('\n');
}

void topo_print_kernel(const struct kernel_facts *kernel)
{
    text_label("Kernel");
    printf("%s %s, %s\n", kernel->uts.sysname, kernel->uts.release, kernel->uts.machine);
    print_cpus(&kernel->cpus);
    print_pages(&kernel->pages);
    print_rseq(kernel->rseq);
    print_membarrier(&kernel->membarrier);
    print_io_uring(&kernel->io_uring);
    print_clock(&kernel->clock);
}
