/* SPDX-License-Identifier: MIT */
/* Promise: no damage to a file makes the verifier crash, read outside of it, or run for long. The damage is
 * drawn from a fixed seed, so that a failure comes again; built with AddressSanitizer it says the most. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rseq_check/check.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { VARIANTS = 2000, VARIANTS_LONG = 50000, WHOLE_LIMIT = 60 };
static const double one_limit = 2.0; /* seconds of CPU time for one variant, with sanitizers */

struct file {
    uint8_t *bytes;
    size_t size;
};

static uint64_t random_state;

/* xorshift64: the same on every machine. */
static uint64_t draw(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

static struct file read_file(const char *path)
{
    struct file file = {0};
    FILE *stream = fopen(path, "rbe");
    long size;

    assert_non_null(stream);
    assert_int_equal(fseek(stream, 0, SEEK_END), 0);
    size = ftell(stream);
    assert_true(size > 64);
    rewind(stream);
    file.size = (size_t)size;
    file.bytes = malloc(file.size);
    assert_non_null(file.bytes);
    assert_int_equal(fread(file.bytes, 1, file.size, stream), file.size);
    fclose(stream);
    return file;
}

static uint64_t header_word(const struct file *file, size_t at)
{
    return image_word64(file->bytes + at);
}

/* Where damage hurts: the header, the tables it leads to, and anywhere. */
static size_t draw_place(const struct file *file)
{
    uint64_t programs = header_word(file, offsetof(Elf64_Ehdr, e_phoff));
    uint64_t sections = header_word(file, offsetof(Elf64_Ehdr, e_shoff));

    switch (draw(4)) {
    case 0:
        return draw(sizeof(Elf64_Ehdr));
    case 1:
        return (programs + draw(12 * sizeof(Elf64_Phdr))) % file->size;
    case 2:
        return (sections + draw(40 * sizeof(Elf64_Shdr))) % file->size;
    default:
        return draw(file->size);
    }
}

static void damage(uint8_t *bytes, size_t size, size_t place)
{
    static const uint64_t extremes[] = {0,          1,          0x7f,       0xff,
                                        0x7fffffff, 0xffffffff, INT64_MAX,  UINT64_MAX,
                                        0x1000,     0xfffff000, 0xffffffe0, UINT64_C(1) << 63};
    uint64_t value = extremes[draw(sizeof extremes / sizeof extremes[0])];
    size_t width = (size_t)1 << draw(4);

    if (draw(3) == 0) {
        bytes[place] ^= (uint8_t)(1u << draw(8));
        return;
    }
    for (size_t i = 0; i < width && place + i < size; i++)
        bytes[place + i] = (uint8_t)(value >> 8 * i);
}

/* In a block of exactly its size, so that reading beyond it shows. */
static struct file draw_variant(const struct file *file)
{
    struct file variant = {malloc(file->size), file->size};

    assert_non_null(variant.bytes);
    memcpy(variant.bytes, file->bytes, file->size);
    for (uint64_t hits = 1 + draw(6); hits > 0; hits--)
        damage(variant.bytes, variant.size, draw_place(file));
    if (draw(8) == 0) {
        uint8_t *shorter;

        variant.size = 1 + draw(file->size);
        shorter = realloc(variant.bytes, variant.size);
        variant.bytes = shorter ? shorter : variant.bytes;
    }
    return variant;
}

/* Of this process: others may keep it from running. */
static double cpu_seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Returns whether the file could be read. */
static bool check(struct file variant)
{
    const struct options options = {0};
    struct image image;
    struct report report;
    bool readable = image_open_memory(&image, "damaged", variant.bytes, variant.size);

    if (readable && check_supports(&image)) {
        check_image(&image, &options, &report);
        report_free(&report);
    }
    if (!readable)
        assert_true(image.error[0] != '\0');
    image_close(&image);
    return readable;
}

static void damage_is_survived(const char *name)
{
    const char *as_long = getenv("PAWL_TEST_LONG");
    unsigned count = as_long && as_long[0] == '1' ? VARIANTS_LONG : VARIANTS;
    struct file file = read_file(name);
    unsigned readable = 0;

    alarm(as_long ? 20 * WHOLE_LIMIT : WHOLE_LIMIT); /* a hang ends the test */
    for (unsigned i = 0; i < count; i++) {
        double begin = cpu_seconds();

        random_state = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
        readable += check(draw_variant(&file));
        if (cpu_seconds() - begin > one_limit)
            fail_msg("variant %u of %s took %.1f s", i, name, cpu_seconds() - begin);
    }
    alarm(0);
    /* damage that is always refused at the door would test nothing behind it */
    assert_in_range(readable, count / 4, count);
    free(file.bytes);
}

static void damaged_files_are_survived(void **state)
{
    static const char *const names[] = {"x86_64_good_restart", "x86_64_second_store", "aarch64_good_return"};
    unsigned tried = 0;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[4096];

        snprintf(path, sizeof path, "%s/%s.so", getenv("RSEQ_CHECK_FIXTURES"), names[i]);
        if (access(path, R_OK) != 0)
            continue;
        damage_is_survived(path);
        tried++;
    }
    assert_true(tried > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_files_are_survived)};

    return cmocka_run_group_tests_name("rseq-check-damaged", tests, NULL, NULL);
}
