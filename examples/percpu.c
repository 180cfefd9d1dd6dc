/* SPDX-License-Identifier: MIT */
/* A free list a CPU: objects are taken and given back without an atomic instruction. */
#include <pawl/percpu.h>

#include <stdio.h>

struct object {
    struct pawl_percpu_node link; /* in a free list */
    char payload[48];
};

struct slice {
    struct pawl_percpu_list free;
    long taken;
};

int main(void)
{
    static struct object objects[16];
    struct pawl_percpu *pc = pawl_percpu_open(sizeof(struct slice), PAWL_PERCPU_BY_ANY);
    struct slice *slice;
    uint32_t slot;

    if (pc == NULL)
        return perror("pawl_percpu_open"), 1;
    for (int i = 0; i < 16; i++)
        pawl_percpu_push(pc, offsetof(struct slice, free), &objects[i].link);
    for (int i = 0; i < 1000; i++) {
        struct pawl_percpu_node *link = pawl_percpu_pop(pc, offsetof(struct slice, free));

        if (link == NULL)
            continue; /* this CPU's list is empty: the objects are in another one's */
        pawl_percpu_add(pc, offsetof(struct slice, taken), 1);
        pawl_percpu_push(pc, offsetof(struct slice, free), link); /* of the CPU that runs this now */
    }
    pawl_percpu_each (pc, slot, slice)
        printf("slot %u: %ld objects were taken\n", slot, slice->taken);
    pawl_percpu_close(pc);
    return 0;
}
