/* SPDX-License-Identifier: MIT */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

static uint32_t slot_of(const struct graph *graph, uint64_t address)
{
    uint32_t slot = (uint32_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (graph->slot_count - 1);

    while (graph->slots[slot] != NODE_NONE && graph->nodes[graph->slots[slot]].insn.address != address)
        slot = (slot + 1) & (graph->slot_count - 1);
    return slot;
}

uint32_t graph_find(const struct graph *graph, uint64_t address)
{
    return graph->slot_count ? graph->slots[slot_of(graph, address)] : NODE_NONE;
}

/* Room for one node more, the table at most half full. */
static bool reserve(struct graph *graph)
{
    uint32_t wanted = graph->slot_count ? 2 * graph->slot_count : 64;
    struct node *nodes;
    uint32_t *slots;

    if (2 * (graph->count + 1) <= graph->slot_count)
        return true;
    nodes = realloc(graph->nodes, wanted / 2 * sizeof *nodes);
    if (!nodes)
        return false;
    graph->nodes = nodes;
    slots = malloc(wanted * sizeof *slots);
    if (!slots)
        return false;
    free(graph->slots);
    graph->slots = slots;
    graph->slot_count = wanted;
    memset(slots, 0xff, wanted * sizeof *slots);
    for (uint32_t i = 0; i < graph->count; i++)
        slots[slot_of(graph, nodes[i].insn.address)] = i;
    return true;
}

/* The node of an address, decoded if it is new. NODE_NONE with *failed unset: nothing to decode. */
static uint32_t visit(struct graph *graph, struct decoder *decoder, uint64_t address, bool *failed)
{
    uint32_t known = graph_find(graph, address);
    struct insn insn;

    if (known != NODE_NONE || !decode(decoder, address, &insn))
        return known;
    if (!reserve(graph)) {
        *failed = true;
        return NODE_NONE;
    }
    graph->slots[slot_of(graph, address)] = graph->count;
    graph->nodes[graph->count] = (struct node){.insn = insn};
    return graph->count++;
}

static void connect(struct graph *graph, struct decoder *decoder, uint32_t from, uint64_t to,
                    const struct bounds *bounds, bool *failed)
{
    uint32_t next = NODE_NONE;

    if (to < bounds->low || to >= bounds->high || (to == bounds->barrier && bounds->barrier != 0)) {
        graph->nodes[from].leaves = true;
        graph->nodes[from].outside = to;
        return;
    }
    next = visit(graph, decoder, to, failed); /* may move the nodes */
    if (next == NODE_NONE)
        graph->nodes[from].falls_off = true;
    else
        graph->nodes[from].next[graph->nodes[from].nexts++] = next;
}

bool graph_build(struct graph *graph, struct decoder *decoder, uint64_t entry, struct bounds bounds,
                 uint32_t limit)
{
    bool failed = false;

    *graph = (struct graph){0};
    visit(graph, decoder, entry, &failed);
    /* the nodes are their own list of work: each is visited once, and new ones come last */
    for (uint32_t i = 0; i < graph->count && !failed; i++) {
        const struct insn insn = graph->nodes[i].insn;

        if (graph->count >= limit) {
            graph->cut = true;
            break;
        }
        if (insn.flow == FLOW_NEXT || insn.flow == FLOW_BRANCH || insn.flow == FLOW_CALL ||
            insn.flow == FLOW_SYSCALL)
            connect(graph, decoder, i, insn.address + insn.size, &bounds, &failed);
        if (insn.flow == FLOW_JUMP || insn.flow == FLOW_BRANCH)
            connect(graph, decoder, i, insn.target, &bounds, &failed);
    }
    return !failed;
}

void graph_free(struct graph *graph)
{
    free(graph->nodes);
    free(graph->slots);
    *graph = (struct graph){0};
}

/* What is live after a node. A function that is jumped to (a tail call) returns for us. */
static struct regs live_out(const struct graph *graph, const struct arch *arch, const struct node *node,
                            struct regs beyond)
{
    struct regs live = node->leaves ? beyond : (struct regs){0};

    for (uint8_t i = 0; i < node->nexts; i++)
        live = regs_or(live, graph->nodes[node->next[i]].live);
    if (node->insn.flow == FLOW_RETURN || node->insn.flow == FLOW_INDIRECT) {
        live = regs_or(live, arch->callee_saved);
        regs_add(&live, arch->stack);
    }
    return live;
}

/* What one instruction does to it. Pushing a register that the caller saves only aligns the stack. */
static struct regs live_in(const struct arch *arch, const struct insn *insn, struct regs live)
{
    struct regs reads = insn->reads;
    struct regs writes = insn->writes;

    if ((insn->properties & INSN_PUSHES) != 0 && (insn->properties & INSN_STORES) != 0)
        reads = regs_minus(reads, arch->call_clobbered);
    if (insn->flow == FLOW_CALL)
        writes = regs_or(writes, arch->call_clobbered);
    return regs_or(regs_minus(live, writes), reads);
}

void graph_liveness(struct graph *graph, const struct arch *arch, struct regs beyond)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (uint32_t i = graph->count; i-- > 0;) {
            struct node *node = &graph->nodes[i];
            struct regs live = live_in(arch, &node->insn, live_out(graph, arch, node, beyond));

            changed |= !regs_equal(live, node->live);
            node->live = live;
        }
    }
}
