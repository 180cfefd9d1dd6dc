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

/* How many of the bytes are a character beyond ASCII that can be printed. 0: they are none, or a control character. */
static size_t utf8_length(const unsigned char *bytes, size_t left)
{
    static const uint32_t least[] = {0, 0, 0xa0, 0x800, 0x10000};
    const size_t length = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
    uint32_t code = bytes[0] & (0xffu >> (length + 1));

    if (bytes[0] < 0xc2 || bytes[0] > 0xf4 || left < length)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (bytes[i] & 0x3f);
    }
    return code >= least[length] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? length : 0;
}

void tap_print_bytes(const void *bytes, size_t count, bool blanks)
{
    const unsigned char *at = bytes;

    for (size_t length; count > 0; at += length, count -= length) {
        const bool plain = *at != '\\' && *at < 0x80 && (isgraph(*at) || (blanks && *at == ' '));

        length = plain ? 1 : utf8_length(at, count);
        if (length != 0) {
            fwrite(at, 1, length, stdout);
            continue;
        }
        length = 1;
        if (*at == '\\')
            fputs("\\\\", stdout);
        else
            printf("\\x%02x", *at);
    }
}

/* Whoever wrote the file may have written any number. */
static const char *reason_of(int32_t reason)
{
    return reason == 0 ? "closed" : reason < 0 && reason > -4096 ? strerror(-reason) : "unknown";
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
        tap_print_bytes(cache_tap_text(record), record->text_bytes, false);
    }
    if (record->kind <= CACHE_TAP_EXPIRE) {
        printf("  bytes=%" PRIu32, record->value_bytes);
        if (record->ttl != CACHE_TAP_FOREVER)
            printf(" ttl=%" PRIu32, record->ttl);
    }
    if (record->kind == CACHE_TAP_EVICT || record->kind == CACHE_TAP_EXPIRE)
        printf(" age=%" PRIu32 " fetched=%s", record->age, record->fetched != 0 ? "yes" : "no");
    if (record->fd >= 0) {
        fputs("  client=", stdout);
        tap_print_bytes(record->text, record->address_bytes, false);
        if (record->port != 0)
            printf(":%u", record->port);
        printf(" fd=%" PRId32, record->fd);
    }
    if (record->latency_ns != 0)
        printf(" us=%.1f", (double)record->latency_ns / 1e3);
    if (record->kind == CACHE_TAP_CLOSE)
        printf(" reason=%s", reason_of(record->reason));
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
