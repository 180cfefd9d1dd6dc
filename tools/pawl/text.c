/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *text_bytes(char text[BYTES_TEXT_MAX], uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    int decimals;

    /* 1023.5 would be printed as 1024. */
    while (value >= 1023.5 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    snprintf(text, BYTES_TEXT_MAX, "%.*f", decimals, value);
    if (decimals > 0) {
        size_t end = strlen(text);

        while (text[end - 1] == '0')
            end--;
        if (text[end - 1] == '.')
            end--;
        text[end] = '\0';
    }
    snprintf(text + strlen(text), BYTES_TEXT_MAX - strlen(text), " %s", units[unit]);
    return text;
}

void text_count(unsigned count, const char *one, const char *many)
{
    printf("%u %s", count, count == 1 ? one : many);
}

void text_set(hwloc_const_bitmap_t set)
{
    char *list = NULL;

    if (hwloc_bitmap_iszero(set)) {
        fputs("none", stdout);
        return;
    }
    if (hwloc_bitmap_list_asprintf(&list, set) < 0) {
        fputs("?", stdout);
        return;
    }
    fputs(list, stdout);
    free(list);
}

void text_label(const char *label)
{
    printf("%-*s", LABEL_WIDTH, label);
}

static unsigned place_word(const char *word, unsigned column)
{
    unsigned length = (unsigned)strlen(word);

    if (column > LABEL_WIDTH && column + 1 + length > LINE_WIDTH) {
        printf("\n%*s", LABEL_WIDTH, "");
        column = LABEL_WIDTH;
    }
    if (column > LABEL_WIDTH) {
        putchar(' ');
        column++;
    }
    fputs(word, stdout);
    return column + length;
}

void text_flags(const struct flag_name *names, uint64_t flags, unsigned column)
{
    for (; names->name; names++) {
        if (flags & names->flag)
            column = place_word(names->name, column);
        flags &= ~names->flag;
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        char word[16];

        if (!(flags >> bit & 1))
            continue;
        snprintf(word, sizeof word, "bit-%u", bit);
        column = place_word(word, column);
    }
    putchar('\n');
}
