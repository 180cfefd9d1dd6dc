/* SPDX-License-Identifier: MIT */
/* The kernel as the allocator sees it. All keep errno, as free() must. */
#ifndef PAWL_MALLOC_SYSTEM_H
#define PAWL_MALLOC_SYSTEM_H

#include "config.h"

/* Zeroed memory where the kernel likes, or NULL. */
void *pawl_system_map_(size_t bytes);

/* Zeroed memory at exactly this address. Returns 0; -EEXIST: something is there; -ENOMEM: refused. */
int pawl_system_map_at_(void *address, size_t bytes);

/* Address space without memory, for pawl_system_map_over_; NULL when refused. */
void *pawl_system_reserve_(size_t bytes);

/* Zeroed memory over a part of a reservation. */
bool pawl_system_map_over_(void *address, size_t bytes);

void pawl_system_unmap_(void *address, size_t bytes);

/* Gives the memory back; the addresses stay, and read as zero. Parts of pages of the machine are cleared instead. False: the kernel refused, and the first byte may be another. */
bool pawl_system_discard_(void *address, size_t bytes);

/* Whether the kernel counts every page that may be written to against a limit (vm.overcommit_memory=2), used or not.
 * Read at the first call; unreadable: no. */
bool pawl_system_is_strict_(void);

/* Memory that was discarded no longer counts against that limit: it reads as zero, and cannot be written to until it is
 * unguarded, which may be refused. Advice and binding are gone. False: the kernel refused, it is as it was. */
bool pawl_system_uncharge_(void *address, size_t bytes);

/* No access from now on, or access again. False: refused, or no whole pages of the machine are to be guarded. */
bool pawl_system_guard_(void *address, size_t bytes, bool guarded);

/* Huge pages for whole chunks from now on; advice, which may be ignored. */
void pawl_system_huge_(void *address, size_t bytes);

/* How much memory a chunk holds, in bytes; 0 also where the kernel does not say. */
size_t pawl_system_resident_(void *chunk);

/* On a NUMA node, counted from 1, from now on, and what is there moves; 0: anywhere again. Returns 0 or a
 * negative errno. */
int pawl_system_bind_(void *address, size_t bytes, uint32_t node);

/* Moves the memory of one range to another of the same size, which reads as zero, both mapped; the old one reads as zero
 * then. Else the old one is as it was. -EAGAIN: not supported, and the new one may hold anything; -ENOMEM: the new one may
 * not be there any more. */
int pawl_system_move_(void *from, void *to, size_t bytes);

/* Nanoseconds of a coarse clock: milliseconds exact, nanoseconds cheap. */
uint64_t pawl_system_now_(void);

/* Random bits, for addresses and marks. Never blocks. */
uint64_t pawl_system_random_(void);

/* Tests: every call that could be refused is counted; number `fail_at` (1: the next) and `fail_count - 1`
 * more are refused. 0: none. */
struct pawl_system_faults {
    PAWL_ATOMIC(uint64_t) calls;
    PAWL_ATOMIC(uint64_t) fail_at;
    PAWL_ATOMIC(uint64_t) fail_count;
    PAWL_ATOMIC(bool) strict; /* as if the kernel did not overcommit */
    PAWL_ATOMIC(size_t) page; /* as if the machine had such pages; 0: those that it has */
};
extern struct pawl_system_faults pawl_system_faults_;

#endif
