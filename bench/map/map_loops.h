/* SPDX-License-Identifier: MIT */
/* The loops of bench_map, compiled once for each map. Defined before this is included:
 *
 *   LOOP(name)                    the name of a loop
 *   MAP                           type; thread->shared is one
 *   GET(thread, map, key)         the value, 0 when there is none
 *   PUT(thread, map, key, value)  inserts or replaces
 *
 * Included several times, hence no guard. */

void LOOP(get)(struct bench_thread *thread, uint64_t n)
{
    MAP *map = (MAP *)thread->shared;
    uint64_t random = thread->random, sum = 0;

    for (uint64_t i = 0; i < n; i++) {
        struct bench_key key = bench_pick(&random);

        sum += GET(thread, map, &key);
    }
    bench_keep(sum);
    thread->random = random;
}

/* One in 20 puts. */
void LOOP(95)(struct bench_thread *thread, uint64_t n)
{
    MAP *map = (MAP *)thread->shared;
    uint64_t random = thread->random, sum = 0;

    for (uint64_t i = 0; i < n; i++) {
        struct bench_key key = bench_pick(&random);

        if (bench_random(&random) % 20 == 0)
            PUT(thread, map, &key, i + 1);
        else
            sum += GET(thread, map, &key);
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
        struct bench_key key = bench_pick(&random);

        if (bench_random(&random) % 2 == 0)
            PUT(thread, map, &key, i + 1);
        else
            sum += GET(thread, map, &key);
    }
    bench_keep(sum);
    thread->random = random;
}

/* Fresh keys, each thread its own. */
void LOOP(grow)(struct bench_thread *thread, uint64_t n)
{
    MAP *map = (MAP *)thread->shared;
    uint64_t base = thread->random << 20;

    for (uint64_t i = 0; i < n; i++) {
        struct bench_key key = bench_key_of(base + i);

        PUT(thread, map, &key, i + 1);
    }
    thread->random++;
}

#undef LOOP
#undef MAP
#undef GET
#undef PUT
