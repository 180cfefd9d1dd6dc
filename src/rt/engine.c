/* SPDX-License-Identifier: MIT */
/* Slots, and which engine it is to be. */
#include "engine.h"

#include "slice.h"
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0 /* built where its header is not: PAWL_RT_ENGINE=epoll says it */
#endif

enum { FIRST_SLOTS = 64 };

/* ---- slots ---- */

/* Twice as many slots. */
static int more_slots(struct pawl_slots *table)
{
    uint32_t count = table->count == 0 ? (uint32_t)FIRST_SLOTS : 2 * table->count;
    struct pawl_slot *slots;

    if (count > PAWL_NO_SLOT)
        return -ENOMEM;
    slots = realloc(table->slots, count * sizeof *slots);
    if (slots == NULL)
        return -ENOMEM;
    for (uint32_t i = table->count; i < count; i++) {
        slots[i].source = NULL;
        slots[i].generation = 0;
        slots[i].next = i + 1 < count ? i + 1 : PAWL_NO_SLOT;
    }
    table->free = table->count;
    table->slots = slots;
    table->count = count;
    return 0;
}

int pawl_slot_take_(struct pawl_engine *engine, struct pawl_source *source)
{
    struct pawl_slots *table = &engine->io.slots;
    struct pawl_slot *slot;

    if (table->free == PAWL_NO_SLOT) {
        int status = more_slots(table);

        if (status != 0)
            return status;
    }
    source->slot = table->free;
    source->engine = engine;
    slot = &table->slots[source->slot];
    table->free = slot->next;
    table->used++;
    slot->source = source;
    return 0;
}

void pawl_slot_give_(struct pawl_source *source)
{
    struct pawl_slots *table = &source->engine->io.slots;
    struct pawl_slot *slot = &table->slots[source->slot];

    slot->source = NULL;
    slot->generation++; /* keys given out so far are stale; 2^32 reuses while one is under way do not happen */
    slot->next = table->free;
    table->free = source->slot;
    table->used--;
    source->slot = PAWL_NO_SLOT;
}

/* ---- the engine as a whole ---- */

void pawl_io_init_(struct pawl_io *io)
{
    memset(io, 0, sizeof *io);
    io->ending_last = &io->ending;
    io->ending_message.run = pawl_ops_end_;
    io->slots.free = PAWL_NO_SLOT;
}

void pawl_io_fini_(struct pawl_io *io)
{
    pawl_chunks_fini_(io);
    free(io->slots.slots);
}

void pawl_engine_stop_(struct pawl_engine *engine)
{
    struct pawl_slots *table = &engine->io.slots;

    engine->io.stopping = true;
    /* stop() may run callbacks, and these may open and close: the table is read anew each time */
    for (uint32_t i = 0; i < table->count; i++)
        if (table->slots[i].source != NULL)
            table->slots[i].source->stop(table->slots[i].source);
}

bool pawl_engine_idle_(const struct pawl_engine *engine)
{
    return engine->io.slots.used == 0 && engine->io.ending == NULL;
}

int pawl_engine_open_(struct pawl_engine **out, struct pawl_worker *worker, const char *name,
                      const char **why)
{
    int status;

    *why = "asked for";
    if (name != NULL && strcmp(name, "epoll") == 0)
        return pawl_engine_epoll_.open(out, worker);
    if (name != NULL && strcmp(name, "uring") == 0)
        return pawl_engine_uring_.open(out, worker);
    if (name != NULL && strcmp(name, "auto") != 0)
        return -EINVAL;
    /* Reasons that hold for every worker of the process: streams move between workers, so all have the same engine. */
    if (RUNNING_ON_VALGRIND != 0) {
        *why = "valgrind lets no other thread run while one waits in io_uring";
        return pawl_engine_epoll_.open(out, worker);
    }
    status = pawl_engine_uring_.open(out, worker);
    if (status == -ENOSYS)
        *why = "no io_uring as new as is needed, or built without liburing";
    else if (status == -EPERM || status == -EACCES)
        *why = "io_uring is forbidden here";
    else
        *why = "io_uring works here";
    return status == -ENOSYS || status == -EPERM || status == -EACCES ? pawl_engine_epoll_.open(out, worker)
                                                                      : status;
}
