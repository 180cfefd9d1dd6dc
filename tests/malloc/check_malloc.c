/* SPDX-License-Identifier: MIT */
/* Closures of the allocator for the model checker: every block has one owner, what its last owner wrote into it
 * is done before the next one has it, nothing is lost, the locks of a fork are enough, nobody waits for ever.
 *
 * The arguments are what is done: first by one thread before the others begin, then by each of two or three
 * threads at once. The blocks that the first has left are dealt to the others.
 *
 *      m malloc   f free of the newest block   g, p the same past the caches: by the transfer layer
 *      l a large block   z one of zeros   L it is freed   x it grows
 *      d all caches are emptied   a the transfer layer is   r free pages go to the kernel
 *      o, O an object of a slab (-DSLAB_CLASSES=1), and its free, P past the caches   e the slab ends
 *      t housekeeping, which is due   k what a fork does   s statistics   c the CPU gets its cache   - nothing
 *
 * -DSEQUENCES: the caches of CPUs, as tests/malloc/sequences.h has them, on -DCPUS. Without: the locked ones.
 * -DCPUS=2 -DPINNED: the threads stay where they are, the first on CPU 0, the others on both in turn.
 * -DSTART: the threads' calls are the first in the process; -DEARLY: it has no environment yet.
 * -DTICK: housekeeping is due.
 *
 * The sources are included, so that what the locks of a fork protect can be looked at. */
#include "tiny.h"

#ifdef SEQUENCES
#include "sequences.h"
#endif

#define constructor(priority) unused
#include "../../src/malloc/start.c"
#undef constructor

#include "../../src/malloc/decay.c"
#include "../../src/malloc/fork.c"
#include "../../src/malloc/large.c"
#include "../../src/malloc/map.c"
#include "../../src/malloc/meta.c"
#include "../../src/malloc/node.c"
#include "../../src/malloc/size_class.c"
#include "../../src/malloc/span.c"

#define count count_pages
#include "../../src/malloc/page_chunk.c"
#include "../../src/malloc/page_gone.c"
#include "../../src/malloc/page_grow.c"
#include "../../src/malloc/page_heap.c"
#include "../../src/malloc/page_place.c"
#undef count

#include "../../src/malloc/cache.c"
#undef table
#define enter enter_locked
#define caches caches_locked
#include "../../src/malloc/cache_locked.c"
#undef enter
#undef caches

#include "../../src/malloc/central.c"

#include <assert.h>

/* SLAB: where there is none, no program says o, O, P or e. */
enum { HELD = 8, THREADS_MAX = 4, SLAB = CLASSES - 1, LARGE_BYTES = 3 * (int)PAGE_BYTES };

extern uint64_t check_clock_ns;

struct worker {
    const char *calls;
    uint64_t *held[HELD];
    uint32_t count;
    uint64_t *large;
    uint64_t name;
};

/* ---- what the sources lean on ---- */

/* Nothing is hardened or sampled here; the locks of slabs are not in the way of anything. */
void pawl_slabs_lock_(void)
{
}
void pawl_slabs_unlock_(bool child)
{
    (void)child;
}
void pawl_hardened_flush_(void)
{
}
void pawl_hardened_lock_(void)
{
}
void pawl_hardened_unlock_(bool child)
{
    (void)child;
}
void pawl_profile_lock_(void)
{
}
void pawl_profile_unlock_(bool child)
{
    (void)child;
}
bool pawl_profile_open_(size_t bytes)
{
    (void)bytes;
    return true;
}
void pawl_report_watch_(void)
{
}

/* ---- calls ---- */

/* Written whole and plainly: whoever else has the block, or has it without all this having happened, races. */
static void write_to(uint64_t *block, uint64_t name)
{
    block[0] = name;
    block[1] = ~name;
}

static void check(const uint64_t *block, uint64_t name)
{
    assert(block[0] == name && block[1] == ~name);
}

static void call_malloc(struct worker *w, struct node *node)
{
    assert(node != NULL && node_hand_out(node) == node);
    w->held[w->count++] = (uint64_t *)(void *)node;
    write_to(w->held[w->count - 1], w->name + w->count);
}

static void call_free(struct worker *w, uint32_t class, bool cached)
{
    struct node *node = (struct node *)(void *)w->held[--w->count];

    check(w->held[w->count], w->name + w->count + 1);
    if (cached)
        pawl_cache_free_(class, node);
    else
        pawl_central_put_(class, chain_push(chain_end(), node));
}

static void call_large(struct worker *w, bool zero)
{
    w->large = pawl_large_alloc_(LARGE_BYTES, ALIGNMENT, zero);
    assert(w->large != NULL);
    for (size_t i = 0; zero && i < LARGE_BYTES / sizeof *w->large; i++)
        assert(w->large[i] == 0);
    for (size_t at = 0; at < LARGE_BYTES; at += PAGE_BYTES)
        write_to(w->large + at / sizeof *w->large, w->name);
}

static void check_large(const struct worker *w)
{
    for (size_t at = 0; at < LARGE_BYTES; at += PAGE_BYTES)
        check(w->large + at / sizeof *w->large, w->name);
}

static void call_grow(struct worker *w)
{
    w->large = pawl_large_resize_(span_at(w->large), (size_t)LARGE_BYTES * 2);
    assert(w->large != NULL);
    check_large(w);
}

static void call_large_free(struct worker *w)
{
    check_large(w);
    pawl_large_free_(span_at(w->large));
    w->large = NULL;
}

/* With all locks of a fork: the child has what is seen here, so it must be whole, and nobody may be writing. */
static void look_at_all(void)
{
    size_t free_pages = 0;

    for (uint32_t c = 1; c < CLASSES; c++) {
        uint64_t left = 0;

        for (uint32_t b = 0; b < BUCKETS - 1; b++)
            for (const struct span *s = centrals[c].bucket[b]; s != NULL; s = s->next) {
                uint32_t bits = 0;

                for (uint32_t word = 0; word < SPAN_OBJECTS_MAX / 64; word++)
                    bits += (uint32_t)__builtin_popcountll(s->free[word]);
                assert(bits == s->left && pawl_map_.span[s->page] == s);
                left += bits;
            }
        assert(left == centrals[c].left);
        for (uint32_t i = 0; i < centrals[c].transfer[0].chains; i++)
            assert(chain_length(centrals[c].transfer[0].chain[i]) > 0);
    }
    for (size_t n = 0; n < pawl_page_heap_.count_pages.mapped / CHUNK_PAGES; n++)
        free_pages += pawl_map_.chunk[n].free;
    assert(pawl_page_heap_.count_pages.used + free_pages == pawl_page_heap_.count_pages.mapped);
    for (const struct span *s = spans.spare; s != NULL; s = s->next)
        assert(s->use == SPAN_NONE);
    assert(meta.at <= meta.end);
}

static void call_fork(void)
{
    before();
    look_at_all();
    after();
}

static void call_end_of_slab(void)
{
    assert(pawl_cache_drain_(0));
    assert(pawl_central_end_(SLAB) == 0);
    assert(centrals[SLAB].spans == 0);
}

static void call_statistics(void)
{
    uint64_t counts[CLASSES];
    struct central_counts central = pawl_central_count_(1);

    pawl_cache_count_(counts);
    assert(pawl_cache_used_() <= CACHE_SLOTS_MAX && central.left <= central.objects);
}

static void call(struct worker *w, char letter)
{
    switch (letter) {
    case 'm':
        call_malloc(w, pawl_cache_alloc_(1));
        break;
    case 'f':
        call_free(w, 1, true);
        break;
    case 'g':
        call_malloc(w, pawl_central_get_(1, 1));
        break;
    case 'p':
        call_free(w, 1, false);
        break;
    case 'o':
        call_malloc(w, pawl_cache_alloc_(SLAB));
        break;
    case 'O':
        call_free(w, SLAB, true);
        break;
    case 'P':
        call_free(w, SLAB, false);
        break;
    case 'e':
        call_end_of_slab();
        break;
    case 'l':
        call_large(w, false);
        break;
    case 'z':
        call_large(w, true);
        break;
    case 'L':
        call_large_free(w);
        break;
    case 'x':
        call_grow(w);
        break;
    case 'd':
        pawl_cache_drain_(0);
        break;
    case 'a':
        pawl_central_age_(true);
        break;
    case 'r':
        pawl_pages_release_(0);
        break;
    case 't':
        pawl_decay_poll_();
        break;
    case 'k':
        call_fork();
        break;
#ifdef SEQUENCES
    case 'c':
        (void)make_cache();
        break;
#endif
    case 's':
        call_statistics();
        break;
    default:
        assert(letter == '-');
    }
}

static void *work(void *argument)
{
    struct worker *w = argument;

#ifdef START
    assert(started() && class_of_size(16) == 1 && span_at(w) == NULL);
#ifndef EARLY
    assert(pawl_cache_mode_ == CACHE_LOCKED);
#endif
#endif
#ifdef PINNED
    own_cpu = (uint32_t)(w->name >> 32) % 2;
#endif
    for (const char *c = w->calls; *c != '\0'; c++)
        call(w, *c);
    return NULL;
}

/* ---- before and after ---- */

static inline void open_all(void)
{
    assert(first_step());
    if (SLAB_CLASSES > 0)
        pawl_malloc_set_class_(SLAB, 16, 0);
#ifdef SEQUENCES
    pawl_cache_table_.pc.limit = pawl_cache_table_.pc.slots = CPUS;
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        pawl_store_relaxed(&pawl_cache_table_.pc.slice[cpu],
                           PAWL_SLICE_UNUSED); /* relaxed: no other thread yet */
    pawl_cache_mode_ = CACHE_CPU;
#else
    pawl_cache_open_();
#endif
    pawl_store_relaxed(&pawl_malloc_stage_, 2u); /* relaxed: no other thread yet */
}

/* Everything is back, in one piece. */
static void close_all(struct worker *workers, int n)
{
    for (int i = 0; i < n; i++) {
        while (workers[i].count > 0)
            call_free(&workers[i], 1, true);
        if (workers[i].large != NULL)
            call_large_free(&workers[i]);
    }
    pawl_decay_gather_();
    look_at_all();
    for (uint32_t c = 1; c < CLASSES; c++)
        assert(centrals[c].spans == 0);
    assert(pawl_page_heap_.count_pages.used == 0);
}

int main(int argc, char **argv)
{
    static struct worker workers[THREADS_MAX];
    struct worker *first = &workers[0];
    pthread_t threads[THREADS_MAX];
    int n = argc - 1;

    assert(n >= 2 && n <= THREADS_MAX);
    for (int i = 0; i < n; i++) {
        workers[i].calls = argv[1 + i];
        workers[i].name = (uint64_t)(i + 1) << 32;
    }
#ifndef START
    open_all();
    work(first);
    /* The first look at the clock only sets it. */
    pawl_decay_poll_();
#ifdef TICK
    pawl_cache_drain_(QUIET_TICKS); /* a tick without a slow path is over, */
    check_clock_ns += TICK_NS;      /* and the next look finds another one due */
#endif
#endif
    for (int i = 1; first->count > 0; i = i % (n - 1) + 1) {
        struct worker *w = &workers[i];

        first->count--;
        w->held[w->count++] = first->held[first->count];
        write_to(w->held[w->count - 1], w->name + w->count);
    }
    if (first->large != NULL) {
        workers[1].large = first->large;
        first->large = NULL;
        for (size_t at = 0; at < LARGE_BYTES; at += PAGE_BYTES)
            write_to(workers[1].large + at / sizeof(uint64_t), workers[1].name);
    }
    for (int i = 1; i < n; i++)
        pthread_create(&threads[i], NULL, work, &workers[i]);
    for (int i = 1; i < n; i++)
        pthread_join(threads[i], NULL);
    close_all(workers, n);
    return 0;
}
