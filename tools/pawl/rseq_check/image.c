/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Linkers make about ten. Damaged headers could ask for thousands of copies of the whole file. */
enum { LOAD_SEGMENTS_MAX = 64 };

__attribute__((format(printf, 2, 3))) static bool refuse(struct image *image, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): started above
    vsnprintf(image->error, sizeof image->error, format, arguments);
    va_end(arguments);
    return false;
}

uint32_t image_word32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

uint64_t image_word64(const uint8_t *bytes)
{
    return image_word32(bytes) | (uint64_t)image_word32(bytes + 4) << 32;
}

static const struct segment *segment_of(const struct image *image, uint64_t address)
{
    for (size_t i = 0; i < image->segment_count; i++)
        if (address - image->segments[i].address < image->segments[i].size)
            return &image->segments[i];
    return NULL;
}

const uint8_t *image_from(const struct image *image, uint64_t address, uint64_t *available)
{
    const struct segment *segment = segment_of(image, address);

    if (!segment)
        return NULL;
    *available = segment->size - (address - segment->address);
    return segment->bytes + (address - segment->address);
}

const uint8_t *image_at(const struct image *image, uint64_t address, uint64_t size)
{
    uint64_t available;
    const uint8_t *bytes = image_from(image, address, &available);

    return bytes && size <= available ? bytes : NULL;
}

bool image_is_code(const struct image *image, uint64_t address)
{
    const struct segment *segment = segment_of(image, address);

    return segment && segment->executable;
}

bool image_is_text(const struct image *image, uint64_t address)
{
    if (!image_is_code(image, address))
        return false;
    if (image->code_count == 0)
        return image->function_count == 0 || image_function(image, address) != NULL;
    for (size_t i = 0; i < image->code_count; i++)
        if (address - image->code[i].address < image->code[i].size)
            return true;
    return false;
}

bool image_is_constant(const struct image *image, uint64_t address)
{
    const struct segment *segment = segment_of(image, address);

    return segment && (!segment->writable || address - image->relro.address < image->relro.size);
}

bool image_in_section(const struct image *image, enum known_section section, uint64_t address)
{
    const struct spans *spans = &image->known[section];

    for (size_t i = 0; i < spans->count; i++)
        if (address - spans->span[i].address < spans->span[i].size)
            return true;
    return false;
}

static bool add_segment(struct image *image, const GElf_Phdr *header)
{
    struct segment *segment = &image->segments[image->segment_count];

    if (header->p_filesz == 0)
        return true;
    if (header->p_offset > image->raw_size || header->p_filesz > image->raw_size - header->p_offset)
        return refuse(image, "is truncated: a segment lies beyond the end of the file");
    if (header->p_vaddr + header->p_filesz < header->p_vaddr)
        return refuse(image, "is damaged: a segment wraps around the address space");
    segment->bytes = malloc(header->p_filesz);
    if (!segment->bytes)
        return refuse(image, "could not be loaded: %s", strerror(ENOMEM));
    /* a copy: relocation writes into it */
    memcpy(segment->bytes, image->raw + header->p_offset, header->p_filesz);
    segment->address = header->p_vaddr;
    segment->size = header->p_filesz;
    segment->executable = (header->p_flags & PF_X) != 0;
    segment->writable = (header->p_flags & PF_W) != 0;
    image->segment_count++;
    return true;
}

struct special_segments {
    uint64_t dynamic;
    uint64_t dynamic_size;
    uint64_t unwind;
    bool has_unwind;
};

static bool load_segments(struct image *image, struct special_segments *special)
{
    size_t count;
    size_t loads = 0;

    if (elf_getphdrnum(image->elf, &count) != 0)
        return refuse(image, "is damaged: %s", elf_errmsg(-1));
    image->segments = calloc(LOAD_SEGMENTS_MAX, sizeof *image->segments);
    if (!image->segments)
        return refuse(image, "could not be loaded: %s", strerror(ENOMEM));
    for (size_t i = 0; i < count && i < INT16_MAX; i++) {
        GElf_Phdr header;

        if (!gelf_getphdr(image->elf, (int)i, &header))
            return refuse(image, "is damaged: %s", elf_errmsg(-1));
        if (header.p_type == PT_LOAD && ++loads > LOAD_SEGMENTS_MAX)
            return refuse(image, "is damaged: it has more than %d segments to load", LOAD_SEGMENTS_MAX);
        if (header.p_type == PT_LOAD && !add_segment(image, &header))
            return false;
        if (header.p_type == PT_GNU_RELRO)
            image->relro = (struct span){header.p_vaddr, header.p_memsz};
        if (header.p_type == PT_DYNAMIC) {
            special->dynamic = header.p_vaddr;
            special->dynamic_size = header.p_filesz;
        }
        if (header.p_type == PT_GNU_EH_FRAME) {
            special->unwind = header.p_vaddr;
            special->has_unwind = true;
        }
    }
    if (image->segment_count == 0)
        return refuse(image, "has nothing to load: no program headers");
    return true;
}

static bool check_header(struct image *image)
{
    GElf_Ehdr header;

    if (elf_kind(image->elf) == ELF_K_AR)
        return refuse(image, "is an archive: give the program or shared object that was linked from it");
    if (elf_kind(image->elf) != ELF_K_ELF || !gelf_getehdr(image->elf, &header))
        return refuse(image, "is not an ELF file");
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
        return refuse(image, "is not for a 64-bit little-endian machine");
    if (header.e_type == ET_REL)
        return refuse(image,
                      "is an object file: the linker still moves things; give what was linked from it");
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        return refuse(image, "is neither a program nor a shared object");
    image->machine = header.e_machine;
    return true;
}

static bool load(struct image *image)
{
    struct special_segments special = {0};
    bool complete;

    if (elf_version(EV_CURRENT) == EV_NONE)
        return refuse(image, "could not be read: libelf is too old");
    image->elf = elf_memory((char *)image->raw, image->raw_size);
    if (!image->elf)
        return refuse(image, "is not an ELF file");
    if (!check_header(image) || !load_segments(image, &special))
        return false;
    complete = image_relocate(image, special.dynamic, special.dynamic_size) && image_read_sections(image) &&
               (!special.has_unwind || image_read_unwind(image, special.unwind));
    image_sort_functions(image);
    return complete || refuse(image, "could not be loaded: %s", strerror(ENOMEM));
}

bool image_open_memory(struct image *image, const char *path, uint8_t *raw, size_t raw_size)
{
    *image = (struct image){.path = path, .raw = raw, .raw_size = raw_size};
    return load(image);
}

static bool read_whole(struct image *image, int fd)
{
    struct stat status;
    size_t done = 0;

    if (fstat(fd, &status) != 0)
        return refuse(image, "could not be read: %s", strerror(errno));
    if (S_ISDIR(status.st_mode))
        return refuse(image, "is a directory");
    if (!S_ISREG(status.st_mode))
        return refuse(image, "is not a regular file");
    image->raw_size = (size_t)status.st_size;
    image->raw = malloc(image->raw_size + 1);
    if (!image->raw)
        return refuse(image, "could not be loaded: %s", strerror(ENOMEM));
    while (done < image->raw_size) {
        ssize_t got = read(fd, image->raw + done, image->raw_size - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return refuse(image, "could not be read: %s", got < 0 ? strerror(errno) : "it shrank");
        done += (size_t)got;
    }
    return true;
}

bool image_open(struct image *image, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool whole;

    *image = (struct image){.path = path};
    if (fd < 0)
        return refuse(image, "could not be opened: %s", strerror(errno));
    whole = read_whole(image, fd);
    close(fd);
    return whole && load(image);
}

void image_close(struct image *image)
{
    if (image->elf)
        elf_end(image->elf);
    for (size_t i = 0; i < image->segment_count; i++)
        free(image->segments[i].bytes);
    free(image->segments);
    free(image->code);
    free(image->functions);
    free(image->pointers);
    free(image->raw);
    *image = (struct image){0};
}
