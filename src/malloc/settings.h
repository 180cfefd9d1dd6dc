/* SPDX-License-Identifier: MIT */
/* What the environment asked for. Read once; see docs/malloc.md. */
#ifndef PAWL_MALLOC_SETTINGS_H
#define PAWL_MALLOC_SETTINGS_H

#include "config.h"

enum huge { HUGE_AUTO, HUGE_NEVER, HUGE_ALWAYS };

struct settings {
    enum huge huge;
    size_t huge_from;    /* bytes in use from which on huge pages are asked for; page_grow.c has exceptions */
    size_t keep_pages;   /* idle pages that are kept in any case */
    size_t sample_bytes; /* one sample in so many bytes allocated */
    bool hardened;
    bool leaks;        /* report at exit */
    bool stats;        /* report at exit */
    bool background;   /* a thread for decay */
    bool cache;        /* per-CPU caches at all */
    char profile[256]; /* where to write the heap profile; "": none */
};

extern struct settings pawl_settings_;

/* True when the environment could be read (early in a process it is not there yet). */
bool pawl_settings_read_(void);

#endif
