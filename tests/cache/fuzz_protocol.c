/* SPDX-License-Identifier: MIT */
/* Any bytes, cut anywhere, to each of the protocols: no crash, no hang, and the same answers as uncut.
 *
 * A libFuzzer target (clang -fsanitize=fuzzer), and without it (FUZZ_ALONE) a program that feeds the files it is given.
 * The first byte of an input says which protocol and where it is cut. */
#include "loop.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ITEM_MAX = 256 * 1024, CUTS = 64 };

/* Flushed, so that one input does not see what another one stored. */
static bool converse(struct loop *loop, const char *bytes, size_t count, uint8_t how, char **answers,
                     size_t *answer_count)
{
    size_t cuts[CUTS], cut_count = 0;
    const size_t step = how >> 2 == 0 ? count + 1 : (size_t)(how >> 2);
    bool closed;

    for (size_t at = step; at < count && cut_count < CUTS; at += step)
        cuts[cut_count++] = at;
    cache_flush(loop->store, cache_now(loop->store));
    closed = loop_converse(loop, bytes, count, cuts, cut_count);
    *answer_count = loop->sent_count;
    *answers = malloc(loop->sent_count + 1);
    loop_check(*answers != NULL, "malloc");
    if (loop->sent_count != 0)
        memcpy(*answers, loop->sent, loop->sent_count);
    return closed;
}

static bool has(const uint8_t *data, size_t size, uint8_t byte)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] == byte)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct loop loop;
    static bool opened;
    char *whole, *cut;
    size_t whole_count, cut_count;

    if (!opened) {
        loop_open(&loop, ITEM_MAX);
        opened = true;
    }
    if (size < 2)
        return 0;
    loop.service.tokens = (data[0] & 1) != 0;
    loop.service.sasl = (data[0] & 2) != 0;
    (void)converse(&loop, (const char *)data + 1, size - 1, data[0] & 3, &whole, &whole_count);
    (void)converse(&loop, (const char *)data + 1, size - 1, data[0], &cut, &cut_count);
    /* Numbers of cas, times, and lines longer than may be kept differ; what is short and plain does not. */
    if (size < 1024 && !has(data, size, 's') && !has(data, size, 'm') && data[1] != 0x80)
        loop_check(whole_count == cut_count && memcmp(whole, cut, cut_count) == 0,
                   "the answers depend on the cuts");
    free(whole);
    free(cut);
    while (cache_maintain(loop.session)) {
    }
    return 0;
}

#ifdef FUZZ_ALONE
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        static uint8_t bytes[1 << 20];

        loop_check(file != NULL, argv[i]);
        (void)LLVMFuzzerTestOneInput(bytes, fread(bytes, 1, sizeof bytes, file));
        (void)fclose(file);
    }
    return 0;
}
#endif
