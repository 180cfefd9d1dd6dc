/* SPDX-License-Identifier: MIT */
/* What the dynamic linker would write. In a position-independent file the words of a descriptor are 0
 * and their values stand in the relocations, so nothing can be judged before they are applied.
 * Found through the dynamic segment alone: a stripped file has that, too. */
#include "image.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

struct dynamic {
    uint64_t rela;
    uint64_t rela_size;
    uint64_t relr;
    uint64_t relr_size;
    uint64_t symbols;
};

static void read_dynamic(const struct image *image, uint64_t at, uint64_t size, struct dynamic *dynamic)
{
    for (uint64_t offset = 0; size - offset >= sizeof(Elf64_Dyn) && offset < size;
         offset += sizeof(Elf64_Dyn)) {
        const uint8_t *entry = image_at(image, at + offset, sizeof(Elf64_Dyn));
        uint64_t value;

        if (!entry)
            return;
        value = image_word64(entry + 8);
        switch (image_word64(entry)) {
        case DT_NULL:
            return;
        case DT_RELA:
            dynamic->rela = value;
            break;
        case DT_RELASZ:
            dynamic->rela_size = value;
            break;
        case DT_RELR:
            dynamic->relr = value;
            break;
        case DT_RELRSZ:
            dynamic->relr_size = value;
            break;
        case DT_SYMTAB:
            dynamic->symbols = value;
            break;
        default:
            break;
        }
    }
}

static bool note_pointer(struct image *image, uint64_t where, uint64_t target)
{
    size_t count = image->pointer_count;

    if ((count & (count - 1)) == 0) { /* full at every power of two */
        struct pointer *grown = realloc(image->pointers, (count ? 2 * count : 1) * sizeof *grown);

        if (!grown)
            return false;
        image->pointers = grown;
    }
    image->pointers[image->pointer_count++] = (struct pointer){where, target};
    return true;
}

static bool write_word(struct image *image, uint64_t where, uint64_t value)
{
    const uint8_t *found = image_at(image, where, sizeof value);
    uint8_t *place = NULL;

    for (size_t i = 0; found && i < image->segment_count; i++)
        if (where - image->segments[i].address < image->segments[i].size)
            place = image->segments[i].bytes + (where - image->segments[i].address);
    if (!place)
        return true;
    for (size_t i = 0; i < sizeof value; i++)
        place[i] = (uint8_t)(value >> 8 * i);
    return note_pointer(image, where, value);
}

/* The value of a symbol that this file defines; 0 for those of other files. */
static uint64_t symbol_value(const struct image *image, const struct dynamic *dynamic, uint64_t number)
{
    const uint8_t *symbol = image_at(image, dynamic->symbols + number * sizeof(Elf64_Sym), sizeof(Elf64_Sym));
    uint16_t section;

    if (dynamic->symbols == 0 || !symbol)
        return 0;
    section = (uint16_t)(symbol[offsetof(Elf64_Sym, st_shndx)] | symbol[offsetof(Elf64_Sym, st_shndx) + 1]
                                                                     << 8);
    return section != SHN_UNDEF ? image_word64(symbol + offsetof(Elf64_Sym, st_value)) : 0;
}

static bool apply_rela(struct image *image, const struct dynamic *dynamic, const uint8_t *entry)
{
    uint64_t where = image_word64(entry + offsetof(Elf64_Rela, r_offset));
    uint64_t info = image_word64(entry + offsetof(Elf64_Rela, r_info));
    uint64_t value = image_word64(entry + offsetof(Elf64_Rela, r_addend));
    uint32_t type = (uint32_t)ELF64_R_TYPE(info);

    if (type == (image->machine == EM_X86_64 ? R_X86_64_RELATIVE : R_AARCH64_RELATIVE))
        return write_word(image, where, value);
    if (type == (image->machine == EM_X86_64 ? R_X86_64_64 : R_AARCH64_ABS64)) {
        uint64_t symbol = symbol_value(image, dynamic, ELF64_R_SYM(info));

        return symbol == 0 || write_word(image, where, symbol + value);
    }
    return true;
}

/* Relative relocations of value in place, packed: an address, or (odd) a bit map of the 63 words after
 * the last one. */
static bool apply_relr(struct image *image, uint64_t at, uint64_t size)
{
    uint64_t next = 0;

    for (uint64_t offset = 0; offset < size && size - offset >= 8; offset += 8) {
        const uint8_t *entry = image_at(image, at + offset, 8);
        uint64_t word;

        if (!entry)
            return true;
        word = image_word64(entry);
        if ((word & 1) == 0) {
            const uint8_t *place = image_at(image, word, 8);

            if (place && !note_pointer(image, word, image_word64(place)))
                return false;
            next = word + 8;
            continue;
        }
        for (unsigned bit = 1; bit < 64; bit++) {
            uint64_t where = next + UINT64_C(8) * (bit - 1);
            const uint8_t *place = (word >> bit & 1) != 0 ? image_at(image, where, 8) : NULL;

            if (place && !note_pointer(image, where, image_word64(place)))
                return false;
        }
        next += UINT64_C(63) * 8;
    }
    return true;
}

static int by_place(const void *a, const void *b)
{
    uint64_t first = ((const struct pointer *)a)->where;
    uint64_t second = ((const struct pointer *)b)->where;

    return (first > second) - (first < second);
}

bool image_relocate(struct image *image, uint64_t at, uint64_t size)
{
    struct dynamic dynamic = {0};

    read_dynamic(image, at, size, &dynamic);
    for (uint64_t offset = 0; offset < dynamic.rela_size && dynamic.rela_size - offset >= sizeof(Elf64_Rela);
         offset += sizeof(Elf64_Rela)) {
        const uint8_t *entry = image_at(image, dynamic.rela + offset, sizeof(Elf64_Rela));

        if (!entry)
            break;
        if (!apply_rela(image, &dynamic, entry))
            return false;
    }
    if (!apply_relr(image, dynamic.relr, dynamic.relr_size))
        return false;
    if (image->pointer_count > 1)
        qsort(image->pointers, image->pointer_count, sizeof *image->pointers, by_place);
    return true;
}
