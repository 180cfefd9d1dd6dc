/* SPDX-License-Identifier: MIT */
/* Section headers, symbols and unwind entries: where the descriptors are, and how code is divided into
 * functions. Each of them may be missing. */
#include "image.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

static const char *const known_names[KNOWN_SECTIONS] = {
    [SECTION_DESCRIPTORS] = "__rseq_cs",
    [SECTION_POINTERS] = "__rseq_cs_ptr_array",
    [SECTION_SCRATCH] = "__rseq_scratch",
    [SECTION_EXITS] = "__rseq_exit_point_array",
};

/* A text of a string table, if it ends within the table and the file. */
static const char *text_at(const struct image *image, const GElf_Shdr *table, uint64_t offset)
{
    const char *text;

    if (table->sh_type != SHT_STRTAB || table->sh_offset > image->raw_size ||
        table->sh_size > image->raw_size - table->sh_offset || offset >= table->sh_size)
        return NULL;
    text = (const char *)image->raw + table->sh_offset + offset;
    return memchr(text, '\0', table->sh_size - offset) ? text : NULL;
}

bool image_add_function(struct image *image, uint64_t address, uint64_t size, const char *name)
{
    size_t count = image->function_count;

    if ((count & (count - 1)) == 0) { /* full at every power of two */
        struct function *grown = realloc(image->functions, (count ? 2 * count : 1) * sizeof *grown);

        if (!grown)
            return false;
        image->functions = grown;
    }
    image->functions[image->function_count++] = (struct function){address, size, name};
    return true;
}

static bool read_symbols(struct image *image, const GElf_Shdr *table)
{
    GElf_Shdr names;
    Elf_Scn *section = elf_getscn(image->elf, table->sh_link);

    if (!section || !gelf_getshdr(section, &names) || table->sh_offset > image->raw_size ||
        table->sh_size > image->raw_size - table->sh_offset)
        return true;
    for (uint64_t offset = 0; table->sh_size - offset >= sizeof(Elf64_Sym); offset += sizeof(Elf64_Sym)) {
        const uint8_t *symbol = image->raw + table->sh_offset + offset;
        unsigned type = symbol[offsetof(Elf64_Sym, st_info)] & 0xf;
        uint64_t address = image_word64(symbol + offsetof(Elf64_Sym, st_value));
        uint64_t size = image_word64(symbol + offsetof(Elf64_Sym, st_size));
        const char *name = text_at(image, &names, image_word32(symbol));

        if ((type != STT_FUNC && type != STT_GNU_IFUNC) || !image_is_code(image, address))
            continue;
        if (!image_add_function(image, address, size, name && name[0] ? name : NULL))
            return false;
    }
    return true;
}

static bool note_section(struct image *image, const GElf_Shdr *header, const char *name)
{
    if ((header->sh_flags & SHF_EXECINSTR) != 0) {
        struct span *grown = realloc(image->code, (image->code_count + 1) * sizeof *grown);

        if (!grown)
            return false;
        image->code = grown;
        image->code[image->code_count++] = (struct span){header->sh_addr, header->sh_size};
    }
    for (size_t i = 0; name && i < KNOWN_SECTIONS; i++) {
        struct spans *spans = &image->known[i];

        if (strcmp(name, known_names[i]) == 0 && (header->sh_flags & SHF_ALLOC) != 0 &&
            spans->count < SPANS_MAX)
            spans->span[spans->count++] = (struct span){header->sh_addr, header->sh_size};
    }
    return true;
}

bool image_read_sections(struct image *image)
{
    Elf_Scn *section = NULL;
    GElf_Shdr names = {0};
    size_t number;

    if (elf_getshdrstrndx(image->elf, &number) == 0) {
        Elf_Scn *strings = elf_getscn(image->elf, number);

        if (strings)
            gelf_getshdr(strings, &names);
    }
    while ((section = elf_nextscn(image->elf, section))) {
        GElf_Shdr header;

        if (!gelf_getshdr(section, &header))
            continue;
        image->has_sections = true;
        if (!note_section(image, &header, text_at(image, &names, header.sh_name)))
            return false;
        if ((header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM) && !read_symbols(image, &header))
            return false;
    }
    return true;
}

/* The index of unwind entries (.eh_frame_hdr), which stripping leaves: pairs of offsets from the index's
 * own start, of a function and of its entry. Every linker writes this one encoding. */
bool image_read_unwind(struct image *image, uint64_t index)
{
    enum { VERSION = 1, POINTER_32 = 0x1b, COUNT_32 = 0x03, TABLE_32 = 0x3b, TABLE_AT = 12, PAIR = 8 };
    const uint8_t *head = image_at(image, index, TABLE_AT);
    uint32_t count;

    if (!head || head[0] != VERSION || head[1] != POINTER_32 || head[2] != COUNT_32 || head[3] != TABLE_32)
        return true;
    count = image_word32(head + 8);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *pair = image_at(image, index + TABLE_AT + (uint64_t)i * PAIR, PAIR);
        uint64_t address;
        uint64_t at;
        const uint8_t *entry;
        uint64_t size = 0;

        if (!pair)
            break;
        address = index + (uint64_t)(int64_t)(int32_t)image_word32(pair);
        at = index + (uint64_t)(int64_t)(int32_t)image_word32(pair + 4);
        /* length, owner, function (relative to itself), size */
        entry = image_at(image, at, 16);
        if (entry && at + 8 + (uint64_t)(int64_t)(int32_t)image_word32(entry + 8) == address)
            size = image_word32(entry + 12);
        if (image_is_code(image, address) && !image_add_function(image, address, size, NULL))
            return false;
    }
    return true;
}

static int by_address(const void *a, const void *b)
{
    const struct function *first = a;
    const struct function *second = b;

    if (first->address != second->address)
        return first->address < second->address ? -1 : 1;
    if (!first->name != !second->name)
        return first->name ? -1 : 1;
    return (first->size < second->size) - (first->size > second->size);
}

void image_sort_functions(struct image *image)
{
    size_t kept = 0;

    if (image->function_count < 2)
        return;
    qsort(image->functions, image->function_count, sizeof *image->functions, by_address);
    for (size_t i = 1; i < image->function_count; i++)
        if (image->functions[i].address != image->functions[kept].address)
            image->functions[++kept] = image->functions[i];
        else if (image->functions[kept].size == 0) /* a symbol without a size: the unwind entry knows it */
            image->functions[kept].size = image->functions[i].size;
    image->function_count = kept + 1;
}

static size_t first_after(const struct image *image, uint64_t address)
{
    size_t low = 0;
    size_t high = image->function_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (image->functions[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t image_function_end(const struct image *image, const struct function *function)
{
    size_t next = first_after(image, function->address);
    uint64_t available;

    if (function->size != 0)
        return function->address + function->size;
    if (!image_from(image, function->address, &available))
        return function->address;
    if (next < image->function_count && image->functions[next].address - function->address < available)
        return image->functions[next].address;
    return function->address + available;
}

const struct function *image_function(const struct image *image, uint64_t address)
{
    size_t after = first_after(image, address);

    if (after == 0)
        return NULL;
    if (address - image->functions[after - 1].address >=
        image_function_end(image, &image->functions[after - 1]) - image->functions[after - 1].address)
        return NULL;
    return &image->functions[after - 1];
}
