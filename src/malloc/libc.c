/* SPDX-License-Identifier: MIT */
#include "libc.h"

#include "api.h"
#include "start.h"

#if defined(__GLIBC__) && !defined(PAWL_MALLOC_PREFIXED)
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What a program gets under these names is what libc's entries are set to: all that makes blocks, or takes them. The rest is
 * left out, as each page that is written to costs the start of a process 1.5 us. */
static const struct function {
    const char *name;
    void *address;
} family[] = {
    {"malloc", (void *)malloc},
    {"free", (void *)free},
    {"calloc", (void *)calloc},
    {"realloc", (void *)realloc},
    {"reallocarray", (void *)reallocarray},
    {"aligned_alloc", (void *)aligned_alloc},
    {"posix_memalign", (void *)posix_memalign},
    {"memalign", (void *)memalign},
    {"valloc", (void *)valloc},
    {"pvalloc", (void *)pvalloc},
    {"malloc_usable_size", (void *)malloc_usable_size},
};

enum { FAMILY = sizeof family / sizeof family[0] };

/* ---- an object and its symbols ---- */

struct object {
    ElfW(Addr) base;
    ElfW(Sym) * symbols;
    const char *strings;
    const char *name;     /* its own; "": none */
    const uint32_t *gnu;  /* its hash table, of the one kind */
    const uint32_t *sysv; /* and of the other; NULL: none */
};

/* glibc has added the base, but not where that part cannot be written to (the kernel's object; some machines). */
static uintptr_t relocated(const struct object *object, ElfW(Addr) value)
{
    return value < object->base ? object->base + value : value;
}

/* False: has no symbols. */
static bool open_object(const struct dl_phdr_info *info, struct object *object)
{
    const ElfW(Dyn) *dynamic = NULL;
    size_t name = 0;

    *object = (struct object){.base = info->dlpi_addr};
    for (size_t i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            dynamic = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    for (; dynamic != NULL && dynamic->d_tag != DT_NULL; dynamic++)
        if (dynamic->d_tag == DT_SYMTAB)
            object->symbols = (ElfW(Sym) *)relocated(object, dynamic->d_un.d_ptr);
        else if (dynamic->d_tag == DT_STRTAB)
            object->strings = (const char *)relocated(object, dynamic->d_un.d_ptr);
        else if (dynamic->d_tag == DT_GNU_HASH)
            object->gnu = (const uint32_t *)relocated(object, dynamic->d_un.d_ptr);
        else if (dynamic->d_tag == DT_HASH)
            object->sysv = (const uint32_t *)relocated(object, dynamic->d_un.d_ptr);
        else if (dynamic->d_tag == DT_SONAME)
            name = dynamic->d_un.d_val;
    if (object->symbols == NULL || object->strings == NULL || (object->gnu == NULL && object->sysv == NULL))
        return false;
    object->name = name != 0 ? object->strings + name : "";
    return true;
}

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 5381;

    for (; *name != '\0'; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
}

static bool defines(const struct object *object, const ElfW(Sym) * symbol, const char *name)
{
    return symbol->st_shndx != SHN_UNDEF && strcmp(object->strings + symbol->st_name, name) == 0;
}

/* The table: four numbers, a filter (of no use here), buckets, and for each symbol from `first` on its hash, whose lowest bit
 * ends a chain. (A. Bahrami, "GNU Hash ELF Sections", 2010.) NULL: the object does not define it. */
static ElfW(Sym) * find_by_gnu(const struct object *object, const char *name)
{
    uint32_t buckets = object->gnu[0], first = object->gnu[1], filter = object->gnu[2];
    const uint32_t *bucket = object->gnu + 4 + filter * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
    const uint32_t *chain = bucket + buckets;
    uint32_t hash = hash_of(name);
    uint32_t i = buckets != 0 ? bucket[hash % buckets] : 0;

    if (i < first)
        return NULL;
    for (;; i++) {
        if ((chain[i - first] | 1) == (hash | 1) && defines(object, &object->symbols[i], name))
            return &object->symbols[i];
        if ((chain[i - first] & 1) != 0)
            return NULL;
    }
}

/* What is linked with --hash-style=sysv has this table alone: its second number is that of the symbols. */
static ElfW(Sym) * find_by_sysv(const struct object *object, const char *name)
{
    for (uint32_t i = 1; i < object->sysv[1]; i++)
        if (defines(object, &object->symbols[i], name))
            return &object->symbols[i];
    return NULL;
}

static ElfW(Sym) * find_symbol(const struct object *object, const char *name)
{
    return object->gnu != NULL ? find_by_gnu(object, name) : find_by_sysv(object, name);
}

static bool holds(const struct dl_phdr_info *info, const void *address)
{
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];

        if (part->p_type == PT_LOAD && (uintptr_t)address - info->dlpi_addr - part->p_vaddr < part->p_memsz)
            return true;
    }
    return false;
}

/* ---- libc's ---- */

static bool protect(uintptr_t from, uintptr_t to, int protection)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    from &= ~(page - 1);
    return mprotect((void *)from, ROUND_UP(to - from, page), protection) == 0;
}

static void replace_in(const struct object *libc)
{
    ElfW(Sym) * entry[FAMILY];
    uintptr_t from = UINTPTR_MAX, to = 0;

    for (size_t i = 0; i < FAMILY; i++) {
        entry[i] = find_symbol(libc, family[i].name);
        if (entry[i] != NULL && (uintptr_t)entry[i] < from)
            from = (uintptr_t)entry[i];
        if (entry[i] != NULL && (uintptr_t)(entry[i] + 1) > to)
            to = (uintptr_t)(entry[i] + 1);
    }
    if (from >= to || !protect(from, to, PROT_READ | PROT_WRITE))
        return;
    for (size_t i = 0; i < FAMILY; i++)
        if (entry[i] != NULL)
            entry[i]->st_value = (uintptr_t)family[i].address - libc->base;
    (void)protect(from, to, PROT_READ); /* a table holds no code, even where it lies in one part with code */
}

/* In the order in which the linker goes through them for the program. Who defines malloc first has it: is it not we, all is
 * left alone. */
static int look_at(struct dl_phdr_info *info, size_t size, void *argument)
{
    bool *ours = argument;
    struct object object;

    (void)size;
    if (!open_object(info, &object))
        return 0;
    if (!*ours && find_symbol(&object, "malloc") != NULL) {
        *ours = holds(info, &pawl_malloc_stage_);
        return *ours ? 0 : 1;
    }
    if (!*ours || strncmp(object.name, "libc.so.", 8) != 0)
        return 0;
    replace_in(&object);
    return 1;
}

void pawl_libc_replace_(void)
{
    bool ours = false;

    (void)dl_iterate_phdr(look_at, &ours);
}
#else
void pawl_libc_replace_(void)
{
}
#endif
