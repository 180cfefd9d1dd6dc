/* SPDX-License-Identifier: MIT */
#include "print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if PAWL_HAVE_LIBDW
#include <elfutils/libdw.h>

struct lines {
    Dwarf *dwarf;
};

struct lines *lines_open(const struct image *image)
{
    struct lines *lines = malloc(sizeof *lines);

    if (!lines)
        return NULL;
    lines->dwarf = dwarf_begin_elf(image->elf, DWARF_C_READ, NULL);
    if (!lines->dwarf) {
        free(lines);
        return NULL;
    }
    return lines;
}

void lines_close(struct lines *lines)
{
    if (!lines)
        return;
    dwarf_end(lines->dwarf);
    free(lines);
}

/* Unit by unit, because not every compiler writes an index of addresses. */
void lines_find(struct lines *lines, uint64_t address, char place[PLACE_MAX])
{
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;

    place[0] = '\0';
    while (lines && dwarf_get_units(lines->dwarf, unit, &unit, NULL, NULL, &die, NULL) == 0) {
        Dwarf_Line *line;
        const char *file;
        int number;

        if (dwarf_haspc(&die, address) != 1)
            continue;
        line = dwarf_getsrc_die(&die, address);
        file = line ? dwarf_linesrc(line, NULL, NULL) : NULL;
        if (file && dwarf_lineno(line, &number) == 0)
            snprintf(place, PLACE_MAX, "%s:%d", file, number);
        return;
    }
}
#else
struct lines *lines_open(const struct image *image)
{
    (void)image;
    return NULL;
}

void lines_close(struct lines *lines)
{
    (void)lines;
}

void lines_find(struct lines *lines, uint64_t address, char place[PLACE_MAX])
{
    (void)lines;
    (void)address;
    place[0] = '\0';
}
#endif

void place_in_function(const struct image *image, uint64_t address, char place[PLACE_MAX])
{
    const struct function *function = image_function(image, address);

    place[0] = '\0';
    if (function && function->name)
        snprintf(place, PLACE_MAX, "%s+0x%" PRIx64, function->name, address - function->address);
}
