/* SPDX-License-Identifier: MIT */
/* What a file of logrings looks like, and why a reader may believe it.
 *
 *      | file head, 1 page | ring 0: head, 1 page | data, ring_bytes | ring 1: ... | lanes behind the CPUs' rings
 *
 *      a page of data     | record | record | ... | filler |        no record crosses the end of a page
 *      a record           | head: bytes, kind, class, number | stamp | bytes, filled up to words |
 *
 * Positions count the bytes ever written to a ring, with fillers; position p stands at p modulo ring_bytes. One word,
 * the tail, commits a record:
 *
 *      tail      | position / 8                                   | a bit a class |
 *      written   [class][bit] is how many records of the class were committed; the other one of the two is the scratch
 *                of the writer. So the count changes with the tail, in the same store.
 *
 *      writer at t, for a record that ends at e                 reader at p < tail
 *        1  intent = max(intent, e)                               1  acquire tail
 *        2  fence I1                                              2  copy from p (length: checked against the page only)
 *        3  bytes of [t, e)                                       3  fence I2
 *        4  tail = e, release W                                   4  intent - p > ring_bytes?  then forget the copy
 *
 * (R1) A reader that copied a byte of step 3 sees the intent of step 1 in its step 4, by the fences. Byte q of the next
 *      lap stands where q - ring_bytes stood, and q < e <= intent; so if p >= intent - ring_bytes none of the bytes
 *      copied from p on was of a later lap.
 * (R2) A restart, a signal or SIGKILL between 1 and 4 leaves bytes behind the tail, where nobody reads, over bytes of the
 *      lap before, which intent has given up. Intent does not fall: an attempt that was longer than what is
 *      committed in its place has destroyed more.
 * (R3) A page begins with a record. So a reader that was overtaken goes on at any page boundary that is left. */
#ifndef PAWL_CORE_QUEUE_LOGRING_FORMAT_H
#define PAWL_CORE_QUEUE_LOGRING_FORMAT_H

#include <pawl/atomic.h>
#include <pawl/logring.h>

#ifndef PAWL_LOGRING_PAGE_
#define PAWL_LOGRING_PAGE_ 4096
#define PAWL_LOGRING_RING_HEAD_ 4096
#endif

#define PAWL_LOGRING_MAGIC_ UINT64_C(0x31474e4952474f4c) /* "LOGRING1" */

enum {
    PAWL_LOGRING_RECORD_HEAD_ = 16,
    PAWL_LOGRING_ALIGN_ = 8,
    PAWL_LOGRING_RINGS_MAX_ = 1 << 16, /* the number of a ring has 16 bits in the name of a part */
};

/* The first word of a record: bytes, then kind, class, number. */
enum pawl_logring_kind_ {
    PAWL_LOGRING_NOTHING_ = 0, /* what an empty page holds */
    PAWL_LOGRING_RECORD_ = 1,
    PAWL_LOGRING_PART_ = 2,   /* of a large record: not shown by itself */
    PAWL_LOGRING_WHOLE_ = 3,  /* a large record: its bytes, and the names of its parts */
    PAWL_LOGRING_FILLER_ = 4, /* nothing more on this page */
};

enum {
    PAWL_LOGRING_KIND_AT_ = 13,
    PAWL_LOGRING_CLASS_AT_ = 16,
    PAWL_LOGRING_NUMBER_AT_ = 18,
};

/* In sequences too, where nothing may stay a call. */
#define PAWL_LOGRING_INLINE_ __attribute__((always_inline)) static inline

PAWL_LOGRING_INLINE_ uint32_t pawl_logring_bytes_(uint64_t head)
{
    return (uint32_t)(head & ((1u << PAWL_LOGRING_KIND_AT_) - 1));
}

PAWL_LOGRING_INLINE_ unsigned pawl_logring_kind_(uint64_t head)
{
    return (unsigned)(head >> PAWL_LOGRING_KIND_AT_) & 7;
}

PAWL_LOGRING_INLINE_ unsigned pawl_logring_class_(uint64_t head)
{
    return (unsigned)(head >> PAWL_LOGRING_CLASS_AT_) & (PAWL_LOGRING_CLASSES - 1);
}

/* With `number` 0. */
static inline uint64_t pawl_logring_head_(size_t bytes, unsigned kind, unsigned importance)
{
    return (uint64_t)bytes | (uint64_t)kind << PAWL_LOGRING_KIND_AT_ |
           (uint64_t)importance << PAWL_LOGRING_CLASS_AT_;
}

/* What a record of these bytes takes. */
static inline uint64_t pawl_logring_need_(size_t bytes)
{
    return PAWL_LOGRING_RECORD_HEAD_ +
           (bytes + PAWL_LOGRING_ALIGN_ - 1) / PAWL_LOGRING_ALIGN_ * PAWL_LOGRING_ALIGN_;
}

/* The tail: positions are multiples of 8, so twice a position has four bits to spare, one a class. */
#define PAWL_LOGRING_TAIL_BITS_ 15u

PAWL_LOGRING_INLINE_ uint64_t pawl_logring_position_(uint64_t tail)
{
    return (tail & ~(uint64_t)PAWL_LOGRING_TAIL_BITS_) >> 1;
}

/* Positions have 63 bits, in whatever they are kept: whether a is ahead of b (> 0), and how far. */
PAWL_LOGRING_INLINE_ int64_t pawl_logring_ahead_(uint64_t a, uint64_t b)
{
    return (int64_t)((a - b) << 1);
}

PAWL_LOGRING_INLINE_ uint64_t pawl_logring_distance_(uint64_t a, uint64_t b)
{
    return (a - b) & (UINT64_MAX >> 1);
}

/* The head of a ring. Written by one CPU, or by who holds the lane. All zero at first. */
struct pawl_logring_ring_ {
    /* with every record */
    PAWL_ATOMIC(uint64_t) tail;   /* W: twice the position, and the bits of `written` */
    PAWL_ATOMIC(uint64_t) intent; /* I: bytes before this position less ring_bytes may be overwritten */
    PAWL_ATOMIC(uint64_t) last;   /* stamp of the newest record, or later */
    PAWL_ATOMIC(uint64_t) guard; /* nothing on the page that is overwritten next is younger than this stamp */
    char pad0[PAWL_CACHELINE - 4 * 8];
    PAWL_ATOMIC(uint64_t) written[PAWL_LOGRING_CLASSES][2];
    /* seldom */
    PAWL_ATOMIC(uint64_t) refused[PAWL_LOGRING_CLASSES];
    char pad1[PAWL_LOGRING_RING_HEAD_ - 2 * PAWL_CACHELINE - PAWL_LOGRING_CLASSES * 8];
    PAWL_ATOMIC(uint64_t) data[];
};

PAWL_STATIC_ASSERT(sizeof(struct pawl_logring_ring_) == PAWL_LOGRING_RING_HEAD_, "the data begins on a page");

/* The first page of the file. All but `ready` and `refused` is written once, before `ready`. */
struct pawl_logring_file_ {
    PAWL_ATOMIC(uint64_t) ready; /* the magic number, once the rest is there */
    uint32_t page_bytes;
    uint32_t cpus;  /* rings of CPUs */
    uint32_t rings; /* with lanes */
    uint32_t classes;
    uint64_t ring_bytes;
    uint64_t horizon_ns[PAWL_LOGRING_CLASSES];
    int64_t realtime_ns;                                 /* CLOCK_REALTIME - CLOCK_MONOTONIC */
    PAWL_ATOMIC(uint64_t) refused[PAWL_LOGRING_CLASSES]; /* by threads that had no ring */
};

PAWL_STATIC_ASSERT(sizeof(struct pawl_logring_file_) <= 4096, "one page");

/* A mapped file. */
struct pawl_logring_map_ {
    struct pawl_logring_file_ *file;
    size_t bytes;
    /* From the file, checked once: the file may be changed under us. */
    uint64_t ring_bytes;
    uint32_t cpus, rings;
};

/* Maps the file, and checks it. 0, or a negative errno. */
int pawl_logring_map_(struct pawl_logring_map_ *map, int fd, bool writable);
void pawl_logring_unmap_(const struct pawl_logring_map_ *map);

static inline struct pawl_logring_ring_ *pawl_logring_ring_of_(const struct pawl_logring_map_ *map,
                                                               uint32_t index)
{
    return (struct pawl_logring_ring_ *)((uintptr_t)map->file + PAWL_LOGRING_PAGE_ +
                                         index * (PAWL_LOGRING_RING_HEAD_ + map->ring_bytes));
}

static inline uint64_t pawl_logring_index_of_(const struct pawl_logring_map_ *map,
                                              const struct pawl_logring_ring_ *ring)
{
    return ((uintptr_t)ring - (uintptr_t)map->file) / (PAWL_LOGRING_RING_HEAD_ + map->ring_bytes);
}

/* The name of a part of a large record: its ring, and its position, in words, modulo 2^48. */
static inline uint64_t pawl_logring_part_name_(uint64_t ring, uint64_t position)
{
    return ring << 48 | (position / PAWL_LOGRING_ALIGN_ & 0xffffffffffff);
}

/* A record on its way into a ring: what the sequence needs, found out before. */
struct pawl_logring_put_ {
    const char *source;
    uint64_t words;   /* whole words of the source */
    uint64_t rest;    /* its last bytes, as a word */
    uint64_t need;    /* bytes in the ring */
    uint64_t head;    /* without the number */
    uint64_t now;     /* its time stamp, or earlier than the ring's last */
    uint64_t horizon; /* 0: none */
    uint64_t flip;    /* the bit of its class in the tail, or 0: not counted */
    uint64_t mask;    /* ring_bytes - 1 */
    /* For the sequence, and then for who wants to know. */
    uint64_t position;
    const struct pawl_logring_ring_ *ring;
};

/* For tests: a record with a stamp of the caller's; and every ring empty, at this position. */
int pawl_logring_push_at_(struct pawl_logring *log, unsigned importance, const void *data, size_t bytes,
                          uint64_t now);
void pawl_logring_start_at_(struct pawl_logring *log, uint64_t position);

#endif
