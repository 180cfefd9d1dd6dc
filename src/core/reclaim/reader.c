/* SPDX-License-Identifier: MIT */
/* Numbers for threads: given at first use, taken back at exit, or when the thread is found to be gone.
 *
 * Which numbers are taken is a bit map. The record of a thread is static memory, so a scan may read it at any
 * time: at worst it reads the word of a later owner, who entered after the scan began. */
#include "reader.h"
#include "pass.h"

#include "../sync/fail.h"

#include <pawl/fence.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAP_WORDS (PAWL_READER_MAX / 64)
#define SWEEP_FROM 64u        /* numbers taken before it is worth a look who is gone */
#define GLIBC_INLINE_KEYS 32u /* glibc: pthread_setspecific() of later keys calls calloc() */
#ifndef KERNEL_KNOWS          /* in the model checker's closures all threads end by their destructors */
#define KERNEL_KNOWS(tid) (syscall(__NR_tgkill, getpid(), (tid), 0) == 0 || errno != ESRCH)
#endif

struct pawl_reader pawl_readers_[PAWL_READER_MAX + 1]; /* pages that no thread used cost nothing */
static PAWL_ATOMIC(uint64_t) taken[MAP_WORDS];
static PAWL_ATOMIC(uint32_t) map_end; /* words of the map from here on are 0 and always were */
static PAWL_ATOMIC(uint32_t) sweep_at = SWEEP_FROM;

static struct pawl_reader nobody = {.word = PAWL_READER_NONE, .number = PAWL_READER_MAX};

#define NOBODY_AT ((size_t)PAWL_READER_MAX * PAWL_READER_STRIDE)

__thread struct pawl_reader *pawl_reader_self_ __attribute__((tls_model("initial-exec"))) = &nobody;
__thread size_t pawl_reader_at_ __attribute__((tls_model("initial-exec"))) = NOBODY_AT;
/* As the first, or NULL; apart because without membarrier pawl_reader_self_ stays nobody. */
static __thread struct pawl_reader *own __attribute__((tls_model("initial-exec")));

static pthread_key_t exit_key;
static bool have_exit_key;

static pthread_mutex_t rooms_lock = PTHREAD_MUTEX_INITIALIZER; /* of the list, and of burying */
static struct reader_room *rooms;

static int32_t kernel_id(void)
{
    return (int32_t)syscall(__NR_gettid);
}

/* ---- numbers ---- */

/* Takes the first clear bit of one word of the map, or returns -1. */
static int take_bit(PAWL_ATOMIC(uint64_t) * word)
{
    uint64_t bits = pawl_load_relaxed(word); /* relaxed: a guess that the CAS validates */

    while (~bits != 0) {
        int bit = __builtin_ctzll(~bits);

        /* acquire T: pairs with the release in give_back(), sees the record cleared by its last owner.
         * Fails when another thread took or gave back a number. */
        if (pawl_cas_weak_acquire(word, &bits, bits | UINT64_C(1) << bit))
            return bit;
    }
    return -1;
}

static void extend_map(uint32_t end)
{
    uint32_t seen = pawl_load_relaxed(&map_end);

    /* relaxed: a scan that misses this number misses its word too, which is stored later and fenced; see
     * pawl_reader_next() */
    while (seen < end && !pawl_cas_weak_relaxed(&map_end, &seen, end))
        continue; /* another thread extended it */
}

static struct pawl_reader *take_number(void)
{
    for (uint32_t i = 0; i < MAP_WORDS; i++) {
        int bit = take_bit(&taken[i]);

        if (bit >= 0) {
            struct pawl_reader *reader = &pawl_readers_[i * 64 + (uint32_t)bit];

            extend_map(i + 1);
            reader->number = i * 64 + (uint32_t)bit;
            reader->online = 0;
            reader->rounds = 0;
            pawl_store_relaxed(&reader->tid,
                               kernel_id()); /* relaxed: says who to look for, publishes nothing */
            return reader;
        }
    }
    return NULL;
}

static void give_back(uint32_t number)
{
    pawl_store_relaxed(&pawl_readers_[number].tid, 0); /* relaxed: published below */
    /* release T: publishes the cleared record to the next owner, see take_bit(), and the end of all the
     * thread did to scans */
    pawl_fetch_and_release(&taken[number / 64], ~(UINT64_C(1) << number % 64));
}

uint32_t pawl_reader_next(uint32_t from)
{
    /* relaxed: a thread that took its number before the caller's heavy fence is seen because of that fence;
     * one that takes it afterwards enters its first section afterwards and need not be seen. */
    uint32_t end = pawl_load_relaxed(&map_end);

    for (uint32_t i = from / 64; i < end; i++) {
        /* acquire T: pairs with the release in give_back(). A scan does not look at the word of a thread
         * that has ended, so what that thread read must come before this. */
        uint64_t bits = pawl_load_acquire(&taken[i]);

        if (i == from / 64)
            bits &= ~UINT64_C(0) << from % 64;
        if (bits != 0)
            return i * 64 + (uint32_t)__builtin_ctzll(bits);
    }
    return PAWL_READER_MAX;
}

uint32_t pawl_reader_high(void)
{
    return pawl_load_relaxed(&map_end) *
           64; /* relaxed: the caller has ordered itself after those it asks for */
}

/* ---- rooms ---- */

void pawl_reader_enter_room(struct reader_room *room)
{
    pthread_mutex_lock(&rooms_lock);
    room->next = rooms;
    room->link = &rooms;
    if (rooms != NULL)
        rooms->link = &room->next;
    rooms = room;
    pthread_mutex_unlock(&rooms_lock);
}

void pawl_reader_leave_room(struct reader_room *room)
{
    pthread_mutex_lock(&rooms_lock);
    *room->link = room->next;
    if (room->next != NULL)
        room->next->link = room->link;
    pthread_mutex_unlock(&rooms_lock);
}

/* By the number and not by what its record says: in a child, the parent's thread may have taken the one and not yet
 * stored the other. */
static void leave_all_rooms(uint32_t number)
{
    for (struct reader_room *room = rooms; room != NULL; room = room->next)
        room->leave(room, number);
    give_back(number);
}

/* ---- exit ---- */

static bool inside_any(uint32_t number)
{
    bool inside = false;

    pthread_mutex_lock(&rooms_lock);
    for (struct reader_room *room = rooms; room != NULL && !inside; room = room->next)
        inside = room->inside(room, number);
    pthread_mutex_unlock(&rooms_lock);
    return inside;
}

/* All signals wait: a handler must not find the thread between two numbers. By system call, which also works
 * where libc keeps signals of its own back. */
void pawl_reader_block_signals(uint64_t *before)
{
    const uint64_t all = ~UINT64_C(0);

    syscall(__NR_rt_sigprocmask, SIG_BLOCK, &all, before, sizeof *before);
}

void pawl_reader_restore_signals(const uint64_t *before)
{
    syscall(__NR_rt_sigprocmask, SIG_SETMASK, before, NULL, sizeof *before);
}

static void thread_exits(void *record)
{
    struct pawl_reader *reader = record;
    uint64_t before;

    reader->rounds++;
    if (inside_any(reader->number)) {
        /* A later destructor will leave the section: come back in the next round. If none does, the thread
         * ended inside, and writers find it gone. */
        pthread_setspecific(exit_key, reader);
        return;
    }
    pawl_reader_block_signals(&before);
    pthread_mutex_lock(&rooms_lock);
    pawl_reader_self_ = &nobody;
    pawl_reader_at_ = NOBODY_AT;
    own = NULL;
    leave_all_rooms(reader->number);
    pthread_mutex_unlock(&rooms_lock);
    pawl_reader_restore_signals(&before);
}

static bool is_gone(const struct pawl_reader *reader)
{
    int32_t tid = pawl_load_relaxed(&reader->tid); /* relaxed: 0 or an id, each of which is checked */
    int saved = errno;
    bool gone = tid > 0 && !KERNEL_KNOWS(tid);

    errno = saved;
    return gone;
}

/* Under the lock of the rooms: two that find the same thread gone bury it once. */
static bool bury_locked(uint32_t number)
{
    /* relaxed: the lock orders this after other burials; the thread is gone, so its own stores are there */
    bool is_taken = (pawl_load_relaxed(&taken[number / 64]) >> number % 64 & 1) != 0;

    if (!is_taken || !is_gone(&pawl_readers_[number]))
        return false;
    leave_all_rooms(number);
    return true;
}

bool pawl_reader_bury(uint32_t number)
{
    bool buried = false;

    if (is_gone(&pawl_readers_[number])) {
        pthread_mutex_lock(&rooms_lock);
        buried = bury_locked(number);
        pthread_mutex_unlock(&rooms_lock);
    }
    return buried;
}

void pawl_reader_try_bury(uint32_t number)
{
    if (is_gone(&pawl_readers_[number]) && pthread_mutex_trylock(&rooms_lock) == 0) {
        (void)bury_locked(number);
        pthread_mutex_unlock(&rooms_lock);
    }
}

static uint32_t bury_all_locked(void)
{
    uint32_t left = 0;

    for (uint32_t n = pawl_reader_next(0); n != PAWL_READER_MAX; n = pawl_reader_next(n + 1))
        left += bury_locked(n) ? 0 : 1;
    return left;
}

void pawl_reader_sweep(void)
{
    /* relaxed: when to look is a matter of taste. The highest number stands for how many are taken. */
    uint32_t limit = pawl_load_relaxed(&sweep_at);

    if (PAWL_LIKELY(pawl_load_relaxed(&map_end) * 64 <= limit))
        return;
    /* Tries it only: who retires waits for nobody. Another thread sweeps, or is stopped at its exit; later, then. */
    if (pthread_mutex_trylock(&rooms_lock) != 0)
        return;
    limit = 2 * bury_all_locked();
    pawl_store_relaxed(&sweep_at, limit > SWEEP_FROM ? limit : SWEEP_FROM);
    /* The map never shrinks: without this every call would sweep. */
    if (pawl_load_relaxed(&map_end) * 64 > pawl_load_relaxed(&sweep_at))
        pawl_store_relaxed(&sweep_at, pawl_load_relaxed(&map_end) * 64);
    pthread_mutex_unlock(&rooms_lock);
}

/* ---- first use ---- */

/* All numbers are taken, perhaps by threads that are gone. Tries the lock only: this may be a handler that
 * interrupted its holder. */
static struct pawl_reader *take_after_burials(void)
{
    if (pthread_mutex_trylock(&rooms_lock) == 0) {
        bury_all_locked();
        pthread_mutex_unlock(&rooms_lock);
    }
    return take_number();
}

static bool can_watch_exit(void)
{
#if defined(__GLIBC__)
    return have_exit_key && exit_key < GLIBC_INLINE_KEYS;
#else
    return have_exit_key;
#endif
}

static PAWL_COLD struct pawl_reader *first_use(void)
{
    int saved = errno;
    uint64_t before;

    pawl_fence_look();
    pawl_reader_block_signals(&before);
    if (own == NULL) { /* else a handler came before signals were blocked */
        struct pawl_reader *reader = take_number();

        if (reader == NULL)
            reader = take_after_burials();
        if (reader == NULL)
            pawl_sync_fail("pawl_reader", "65536 threads are readers already: let some of them end first");
        pawl_pass_begin(reader);
        if (can_watch_exit())
            pthread_setspecific(exit_key, reader);
        own = reader;
        if (pawl_fence_symmetric_ == 0) {
            pawl_reader_self_ = reader;
            pawl_reader_at_ = reader->number * PAWL_READER_STRIDE;
        }
    }
    pawl_reader_restore_signals(&before);
    errno = saved;
    return own;
}

struct pawl_reader *pawl_reader_own(void)
{
    return PAWL_LIKELY(own != NULL) ? own : first_use();
}

struct pawl_reader *pawl_reader_known(void)
{
    return own;
}

/* ---- start and fork ---- */

static void lock_rooms(void)
{
    pthread_mutex_lock(&rooms_lock);
}

static void unlock_rooms(void)
{
    pthread_mutex_unlock(&rooms_lock);
}

/* The child has one thread. */
static void forget_parents_threads(void)
{
    if (own != NULL)
        pawl_store_relaxed(&own->tid, kernel_id()); /* relaxed: alone */
    for (struct reader_room *room = rooms; room != NULL; room = room->next)
        if (room->forked != NULL)
            room->forked(room);
    for (uint32_t n = pawl_reader_next(0); n != PAWL_READER_MAX; n = pawl_reader_next(n + 1))
        if (&pawl_readers_[n] != own)
            leave_all_rooms(n);
    pthread_mutex_unlock(&rooms_lock);
}

__attribute__((constructor(101))) static void watch_threads(void)
{
    /* relaxed: no second thread yet. Sends who has no number out of line, as pawl_reader_self_->word does. */
    pawl_store_relaxed(&pawl_readers_[PAWL_READER_MAX].word, PAWL_READER_NONE);
    have_exit_key = pthread_key_create(&exit_key, thread_exits) == 0;
    pthread_atfork(lock_rooms, unlock_rooms, forget_parents_threads);
}
