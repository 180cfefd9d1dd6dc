/* SPDX-License-Identifier: MIT */
/* Between the files of the pool. */
#ifndef PAWL_CORE_POOL_H
#define PAWL_CORE_POOL_H

#include <pawl/pool.h>

#define PAWL_POOL_NUMBERS 5

/* Of an object while it is in the depot. A batch is objects 0, 1, 2, ...; the record of object k has the numbers of five
 * others, from 5 k + 1 on. So whoever reads a batch has to fetch seven lines for 33 objects, of which it knows five after
 * the first: objects that come back in any order have their records anywhere, and were they a chain, it would wait for
 * another processor 33 times. */
struct pawl_pool_record {
    struct pawl_stack_node below; /* of object 0: the batch below */
    uint32_t count;               /* of object 0: objects in the batch */
    uint32_t number[PAWL_POOL_NUMBERS];
};

/* Maps pool->mapped bytes at pool->objects, and sets pool->page_bytes. Returns 0 or -ENOMEM. */
int pawl_pool_map(struct pawl_pool *pool, const struct pawl_pool_options *options);
void pawl_pool_unmap(struct pawl_pool *pool);

#endif
