/* SPDX-License-Identifier: MIT */
/* Logrings: the writing side.
 *
 * A handle has a region of <pawl/percpu.h> whose slices are the rings of the file: those of the CPUs for threads with
 * restartable sequences, and a few lanes, in locked slots, for the others. A lane belongs to one process at a time, by a
 * lock on its first byte in the file, which the kernel gives back when the process ends; among the threads of the
 * process the lock of the slot decides. A writer that is killed in a lane leaves what one leaves in a CPU's ring: nothing
 * to repair.  */
#include "../percpu/region.h"

#include <pawl/clock.h>
#include <pawl/cpu.h>
#include <pawl/lock.h>
#include <pawl/restartable.h>

#include "logring_put.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    LANES_OF_A_PROCESS = 4,
    LARGE_MAX = 2 << 20,
    PARTS_MAX = (PAWL_LOGRING_INLINE_MAX - 8) / 8,
};

/* After a claim that found all lanes taken, none is tried for so long. */
#define CLAIM_AGAIN_NS UINT64_C(100000000)

struct pawl_logring {
    struct pawl_percpu *pc;
    struct pawl_logring_map_ map;
    uint64_t horizon[PAWL_LOGRING_CLASSES];
    struct pawl_logring *next; /* of all, for the child of a fork */
    int lane_fd;               /* an open file of our own: locks belong to it */
    PAWL_ATOMIC(uintptr_t)
    claiming; /* C: the thread that claims lanes, by the address of a variable of its own */
    PAWL_ATOMIC(uint64_t) claim_after;
    unsigned claimed; /* lanes; changed by who claims */
    uint32_t slots[LANES_OF_A_PROCESS];
};

static struct pawl_mutex all_lock = PAWL_MUTEX_INIT;
static struct pawl_logring *all;
static __thread char me __attribute__((tls_model("initial-exec")));

/* ---- lanes ---- */

/* The locked slots that get a lane: two for pushes that interrupt none, one each for those in signal handlers that
 * interrupt one or two. turn.c says how slots and levels go together. */
static uint32_t slot_of_lane(const struct pawl_percpu *pc, unsigned lane)
{
    uint32_t nested = pc->slots - LOCKED_SLOTS_NESTED;
    const uint32_t slots[LANES_OF_A_PROCESS] = {pc->limit, nested, nested + LOCKED_SLOTS_LEVEL_1,
                                                pc->limit + 1};

    return slots[lane];
}

/* Locks a lane of the file that no process has. Its ring, or NULL. */
static struct pawl_logring_ring_ *lock_lane(const struct pawl_logring *log)
{
    for (uint32_t index = log->map.cpus; index < log->map.rings; index++) {
        struct pawl_logring_ring_ *ring = pawl_logring_ring_of_(&log->map, index);
        struct flock lock = {.l_type = F_WRLCK,
                             .l_whence = SEEK_SET,
                             .l_start = (char *)ring - (char *)log->map.file,
                             .l_len = 1};
        bool ours = false;

        /* our own locks do not keep us out */
        for (unsigned i = 0; i < log->claimed; i++)
            ours |= pawl_percpu_slice(log->pc, log->slots[i]) == ring;
        if (!ours && fcntl(log->lane_fd, F_OFD_SETLK, &lock) == 0)
            return ring;
    }
    return NULL;
}

/* True when there are more lanes than before. */
static bool claim_lanes(struct pawl_logring *log)
{
    unsigned before = log->claimed;

    while (log->lane_fd >= 0 && log->claimed < LANES_OF_A_PROCESS) {
        struct pawl_logring_ring_ *ring = lock_lane(log);

        if (ring == NULL)
            break;
        log->slots[log->claimed] = slot_of_lane(log->pc, log->claimed);
        if (pawl_percpu_attach(log->pc, log->slots[log->claimed], ring) != 0)
            break;
        log->claimed++;
    }
    return log->claimed > before;
}

/* A push found no ring. True: look again. Only one thread claims; in a signal handler that interrupts it, not at all.
 * Pushes come here from handlers: errno stays. */
static PAWL_COLD bool more_lanes(struct pawl_logring *log)
{
    uintptr_t nobody = 0;
    uint64_t now = pawl_clock_ns();
    int saved = errno;
    bool more;

    /* relaxed: a time before which it is of no use; a stale one costs an attempt */
    if ((int64_t)(now - pawl_load_relaxed(&log->claim_after)) < 0)
        return false;
    /* acquire C: sees the lanes of who claimed before */
    if (!pawl_cas_acquire(&log->claiming, &nobody, (uintptr_t)&me)) {
        if (nobody == (uintptr_t)&me)
            return false;
        while (pawl_load_acquire(&log->claiming) == nobody) /* acquire C: as above */
            sched_yield();
        return true;
    }
    more = claim_lanes(log);
    if (!more)
        pawl_store_relaxed(&log->claim_after, now + CLAIM_AGAIN_NS); /* relaxed: as above */
    pawl_store_release(&log->claiming, (uintptr_t)0);                /* release C: with the lanes */
    errno = saved;
    return more;
}

static int reopen(int fd)
{
    char path[32];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_RDWR | O_CLOEXEC);
}

/* Lanes are the parent's, who has the locks and the threads that may be inside: the child gives up its view of them. */
static void forget_lanes(void)
{
    for (struct pawl_logring *log = all; log != NULL; log = log->next) {
        int inherited = log->lane_fd;

        for (unsigned i = 0; i < log->claimed; i++)
            pawl_store_relaxed(&log->pc->slice[log->slots[i]],
                               PAWL_SLICE_AWAY); /* relaxed: the child has one thread */
        log->claimed = 0;
        pawl_store_relaxed(&log->claiming, (uintptr_t)0);   /* relaxed: as above */
        pawl_store_relaxed(&log->claim_after, UINT64_C(0)); /* relaxed: as above */
        if (inherited >= 0) {
            log->lane_fd = reopen(inherited);
            close(inherited);
        }
    }
    pawl_mutex_unlock(&all_lock);
}

static void before_fork(void)
{
    pawl_mutex_lock(&all_lock);
}

static void after_fork(void)
{
    pawl_mutex_unlock(&all_lock);
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork, forget_lanes);
}

/* ---- opening ---- */

/* The rings of the file in place of the slices of the region. What gets none stays detached. */
static int attach_rings(struct pawl_logring *log)
{
    if (log->map.cpus < log->pc->limit)
        return -EXDEV;
    for (uint32_t slot = 0; slot < log->pc->slots; slot++) {
        if (pawl_percpu_detach(log->pc, slot) == NULL) {
            if (errno == EINVAL)
                continue; /* a number that no CPU has */
            return -errno;
        }
        if (slot < log->pc->limit) {
            int status = pawl_percpu_attach(log->pc, slot, pawl_logring_ring_of_(&log->map, slot));

            if (status != 0)
                return status;
        }
    }
    return 0;
}

static int open_log(struct pawl_logring *log, int fd)
{
    int status = pawl_logring_map_(&log->map, fd, true);

    if (status != 0)
        return status;
    memcpy(log->horizon, log->map.file->horizon_ns, sizeof log->horizon);
    log->pc = pawl_percpu_open(sizeof(struct pawl_logring_ring_), PAWL_PERCPU_BY_CPU);
    status = log->pc != NULL ? attach_rings(log) : -errno;
    if (status != 0) {
        pawl_percpu_close(log->pc);
        pawl_logring_unmap_(&log->map);
        return status;
    }
    log->lane_fd = reopen(fd); /* without /proc there are no lanes, only sequences */
    return 0;
}

struct pawl_logring *pawl_logring_open(int fd)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct pawl_logring *log = calloc(1, sizeof *log);
    int status;

    if (log == NULL)
        return NULL;
    pthread_once(&once, watch_forks);
    pawl_clock_calibrate();
    status = open_log(log, fd);
    if (status != 0) {
        free(log);
        errno = -status;
        return NULL;
    }
    pawl_mutex_lock(&all_lock);
    log->next = all;
    all = log;
    pawl_mutex_unlock(&all_lock);
    return log;
}

void pawl_logring_close(struct pawl_logring *log)
{
    struct pawl_logring **link = &all;

    if (log == NULL)
        return;
    pawl_mutex_lock(&all_lock);
    while (*link != log)
        link = &(*link)->next;
    *link = log->next;
    pawl_mutex_unlock(&all_lock);
    pawl_percpu_close(log->pc);
    pawl_logring_unmap_(&log->map);
    if (log->lane_fd >= 0)
        close(log->lane_fd);
    free(log);
}

/* ---- pushing ---- */

static void count_refused(struct pawl_logring *log, unsigned importance)
{
    size_t at = offsetof(struct pawl_logring_ring_, refused) + importance * sizeof(uint64_t);

    if (pawl_percpu_add(log->pc, at, 1) != 0)
        pawl_fetch_add_relaxed(&log->map.file->refused[importance], UINT64_C(1)); /* relaxed: a count */
}

/* Puts it into the ring of whatever CPU this is. 0, -ENOBUFS, -EBUSY. */
static inline int put_into(struct pawl_logring *log, struct pawl_logring_put_ *put, unsigned kind,
                           unsigned importance, const void *data, size_t bytes)
{
    long status;

    put->source = data;
    put->words = bytes / 8;
    put->rest = 0;
    if (bytes % 8 != 0)
        memcpy(&put->rest, (const char *)data + bytes / 8 * 8, bytes % 8);
    put->need = pawl_logring_need_(bytes);
    put->head = pawl_logring_head_(bytes, kind, importance);
    put->horizon = log->horizon[importance];
    put->flip = kind == PAWL_LOGRING_PART_ ? 0 : UINT64_C(1) << importance;
    put->mask = log->map.ring_bytes - 1;
    do {
        status = pawl_logring_put_record_(log->pc, put);
    } while (PAWL_UNLIKELY(status == -EBUSY) && more_lanes(log));
    return (int)status;
}

int pawl_logring_push_at_(struct pawl_logring *log, unsigned importance, const void *data, size_t bytes,
                          uint64_t now)
{
    struct pawl_logring_put_ put;
    int status;

    put.now = now;
    status = put_into(log, &put, PAWL_LOGRING_RECORD_, importance, data, bytes);
    if (PAWL_UNLIKELY(status != 0))
        count_refused(log, importance);
    return status;
}

void pawl_logring_start_at_(struct pawl_logring *log, uint64_t position)
{
    for (uint32_t i = 0; i < log->map.rings; i++) {
        struct pawl_logring_ring_ *ring = pawl_logring_ring_of_(&log->map, i);

        pawl_store_relaxed(&ring->tail, position << 1); /* relaxed, both: nobody else has it yet */
        pawl_store_relaxed(&ring->intent, position);
    }
}

int pawl_logring_push(struct pawl_logring *log, unsigned importance, const void *data, size_t bytes)
{
    if (PAWL_UNLIKELY(importance >= PAWL_LOGRING_CLASSES))
        return -EINVAL;
    if (PAWL_UNLIKELY(bytes > PAWL_LOGRING_INLINE_MAX))
        return -EMSGSIZE;
    return pawl_logring_push_at_(log, importance, data, bytes, pawl_clock_ns());
}

/* ---- large records ---- */

/* In front of what pawl_logring_reserve returns. */
struct reserved {
    size_t bytes;
    unsigned importance;
} __attribute__((aligned(16)));

size_t pawl_logring_max(const struct pawl_logring *log)
{
    size_t half = log->map.ring_bytes / 2;

    PAWL_STATIC_ASSERT((size_t)PARTS_MAX * PAWL_LOGRING_INLINE_MAX >= LARGE_MAX - 32768,
                       "the names have room");
    return half < (size_t)PARTS_MAX * PAWL_LOGRING_INLINE_MAX ? half
                                                              : (size_t)PARTS_MAX * PAWL_LOGRING_INLINE_MAX;
}

void *pawl_logring_reserve(struct pawl_logring *log, unsigned importance, size_t bytes)
{
    struct reserved *reserved;

    if (importance >= PAWL_LOGRING_CLASSES || bytes > pawl_logring_max(log)) {
        errno = importance >= PAWL_LOGRING_CLASSES ? EINVAL : EMSGSIZE;
        return NULL;
    }
    reserved = malloc(sizeof *reserved + bytes);
    if (reserved == NULL)
        return NULL;
    *reserved = (struct reserved){bytes, importance};
    return reserved + 1;
}

/* The parts, each a record that is not shown, then the one that names them: its commit is the commit. */
static int commit_large(struct pawl_logring *log, const struct reserved *reserved, const char *data)
{
    uint64_t names[1 + PARTS_MAX];
    size_t count = 0;
    struct pawl_logring_put_ put;
    int status;

    put.now = pawl_clock_ns();
    names[count++] = reserved->bytes;
    for (size_t at = 0; at < reserved->bytes; at += PAWL_LOGRING_INLINE_MAX) {
        size_t rest = reserved->bytes - at;

        status = put_into(log, &put, PAWL_LOGRING_PART_, reserved->importance, data + at,
                          rest < PAWL_LOGRING_INLINE_MAX ? rest : PAWL_LOGRING_INLINE_MAX);
        if (status != 0)
            return status;
        names[count++] = pawl_logring_part_name_(pawl_logring_index_of_(&log->map, put.ring), put.position);
    }
    return put_into(log, &put, PAWL_LOGRING_WHOLE_, reserved->importance, names, count * sizeof names[0]);
}

int pawl_logring_commit(struct pawl_logring *log, void *data)
{
    struct reserved *reserved = (struct reserved *)data - 1;
    int status;

    if (reserved->bytes <= PAWL_LOGRING_INLINE_MAX) {
        status = pawl_logring_push(log, reserved->importance, data, reserved->bytes);
    } else {
        status = commit_large(log, reserved, data);
        if (status != 0)
            count_refused(log, reserved->importance);
    }
    free(reserved);
    return status;
}

void pawl_logring_abort(struct pawl_logring *log, void *data)
{
    (void)log;
    free((struct reserved *)data - 1);
}
