/* SPDX-License-Identifier: MIT */
/* A linked ELF file as the memory it becomes: segments at their addresses, relocated as the dynamic
 * linker would relocate them at load address 0, with the names that the file still has.
 *
 * The file is not trusted: every offset and size is checked against what is there, and what does not
 * fit is either refused with a reason or left out.
 */
#ifndef PAWL_RSEQ_CHECK_IMAGE_H
#define PAWL_RSEQ_CHECK_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct segment {
    uint64_t address;
    uint64_t size; /* bytes that the file fills; zeroes after them are not kept */
    uint8_t *bytes;
    bool executable;
    bool writable;
};

struct span {
    uint64_t address;
    uint64_t size;
};

/* A function, as a symbol or an unwind entry tells it. */
struct function {
    uint64_t address;
    uint64_t size;    /* 0: not told, it reaches to the next one */
    const char *name; /* NULL: only an unwind entry is left of it */
};

/* A word that holds an address of this file, known from its relocation. */
struct pointer {
    uint64_t where;
    uint64_t target;
};

/* The sections that the rules know by name. A section may occur several times. */
enum known_section {
    SECTION_DESCRIPTORS, /* __rseq_cs */
    SECTION_POINTERS,    /* __rseq_cs_ptr_array */
    SECTION_SCRATCH,     /* __rseq_scratch */
    SECTION_EXITS,       /* __rseq_exit_point_array */
    KNOWN_SECTIONS,
};

enum { SPANS_MAX = 16 };

struct spans {
    size_t count;
    struct span span[SPANS_MAX];
};

struct image {
    const char *path;
    uint8_t *raw;
    size_t raw_size;
    void *elf; /* libelf's handle; NULL after image_open() failed */
    int machine;
    bool has_sections; /* section headers are there */
    size_t segment_count;
    struct segment *segments;
    struct span relro; /* written by the dynamic linker only */
    struct spans known[KNOWN_SECTIONS];
    size_t code_count;
    struct span *code; /* sections of instructions: older linkers map headers and notes together with them */
    size_t function_count;
    struct function *functions; /* by address */
    size_t pointer_count;
    struct pointer *pointers; /* by place */
    char error[256];
};

/* Load the file, or what lies in memory (taken over: freed by image_close() in any case).
 * False: image->error says why in one phrase. image_close() is due either way. */
bool image_open(struct image *image, const char *path);
bool image_open_memory(struct image *image, const char *path, uint8_t *raw, size_t raw_size);
void image_close(struct image *image);

/* The bytes at [address, address + size), NULL when they are not in one segment of the file. */
const uint8_t *image_at(const struct image *image, uint64_t address, uint64_t size);

/* The bytes from address on, to the end of its segment. */
const uint8_t *image_from(const struct image *image, uint64_t address, uint64_t *available);

bool image_is_code(const struct image *image, uint64_t address);

/* Code that is told apart from data in the same segment: by sections, else by functions, else not at all. */
bool image_is_text(const struct image *image, uint64_t address);

/* Memory that no program code writes: read-only segments, and what the dynamic linker seals. */
bool image_is_constant(const struct image *image, uint64_t address);

uint32_t image_word32(const uint8_t *bytes);
uint64_t image_word64(const uint8_t *bytes);

/* Is the address in one of the sections of this name? */
bool image_in_section(const struct image *image, enum known_section section, uint64_t address);

/* The function that holds the address; NULL when neither symbols nor unwind entries tell. */
const struct function *image_function(const struct image *image, uint64_t address);

/* The end of a function: its own, or the start of the next, or the end of the segment. */
uint64_t image_function_end(const struct image *image, const struct function *function);

/* Parts of image_open(), each in a file of its own. False: out of memory. */
bool image_relocate(struct image *image, uint64_t dynamic, uint64_t dynamic_size);
bool image_read_sections(struct image *image);
bool image_read_unwind(struct image *image, uint64_t header);
void image_sort_functions(struct image *image);
bool image_add_function(struct image *image, uint64_t address, uint64_t size, const char *name);

#endif
