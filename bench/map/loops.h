/* SPDX-License-Identifier: MIT */
/* The loops of the benchmarks of maps, compiled once for each map. Defined before this is included:
 *
 *   LOOP(name)                    the name of a function
 *   MAP                           type; thread->shared is one
 *   KEY, KEY_OF(number)           type of a key, and one
 *   GET(thread, map, key)         the value, 0 when there is none
 *   PUT(thread, map, key, value)  inserts or replaces
 *   SETTLE(map)                   once it is filled; need not be there
 *   MIX_ONLY                      gets beside puts is all; need not be there
 *
 * LOOP(open_empty) is the includer's. Included several times, hence no guard. */

/* NOLINTBEGIN(misc-definitions-in-headers): included for its definitions, once for each contender */
#ifndef MIX_ONLY
int LOOP(open)(unsigned threads, void **shared)
{
    static struct bench_thread filler; /* index 0 */
    int status = LOOP(open_empty)(threads, shared);

    (void)filler; /* most maps do not ask who puts */
    if (status != 0)
        return status;
    for (uint64_t i = 0; i < bench_map_keys; i++) {
        KEY key = KEY_OF(i);

        PUT(&filler, (MAP *)*shared, key, i + 1);
    }
#ifdef SETTLE
    SETTLE((MAP *)*shared);
#endif
    return 0;
}

void LOOP(get)(struct bench_thread *thread, uint64_t n)
{
    MAP *map = (MAP *)thread->shared;
    uint64_t random = thread->random, sum = 0;

    for (uint64_t i = 0; i < n; i++) {
        KEY key = KEY_OF(bench_pick(&random));

        sum += GET(thread, map, key);
    }
    bench_keep(sum);
    thread->random = random;
}

#endif /* MIX_ONLY */

/* One in `share` puts, at random. */
static inline __attribute__((always_inline)) void LOOP(mix)(struct bench_thread *thread, uint64_t n,
                                                            unsigned share)
{
    MAP *map = (MAP *)thread->shared;
    uint64_t random = thread->random, sum = 0;

    for (uint64_t i = 0; i < n; i++) {
        KEY key = KEY_OF(bench_pick(&random));

        if (bench_random(&random) % share == 0)
            PUT(thread, map, key, i + 1);
        else
            sum += GET(thread, map, key);
    }
    bench_keep(sum);
    thread->random = random;
}

void LOOP(95)(struct bench_thread *thread, uint64_t n)
{
    LOOP(mix)(thread, n, 20);
}

void LOOP(50)(struct bench_thread *thread, uint64_t n)
{
    LOOP(mix)(thread, n, 2);
}

#ifndef MIX_ONLY
/* Fresh keys, each thread its own. */
void LOOP(grow)(struct bench_thread *thread, uint64_t n)
{
    MAP *map = (MAP *)thread->shared;
    uint64_t base = thread->random;

    for (uint64_t i = 0; i < n; i++) {
        KEY key = KEY_OF(base + i);

        PUT(thread, map, key, i + 1);
    }
    thread->random += n;
}
#endif /* MIX_ONLY */

/* NOLINTEND(misc-definitions-in-headers) */
#undef LOOP
#undef MAP
#undef KEY
#undef KEY_OF
#undef GET
#undef PUT
#undef SETTLE
#undef MIX_ONLY
