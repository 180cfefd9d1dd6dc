/* SPDX-License-Identifier: MIT */
/* The loader of snapshots against any bytes: no crash, no leak, and all or nothing. The sums of the input are mended first
 * where its second byte is odd, or hardly anything would get behind them.
 *
 * With FUZZ_ALONE: makes a snapshot, loads it whole, cut everywhere, and with bytes changed: only the whole one is
 * taken. Then snapshots of a store that changes meanwhile. */
#include "crc32c.h"
#include "snapshot.h"
#include "snapshot_format.h"

#include <errno.h>
#include <fcntl.h>
#include <pawl/rcu.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/stat.h>
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
    check(cache_snapshot_write(store, path, -1, NULL, &result) == 0 && result.items == ITEMS, "a snapshot");
    cache_session_close(session);
    cache_store_close(store);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    check(fd >= 0, "the snapshot's file");
    count = lseek(fd, 0, SEEK_END);
    *bytes = calloc(1, (size_t)count + 1);
    check(*bytes != NULL && pread(fd, *bytes, (size_t)count, 0) == count, "the snapshot's bytes");
    close(fd);
    unlink(path);
    return (size_t)count;
}

static void what_is_no_file_is_refused(void)
{
    char folder[] = "/tmp/pawl-snapshot-XXXXXX", path[sizeof folder + 8];
    struct cache_store *store = open_store();
    struct cache_session *session = cache_session_open(store);
    struct cache_snapshot result;
    int unsynced;

    check(session != NULL && mkdtemp(folder) != NULL, "a session and a folder");
    snprintf(path, sizeof path, "%s/pipe", folder);
    check(mkfifo(path, 0600) == 0, "a pipe");
    check(cache_snapshot_read(session, path, &result) == -EINVAL && result.wrong != NULL,
          "a pipe is no file");
    check(cache_snapshot_remove(path, &unsynced) == 0 && unsynced == 0 && access(path, F_OK) != 0,
          "it is removed");
    check(cache_snapshot_remove(path, &unsynced) == -ENOENT, "and not there any more");
    check(rmdir(folder) == 0, "nothing is left");
    cache_session_close(session);
    cache_store_close(store);
}

enum { OTHER = 1, THIRD = 2 /* owners */ };

/* Of `owner`, as a writer leaves it; anybody may open it. */
static int leave(const char *name, uid_t owner, const char *text)
{
    int fd;

    setfsuid(owner);
    fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    check(fd >= 0 && fchmod(fd, S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH) == 0 &&
              write(fd, text, strlen(text)) == (ssize_t)strlen(text),
          "a file of another owner");
    setfsuid(geteuid());
    return fd;
}

/* What another user's writer has left is nobody's, as soon as that is dead; what he writes is his, and so is what is no
 * snapshot. */
static void what_another_user_left_is_replaced(const struct cache_store *store, const char *path,
                                               const char *beside)
{
    struct cache_snapshot result;
    struct stat status;
    const char *wrong;
    bool left;
    int fd = leave(beside, OTHER, ""), claim;

    check(flock(fd, LOCK_EX | LOCK_NB) == 0, "somebody holds it");
    check(cache_snapshot_claim(path, &left, &wrong) == -EBUSY && cache_snapshot_left(path) == -EBUSY,
          "what is held is not taken");
    check(cache_snapshot_write(store, path, -1, NULL, &result) == -EBUSY, "nor written");
    close(fd);
    claim = cache_snapshot_claim(path, &left, &wrong);
    check(claim >= 0 && !left, "who held it is dead");
    check(stat(beside, &status) == 0 && status.st_uid == geteuid() &&
              (status.st_mode & (S_IRWXG | S_IRWXO)) == 0,
          "it is a file of our own");
    check(cache_snapshot_write(store, path, claim, NULL, &result) == 0, "which is written");
    fd = leave(beside, OTHER, SNAPSHOT_MAGIC);
    claim = cache_snapshot_claim(path, &left, &wrong);
    check(claim >= 0 && left, "he had begun to write");
    check(fstat(fd, &status) == 0 && status.st_nlink == 0 && status.st_size > 0, "his own is as it was");
    cache_snapshot_unclaim(path, claim);
    close(fd);
    close(leave(beside, OTHER, SNAPSHOT_MAGIC));
    check(cache_snapshot_left(path) == 0 && access(beside, F_OK) != 0, "what is left is removed");
}

/* As on a file system that gives all files one owner, who is not the one that writes. */
static void it_is_written_where_files_are_of_another_owner(void)
{
    enum { NOBODY = -1 /* is never set */ };
    char folder[] = "/tmp/pawl-snapshot-XXXXXX", path[sizeof folder + 8], beside[sizeof path + 8];
    struct cache_store *store = open_store();
    struct cache_snapshot result;

    setfsuid(OTHER);
    if (setfsuid((uid_t)NOBODY) != OTHER) { /* not root, or root of a namespace that has no other users */
        cache_store_close(store);
        return;
    }
    setfsuid(geteuid());
    check(mkdtemp(folder) != NULL, "a folder");
    snprintf(path, sizeof path, "%s/items", folder);
    snprintf(beside, sizeof beside, "%s.writing", path);
    check(chmod(folder, S_IRWXU | S_IRWXG | S_IRWXO) == 0, "everybody's folder");
    setfsuid(OTHER);
    check(cache_snapshot_write(store, path, -1, NULL, &result) == 0, "the file is ours: we have made it");
    setfsuid(geteuid());
    what_another_user_left_is_replaced(store, path, beside);
    close(leave(beside, OTHER, "dear cache"));
    check(cache_snapshot_write(store, path, -1, NULL, &result) == -EEXIST && result.wrong != NULL,
          "a letter of another owner is not ours");
    check(cache_snapshot_left(path) == -EEXIST && unlink(beside) == 0, "nor is it removed");
    check(chmod(folder, S_ISVTX | S_IRWXU | S_IRWXG | S_IRWXO) == 0, "where one removes but one's own");
    close(leave(beside, THIRD, ""));
    setfsuid(OTHER);
    check(cache_snapshot_write(store, path, -1, NULL, &result) == -EEXIST && result.wrong != NULL,
          "what cannot be replaced is not written");
    setfsuid(geteuid());
    check(unlink(beside) == 0, "it stayed");
    check(unlink(path) == 0 && rmdir(folder) == 0, "nothing is left");
    cache_store_close(store);
}

/* ---- while others change the store ---- */

enum { KEYS = 3000, SNAPSHOTS = 5, VALUE_MAX = 30000 };

struct churn {
    struct cache_store *store;
    PAWL_ATOMIC(bool) stop; /* relaxed: it may be late */
};

/* A value is its key's number, again and again. */
static void set_one(struct cache_session *session, uint32_t number, uint32_t bytes)
{
    static __thread char value[VALUE_MAX];
    struct cache_change change = {.mode = CACHE_SET, .value = value, .value_bytes = bytes};
    struct cache_key key;

    memset(value, (int)(number % 251), bytes);
    cache_key_make(cache_session_store(session), &key, (const char *)&number, sizeof number);
    check(cache_store_item(session, &key, &change) == CACHE_STORED, "a set");
}

/* Sets of all sizes, with evictions, and now and then a flush. */
static void *change_it(void *arg)
{
    struct churn *churn = arg;
    struct cache_session *session = cache_session_open(churn->store);
    uint64_t random = 1;

    check(session != NULL, "a session");
    for (uint32_t i = 0; !pawl_load_relaxed(&churn->stop); i++) { /* relaxed: see the field */
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        set_one(session, (uint32_t)(random >> 33) % KEYS,
                (uint32_t)(random >> 50) % (i % 50 == 0 ? VALUE_MAX : 2000));
        (void)cache_maintain(session);
        if (i % 20000 == 19999)
            cache_flush(churn->store, 0);
    }
    cache_session_close(session);
    return NULL;
}

static void is_consistent(void *arg, const struct cache_item *item)
{
    const char *value = cache_item_value(item);
    const struct cache_store *store = arg;
    uint32_t number;

    check(cache_item_cas(item) < cache_cas_end(store), "numbers of cas that are given now are other ones");
    check(item->key_bytes == sizeof number, "a key");
    memcpy(&number, cache_item_key(item), sizeof number);
    for (uint32_t i = 0; i < cache_item_value_bytes(item); i++)
        check((unsigned char)value[i] == number % 251, "a value of its key");
}

static void load_and_look(const char *path)
{
    struct cache_store *store = open_store();
    struct cache_session *session = cache_session_open(store);
    struct pawl_map_cursor cursor = {0};
    struct cache_snapshot result;

    check(session != NULL && cache_snapshot_read(session, path, &result) == 0, "it loads");
    pawl_rcu_read_lock();
    while (cache_walk(store, &cursor, 64, is_consistent, store))
        ;
    pawl_rcu_read_unlock();
    cache_session_close(session);
    cache_store_close(store);
}

static void snapshots_of_what_changes(void)
{
    struct churn churn = {.store = open_store()};
    char path[] = "/tmp/pawl-snapshot-XXXXXX";
    struct cache_session *session = cache_session_open(churn.store);
    const int fd = mkostemp(path, O_CLOEXEC);
    pthread_t thread;

    check(session != NULL && fd >= 0, "a session and a file");
    close(fd);
    for (uint32_t i = 0; i < KEYS; i++)
        set_one(session, i, i % 1000);
    check(pthread_create(&thread, NULL, change_it, &churn) == 0, "a thread");
    for (int i = 0; i < SNAPSHOTS; i++) {
        struct cache_snapshot result;
        const int error = cache_snapshot_write(churn.store, path, -1, NULL, &result);

        check(error == 0 || error == -ESTALE, "it is written");
        if (error == 0)
            load_and_look(path);
    }
    pawl_store_relaxed(&churn.stop, true); /* relaxed: see the field */
    (void)pthread_join(thread, NULL);
    unlink(path);
    cache_session_close(session);
    cache_store_close(churn.store);
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
    check(load(bytes, count + 1, &items) < 0 && items == 0, "nor one with more behind it");
    for (size_t cut = 0; cut < count; cut += cut < 2000 ? CUTS_STEP : 997)
        check(load(bytes, cut, &items) < 0 && items == 0, "a part of it is not");
    for (size_t at = 0; at < count; at += at < 2000 ? CUTS_STEP : 997) {
        bytes[at] ^= (unsigned char)(1 << at % 8);
        check(load(bytes, count, &items) < 0 && items == 0, "a changed one is not");
        bytes[at] ^= (unsigned char)(1 << at % 8);
    }
    check(cache_snapshot_write(store, "/tmp/pawl-snapshot-stopped", -1, &stop, &result) == -ECANCELED &&
              access("/tmp/pawl-snapshot-stopped", F_OK) != 0,
          "one that is stopped leaves nothing");
    what_is_no_file_is_refused();
    it_is_written_where_files_are_of_another_owner();
    snapshots_of_what_changes();
    check(cache_snapshot_write(store, "/none/x", -1, NULL, &result) == -ENOENT, "there is no such folder");
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
