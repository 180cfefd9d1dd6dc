/* SPDX-License-Identifier: MIT */
#include "profile.h"

#include "lock.h"
#include "meta.h"
#include "page_heap.h"
#include "settings.h"
#include "system.h"
#include "text.h"

#include <string.h>
#ifdef __GLIBC__
#include <execinfo.h>
#else
/* musl has no unwinder: stacks are the caller alone. */
static int backtrace(void **frame, int size)
{
    (void)size;
    frame[0] = NULL;
    frame[1] = __builtin_return_address(0);
    return 2;
}
#endif

#define STACK_MAX 40
#define SKIP 1 /* frames of this file */
#define BUCKETS 4096u

/* A call stack and what it allocated. */
struct stack {
    struct stack *next;
    uint64_t hash;
    uint64_t live, live_bytes;
    uint64_t all, all_bytes;
    int frames;
    void *frame[STACK_MAX];
};

struct sample {
    struct sample *next; /* free ones */
    struct stack *stack;
    size_t bytes;
};

PAWL_ATOMIC(bool) pawl_profile_on_;

static struct {
    struct pawl_mutex lock;
    struct stack *bucket[BUCKETS];
    struct sample *spare;
    uint64_t random; /* 0: it has not begun */
} profile;

static __thread struct {
    int64_t left; /* bytes until the next sample */
    bool begun;
    bool inside; /* the unwinder allocates when it is first used */
} mine __attribute__((tls_model("initial-exec")));

bool pawl_profile_open_(size_t bytes)
{
    bool first;

    pawl_mutex_lock(&profile.lock);
    first = profile.random == 0;
    if (first) {
        profile.random = pawl_system_random_() | 1;
        pawl_settings_.sample_bytes = bytes < SAMPLE_MAX ? bytes : SAMPLE_MAX;
        pawl_store_release(&pawl_profile_on_, true); /* release: pairs with pawl_profile_is_on_ */
    }
    pawl_mutex_unlock(&profile.lock);
    return first;
}

/* log2 of 1 to 2^53, by exponent and a parabola: exact to 0.01, and no libm. */
static double log_2(double x)
{
    union {
        double number;
        uint64_t bits;
    } u = {x};
    double exponent = (double)((int64_t)(u.bits >> 52) - 1023);
    double m;

    u.bits = (u.bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)1023 << 52;
    m = u.number - 1.0;
    return exponent + m * (1.3465 - 0.3465 * m);
}

/* Exponentially distributed: -ln(uniform) * mean. */
static int64_t distance(void)
{
    double uniform;

    pawl_mutex_lock(&profile.lock);
    profile.random ^= profile.random << 13;
    profile.random ^= profile.random >> 7;
    profile.random ^= profile.random << 17;
    uniform = (double)((profile.random >> 12) + 1); /* of 2^52 */
    pawl_mutex_unlock(&profile.lock);
    return 1 + (int64_t)((52.0 - log_2(uniform)) * 0.6931471805599453 * (double)pawl_settings_.sample_bytes);
}

bool pawl_profile_count_(size_t size)
{
    if (mine.inside)
        return false;
    if (!mine.begun) {
        mine.begun = true;
        mine.left = distance();
    }
    mine.left -= (int64_t)(size < ((size_t)1 << 40) ? size : (size_t)1 << 40);
    if (mine.left > 0)
        return false;
    mine.left = distance();
    return true;
}

static uint64_t hash_of(void *const *frame, int frames)
{
    uint64_t hash = (uint64_t)frames;

    for (int i = 0; i < frames; i++)
        hash = (hash ^ (uintptr_t)frame[i]) * UINT64_C(0x9e3779b97f4a7c15);
    return hash;
}

/* With the lock. NULL: no memory. */
static struct stack *find_stack(void *const *frame, int frames)
{
    uint64_t hash = hash_of(frame, frames);
    struct stack **at = &profile.bucket[hash >> 52];
    struct stack *stack;

    for (stack = *at; stack != NULL; stack = stack->next)
        if (stack->hash == hash && stack->frames == frames &&
            memcmp(stack->frame, frame, (size_t)frames * sizeof *frame) == 0)
            return stack;
    stack = pawl_meta_alloc_(sizeof *stack);
    if (stack == NULL)
        return NULL;
    stack->hash = hash;
    stack->frames = frames;
    memcpy(stack->frame, frame, (size_t)frames * sizeof *frame);
    stack->next = *at;
    *at = stack;
    return stack;
}

/* With the lock. */
static struct sample *new_sample(void)
{
    struct sample *sample = profile.spare;

    if (sample == NULL)
        return pawl_meta_alloc_(sizeof *sample);
    profile.spare = sample->next;
    return sample;
}

static struct sample *record(size_t bytes, void *const *frame, int frames)
{
    struct sample *sample = NULL;
    struct stack *stack;

    pawl_mutex_lock(&profile.lock);
    stack = find_stack(frame, frames);
    if (stack != NULL)
        sample = new_sample();
    if (sample != NULL) {
        sample->stack = stack;
        sample->bytes = bytes;
        stack->live++;
        stack->all++;
        stack->live_bytes += bytes;
        stack->all_bytes += bytes;
    }
    pawl_mutex_unlock(&profile.lock);
    return sample;
}

static void forget(struct sample *sample)
{
    pawl_mutex_lock(&profile.lock);
    sample->stack->live--;
    sample->stack->live_bytes -= sample->bytes;
    sample->next = profile.spare;
    profile.spare = sample;
    pawl_mutex_unlock(&profile.lock);
}

void *pawl_profile_alloc_(size_t size, size_t alignment)
{
    void *frame[STACK_MAX + SKIP];
    size_t pages = size != 0 ? DIV_UP(size, PAGE_BYTES) : 1;
    struct sample *sample;
    struct span *span;
    int frames;

    mine.inside = true;
    frames = backtrace(frame, STACK_MAX + SKIP);
    mine.inside = false;
    sample = record(size, frame + SKIP, frames > SKIP ? frames - SKIP : 0);
    if (sample == NULL)
        return NULL;
    span = pawl_span_open_(pages, alignment <= PAGE_BYTES ? 1 : alignment >> PAGE_SHIFT, SPAN_SAMPLED, false);
    if (span == NULL) {
        forget(sample);
        return NULL;
    }
    span->bytes = size;
    span->sample = sample;
    pawl_pages_zero_(span->page, pages); /* perhaps for calloc */
    return span_start(span);
}

void pawl_profile_free_(struct span *span)
{
    forget(span->sample);
    pawl_span_close_(span, false, true);
}

/* ---- writing ---- */

static void add_counts(struct stack *sum, const struct stack *s)
{
    sum->live += s->live;
    sum->live_bytes += s->live_bytes;
    sum->all += s->all;
    sum->all_bytes += s->all_bytes;
}

static struct stack sum_up(void)
{
    struct stack sum = {.frames = 0};

    pawl_mutex_lock(&profile.lock);
    for (uint32_t b = 0; b < BUCKETS; b++)
        for (const struct stack *s = profile.bucket[b]; s != NULL; s = s->next)
            add_counts(&sum, s);
    pawl_mutex_unlock(&profile.lock);
    return sum;
}

static void write_counts(struct text *text, const struct stack *s)
{
    pawl_text_add_(text, "%w%u: %w%u [%w%u: %w%u] @", 6, s->live, 8, s->live_bytes, 6, s->all, 8,
                   s->all_bytes);
}

/* Without the lock: who reads the file may be a thread of this process, and allocate. What a stack is does not change, and
 * none is ever removed: new ones come in front. */
static void write_stack(struct text *text, const struct stack *s)
{
    struct stack counts = {.frames = 0};

    pawl_mutex_lock(&profile.lock);
    add_counts(&counts, s);
    pawl_mutex_unlock(&profile.lock);
    write_counts(text, &counts);
    for (int i = 0; i < s->frames; i++)
        pawl_text_add_(text, " 0x%x", (uint64_t)(uintptr_t)s->frame[i]);
    pawl_text_add_(text, "\n");
}

void pawl_profile_live_(uint64_t *blocks, uint64_t *bytes)
{
    struct stack sum = {.frames = 0};

    if (pawl_profile_is_on_())
        sum = sum_up();
    *blocks = sum.live;
    *bytes = sum.live_bytes;
}

static const struct stack *first_of(uint32_t bucket)
{
    const struct stack *first;

    pawl_mutex_lock(&profile.lock);
    first = profile.bucket[bucket];
    pawl_mutex_unlock(&profile.lock);
    return first;
}

int pawl_profile_write_(int fd)
{
    struct text text;
    struct stack sum = sum_up();

    pawl_text_begin_(&text, fd);
    pawl_text_add_(&text, "heap profile: ");
    write_counts(&text, &sum);
    pawl_text_add_(&text, " heap_v2/%u\n", (uint64_t)pawl_settings_.sample_bytes);
    for (uint32_t b = 0; b < BUCKETS; b++)
        for (const struct stack *s = first_of(b); s != NULL; s = s->next)
            write_stack(&text, s);
    pawl_text_add_(&text, "\nMAPPED_LIBRARIES:\n");
    pawl_text_file_(&text, "/proc/self/maps");
    return pawl_text_end_(&text);
}

/* The stack with most live bytes below a limit: a few lines need no sorting. */
static const struct stack *next_largest(const struct stack *after)
{
    const struct stack *largest = NULL;

    pawl_mutex_lock(&profile.lock);
    for (uint32_t b = 0; b < BUCKETS; b++)
        for (const struct stack *s = profile.bucket[b]; s != NULL; s = s->next) {
            bool below = after == NULL || s->live_bytes < after->live_bytes ||
                         (s->live_bytes == after->live_bytes && s->hash < after->hash);

            if (s->live > 0 && below &&
                (largest == NULL || s->live_bytes > largest->live_bytes ||
                 (s->live_bytes == largest->live_bytes && s->hash > largest->hash)))
                largest = s;
        }
    pawl_mutex_unlock(&profile.lock);
    return largest;
}

void pawl_profile_report_(int fd, uint32_t lines)
{
    struct text text;
    const struct stack *s = NULL;

    pawl_text_begin_(&text, fd);
    while (lines-- > 0 && (s = next_largest(s)) != NULL) {
        pawl_text_add_(&text, "pawl-malloc: sampled ");
        write_stack(&text, s);
    }
    (void)pawl_text_end_(&text);
}

void pawl_profile_lock_(void)
{
    pawl_mutex_lock(&profile.lock);
}

void pawl_profile_unlock_(bool child)
{
    lock_release(&profile.lock, child);
}
