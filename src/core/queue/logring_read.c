/* SPDX-License-Identifier: MIT */
/* Logrings: the reading side. Nothing here writes to the file.
 *
 * A reader goes in rounds. A round fixes, for each ring, the tail up to which it reads, after it has looked at the clock;
 * then it merges the rings by stamps, up to that time. What is younger waits for the next round: it could be older than a
 * record that another ring gets meanwhile. Of each ring a page is copied at a time, and its records are shown from
 * the copy: that is one look at the writer's line a page, not a record. */
#include "logring_read.h"

#include <pawl/clock.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Stamps that are further ahead are of another boot: shown at once. */
#define CLOCKS_DIFFER_NS INT64_C(1000000000)

#define NUMBER_MASK (~UINT64_C(0) >> PAWL_LOGRING_NUMBER_AT_)

struct cursor {
    const struct pawl_logring_ring_ *ring;
    char *page;        /* of the copy: what it has of position p stands at p modulo the page */
    uint64_t position; /* the next record */
    uint64_t copied;   /* the copy ends here */
    uint64_t limit;    /* of this round */
    uint64_t margin;   /* how far to stay away from what is overwritten next: grows while we are overtaken */
    uint64_t expected[PAWL_LOGRING_CLASSES]; /* numbers */
    uint64_t head, stamp;                    /* of the next record, when `ready` */
    bool ready;
    bool unsettled; /* records of some class may have been lost, and no later one has told so yet */
};

struct pawl_logring_reader {
    struct pawl_logring_map_ map;
    char *pages; /* a page a ring */
    char *large; /* where a large record is put together */
    size_t large_bytes;
    uint64_t now;         /* of this round */
    struct cursor *shown; /* whose record the caller has */
    uint32_t waiting;     /* cursors in the heap */
    uint32_t *heap;       /* the cursors with a record of this round, the oldest first */
    uint64_t read[PAWL_LOGRING_CLASSES], lost[PAWL_LOGRING_CLASSES];
    uint64_t damaged;
    struct cursor cursor[];
};

static uint64_t page_of(uint64_t position)
{
    return position & ~(uint64_t)(PAWL_LOGRING_PAGE_ - 1);
}

/* ---- the records of one ring ---- */

/* The reader was overtaken: on to the first page that is left, and some more, if that happens again and again. */
static void jump(struct pawl_logring_reader *reader, struct cursor *cursor)
{
    uint64_t tail = pawl_logring_position_(pawl_load_acquire(&cursor->ring->tail)); /* acquire W */
    uint64_t left = pawl_load_relaxed(&cursor->ring->intent) -
                    reader->map.ring_bytes; /* relaxed: the copy decides */
    uint64_t to = page_of(left + cursor->margin + PAWL_LOGRING_PAGE_ - 1);

    if (pawl_logring_ahead_(to, tail) > 0)
        to = page_of(tail);
    if (pawl_logring_ahead_(to, cursor->position) <= 0) {
        reader->damaged++; /* what no writer does: the ring was spoilt */
        to = cursor->limit;
    }
    cursor->position = to;
    cursor->copied = to;
    cursor->unsettled = true;
    cursor->margin = cursor->margin == 0 ? PAWL_LOGRING_PAGE_ : 2 * cursor->margin;
    if (cursor->margin > reader->map.ring_bytes / 2)
        cursor->margin = reader->map.ring_bytes / 2;
}

/* Copies from the cursor's position to the end of its page, or to the limit. False: the limit is reached. */
static bool copy_page(struct pawl_logring_reader *reader, struct cursor *cursor)
{
    while (pawl_logring_ahead_(cursor->limit, cursor->position) > 0) {
        uint64_t end = page_of(cursor->position) + PAWL_LOGRING_PAGE_;

        if (pawl_logring_ahead_(end, cursor->limit) > 0)
            end = cursor->limit;
        if (pawl_logring_distance_(cursor->limit, cursor->position) <= reader->map.ring_bytes &&
            pawl_logring_copy_(cursor->ring, reader->map.ring_bytes, cursor->position,
                               cursor->page + cursor->position % PAWL_LOGRING_PAGE_,
                               pawl_logring_distance_(end, cursor->position))) {
            cursor->copied = end;
            cursor->margin = 0;
            return true;
        }
        jump(reader, cursor);
    }
    return false;
}

static uint64_t copied_word(const struct cursor *cursor, uint64_t position)
{
    uint64_t word;

    memcpy(&word, cursor->page + position % PAWL_LOGRING_PAGE_, sizeof word);
    return word;
}

/* What was lost of the class before this number. */
static void settle(struct pawl_logring_reader *reader, struct cursor *cursor, unsigned importance,
                   uint64_t number)
{
    reader->lost[importance] += (number - cursor->expected[importance]) & NUMBER_MASK;
    cursor->expected[importance] = number;
}

/* Looks at the record at the cursor's position, in the copy. True when it is one to be shown. Else it is passed by. */
static bool look(struct pawl_logring_reader *reader, struct cursor *cursor)
{
    uint64_t head = copied_word(cursor, cursor->position);
    uint64_t left = pawl_logring_distance_(cursor->copied, cursor->position);
    unsigned kind = pawl_logring_kind_(head);
    uint64_t need = pawl_logring_need_(pawl_logring_bytes_(head));
    unsigned importance = pawl_logring_class_(head);

    if (kind == PAWL_LOGRING_FILLER_) {
        cursor->position = page_of(cursor->position) + PAWL_LOGRING_PAGE_;
        return false;
    }
    if (kind == PAWL_LOGRING_NOTHING_ || kind > PAWL_LOGRING_FILLER_ || need > left) {
        reader->damaged++;
        cursor->position = page_of(cursor->position) + PAWL_LOGRING_PAGE_;
        return false;
    }
    if (kind == PAWL_LOGRING_PART_) {
        cursor->position += need;
        return false;
    }
    cursor->head = head;
    cursor->stamp = copied_word(cursor, cursor->position + 8);
    settle(reader, cursor, importance, head >> PAWL_LOGRING_NUMBER_AT_);
    cursor->expected[importance]++;
    return true;
}

/* Makes the cursor's next record of this round ready. False: there is none. */
static bool next_of(struct pawl_logring_reader *reader, struct cursor *cursor)
{
    while (!cursor->ready) {
        if (pawl_logring_ahead_(cursor->copied, cursor->position) <= 0 && !copy_page(reader, cursor))
            return false;
        cursor->ready = look(reader, cursor);
    }
    return true;
}

/* ---- merging ---- */

static bool older(const struct pawl_logring_reader *reader, uint32_t a, uint32_t b)
{
    int64_t difference = (int64_t)(reader->cursor[a].stamp - reader->cursor[b].stamp);

    return difference != 0 ? difference < 0 : a < b;
}

static void sink(struct pawl_logring_reader *reader, uint32_t at)
{
    uint32_t *heap = reader->heap;

    for (;;) {
        uint32_t child = 2 * at + 1;
        uint32_t moved = heap[at];

        if (child >= reader->waiting)
            return;
        if (child + 1 < reader->waiting && older(reader, heap[child + 1], heap[child]))
            child++;
        if (!older(reader, heap[child], moved))
            return;
        heap[at] = heap[child];
        heap[child] = moved;
        at = child;
    }
}

/* Whether the cursor has a record that belongs to this round. */
static bool takes_part(struct pawl_logring_reader *reader, struct cursor *cursor)
{
    int64_t ahead;

    if (!next_of(reader, cursor))
        return false;
    ahead = (int64_t)(cursor->stamp - reader->now);
    return ahead <= 0 || ahead > CLOCKS_DIFFER_NS;
}

/* Everything of a ring is read. Counts what was lost of classes that have had no record since. */
static void settle_all(struct pawl_logring_reader *reader, struct cursor *cursor, uint64_t tail)
{
    uint64_t written[PAWL_LOGRING_CLASSES];

    if (!pawl_logring_written_(cursor->ring, tail, written))
        return; /* another time */
    for (unsigned c = 0; c < PAWL_LOGRING_CLASSES; c++)
        settle(reader, cursor, c, written[c] & NUMBER_MASK);
    cursor->unsettled = false;
}

static void begin_round(struct pawl_logring_reader *reader)
{
    reader->now = pawl_clock_ns_ordered();
    reader->waiting = 0;
    for (uint32_t i = 0; i < reader->map.rings; i++) {
        struct cursor *cursor = &reader->cursor[i];
        uint64_t tail = pawl_load_acquire(
            &cursor->ring->tail); /* acquire W: pairs with the commit: records are whole */

        cursor->limit = pawl_logring_position_(tail);
        if (takes_part(reader, cursor))
            reader->heap[reader->waiting++] = i;
        else if (cursor->unsettled && pawl_logring_distance_(cursor->position, cursor->limit) == 0)
            settle_all(reader, cursor, tail);
    }
    for (uint32_t i = reader->waiting / 2; i-- > 0;)
        sink(reader, i);
}

/* The record that was shown is done with: its ring's next takes its place. */
static void pass_shown(struct pawl_logring_reader *reader)
{
    struct cursor *cursor = reader->shown;

    if (cursor == NULL)
        return;
    reader->shown = NULL;
    cursor->position += pawl_logring_need_(pawl_logring_bytes_(cursor->head));
    cursor->ready = false;
    if (!takes_part(reader, cursor))
        reader->heap[0] = reader->heap[--reader->waiting];
    sink(reader, 0);
}

/* ---- large records ---- */

/* One part, to `to`. False: it is not there any more. */
static bool fetch_part(const struct pawl_logring_reader *reader, uint64_t name, char *to, size_t bytes)
{
    const struct pawl_logring_ring_ *ring;
    uint64_t copy[PAWL_LOGRING_PAGE_ / 8];
    uint64_t tail, position;
    size_t need = pawl_logring_need_(bytes);

    copy[0] = 0; /* for who thinks that nothing is copied */
    if (name >> 48 >= reader->map.rings)
        return false;
    ring = pawl_logring_ring_of_(&reader->map, (uint32_t)(name >> 48));
    tail = pawl_logring_position_(
        pawl_load_acquire(&ring->tail)); /* acquire W: at least the one of the part's commit */
    position = tail - ((tail / 8 - name) & 0xffffffffffff) * 8;
    if (tail - position > reader->map.ring_bytes ||
        position % PAWL_LOGRING_PAGE_ + need > PAWL_LOGRING_PAGE_ ||
        !pawl_logring_copy_(ring, reader->map.ring_bytes, position, copy, need) ||
        pawl_logring_kind_(copy[0]) != PAWL_LOGRING_PART_ || pawl_logring_bytes_(copy[0]) != bytes)
        return false;
    memcpy(to, copy + 2, bytes);
    return true;
}

/* Puts the large record together that the cursor's record describes. False: a part of it is lost. */
static bool fetch_large(struct pawl_logring_reader *reader, const struct cursor *cursor, uint32_t *bytes)
{
    uint64_t names = cursor->position + PAWL_LOGRING_RECORD_HEAD_;
    uint64_t length = copied_word(cursor, names);
    uint64_t parts = (length + PAWL_LOGRING_INLINE_MAX - 1) / PAWL_LOGRING_INLINE_MAX;

    if (length > reader->large_bytes || pawl_logring_bytes_(cursor->head) != 8 * (1 + parts))
        return false;
    for (uint64_t i = 0; i < parts; i++) {
        uint64_t at = i * PAWL_LOGRING_INLINE_MAX;
        uint64_t rest = length - at;

        if (!fetch_part(reader, copied_word(cursor, names + 8 * (1 + i)), reader->large + at,
                        rest < PAWL_LOGRING_INLINE_MAX ? rest : PAWL_LOGRING_INLINE_MAX))
            return false;
    }
    *bytes = (uint32_t)length;
    return true;
}

/* ---- the interface ---- */

/* Fills *record from the oldest. False: a large one that is lost. */
static bool show(struct pawl_logring_reader *reader, struct pawl_logring_record *record)
{
    uint32_t index = reader->heap[0];
    struct cursor *cursor = &reader->cursor[index];

    reader->shown = cursor;
    record->stamp_ns = cursor->stamp;
    record->number = cursor->head >> PAWL_LOGRING_NUMBER_AT_;
    record->ring = index;
    record->importance = pawl_logring_class_(cursor->head);
    record->bytes = pawl_logring_bytes_(cursor->head);
    record->data = cursor->page + (cursor->position + PAWL_LOGRING_RECORD_HEAD_) % PAWL_LOGRING_PAGE_;
    if (pawl_logring_kind_(cursor->head) == PAWL_LOGRING_WHOLE_) {
        if (!fetch_large(reader, cursor, &record->bytes)) {
            reader->lost[record->importance]++;
            return false;
        }
        record->data = reader->large;
    }
    reader->read[record->importance]++;
    return true;
}

int pawl_logring_read(struct pawl_logring_reader *reader, struct pawl_logring_record *record)
{
    for (;;) {
        pass_shown(reader);
        if (reader->waiting == 0)
            begin_round(reader);
        if (reader->waiting == 0)
            return -EAGAIN;
        if (show(reader, record))
            return 0;
    }
}

/* At the tail, and with the numbers that come next there. */
static void place_at_tail(struct cursor *cursor)
{
    uint64_t tail;

    do {
        tail = pawl_load_acquire(&cursor->ring->tail); /* acquire W */
    } while (!pawl_logring_written_(cursor->ring, tail,
                                    cursor->expected)); /* again: another record was committed */
    for (unsigned c = 0; c < PAWL_LOGRING_CLASSES; c++)
        cursor->expected[c] &= NUMBER_MASK;
    cursor->position = pawl_logring_position_(tail);
}

/* Where the cursor begins: all numbers from 0 on, or those from now on. */
static void place(struct pawl_logring_reader *reader, struct cursor *cursor, enum pawl_logring_start from)
{
    if (from == PAWL_LOGRING_NOW) {
        place_at_tail(cursor);
    } else {
        cursor->limit = pawl_logring_position_(pawl_load_acquire(&cursor->ring->tail)); /* acquire W */
        /* relaxed: the copy decides */
        if (pawl_load_relaxed(&cursor->ring->intent) > reader->map.ring_bytes)
            jump(reader, cursor);
        cursor->margin = 0;
    }
    cursor->unsettled = true;
    cursor->copied = cursor->position;
}

static int map_buffers(struct pawl_logring_reader *reader)
{
    size_t pages = (size_t)reader->map.rings * PAWL_LOGRING_PAGE_;

    reader->large_bytes = reader->map.ring_bytes / 2;
    /* addresses: a page that is not used takes no memory */
    reader->pages = mmap(NULL, pages + reader->large_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reader->pages == MAP_FAILED)
        return -errno;
    reader->large = reader->pages + pages;
    reader->heap = calloc(reader->map.rings, sizeof *reader->heap);
    if (reader->heap != NULL)
        return 0;
    munmap(reader->pages, pages + reader->large_bytes);
    return -ENOMEM;
}

struct pawl_logring_reader *pawl_logring_reader_open(int fd, enum pawl_logring_start from)
{
    struct pawl_logring_map_ map;
    struct pawl_logring_reader *reader = NULL;
    int status = pawl_logring_map_(&map, fd, false);

    if (status == 0) {
        reader = calloc(1, sizeof *reader + map.rings * sizeof reader->cursor[0]);
        if (reader != NULL)
            reader->map = map;
        status = reader != NULL ? map_buffers(reader) : -ENOMEM;
        if (status != 0)
            pawl_logring_unmap_(&map);
    }
    if (status != 0) {
        free(reader);
        errno = -status;
        return NULL;
    }
    for (uint32_t i = 0; i < map.rings; i++) {
        reader->cursor[i].ring = pawl_logring_ring_of_(&reader->map, i);
        reader->cursor[i].page = reader->pages + (size_t)i * PAWL_LOGRING_PAGE_;
        place(reader, &reader->cursor[i], from);
    }
    return reader;
}

void pawl_logring_reader_close(struct pawl_logring_reader *reader)
{
    if (reader == NULL)
        return;
    munmap(reader->pages, (size_t)reader->map.rings * PAWL_LOGRING_PAGE_ + reader->large_bytes);
    pawl_logring_unmap_(&reader->map);
    free(reader->heap);
    free(reader);
}

void pawl_logring_get_counts(const struct pawl_logring_reader *reader, struct pawl_logring_counts *counts)
{
    memset(counts, 0, sizeof *counts);
    for (uint32_t i = 0; i < reader->map.rings; i++) {
        const struct pawl_logring_ring_ *ring = reader->cursor[i].ring;
        uint64_t written[PAWL_LOGRING_CLASSES];

        while (!pawl_logring_written_(ring, pawl_load_acquire(&ring->tail),
                                      written)) { /* another record was committed */
        }
        for (unsigned c = 0; c < PAWL_LOGRING_CLASSES; c++) {
            counts->written[c] += written[c];
            counts->refused[c] += pawl_load_relaxed(&ring->refused[c]); /* relaxed: a count */
        }
    }
    for (unsigned c = 0; c < PAWL_LOGRING_CLASSES; c++)
        counts->refused[c] += pawl_load_relaxed(&reader->map.file->refused[c]); /* relaxed: a count */
    memcpy(counts->read, reader->read, sizeof counts->read);
    memcpy(counts->lost, reader->lost, sizeof counts->lost);
    counts->damaged = reader->damaged;
    counts->cpus = reader->map.cpus;
    counts->rings = reader->map.rings;
    counts->ring_bytes = reader->map.ring_bytes;
    memcpy(counts->horizon_ns, reader->map.file->horizon_ns, sizeof counts->horizon_ns);
    counts->realtime_ns = reader->map.file->realtime_ns;
}
