/* SPDX-License-Identifier: MIT */
/* Between the files of the pool. */
#ifndef PAWL_CORE_POOL_H
#define PAWL_CORE_POOL_H

#include <pawl/pool.h>

/* Of an object while it is in the depot. */
struct pawl_pool_link {
    struct pawl_stack_node batch; /* of the first object of a batch: the batch below */
    uint32_t next;                /* number of the next object of the batch */
    uint32_t count;               /* of the first: objects in the batch */
};

/* Maps pool->mapped bytes at pool->objects, and sets pool->page_bytes. Returns 0 or -ENOMEM. */
int pawl_pool_map(struct pawl_pool *pool, const struct pawl_pool_options *options);
void pawl_pool_unmap(struct pawl_pool *pool);

#endif
