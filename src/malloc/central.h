/* SPDX-License-Identifier: MIT */
/* What all CPUs share of a class: chains on their way from CPU to CPU, and spans.
 *
 *      CPU cache --chain--> transfer (an array of chains) --> spans --> page heap
 *                <--chain--                               <--
 *
 * The transfer layer, one a NUMA node, moves whole chains, one word each, whatever their length. What lay
 * there unused for a tick (see decay.c) goes back to the spans. Spans serve the fullest first, so that the
 * emptier ones can become empty and return to the page heap. */
#ifndef PAWL_MALLOC_CENTRAL_H
#define PAWL_MALLOC_CENTRAL_H

#include "config.h"
#include "node.h"

/* A chain of the class from the transfer layer, or else of about n new objects from the spans; the end alone: no
 * memory. */
struct node *pawl_central_get_(uint32_t class, uint32_t n);

/* Takes a chain into the transfer layer, or what does not fit there into the spans. */
void pawl_central_put_(uint32_t class, struct node *chain);

/* Gives every object of a chain back to its span. */
void pawl_central_return_(uint32_t class, struct node *chain);

/* Gives those chains back to the spans that nobody wanted since the last call (all: every chain). */
void pawl_central_age_(bool all);

/* A slab is over: all its spans go, whatever the program has of them. Its caches are empty, and nobody uses it.
 * Returns how many objects were not given back. */
uint64_t pawl_central_end_(uint32_t class);

/* What a class holds. */
struct central_counts {
    uint64_t spans;
    uint64_t pages;
    uint64_t objects; /* that its spans have room for */
    uint64_t left;    /* free in spans */
    uint64_t moving;  /* in the transfer layer */
};
struct central_counts pawl_central_count_(uint32_t class);

/* Is this object, which has the address of one, free in its span? With everything drained that is the
 * truth. */
bool pawl_central_lent_(const void *object);

/* The spans that exist already take part in the fast path of free(), or no longer do. */
void pawl_central_set_fast_(bool on);

void pawl_central_lock_(void);
void pawl_central_unlock_(bool child);

#endif
