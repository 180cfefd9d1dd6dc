/* SPDX-License-Identifier: MIT */
/* The loops of bench_deque, compiled once for each deque. Defined before this is included:
 *
 *   LINKAGE, LOOP(name)       static or extern "C", and the name of a loop of this deque
 *   DEQUE                     its type; thread->shared is a struct bench_deque that holds one
 *   PUSH(deque, pointer)
 *   POP(deque, &pointer)      true when there was one
 *   STEAL(deque, pointers)    how many it took into an array of BENCH_STEAL_MAX, 0 or less: none
 *
 * Included several times, hence no guard. */

/* A pointer in, a pointer out: the last one every time. */
LINKAGE void LOOP(pairs)(struct bench_thread *thread, uint64_t n)
{
    DEQUE *deque = (DEQUE *)bench_deque_of(thread->shared);

    for (uint64_t i = 0; i < n; i++) {
        void *pointer = NULL;

        PUSH(deque, thread);
        if (!POP(deque, &pointer))
            abort();
        bench_keep_pointer(pointer);
    }
}

/* Sixteen in, sixteen out. */
LINKAGE void LOOP(sixteen)(struct bench_thread *thread, uint64_t n)
{
    DEQUE *deque = (DEQUE *)bench_deque_of(thread->shared);

    for (uint64_t i = 0; i < n; i++) {
        void *pointer = NULL;

        for (int k = 0; k < 16; k++)
            PUSH(deque, thread);
        for (int k = 0; k < 16; k++) {
            if (!POP(deque, &pointer))
                abort();
            bench_keep_pointer(pointer);
        }
    }
}

/* Sixteen in, and all out by steals, in one thread: what the instructions of a thief cost. */
LINKAGE void LOOP(emptied)(struct bench_thread *thread, uint64_t n)
{
    DEQUE *deque = (DEQUE *)bench_deque_of(thread->shared);
    void *pointers[BENCH_STEAL_MAX];

    for (uint64_t i = 0; i < n; i++) {
        for (int k = 0; k < 16; k++)
            PUSH(deque, thread);
        for (long left = 16; left > 0; left -= STEAL(deque, pointers))
            bench_keep_pointer(pointers);
    }
}

/* Thread 0 pushes n pointers and pops one for every two; the others steal what they can. Counted is what
 * anybody took. */
LINKAGE void LOOP(stolen)(struct bench_thread *thread, uint64_t n)
{
    struct bench_deque *shared = (struct bench_deque *)thread->shared;
    DEQUE *deque = (DEQUE *)bench_deque_of(shared);
    uint64_t run = shared->runs[thread->index].count++;
    void *pointers[BENCH_STEAL_MAX];

    thread->operations = 0;
    if (thread->index != 0) {
        while (pawl_load_acquire(&shared->runs_done) == run) {
            long took = STEAL(deque, pointers);

            if (took > 0)
                thread->operations += (uint64_t)took;
            else
                sched_yield();
        }
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        PUSH(deque, thread);
        if (i % 2 == 0)
            thread->operations += POP(deque, pointers) ? 1 : 0;
    }
    while (POP(deque, pointers))
        thread->operations++;
    pawl_fetch_add_release(&shared->runs_done, UINT64_C(1));
}

/* Thread 0 only pushes, never more than BENCH_DEQUE_AHEAD ahead of what the others have stolen: they take everything. */
LINKAGE void LOOP(handed)(struct bench_thread *thread, uint64_t n)
{
    struct bench_deque *shared = (struct bench_deque *)thread->shared;
    DEQUE *deque = (DEQUE *)bench_deque_of(shared);
    uint64_t run = shared->runs[thread->index].count++;
    void *pointers[BENCH_STEAL_MAX];

    if (thread->index != 0) {
        PAWL_ATOMIC(uint64_t) *stolen = &shared->runs[thread->index].stolen;
        uint64_t before = pawl_load_relaxed(stolen), all = before; /* relaxed: its own */

        while (pawl_load_acquire(&shared->runs_done) == run) {
            long took = STEAL(deque, pointers);

            if (took > 0)
                pawl_store_release(stolen, all += (uint64_t)took);
            else
                sched_yield();
        }
        thread->operations = all - before;
        return;
    }
    thread->operations = 0;
    for (uint64_t i = 0; i < n; i += BENCH_DEQUE_STEP) {
        for (int k = 0; k < BENCH_DEQUE_STEP; k++)
            PUSH(deque, thread);
        shared->pushed += BENCH_DEQUE_STEP;
        while (shared->pushed - bench_deque_stolen(shared, thread->threads) > BENCH_DEQUE_AHEAD)
            sched_yield();
    }
    while (shared->pushed != bench_deque_stolen(shared, thread->threads))
        sched_yield();
    pawl_fetch_add_release(&shared->runs_done, UINT64_C(1));
}

/* The same by one thread, which is the thief too: every other pointer is popped, the rest stolen. To count what that
 * costs. */
LINKAGE void LOOP(stolen_alone)(struct bench_thread *thread, uint64_t n)
{
    DEQUE *deque = (DEQUE *)bench_deque_of(thread->shared);
    void *pointers[BENCH_STEAL_MAX];
    long left = 0;

    for (uint64_t i = 0; i < n; i++) {
        PUSH(deque, thread);
        left += i % 2 == 0 && POP(deque, pointers) ? 0 : 1;
    }
    while (left > 0) {
        left -= STEAL(deque, pointers);
        bench_keep_pointer(pointers);
    }
}

/* Everything is stolen, by the thread that pushed it. */
LINKAGE void LOOP(handed_alone)(struct bench_thread *thread, uint64_t n)
{
    DEQUE *deque = (DEQUE *)bench_deque_of(thread->shared);
    void *pointers[BENCH_STEAL_MAX];

    for (uint64_t i = 0; i < n; i++)
        PUSH(deque, thread);
    for (long left = (long)n; left > 0; left -= STEAL(deque, pointers))
        bench_keep_pointer(pointers);
}

#undef LINKAGE
#undef LOOP
#undef DEQUE
#undef PUSH
#undef POP
#undef STEAL
