/* SPDX-License-Identifier: MIT */
/* The instructions that direct control flow reaches from an entry, within bounds. */
#ifndef PAWL_RSEQ_CHECK_GRAPH_H
#define PAWL_RSEQ_CHECK_GRAPH_H

#include "insn.h"

struct node {
    struct insn insn;
    uint32_t next[2];
    uint8_t nexts;
    bool leaves;      /* an edge goes out of the bounds, or to the barrier */
    bool falls_off;   /* behind it stands nothing that could be decoded */
    struct regs live; /* after graph_liveness(): read before written from here on */
    uint64_t outside; /* where the edge that leaves goes; valid with `leaves` */
};

struct graph {
    struct node *nodes; /* nodes[0] is the entry */
    uint32_t count;
    bool cut; /* larger than the limit: only a part is here */
    uint32_t *slots;
    uint32_t slot_count;
};

struct bounds {
    uint64_t low;
    uint64_t high;    /* first address beyond */
    uint64_t barrier; /* not entered; 0: none */
};

enum { NODE_NONE = UINT32_MAX };

/* False: out of memory. The entry may be undecodable: then there are no nodes. */
bool graph_build(struct graph *graph, struct decoder *decoder, uint64_t entry, struct bounds bounds,
                 uint32_t limit);
void graph_free(struct graph *graph);

/* The node at an address, or NODE_NONE. */
uint32_t graph_find(const struct graph *graph, uint64_t address);

/* Fill in `live` of every node: which registers the code from there on reads before it writes them.
 * A return needs what the calling convention says; behind an edge that leaves, `beyond` is read. */
void graph_liveness(struct graph *graph, const struct arch *arch, struct regs beyond);

#endif
