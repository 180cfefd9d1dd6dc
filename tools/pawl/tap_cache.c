/* SPDX-License-Identifier: MIT */
#include "tap_cache.h"

#include "tap_record.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

PAWL_STATIC_ASSERT(TAP_CACHE_USUAL == (UINT32_MAX & ~(UINT32_C(1) << CACHE_TAP_LINE)), "as the header says");

/* ---- which ---- */

bool tap_cache_kinds(const char *list, uint32_t *kinds)
{
    *kinds = 0;
    while (*list != '\0') {
        const size_t count = strcspn(list, ",");
        uint32_t kind = 0;

        while (kind < CACHE_TAP_KINDS &&
               (strlen(cache_tap_kinds[kind]) != count || strncmp(cache_tap_kinds[kind], list, count) != 0))
            kind++;
        if (kind == CACHE_TAP_KINDS)
            return false;
        *kinds |= 1u << kind;
        list += count;
        list += *list == ',';
    }
    return *kinds != 0;
}

bool tap_cache_find(uint64_t pid, char *path, size_t size)
{
    static const char wanted[] = "/memfd:" CACHE_TAP_NAME;
    char folder[64], target[128];
    const struct dirent *entry;
    bool found = false;
    DIR *fds;

    snprintf(folder, sizeof folder, "/proc/%" PRIu64 "/fd", pid);
    fds = opendir(folder);
    if (fds == NULL)
        return false;
    while (!found && (entry = readdir(fds)) != NULL) {
        const ssize_t count = readlinkat(dirfd(fds), entry->d_name, target, sizeof target - 1);

        if (count < 0)
            continue;
        target[count] = '\0';
        found = strncmp(target, wanted, sizeof wanted - 1) == 0;
        if (found)
            snprintf(path, size, "%s/%s", folder, entry->d_name);
    }
    closedir(fds);
    errno = ENOENT;
    return found;
}

int tap_cache_want(int fd, uint32_t kinds)
{
    for (uint32_t kind = 0; kind < CACHE_TAP_KINDS; kind++) {
        struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = kind, .l_len = 1};

        if ((kinds >> kind & 1) != 0 && fcntl(fd, F_OFD_SETLK, &lock) != 0)
            return -errno;
    }
    return 0;
}

bool tap_cache_wanted(const void *data, size_t bytes, uint32_t kinds, uint64_t least_us)
{
    const struct cache_tap_record *record = cache_tap_check(data, bytes);

    return record == NULL || ((kinds >> record->kind & 1) != 0 && record->latency_ns / 1000 >= least_us);
}

/* ---- how ---- */

/* A key may have any bytes: on one line, without blanks. */
static void print_key(const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const unsigned char byte = (unsigned char)bytes[i];

        if (byte == '\\')
            fputs("\\\\", stdout);
        else if (isgraph(byte) || byte >= 0x80)
            putchar(byte);
        else
            printf("\\x%02x", byte);
    }
}

bool tap_cache_print(const void *data, size_t bytes)
{
    const struct cache_tap_record *record = cache_tap_check(data, bytes);
    const char *what;

    if (record == NULL)
        return false;
    what = record->command != CACHE_TAP_NONE ? cache_tap_commands[record->command]
                                             : cache_tap_kinds[record->kind];
    printf("%-8s", what);
    if (record->kind <= CACHE_TAP_TOUCH)
        printf(" %-10s", cache_tap_statuses[record->status]);
    if (record->kind != CACHE_TAP_OPEN && record->kind != CACHE_TAP_CLOSE) {
        putchar(' ');
        print_key(cache_tap_text(record), record->text_bytes);
    }
    if (record->kind <= CACHE_TAP_EXPIRE) {
        printf("  bytes=%" PRIu32, record->value_bytes);
        if (record->ttl != CACHE_TAP_FOREVER)
            printf(" ttl=%" PRIu32, record->ttl);
    }
    if (record->kind == CACHE_TAP_EVICT || record->kind == CACHE_TAP_EXPIRE)
        printf(" age=%" PRIu32 " fetched=%s", record->age, record->fetched != 0 ? "yes" : "no");
    if (record->fd >= 0) {
        printf("  client=%.*s", (int)record->address_bytes, record->text);
        if (record->port != 0)
            printf(":%u", record->port);
        printf(" fd=%" PRId32, record->fd);
    }
    if (record->latency_ns != 0)
        printf(" us=%.1f", (double)record->latency_ns / 1e3);
    if (record->kind == CACHE_TAP_CLOSE)
        printf(" reason=%s", record->reason == 0 ? "closed" : strerror(-record->reason));
    return true;
}

bool tap_cache_set(json_t *object, const void *data, size_t bytes)
{
    const struct cache_tap_record *record = cache_tap_check(data, bytes);
    json_t *text;

    if (record == NULL)
        return false;
    text = json_stringn(cache_tap_text(record), record->text_bytes);
    json_object_set_new(object, "event", json_string(cache_tap_kinds[record->kind]));
    json_object_set_new(object, record->kind == CACHE_TAP_LINE ? "line" : "key",
                        text != NULL ? text : json_string("(not UTF-8)"));
    json_object_set_new(object, "status", json_string(cache_tap_statuses[record->status]));
    json_object_set_new(object, "command", json_string(cache_tap_commands[record->command]));
    json_object_set_new(object, "value_bytes", json_integer(record->value_bytes));
    json_object_set_new(object, "ttl",
                        record->ttl == CACHE_TAP_FOREVER ? json_null() : json_integer(record->ttl));
    json_object_set_new(object, "age", json_integer(record->age));
    json_object_set_new(object, "fetched", json_boolean(record->fetched));
    json_object_set_new(object, "client", json_stringn(record->text, record->address_bytes));
    json_object_set_new(object, "port", json_integer(record->port));
    json_object_set_new(object, "fd", json_integer(record->fd));
    json_object_set_new(object, "latency_ns", json_integer((json_int_t)record->latency_ns));
    json_object_set_new(object, "reason", json_integer(record->reason));
    return true;
}
