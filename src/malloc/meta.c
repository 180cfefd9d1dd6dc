/* SPDX-License-Identifier: MIT */
#include "meta.h"

#include "system.h"

#include "lock.h"

#ifndef PIECE
#define PIECE ((size_t)256 * 1024)
#endif

static struct {
    struct pawl_mutex lock;
    char *at;
    char *end;
    size_t mapped;
} meta;

void *pawl_meta_alloc_(size_t bytes)
{
    char *memory = NULL;

    bytes = ROUND_UP(bytes, PAWL_CACHELINE_PAIR);
    pawl_mutex_lock(&meta.lock);
    if ((size_t)(meta.end - meta.at) < bytes) {
        size_t piece = bytes > PIECE ? ROUND_UP(bytes, PIECE) : PIECE;
        char *more = pawl_system_map_(piece);

        if (more != NULL) {
            meta.at = more;
            meta.end = more + piece;
            meta.mapped += piece;
        }
    }
    if ((size_t)(meta.end - meta.at) >= bytes) {
        memory = meta.at;
        meta.at += bytes;
    }
    pawl_mutex_unlock(&meta.lock);
    return memory;
}

size_t pawl_meta_bytes_(void)
{
    size_t mapped;

    pawl_mutex_lock(&meta.lock);
    mapped = meta.mapped;
    pawl_mutex_unlock(&meta.lock);
    return mapped;
}

void pawl_meta_lock_(void)
{
    pawl_mutex_lock(&meta.lock);
}

void pawl_meta_unlock_(bool child)
{
    lock_release(&meta.lock, child);
}
