/* SPDX-License-Identifier: MIT */
/* What this machine offers for restartable sequences. */
#include <pawl/rseq.h>

#include <stdio.h>
#include <string.h>

static const char *yes(bool offered)
{
    return offered ? "yes" : "no";
}

int main(void)
{
    const struct pawl_rseq_info *info = pawl_rseq_get_info();
    int status = pawl_rseq_fence(-1); /* restart whatever sequence runs now, on every CPU */

    printf("mode           %s: %s\n", pawl_rseq_mode_name(info->mode), info->reason);
    printf("sequences      %s\n", yes(pawl_rseq_available()));
    printf("fields         %u bytes kept by the kernel\n", info->feature_size);
    printf("NUMA node      %s\n", yes(info->has_node));
    printf("mm_cid         %s\n", yes(info->has_cid));
    printf("fence          %s, of one CPU %s\n", yes(info->has_fence), yes(info->has_fence_cpu));
    printf("CPU numbers    below %u\n", info->limit);
    printf("a fence now    %s\n", status == 0 ? "works" : strerror(-status));
    return 0;
}
