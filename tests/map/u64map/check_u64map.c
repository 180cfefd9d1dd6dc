/* SPDX-License-Identifier: MIT */
/* Closures of the map of words for the model checker: each key linearizable, what a writer did is seen, a
 * walk sees what stays once, nothing is lost by a resize.
 *
 * The arguments are what is done: first by one thread before the others begin, then by each of two to four
 * threads at once, on the key a, and in capitals on b. Both have the same home cell, in the table's last line.
 *     i insert, p put, d delete, g get, u add (or insert), c compare-exchange 1 to another, - nothing
 *     f  four other keys fill the line              w  a walk; b is there all the time
 *     t  first of all: b's home is the cell beside a's, and another key has a's: they meet there, each on its
 *        own way through the line
 *     r  the table gets a successor of twice its lines, s  of as many
 *     h  helps: moves the next block, a line        k  takes a block, and is never seen again
 *     m  moves the last block, whoever has it, and is never seen again
 *     q  first of all: moving waits until the table is still, which it is when all have left that do `o`
 *     o  leaves the section in which it may not have seen the successor    n  waits until there is one
 *
 * Tables have 8 lines, so that a key has one line in reach, and a block is a line: seven `h` move the empty
 * ones. What others prove is left out, for its fences would hide what the map itself lacks: sections of RCU,
 * the counter. */
#include <pawl/counter.h>
#include <pawl/rcu.h>

#include <assert.h>

static struct pawl_retired *gone[4]; /* plain: tables go one after the other */
static int tables_gone;

static inline void retire(struct pawl_retired *retired)
{
    gone[tables_gone++] = retired;
}

static bool waits;                     /* q */
static int sections;                   /* o, in all programs */
static PAWL_ATOMIC(int) sections_left; /* release, acquire: what RCU promises of a grace period */

#define pawl_rcu_read_lock() ((void)0)
#define pawl_rcu_read_try_lock_() true
#define pawl_rcu_read_unlock() ((void)0)
#define pawl_rcu_start_poll() UINT64_C(1)
#define pawl_rcu_poll(ticket) ((void)(ticket), pawl_load_acquire(&sections_left) == sections)
#define pawl_rcu_call(retired, reclaim) ((void)(reclaim), retire(retired))
#define pawl_counter_add(counter, n) ((void)(counter), (void)(n))
#define pawl_counter_read(counter) ((void)(counter), 0L)
#define pawl_counter_init(counter) ((void)(counter), 0)
#define pawl_counter_destroy(counter) ((void)(counter))

#define PAWL_U64MAP_LEAST_LINES UINT64_C(8)
#define PAWL_U64MAP_BLOCK_LINES UINT64_C(1)
#define PAWL_U64MAP_STILL_LINES UINT64_C(8)
#define PAWL_U64MAP_WAIT (waits ? UINT64_C(99) : 0)
#define PAWL_U64MAP_LOOKS UINT64_C(1)
#include "../../../src/core/map/pages.c"
#include "../../../src/core/map/u64map.c"
#include "../../../src/core/map/u64map_many.c"
#include "../../../src/core/map/u64map_table.c"

#include <pawl/lin.h>
#include <pthread.h>

enum { MOST = 24, ADDED = 1000 };
enum { INSERT_IT, PUT_IT, DELETE_IT, GET_IT, ADD_TO_IT, EXCHANGE_IT };

static struct pawl_u64map map;
static bool turned;    /* t */
static int work[MOST]; /* plain: the map is all that orders them */
static struct pawl_lin history;
static struct pawl_lin_operation operations[MOST];

/* ---- the specification: two keys, 0 is absent ---- */

static void init_model(void *state)
{
    memset(state, 0, 2 * sizeof(intptr_t));
}

static bool apply(void *state, const struct pawl_lin_operation *op)
{
    intptr_t *at = (intptr_t *)state + op->argument / MOST;
    intptr_t number = op->argument % MOST, was = *at;

    if (op->kind == PUT_IT || (op->kind == INSERT_IT && was == 0) || (op->kind == EXCHANGE_IT && was == 1))
        *at = number;
    else if (op->kind == DELETE_IT)
        *at = 0;
    else if (op->kind == ADD_TO_IT)
        *at = was + ADDED;
    return op->result == was;
}

/* ---- the threads ---- */

static uint64_t key_of(uint64_t hash)
{
    uint64_t x = hash * map.inverse[1];

    return ((x ^ x >> 32) * map.inverse[0]) ^ map.seed;
}

static uint64_t key_number(uint64_t n)
{
    return key_of(UINT64_C(7) << 61 | (uint64_t)(turned && n == 1) << 59 | n << 20);
}

/* Does it, and returns what was there. */
static uint64_t operate(int kind, uint64_t key, uint64_t number)
{
    uint64_t was = 0, expected = 1;
    int status = 0;

    switch (kind) {
    case INSERT_IT:
        status = pawl_u64map_insert(&map, key, number, &was);
        break;
    case PUT_IT:
        status = pawl_u64map_put(&map, key, number, &was);
        break;
    case DELETE_IT:
        status = pawl_u64map_del(&map, key, &was);
        break;
    case GET_IT:
        status = pawl_u64map_get(&map, key, &was);
        break;
    case ADD_TO_IT:
        status = pawl_u64map_add(&map, key, ADDED, &was);
        break;
    default:
        status = pawl_u64map_cas(&map, key, &expected, number);
        was = status == -ENOENT ? 0 : expected;
    }
    assert(status != -ENOMEM);
    return was;
}

static void record(char step, intptr_t number)
{
    static const char letters[] = "ipdguc";
    bool second = step >= 'A' && step <= 'Z';
    int kind = (int)(strchr(letters, second ? step - 'A' + 'a' : step) - letters);
    size_t op = pawl_lin_call(&history, kind, number + (second ? MOST : 0));
    uint64_t was;

    work[number] = 1;
    was = operate(kind, key_number(second), (uint64_t)number);
    assert(was == 0 || was >= MOST || work[was] == 1);
    pawl_lin_return(&history, op, (intptr_t)was);
}

static void walk_it(void)
{
    struct pawl_u64map_cursor cursor = {0, false};
    struct pawl_u64map_entry entry[8];
    size_t n = pawl_u64map_next(&map, &cursor, entry, 8);
    int a = 0, b = 0;

    for (size_t i = 0; i < n; i++) {
        a += entry[i].key == key_number(0);
        b += entry[i].key == key_number(1);
        assert(entry[i].value >= MOST || work[entry[i].value] == 1);
    }
    assert(b == 1 && a <= 1);
}

static void resize(char step)
{
    struct pawl_u64map_table *first = pawl_load_acquire(&map.table);

    if (step == 'r')
        assert(pawl_u64map_succeed_(first, 2 * first->lines) != NULL);
    else if (step == 's')
        assert(pawl_u64map_succeed_(first, first->lines) != NULL);
    else if (step == 'k')
        pawl_fetch_add_relaxed(&first->cursor, 1);
    else if (step == 'm')
        assert(move_block(first, first->blocks - 1) == 0);
    else if (step == 'n')
        while (successor(first) == NULL) {
        }
    else if (successor(first) != NULL)
        assert(pawl_u64map_help_(&map, first) == 0);
}

struct thread {
    const char *program;
    intptr_t first; /* the number of its first operation */
    pthread_t id;
};

static void *run(void *argument)
{
    struct thread *me = argument;
    intptr_t number = me->first;

    for (const char *step = me->program; *step != '\0'; step++) {
        if (strchr("rshkmn", *step) != NULL)
            resize(*step);
        else if (*step == 'o')
            pawl_fetch_add_release(&sections_left, 1);
        else if (*step == 'w')
            walk_it();
        else if (*step == 'f')
            for (uint64_t i = 2; i < 6; i++)
                assert(pawl_u64map_put(&map, key_number(i), MOST + i, NULL) == 0);
        else if (*step == 't')
            assert(pawl_u64map_put(&map, key_number(6), MOST + 6, NULL) == 0);
        else if (*step != '-' && *step != 'q')
            record(*step, number++);
    }
    return NULL;
}

/* The fillers are all there, or none is. */
static void check_fillers(bool filled)
{
    for (uint64_t i = 2; i < 6; i++) {
        uint64_t value = 0;

        assert((pawl_u64map_get(&map, key_number(i), &value) == 0) == filled &&
               (!filled || value == MOST + i));
    }
}

int main(int count, char **programs)
{
    static const struct pawl_lin_spec spec = {2 * sizeof(intptr_t), init_model, apply};
    struct thread thread[6];

    assert(count >= 4 && count <= 6);
    assert(pawl_u64map_init_seeded(&map, 0, 1) == 0);
    assert(pawl_load_relaxed(&map.table)->lines == 8);
    turned = strchr(programs[1], 't') != NULL;
    waits = strchr(programs[1], 'q') != NULL;
    for (int i = 2; i < count; i++)
        sections += strchr(programs[i], 'o') != NULL;
    pawl_lin_init(&history, operations, MOST);
    for (int i = 1; i < count; i++)
        thread[i] = (struct thread){.program = programs[i], .first = 1 + 4 * (i - 1)};
    run(&thread[1]);
    for (int i = 2; i < count; i++)
        pthread_create(&thread[i].id, NULL, run, &thread[i]);
    for (int i = 2; i < count; i++)
        pthread_join(thread[i].id, NULL);
    record('g', 20); /* what is there now is what the history says */
    record('G', 21);
    check_fillers(strchr(programs[1], 'f') != NULL);
    assert(pawl_lin_check(&history, &spec, NULL, NULL) == 0);
    pawl_u64map_destroy(&map);
    for (int i = 0; i < tables_gone; i++)
        reclaim(gone[i]);
    return 0;
}
