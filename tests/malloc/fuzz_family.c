/* SPDX-License-Identifier: MIT */
/* Any sequence of calls of the family, against a model of what each block holds.
 *
 * A libFuzzer target (clang -fsanitize=fuzzer; see docs/malloc.md), and a program of its own, which feeds
 * it random sequences: PAWL_TEST_SEED repeats, PAWL_TEST_LONG=1 makes it longer. */
#include "family.h"

#include <errno.h>
#include <pawl/malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 64 };

struct model {
    unsigned char *block; /* NULL: none */
    size_t size;
    unsigned char seed;
};

struct input {
    const uint8_t *at;
    const uint8_t *end;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t take(struct input *input, int bytes)
{
    uint32_t value = 0;

    for (; bytes > 0; bytes--)
        value = value << 8 | (input->at < input->end ? *input->at++ : 0);
    return value;
}

/* Every power of two up to 4 MiB is as likely, with something around it. */
static size_t take_size(struct input *input)
{
    uint32_t shape = take(input, 1);
    uint32_t around = take(input, 2);

    return shape >= 250 ? around % 40
                        : ((size_t)1 << shape % 23) + around % ((size_t)1 << (shape % 23 / 2 + 1));
}

static void demand(bool kept, const char *what)
{
    if (kept)
        return;
    fprintf(stderr, "fuzz_family: %s\n", what);
    abort();
}

static unsigned char byte_of(const struct model *model, size_t i)
{
    return (unsigned char)(model->seed + i * 13 + (i >> 8));
}

/* After byte i the next that is looked at: all of the first and last KiB, and one of each page between. */
static size_t next_sample(size_t i, size_t size)
{
    return i < 1024 || i + 1024 + 4096 > size ? i + 1 : i + 4096;
}

static void fill(struct model *model)
{
    for (size_t i = 0; i < model->size; i = next_sample(i, model->size))
        model->block[i] = byte_of(model, i);
}

static void check(const struct model *model)
{
    for (size_t i = 0; i < model->size; i = next_sample(i, model->size))
        demand(model->block[i] == byte_of(model, i), "a byte changed");
}

static void put(struct model *model, void *block, size_t size, size_t alignment, unsigned char seed)
{
    if (block == NULL)
        return; /* more than the machine has */
    demand((uintptr_t)block % alignment == 0, "not aligned");
    demand(m(malloc_usable_size)(block) >= size, "smaller than asked for");
    *model = (struct model){block, size, seed};
    fill(model);
}

static void drop(struct model *model, bool sized)
{
    if (model->block != NULL)
        check(model);
    if (sized)
        m(free_sized)(model->block, model->size);
    else
        m(free)(model->block);
    model->block = NULL;
}

static void resize(struct model *model, size_t size)
{
    size_t common = model->size < size ? model->size : size;
    void *moved;

    if (model->block == NULL)
        common = 0;
    moved = m(realloc)(model->block, size);
    if (moved == NULL && size > 0)
        return;
    model->block = moved;
    if (moved == NULL)
        return;
    for (size_t i = 0; i < common && i < 1024; i++)
        demand(model->block[i] == byte_of(model, i), "realloc changed a byte");
    model->size = size;
    fill(model);
}

static void zeroed(struct model *model, size_t size, unsigned char seed)
{
    unsigned char *block = m(calloc)(1, size);

    for (size_t i = 0; block != NULL && i < size; i = next_sample(i, size))
        demand(block[i] == 0, "calloc of what is not zero");
    put(model, block, size, 16, seed);
}

static void one_call(struct model *models, struct input *input)
{
    uint32_t call = take(input, 1);
    struct model *model = &models[take(input, 1) % SLOTS];
    size_t size = take_size(input);
    size_t alignment = (size_t)1 << (3 + call / 8 % 14);
    void *block = NULL;

    switch (call % 8) {
    case 0:
        drop(model, false);
        break;
    case 1:
        drop(model, true);
        break;
    case 2:
        resize(model, size);
        break;
    case 3:
        drop(model, false);
        zeroed(model, size, (unsigned char)call);
        break;
    case 4:
        drop(model, false);
        if (m(posix_memalign)(&block, alignment, size) == 0)
            put(model, block, size, alignment, (unsigned char)call);
        break;
    case 5:
        if (call == 5)
            (void)pawl_malloc_release(size);
        errno = 0;
        demand(m(malloc)(opaque_size(SIZE_MAX - size)) == NULL && errno == ENOMEM, "no ENOMEM");
        break;
    default:
        drop(model, false);
        put(model, m(malloc)(size), size, 16, (unsigned char)call);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model models[SLOTS] = {{NULL, 0, 0}};
    struct input input = {data, data + size};

    while (input.at < input.end)
        one_call(models, &input);
    for (int i = 0; i < SLOTS; i++)
        drop(&models[i], false);
    return 0;
}

#ifndef PAWL_FUZZER
#include <time.h>

int main(void)
{
    const char *wish = getenv("PAWL_TEST_SEED");
    const char *longer = getenv("PAWL_TEST_LONG");
    int inputs = longer != NULL && strcmp(longer, "1") == 0 ? 4000 : PAWL_INSTRUMENTED ? 3 : 8;
    uint64_t seed = wish != NULL ? strtoull(wish, NULL, 10) : (uint64_t)time(NULL);
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    static uint8_t data[4000];

    printf("# seed %llu\n", (unsigned long long)seed);
    for (int n = 0; n < inputs; n++) {
        for (size_t i = 0; i < sizeof data; i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            data[i] = (uint8_t)(state >> 32);
        }
        LLVMFuzzerTestOneInput(data, sizeof data);
    }
    return 0;
}
#endif
