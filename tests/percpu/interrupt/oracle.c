/* SPDX-License-Identifier: MIT */
/* What is right after a run: every order of the operation and the acts, each from beginning to end. */
#include "world.h"

#include <string.h>

static void account(struct world *w)
{
    if (w->scenario->account != NULL)
        w->scenario->account(w);
}

/* The operation after the first `before` acts. */
static void run_in_order(struct world *w, unsigned int acts, unsigned int before)
{
    world_reset(w);
    for (unsigned int i = 0; i < acts; i++) {
        if (i == before)
            w->scenario->operation(w);
        w->acts[i]->run(w);
    }
    if (before == acts)
        w->scenario->operation(w);
}

void world_expect(const struct interrupt_subject *subject)
{
    struct world *w = subject->arg;
    unsigned int acts = (w->acts[0] != NULL) + (w->acts[1] != NULL);

    w->expected = acts + 1;
    for (unsigned int before = 0; before <= acts; before++) {
        run_in_order(w, acts, before);
        w->sizes[before] = world_image(w, w->image[before]);
    }
}

static bool is_expected(const struct world *w, const long *image, size_t size)
{
    for (unsigned int i = 0; i < w->expected; i++)
        if (size == w->sizes[i] && memcmp(image, w->image[i], size * sizeof *image) == 0)
            return true;
    return false;
}

static bool check(void *world, unsigned int stops)
{
    struct world *w = world;
    long image[WORLD_IMAGE];

    (void)stops;
    account(w);
    return world_is_whole(w) && is_expected(w, image, world_image(w, image));
}

static void act(void *world, unsigned int nth)
{
    struct world *w = world;

    w->acts[nth]->run(w);
}

static void print_difference(const long *image, size_t size, const long *right, size_t right_size)
{
    size_t i = 0;

    while (i < size && i < right_size && image[i] == right[i])
        i++;
    fprintf(stderr, "    differs from it first at word %zu: %ld (%#lx)", i, i < size ? image[i] : -1,
            i < size ? (unsigned long)image[i] : 0ul);
    fprintf(stderr, " instead of %ld (%#lx)\n", i < right_size ? right[i] : -1,
            i < right_size ? (unsigned long)right[i] : 0ul);
}

static void explain(void *world)
{
    const struct world *w = world;
    long image[WORLD_IMAGE];
    size_t size = world_image(w, image);

    fprintf(stderr, "    %s; meanwhile:", w->scenario->path);
    for (int i = 0; i < INTERRUPT_EVENTS_MAX; i++)
        if (w->acts[i] != NULL)
            fprintf(stderr, " %s;", w->acts[i]->name);
    fprintf(stderr, " result %ld; nodes and items %s\n", w->result,
            world_is_whole(w) ? "whole" : "lost or doubled");
    for (unsigned int i = 0; i < w->expected; i++) {
        fprintf(stderr, "  right would be the operation after %u of %u:\n", i, w->expected - 1);
        print_difference(image, size, w->image[i], w->sizes[i]);
    }
}

struct interrupt_subject world_subject(struct world *w, const struct scenario *scenario,
                                       const struct act *first, const struct act *second)
{
    w->scenario = scenario;
    w->acts[0] = first;
    w->acts[1] = second;
    return (struct interrupt_subject){
        .name = scenario->sequence,
        .arg = w,
        .reset = world_reset,
        .operation = scenario->operation,
        .interfere = first != NULL ? act : NULL,
        .check = check,
        .explain = explain,
    };
}
