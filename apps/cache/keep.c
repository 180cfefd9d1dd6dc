/* SPDX-License-Identifier: MIT */
#include "keep.h"

#include "snapshot.h"

#include <errno.h>
#include <pawl/clock.h>
#include <pawl/rt.h>
#include <stdio.h>
#include <string.h>

#define MILLISECOND UINT64_C(1000000)

/* A file system that fails at this, or a folder that may be written and not read, is no reason to be without a cache. */
static void say_unsynced(const char *path, const char *done, int error)
{
    if (error != 0)
        fprintf(stderr,
                "pawl-cache: %s was %s, but its folder was not synced: %s. If the machine goes down the old "
                "file may come back\n",
                path, done, strerror(-error));
}

/* ---- loading ---- */

static void say_loaded(const struct cache_keep *keep, const char *path, const struct cache_snapshot *from,
                       uint64_t took_ns)
{
    if (from->refused > 0)
        fprintf(stderr, "pawl-cache: %s: %llu items did not fit (-m, -I)\n", path,
                (unsigned long long)from->refused);
    if (keep->options->verbosity > 0)
        fprintf(stderr, "pawl-cache: %s: %llu items loaded in %llu ms, %llu had expired\n", path,
                (unsigned long long)from->items, (unsigned long long)(took_ns / MILLISECOND),
                (unsigned long long)from->expired);
}

/* Returns 0: it was loaded; else why not, which was said unless it is not there. */
static int load(const struct cache_keep *keep, const char *path)
{
    struct cache_session *session = cache_session_open(keep->store);
    const uint64_t began = pawl_clock_ns();
    struct cache_snapshot from;
    int error;

    if (session == NULL)
        return -ENOMEM;
    error = cache_snapshot_read(session, path, &from);
    while (error != 0 && error != -ENOENT && cache_maintain(session))
        ; /* nothing is left of what was loaded before the damage */
    cache_session_close(session);
    if (error == 0)
        say_loaded(keep, path, &from, pawl_clock_ns() - began);
    else if (error != -ENOENT)
        fprintf(stderr, "pawl-cache: %s was not loaded: %s\n", path,
                from.wrong != NULL ? from.wrong : strerror(-error));
    return error;
}

/* From now on it is this server's, and no other's: of two the one that ends last would decide what was kept. *left: who had it
 * before was killed while it wrote. */
static int claim_file(struct cache_keep *keep, const char *path, bool *left)
{
    const char *wrong;
    const int fd = cache_snapshot_claim(path, left, &wrong);

    if (fd == -EBUSY) {
        fprintf(
            stderr,
            "pawl-cache: %s: another server has it (-e), or is being ended and writes it: give each its own, or "
            "start when that has ended\n",
            path);
        return fd;
    }
    keep->claimed = fd >= 0;
    keep->claim = fd;
    if (fd < 0)
        fprintf(stderr, "pawl-cache: %s will not be written at the end, unless this is mended: %s\n", path,
                wrong != NULL ? wrong : strerror(-fd));
    return 0;
}

static int load_kept(struct cache_keep *keep, const char *path)
{
    bool left;
    int error = claim_file(keep, path, &left);

    if (error != 0)
        return error;
    error = load(keep, path);
    if (error == -ENOENT) {
        if (left)
            fprintf(stderr, "pawl-cache: %s: the last server was stopped while it wrote it; starts empty\n",
                    path);
        return 0;
    }
    if (error == 0) {
        int unsynced;

        /* What is changed from now on must not come back from it, not even if the machine goes down. */
        error = cache_snapshot_remove(path, &unsynced);
        if (error == 0) {
            keep->loaded = true;
            say_unsynced(path, "removed", unsynced);
            return 0;
        }
        fprintf(stderr, "pawl-cache: %s cannot be removed: %s\n", path, strerror(-error));
        return -EACCES;
    }
    if (error == -EBADMSG) {
        fprintf(stderr, "pawl-cache: starts empty; %s will be overwritten at the end\n", path);
        return 0;
    }
    fprintf(stderr, "pawl-cache: -e would overwrite it: give another file, or remove it\n");
    return error;
}

int cache_keep_open(struct cache_keep *keep, struct cache_store *store, const struct cache_options *options)
{
    int error = 0;

    keep->store = store;
    keep->options = options;
    if (options->snapshot_file != NULL && cache_snapshot_left(options->snapshot_file) == 0)
        fprintf(stderr,
                "pawl-cache: %s: the last server was stopped while it wrote a new one; that is removed\n",
                options->snapshot_file);
    if (options->load_file != NULL) {
        error = load(keep, options->load_file);
        if (error == -ENOENT)
            fprintf(stderr, "pawl-cache: %s was not loaded: %s\n", options->load_file, strerror(ENOENT));
        error = 0; /* a cache may be empty */
    }
    if (options->restart_file != NULL)
        error = load_kept(keep, options->restart_file);
    return error;
}

/* ---- writing ---- */

static void say_failed(const char *path, const char *wrong, int error)
{
    fprintf(stderr, "pawl-cache: %s was not written: %s\n", path, wrong != NULL ? wrong : strerror(-error));
}

/* On a thread of the pool. */
static int64_t write_beside(void *arg)
{
    const struct cache_keep *keep = arg;
    const char *path = keep->options->snapshot_file;
    const uint64_t began = pawl_clock_ns();
    struct cache_snapshot written;
    const int error = cache_snapshot_write(keep->store, path, -1, &keep->stops, &written);

    say_unsynced(path, "written", written.unsynced);
    if (error != 0)
        say_failed(path, written.wrong, error);
    else
        fprintf(stderr, "pawl-cache: %s: %llu items, %llu bytes written in %llu ms\n", path,
                (unsigned long long)written.items, (unsigned long long)written.bytes,
                (unsigned long long)((pawl_clock_ns() - began) / MILLISECOND));
    return error;
}

static void wrote(struct pawl_job *job, int64_t result)
{
    struct cache_keep *keep = pawl_job_of(job, struct cache_keep, job);

    (void)result;
    keep->writes = false;
}

void cache_keep_ask(struct cache_keep *keep)
{
    pawl_store_relaxed(&keep->asked, true); /* relaxed: see the field */
}

void cache_keep_tick(struct cache_keep *keep, struct pawl_rt *rt)
{
    int error;

    if (PAWL_LIKELY(!pawl_load_relaxed(&keep->asked)) || keep->writes) /* relaxed, all: see the fields */
        return;
    pawl_store_relaxed(&keep->asked, false);
    if (keep->options->snapshot_file == NULL) {
        fprintf(stderr, "pawl-cache: SIGUSR1: no snapshot without -o snapshot=FILE\n");
        return;
    }
    pawl_job_init(&keep->job, wrote);
    keep->writes = true;
    error = pawl_block(rt, &keep->job, write_beside, keep);
    if (error != 0) {
        keep->writes = false;
        say_failed(keep->options->snapshot_file, NULL, error);
    }
}

void cache_keep_stop(struct cache_keep *keep)
{
    pawl_store_relaxed(&keep->stops, true); /* relaxed: see the field */
}

int cache_keep_close(struct cache_keep *keep, bool graceful)
{
    const int claim = keep->claimed ? keep->claim : -1;
    const char *path = keep->options != NULL ? keep->options->restart_file : NULL;
    struct cache_snapshot written;
    int error;

    if (path == NULL)
        return 0;
    keep->claimed = false;
    if (!graceful && !keep->loaded) {
        if (claim >= 0)
            cache_snapshot_unclaim(path, claim);
        return 0;
    }
    error = cache_snapshot_write(keep->store, path, claim, NULL, &written);
    say_unsynced(path, "written", written.unsynced);
    if (error != 0)
        say_failed(path, written.wrong, error);
    else if (keep->options->verbosity > 0)
        fprintf(stderr, "pawl-cache: %s: %llu items kept\n", path, (unsigned long long)written.items);
    return error;
}
