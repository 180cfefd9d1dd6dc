/* SPDX-License-Identifier: MIT */
/* What a free block holds while it waits in a cache: its place in a chain.
 *
 * A chain is a list of free blocks of one class, last in first out, that knows how long it is: each node
 * counts the nodes from itself to the end. So a whole cache changes hands as one word, whatever its length,
 * and the fast path needs no counter of its own. Blocks that lie in their span are not linked: the span
 * has a bitmap aside, and nothing in them is read.
 *
 * Every chain ends in one node that is no block, of depth 0, followed by itself. An empty chain is this node alone: so
 * the fast paths read the first node's fields without a question whether there is one.
 *
 * `mark` tells a block in a chain from one in use: it is made of the block's address when the block is put there;
 * malloc wants to see it and clears it. A block that malloc finds without it was written to after its free, or freed
 * twice: the first malloc that got it has cleared the mark. Looking at malloc, not at free, costs nothing: `next` in
 * the same line was just read, whereas a block that is freed may have left the caches long ago. The last node has none:
 * by the same look malloc finds that the chain is empty. */
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

PAWL_STATIC_ASSERT(offsetof(struct node, mark) == 12, "known to the sequences in arch/");

extern const struct node pawl_malloc_end_ HIDDEN;

/* The end of every chain, which nobody writes to; and so the empty chain. */
static inline struct node *chain_end(void)
{
    return (struct node *)(uintptr_t)&pawl_malloc_end_;
}

static inline bool chain_is_empty(const struct node *chain)
{
    return chain == &pawl_malloc_end_;
}

static inline uint32_t chain_length(const struct node *chain)
{
    return chain->depth;
}

/* Of a free block: the lower half of its address, a multiple of 16. */
static inline uint32_t mark_of(const struct node *node)
{
    return (uint32_t)(uintptr_t)node;
}

#define MARK_IN_USE 1u /* no block's mark */

/* Puts a block in front of a chain. */
static inline struct node *chain_push(struct node *chain, struct node *node)
{
    node->next = chain;
    node->depth = chain_length(chain) + 1;
    node->mark = mark_of(node);
    return node;
}

/* What came out of a chain, to the program; NULL if that was the end. */
static inline void *node_hand_out(struct node *node)
{
    if (PAWL_LIKELY(node->mark == mark_of(node))) {
        node->mark = MARK_IN_USE;
        return node;
    }
    if (!chain_is_empty(node))
        pawl_malloc_fail_("a free block was written to, or freed twice", node);
    return NULL;
}

#endif
