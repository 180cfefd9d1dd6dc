/* SPDX-License-Identifier: MIT */
/* What a free block holds while it waits in a cache: its place in a chain.
 *
 * A chain is a list of free blocks of one class, last in first out, that knows how long it is: each node
 * counts the nodes from itself to the end. So a whole cache changes hands as one word, whatever its length,
 * and the fast path needs no counter of its own. Blocks that lie in their span are not linked: the span
 * has a bitmap aside, and nothing in them is read.
 *
 * `mark` tells a block in a chain from one in use: free and the spans set it, malloc wants to see it and
 * clears it. A block that malloc finds without it was written to after its free, or freed twice: the first
 * malloc that got it has cleared the mark. Looking at malloc, not at free, costs nothing: `next` in the
 * same line was just read, whereas a block that is freed may have left the caches long ago. */
#ifndef PAWL_MALLOC_NODE_H
#define PAWL_MALLOC_NODE_H

#include "config.h"
#include "fail.h"

struct node {
    struct node *next;
    uint32_t depth; /* nodes from here to the end, this one included */
    uint32_t mark;
};

PAWL_STATIC_ASSERT(sizeof(struct node) == ALIGNMENT, "the smallest block holds a node");
PAWL_STATIC_ASSERT(offsetof(struct node, depth) == 8, "known to the sequences in arch/");

static inline uint32_t chain_length(const struct node *chain)
{
    return chain != NULL ? chain->depth : 0;
}

/* Puts a block in front of a chain. */
static inline struct node *chain_push(struct node *chain, struct node *node)
{
    node->next = chain;
    node->depth = chain_length(chain) + 1;
    return node;
}

/* Out of a chain, to the program. */
static inline void node_unmark(struct node *node, uint32_t mark)
{
    if (PAWL_UNLIKELY(node->mark != mark))
        pawl_malloc_fail_("a free block was written to, or freed twice", node);
    node->mark = 0;
}

#endif
