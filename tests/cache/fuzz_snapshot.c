/* SPDX-License-Identifier: MIT */
/* The loader of snapshots against any bytes: no crash, no leak, and all or nothing. The sums of the input are mended first
 * where its second byte is odd, or hardly anything would get behind them.
 *
 * With FUZZ_ALONE: makes a snapshot, loads it whole, cut everywhere, and with each byte changed; 0 when only the whole one
 * was taken. */
#include "crc32c.h"
#include "snapshot.h"
#include "snapshot_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "fuzz_snapshot: %s\n", what);
    abort();
}

static struct cache_store *open_store(void)
{
    const struct cache_store_config config = {.limit = (size_t)8 << 20, .item_max = (size_t)1 << 20};
    struct cache_store *store;

    check(cache_store_open(&store, &config) == 0, "cache_store_open");
    return store;
}

/* Loads the bytes into a store of their own. Returns what the loader says; *items: what is there afterwards. */
static int load(const unsigned char *bytes, size_t count, uint64_t *items)
{
    struct cache_store *store = open_store();
    struct cache_session *session = cache_session_open(store);
    const int fd = memfd_create("snapshot", MFD_CLOEXEC);
    struct cache_snapshot result;
    struct cache_figures figures;
    int error;

    check(session != NULL && fd >= 0, "a session and a file");
    check(write(fd, bytes, count) == (ssize_t)count && lseek(fd, 0, SEEK_SET) == 0, "write");
    error = cache_snapshot_read_fd(session, fd, &result);
    close(fd);
    while (error != 0 && cache_maintain(session))
        ;
    cache_figures(store, &figures);
    *items = figures.items;
    check(error == 0 || (error == -ENOMEM) || result.wrong != NULL, "a reason");
    check(error == 0 || result.items == 0, "nothing is said to be loaded");
    cache_session_close(session);
    cache_store_close(store);
    return error;
}

#ifdef FUZZ_ALONE

enum { ITEMS = 20, CUTS_STEP = 7 };

/* Items of which every field says something. */
static size_t make(unsigned char **bytes)
{
    char path[] = "/tmp/pawl-snapshot-XXXXXX";
    struct cache_store *store = open_store();
    struct cache_session *session = cache_session_open(store);
    static char value[40000];
    struct cache_snapshot result;
    off_t count;
    int fd = mkostemp(path, O_CLOEXEC);

    check(session != NULL && fd >= 0, "a session and a file");
    close(fd);
    memset(value, 'v', sizeof value);
    for (uint32_t i = 0; i < ITEMS; i++) {
        struct cache_change change = {.mode = CACHE_SET,
                                      .flags = i,
                                      .expires = i % 2 ? 1000 : 0,
                                      .value = value,
                                      .value_bytes = i == 3 ? sizeof value : i};
        struct cache_key key;
        char name[16];

        cache_key_make(store, &key, name, (size_t)snprintf(name, sizeof name, "key%u", i));
        check(cache_store_item(session, &key, &change) == CACHE_STORED, "a set");
    }
    check(cache_snapshot_write(store, path, NULL, &result) == 0 && result.items == ITEMS, "a snapshot");
    cache_session_close(session);
    cache_store_close(store);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    check(fd >= 0, "the snapshot's file");
    count = lseek(fd, 0, SEEK_END);
    *bytes = malloc((size_t)count);
    check(*bytes != NULL && pread(fd, *bytes, (size_t)count, 0) == count, "the snapshot's bytes");
    close(fd);
    unlink(path);
    return (size_t)count;
}

int main(void)
{
    const PAWL_ATOMIC(bool) stop = true;
    struct cache_store *store = open_store();
    struct cache_snapshot result;
    unsigned char *bytes;
    const size_t count = make(&bytes);
    uint64_t items;

    check(cache_crc32c(0, "123456789", 9) == 0xe3069283, "the sum of RFC 3720");
    check(load(bytes, count, &items) == 0 && items == ITEMS, "the whole one is loaded");
    for (size_t cut = 0; cut < count; cut += cut < 2000 ? CUTS_STEP : 997)
        check(load(bytes, cut, &items) < 0 && items == 0, "a part of it is not");
    for (size_t at = 0; at < count; at += at < 2000 ? CUTS_STEP : 997) {
        bytes[at] ^= (unsigned char)(1 << at % 8);
        check(load(bytes, count, &items) < 0 && items == 0, "a changed one is not");
        bytes[at] ^= (unsigned char)(1 << at % 8);
    }
    check(cache_snapshot_write(store, "/tmp/pawl-snapshot-stopped", &stop, &result) == -ECANCELED &&
              access("/tmp/pawl-snapshot-stopped", F_OK) != 0,
          "one that is stopped leaves nothing");
    check(cache_snapshot_write(store, "/none/x", NULL, &result) == -ENOENT, "there is no such folder");
    cache_store_close(store);
    free(bytes);
    return 0;
}

#else

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The sums, the id and the numbers, so that what stands between them is looked at. */
static void mend(unsigned char *bytes, size_t count)
{
    struct snapshot_header header;
    size_t at = sizeof header;

    if (count < sizeof header)
        return;
    memcpy(&header, bytes, sizeof header);
    memcpy(header.magic, SNAPSHOT_MAGIC, sizeof header.magic);
    header.order = SNAPSHOT_ORDER;
    header.version = SNAPSHOT_VERSION;
    header.sum = cache_crc32c(0, &header, offsetof(struct snapshot_header, sum));
    memcpy(bytes, &header, sizeof header);
    for (uint64_t number = 0; count - at >= sizeof(struct snapshot_block); number++) {
        struct snapshot_block block;

        memcpy(&block, bytes + at, sizeof block);
        block.id = (uint32_t)header.id;
        block.number = number;
        if (block.bytes > count - at - sizeof block)
            block.bytes = (count - at - sizeof block) / 2;
        block.sum = cache_crc32c(0, &block, offsetof(struct snapshot_block, sum));
        block.sum = cache_crc32c(block.sum, bytes + at + sizeof block, block.bytes);
        memcpy(bytes + at, &block, sizeof block);
        at += sizeof block + block.bytes;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *bytes = malloc(size + 1);
    uint64_t items;
    int error;

    check(bytes != NULL, "malloc");
    if (size > 0)
        memcpy(bytes, data, size);
    if (size > 1 && data[1] % 2 == 1)
        mend(bytes, size);
    error = load(bytes, size, &items);
    check(error == 0 || items == 0, "all or nothing");
    free(bytes);
    return 0;
}

#endif
