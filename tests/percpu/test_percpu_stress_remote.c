/* SPDX-License-Identifier: MIT */
/* Storms (storm.h) over what two sides share: rings with a reader on another CPU, locks that are revoked from
 * another CPU all the time, chunks that are replaced while others allocate from them. */
#include "storm.h"

#include <sys/mman.h>

#define RING_WORDS 128
#define RECORD_MAX 8
#define CHUNK_SHIFT 14
#define CHUNKS 1024
#define SLOTS 1024

struct slice {
    struct pawl_percpu_lock lock;
    long locked[2]; /* under the lock: always equal */
    long bump;
    _Alignas(PAWL_CACHELINE_PAIR) unsigned char ring[PAWL_PERCPU_RING_BYTES(RING_WORDS)];
};

#define AT(field) offsetof(struct slice, field)

static enum pawl_percpu_index kind;
static struct pawl_percpu *pc;
static struct storm storm;
static uint64_t seed;
static double seconds;

static struct pawl_percpu_ring *ring_of(struct slice *slice)
{
    return (struct pawl_percpu_ring *)(void *)slice->ring;
}

static int open_region(void **state)
{
    (void)state;
    pc = pawl_percpu_open(sizeof(struct slice), kind);
    assert_non_null(pc);
    assert_true(pc->slots <= SLOTS);
    for (uint32_t slot = 0; slot < pc->slots; slot++) {
        struct slice *slice = pawl_percpu_detach(pc, slot);

        if (slice == NULL)
            continue;
        ring_of(slice)->capacity = RING_WORDS;
        assert_int_equal(pawl_percpu_attach(pc, slot, slice), 0);
    }
    memset(&storm, 0, sizeof storm);
    return 0;
}

static int close_region(void **state)
{
    (void)state;
    pawl_percpu_close(pc);
    return 0;
}

static void run(const char *name, void (*act)(struct actor *), void (*remote)(struct actor *))
{
    storm.name = name;
    storm.act = act;
    storm.remote = remote;
    storm_assert(&storm, seconds, seed);
}

/* ---- Rings: record = writer and length, its number, then the number again and again ---- */

/* tally[0]: how many records this actor has written, and so the number of the next. */
static void write_record(struct actor *actor)
{
    long record[RECORD_MAX];
    uint32_t length = 2 + random_below(&actor->random, RECORD_MAX - 1);
    int status;

    record[0] = (long)((uint64_t)actor->id << 32 | length);
    for (uint32_t i = 1; i < length; i++)
        record[i] = actor->tally[0];
    status = pawl_percpu_ring_put(pc, AT(ring), record, length);
    storm_require(status == 0 || status == -EAGAIN, "ring_put failed");
    actor->tally[0] += status == 0;
}

static long last_read[SLOTS][STORM_ACTORS]; /* number + 1 of a writer's last record in a slot */
static long records_read[STORM_ACTORS];
static long numbers_read[STORM_ACTORS]; /* their sum */

static void check_record(uint32_t slot, const long *record, uint32_t length)
{
    uint64_t writer = (uint64_t)record[0] >> 32;

    for (uint32_t i = 2; i < length; i++)
        storm_require(record[i] == record[1], "a torn record");
    storm_require(record[1] >= last_read[slot][writer], "a record out of order, or twice");
    last_read[slot][writer] = record[1] + 1;
    records_read[writer]++;
    numbers_read[writer] += record[1];
}

/* Reads one record. The first word says how many more there must be at once: records come whole. */
static bool read_record(uint32_t slot, struct pawl_percpu_ring *ring)
{
    long record[RECORD_MAX];
    uint32_t length;

    if (pawl_percpu_ring_get(ring, record, 1) == 0)
        return false;
    length = (uint32_t)record[0];
    if (length < 2 || length > RECORD_MAX || (uint64_t)record[0] >> 32 >= STORM_ACTORS) {
        storm_require(false, "a record without a head");
        return false;
    }
    storm_require(pawl_percpu_ring_get(ring, record + 1, length - 1) == length - 1, "half a record");
    check_record(slot, record, length);
    return true;
}

static void read_records(struct actor *actor)
{
    uint32_t slot;
    struct slice *slice;

    (void)actor;
    pawl_percpu_each (pc, slot, slice)
        for (int i = 0; i < RING_WORDS && read_record(slot, ring_of(slice)); i++)
            ;
}

static void records_arrive_whole_once_and_in_order(void **state)
{
    (void)state;
    memset(last_read, 0, sizeof last_read);
    memset(records_read, 0, sizeof records_read);
    memset(numbers_read, 0, sizeof numbers_read);
    run(__func__, write_record, read_records);
    read_records(&storm.remote_actor);
    assert_true(storm_tally(&storm, 0) > 0);
    for (int i = 0; i < STORM_ACTORS; i++) {
        long written = storm.actor[i].tally[0];

        assert_int_equal(records_read[i], written);
        assert_int_equal(numbers_read[i], written * (written - 1) / 2);
    }
}

/* ---- Locks ---- */

static struct slice *slice_of(struct pawl_percpu_lock *lock)
{
    return (struct slice *)(void *)((char *)lock - AT(lock));
}

/* Two plain words: two holders at once would tear them apart. */
static void work_under_lock(struct actor *actor, struct slice *slice)
{
    volatile long *words = slice->locked;
    long before = words[0];

    storm_require(before == words[1], "two holders of one lock");
    words[0] = before + 1;
    if (random_below(&actor->random, 256) == 0)
        sched_yield();
    words[1] = before + 1;
    actor->tally[0]++;
}

static void lock_and_work(struct actor *actor)
{
    struct pawl_percpu_lock *lock = pawl_percpu_trylock(pc, AT(lock));

    if (lock == NULL) {
        actor->tally[1]++;
        return;
    }
    work_under_lock(actor, slice_of(lock));
    pawl_percpu_unlock(lock);
}

static void revoke_and_work(struct actor *actor)
{
    uint32_t slot;
    struct slice *slice;

    pawl_percpu_each (pc, slot, slice) {
        struct pawl_percpu_lock *lock = pawl_percpu_revoke(pc, slot, AT(lock));

        storm_require(lock == &slice->lock, "revoke failed");
        if (lock == NULL)
            return;
        work_under_lock(actor, slice);
        actor->tally[2]++;
        pawl_percpu_restore(lock);
    }
}

static void a_lock_has_one_holder_also_when_it_is_revoked(void **state)
{
    (void)state;
    run(__func__, lock_and_work, revoke_and_work);
    assert_true(storm.remote_actor.tally[2] > 0);
    assert_true(storm_tally(&storm, 0) > storm.remote_actor.tally[0]);
    assert_int_equal(storm_sum(pc, AT(locked)), storm_tally(&storm, 0));
    assert_int_equal(storm_sum(pc, AT(locked) + sizeof(long)), storm_tally(&storm, 0));
}

/* ---- Bump allocation ---- */

static char *chunks;
static PAWL_ATOMIC(long) chunks_taken;

/* Every word of a block was zero and is this actor's now: no other block lies over it. */
static void use_block(struct actor *actor, uint64_t *block, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        storm_require(block[i] == 0, "two blocks in one place");
        block[i] = actor->id + 1;
    }
    actor->tally[0] += (long)words;
}

static void allocate(struct actor *actor)
{
    size_t words = 1 + random_below(&actor->random, 40);
    uint64_t *block = pawl_percpu_bump(pc, AT(bump), words * sizeof *block, CHUNK_SHIFT);
    long old;
    long taken;

    if (block != NULL) {
        use_block(actor, block, words);
        return;
    }
    storm_require(pawl_percpu_load(pc, AT(bump), &old) == 0, "load failed");
    if (pawl_load_relaxed(&chunks_taken) >= CHUNKS)
        return;
    taken = pawl_fetch_add_relaxed(&chunks_taken, 1L);
    /* Fails where somebody else was first, or on another CPU than the load: the chunk is left unused then. */
    if (taken < CHUNKS)
        actor->tally[1] += pawl_percpu_cas(pc, AT(bump), old,
                                           (long)(chunks + ((size_t)taken << CHUNK_SHIFT))) == 0;
}

static void blocks_do_not_overlap(void **state)
{
    const size_t bytes = (size_t)CHUNKS << CHUNK_SHIFT;
    long used = 0;
    char *memory = mmap(NULL, bytes * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_ptr_not_equal(memory, MAP_FAILED);
    chunks = memory + (-(uintptr_t)memory & ((1u << CHUNK_SHIFT) - 1));
    pawl_store_relaxed(&chunks_taken, 0L);
    run(__func__, allocate, NULL);
    for (size_t i = 0; i < bytes / sizeof(uint64_t); i++)
        used += ((uint64_t *)(void *)chunks)[i] != 0;
    assert_true(used > 0);
    assert_int_equal(used, storm_tally(&storm, 0));
    munmap(memory, bytes * 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define PROMISE(name) cmocka_unit_test_setup_teardown(name, open_region, close_region)
        PROMISE(records_arrive_whole_once_and_in_order),
        PROMISE(a_lock_has_one_holder_also_when_it_is_revoked),
        PROMISE(blocks_do_not_overlap),
    };
    int failed = 0;

    print_mode();
    seed = seed_of_run();
    seconds = storm_seconds(2 * sizeof tests / sizeof tests[0]);
    for (kind = PAWL_PERCPU_BY_CPU; kind <= PAWL_PERCPU_BY_CID; kind++)
        if (kind == PAWL_PERCPU_BY_CPU || (pawl_rseq_available() && kind_is_offered(kind)))
            failed += cmocka_run_group_tests_name(name_of_kind(kind), tests, NULL, NULL);
    return failed;
}
