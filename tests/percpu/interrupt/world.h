/* SPDX-License-Identifier: MIT */
/* The little world in which the sequences of <pawl/percpu.h> are interrupted: three slices with one of
 * everything in them, two CPUs' slots, and a record of what every thread got.
 *
 * The oracle is linearizability: after a run the world must be as it would be had the operation and the
 * acts of the other threads happened one after the other, in an order that agrees with real time. The
 * operation was under way all along, so it may stand anywhere among them. */
#ifndef PAWL_TESTS_INTERRUPT_WORLD_H
#define PAWL_TESTS_INTERRUPT_WORLD_H

#include "interrupt.h"

#define WORLD_NODES 12
#define WORLD_STACK 6
#define WORLD_RING 8
#define WORLD_BITS 2l /* words */
#define WORLD_COPY 24
#define WORLD_CHUNK_SHIFT 8
#define WORLD_IMAGE 1024 /* longs */
#define WORLD_OWN 128

/* Values of `word` in which `first` and `copy` mean something: what the operations that store those two
 * publish. Before, they are nobody's business. */
enum { WORD_OLD = 100, WORD_NEW = 200, WORD_OTHER = 300 };

struct slice {
    long word;
    long guard;
    long first;
    long *via;
    long words[PAWL_PERCPU_SNAPSHOT_MAX];
    struct pawl_percpu_list list;
    uintptr_t chunk;
    long bits[WORLD_BITS];
    struct pawl_percpu_lock lock;
    char copy[WORLD_COPY];
    struct {
        size_t count;
        size_t capacity;
        void *item[WORLD_STACK];
    } stack; /* a struct pawl_percpu_stack with its items */
    struct pawl_percpu_ring ring;
};

#define SLICE_BYTES (offsetof(struct slice, ring) + PAWL_PERCPU_RING_BYTES(WORLD_RING))
#define AT(field) offsetof(struct slice, field)

struct world;

/* What another thread does from beginning to end. */
struct act {
    const char *name;
    void (*run)(struct world *w);
    enum interrupt_how how; /* BESIDE: a remote operation that needs no fence */
};

/* An operation, and the state that leads it along one path. */
struct scenario {
    const char *sequence;
    const char *path;
    void (*operation)(void *world);
    void (*prepare)(struct world *w); /* after the standard state; NULL: that is it */
    const struct act *const *others;  /* NULL-terminated; the first is the operation again, or its inverse */
    void (*account)(struct world *w); /* after a run: who holds what now; NULL: nothing to say */
};

struct world {
    struct pawl_percpu *pc;
    uint32_t here;       /* the slot at the start of the operation */
    uint32_t there;      /* another CPU's, or `here` where there is none */
    struct slice *a;     /* here */
    struct slice *b;     /* there */
    struct slice *spare; /* attached after a slice was taken away */

    /* What the operation is given. */
    size_t len;
    long id;
    long source[8];

    /* What it returned. */
    long result;
    long out[PAWL_PERCPU_SNAPSHOT_MAX + 1];
    long outs; /* how many of them count */

    /* What threads hold, the operation's and the others'. */
    const struct pawl_percpu_node *nodes_held[WORLD_NODES * 2];
    unsigned int nodes;
    long items_held[64];
    unsigned int items;
    long targets[2][2]; /* of `via` */

    /* What the others saw, in order. */
    long log[512];
    unsigned int logged;

    /* Every node and item of the start, sorted. */
    long own[WORLD_OWN];
    unsigned int owned;

    const struct scenario *scenario;
    const struct act *acts[INTERRUPT_EVENTS_MAX];

    /* Every state that is right after the acts, made by world_expect. */
    unsigned int expected;
    long image[INTERRUPT_EVENTS_MAX + 1][WORLD_IMAGE];
    size_t sizes[INTERRUPT_EVENTS_MAX + 1];

    struct pawl_percpu_node node[WORLD_NODES];
};

/* Opens the region; 0 or a negative errno. There is one world. */
int world_open(struct world *w);
void world_close(struct world *w);

/* Works on the emulated kernel's CPU 0 and 1; or on the real one's, pinned to the CPU it is on.
 * Return 0 or a negative errno. */
int world_emulate(struct world *w);
int world_go_real(struct world *w);

/* The subject of the harness for a scenario with up to two acts of others (NULL: none). Works out what is
 * right: world_expect must follow whenever the acts change. */
struct interrupt_subject world_subject(struct world *w, const struct scenario *scenario,
                                       const struct act *first, const struct act *second);
void world_expect(const struct interrupt_subject *subject);

/* Writes down all that counts of the world, and nothing else. Returns how many longs. */
size_t world_image(const struct world *w, long image[WORLD_IMAGE]);

/* A word of the table of slices; for a slot that nobody used yet, what it will be. */
uintptr_t world_table_word(const struct world *w, uint32_t slot);

/* The state before every run. */
void world_reset(void *world);

/* Is every node and every item where it belongs exactly once: in one slice or in one thread's hands? */
bool world_is_whole(const struct world *w);

/* ---- For operations and acts ---- */

void world_log(struct world *w, long value);
void world_hold_node(struct world *w, const struct pawl_percpu_node *node);
void world_let_go_node(struct world *w, const struct pawl_percpu_node *node);
void world_hold_item(struct world *w, long item);
void world_let_go_item(struct world *w, long item);
/* Logs all that counts of a slice. */
void world_log_slice(struct world *w, const struct slice *slice);

/* The CPU that the thread under test runs on. */
uint32_t world_slot(const struct world *w);

extern const struct scenario world_scenarios[];
extern const size_t world_scenario_count;
#define EACH_SCENARIO(scenario)                             \
    for (const struct scenario *scenario = world_scenarios; \
         (scenario) < world_scenarios + world_scenario_count; (scenario)++)

/* The acts that make sense against every operation: migration, and a remote CPU that takes the slice. */
extern const struct act *const world_common_acts[];

#endif
