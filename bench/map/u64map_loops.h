/* SPDX-License-Identifier: MIT */
/* The loops of bench_u64map, compiled once for each map. Defined before this is included:
 *
 *   LOOP(name)            the name of a function
 *   MAP                   type; thread->shared is one
 *   GET(map, key)         the value, 0 when there is none
 *   PUT(map, key, value)  inserts or replaces
 *
 * NAME_open_empty, NAME_empty and NAME_close are the includer's. Included several times, hence no guard. */

/* NOLINTBEGIN(misc-definitions-in-headers): included for its definitions, once for each contender */
int LOOP(open)(unsigned threads, void **shared)
{
    int status = LOOP(open_empty)(threads, shared);

    if (status != 0)
        return status;
    for (uint64_t i = 0; i < bench_word_keys; i++)
        PUT((MAP *)*shared, bench_word_of(i), i + 1);
    return 0;
}

void LOOP(get)(struct bench_thread *thread, uint64_t n)
{
    MAP *map = (MAP *)thread->shared;
    uint64_t random = thread->random, sum = 0;

    for (uint64_t i = 0; i < n; i++)
        sum += GET(map, bench_pick_word(&random));
    bench_keep(sum);
    thread->random = random;
}

/* One in 20 puts. */
void LOOP(95)(struct bench_thread *thread, uint64_t n)
{
    MAP *map = (MAP *)thread->shared;
    uint64_t random = thread->random, sum = 0;

    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = bench_pick_word(&random);

        if (bench_random(&random) % 20 == 0)
            PUT(map, key, i + 1);
        else
            sum += GET(map, key);
    }
    bench_keep(sum);
    thread->random = random;
}

/* Every other one puts, at random. */
void LOOP(50)(struct bench_thread *thread, uint64_t n)
{
    MAP *map = (MAP *)thread->shared;
    uint64_t random = thread->random, sum = 0;

    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = bench_pick_word(&random);

        if ((bench_random(&random) & 1) == 0)
            PUT(map, key, i + 1);
        else
            sum += GET(map, key);
    }
    bench_keep(sum);
    thread->random = random;
}

/* Fresh keys, each thread its own. */
void LOOP(grow)(struct bench_thread *thread, uint64_t n)
{
    MAP *map = (MAP *)thread->shared;
    uint64_t base = thread->random;

    for (uint64_t i = 0; i < n; i++)
        PUT(map, bench_word_of(base + i), i + 1);
    thread->random += n;
}

/* NOLINTEND(misc-definitions-in-headers) */
#undef LOOP
#undef MAP
#undef GET
#undef PUT
