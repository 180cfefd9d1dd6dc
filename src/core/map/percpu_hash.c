/* SPDX-License-Identifier: MIT */
/* A table a CPU, open addressing within a window of cells. A cell is taken by two stores of one sequence: its number
 * first, which means nothing while the key is 0, then the key, which commits. Cells never become free again, so
 * a key that is not found before the first free cell of its window is not in the table. */
#include <pawl/percpu_hash.h>
#include <pawl/restartable.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

/* At half load a key of 2^24 that is farther than this from its first cell is one in ten thousand tables. */
#define WINDOW 128u
#define CELLS_MIN 16u
#define KEYS_MAX ((size_t)1 << 24)

struct cell {
    PAWL_ATOMIC(uint64_t) key;    /* P; 0: free */
    PAWL_ATOMIC(uint64_t) number; /* a long; of one type with the key, as either may be the commit */
};

PAWL_STATIC_ASSERT(sizeof(struct cell) == 16, "four cells a line");

/* An odd multiplication, then the high bits: good enough, as nobody outside knows the seed. */
static inline size_t first_cell(uint64_t key, uint64_t seed, size_t mask)
{
    uint64_t mixed = (key ^ seed) * UINT64_C(0x9e3779b97f4a7c15);

    mixed ^= mixed >> 32;
    mixed *= UINT64_C(0xd6e8feb86659fd93);
    return (size_t)(mixed >> 24) & mask;
}

/* From cell `at` on. Returns 0 or -ENOSPC. One commit for both ways, as there can be only one, and behind the loop, so
 * that no way leads back from behind it: what differs, the word and its value, is computed before. */
PAWL_RESTARTABLE(long, add_from, (struct pawl_percpu * pc, size_t at, size_t mask, uint64_t key, long n),
                 (pc, at, mask, key, n))
{
    struct cell *cells = PAWL_RS_BEGIN(pc, struct cell);
    size_t end = at + WINDOW;
    struct cell *cell;
    uint64_t found;
    PAWL_ATOMIC(uint64_t) * word;

    do {
        if (at == end)
            return -ENOSPC;
        cell = &cells[at++ & mask];
        found = PAWL_RS_LOAD(cell->key);
    } while (found != key && found != 0);
    if (found == key) {
        word = &cell->number;
        key = PAWL_RS_LOAD(cell->number) + (uint64_t)n;
    } else {
        word = &cell->key;
        PAWL_RS_SCRATCH(cell->number, (uint64_t)n);
    }
    PAWL_RS_COMMIT(*word, key); /* P: releases the number to who sees the key */
    return 0;
}

int pawl_percpu_hash_init(struct pawl_percpu_hash *hash, size_t keys)
{
    struct timespec now;
    size_t cells = CELLS_MIN;

    if (keys == 0 || keys > KEYS_MAX)
        return -EINVAL;
    while (cells < 2 * keys)
        cells *= 2;
    if (getrandom(&hash->seed, sizeof hash->seed, GRND_NONBLOCK) != sizeof hash->seed) {
        clock_gettime(CLOCK_MONOTONIC, &now); /* early at boot, or forbidden: less of a secret */
        hash->seed = (uint64_t)now.tv_nsec << 32 ^ (uint64_t)(uintptr_t)&now;
    }
    hash->cells = cells;
    hash->pc = pawl_percpu_open(cells * sizeof(struct cell), PAWL_PERCPU_BY_ANY);
    return hash->pc != NULL ? 0 : -errno;
}

void pawl_percpu_hash_destroy(struct pawl_percpu_hash *hash)
{
    pawl_percpu_close(hash->pc);
    hash->pc = NULL;
}

int pawl_percpu_hash_add(struct pawl_percpu_hash *hash, uint64_t key, long n)
{
    size_t mask = hash->cells - 1;

    if (key == 0)
        return -EINVAL;
    return (int)add_from(hash->pc, first_cell(key, hash->seed, mask), mask, key, n);
}

/* The cell of a key in one table, or NULL. */
static struct cell *find(struct cell *cells, const struct pawl_percpu_hash *hash, uint64_t key)
{
    size_t mask = hash->cells - 1;
    size_t at = first_cell(key, hash->seed, mask);

    for (unsigned int i = 0; i < WINDOW; i++) {
        struct cell *cell = &cells[(at + i) & mask];
        /* acquire P: pairs with the commit of the key, sees its number */
        uint64_t found = pawl_load_acquire(&cell->key);

        if (found == key)
            return cell;
        if (found == 0)
            return NULL;
    }
    return NULL;
}

long pawl_percpu_hash_get(const struct pawl_percpu_hash *hash, uint64_t key)
{
    uint64_t sum = 0;
    struct cell *cells;
    uint32_t slot = 0;

    for (; key != 0 && (cells = pawl_percpu_next(hash->pc, &slot)) != NULL; slot++) {
        struct cell *cell = find(cells, hash, key);

        if (cell != NULL)
            sum += pawl_load_relaxed(&cell->number); /* relaxed: late, never wrong */
    }
    return (long)sum;
}

/* What one cell held. */
struct sample {
    uint64_t key;
    uint64_t number;
};

/* What the tables hold goes to `samples`, the first `room` of it. Returns how many there are. */
static size_t collect(const struct pawl_percpu_hash *hash, struct sample *samples, size_t room)
{
    struct cell *cells;
    uint32_t slot = 0;
    size_t n = 0;

    for (; (cells = pawl_percpu_next(hash->pc, &slot)) != NULL; slot++) {
        for (size_t i = 0; i < hash->cells; i++) {
            uint64_t key = pawl_load_acquire(&cells[i].key); /* P: as in find */

            if (key == 0)
                continue;
            if (n < room) /* relaxed: as above */
                samples[n] = (struct sample){key, pawl_load_relaxed(&cells[i].number)};
            n++;
        }
    }
    return n;
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = ((const struct sample *)a)->key;
    uint64_t y = ((const struct sample *)b)->key;

    return x < y ? -1 : x > y;
}

int pawl_percpu_hash_each(const struct pawl_percpu_hash *hash,
                          bool (*visit)(uint64_t key, long sum, void *argument), void *argument)
{
    struct sample *samples = NULL;
    size_t room = 0, n;

    /* Another turn: keys came between those that had been counted, of which the last found no room. The cells are an end
     * to that. */
    while ((n = collect(hash, samples, room)) > room) {
        free(samples);
        room = n + n / 8;
        samples = malloc(room * sizeof *samples);
        if (samples == NULL)
            return -ENOMEM;
    }
    if (n == 0)
        return 0;
    qsort(samples, n, sizeof *samples, by_key);
    for (size_t i = 0, next; i < n; i = next) {
        uint64_t sum = 0;

        for (next = i; next < n && samples[next].key == samples[i].key; next++)
            sum += samples[next].number;
        if (!visit(samples[i].key, (long)sum, argument))
            break;
    }
    free(samples);
    return 0;
}
