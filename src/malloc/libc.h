/* SPDX-License-Identifier: MIT */
/* Who looks for malloc in libc itself finds ours there, too.
 *
 * A preloaded or linked allocator takes libc's place since the dynamic linker looks into it first. Not everybody looks there: a
 * library opened with RTLD_DEEPBIND (each extension of PHP is) looks into itself and into what it needs, and who calls
 * dlsym() with a handle of libc, or with RTLD_NEXT, looks into that. They would get libc's free() for our blocks. So the
 * entries of the family in libc's own table of symbols are set to the functions that everybody else gets:
 *
 *      libc's .dynsym      ...  | free     | ...      a copy of its own for this process,
 *                                    |                written once at the start, then read-only again
 *                                    +-> our free()
 *
 * Only where ours is the malloc of the program: not in one that has its own, nor where this library was opened later. */
#ifndef PAWL_MALLOC_LIBC_H
#define PAWL_MALLOC_LIBC_H

/* Refused by the kernel, all stays as it was. */
void pawl_libc_replace_(void);

#endif
