/* SPDX-License-Identifier: MIT */
/* What the program may replace: memory, the log, the end of the process. */
#include "base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

static struct {
    void *(*malloc)(size_t bytes);
    void *(*realloc)(void *memory, size_t bytes);
    void (*free)(void *memory);
} memory_of = {malloc, realloc, free};

void event_set_mem_functions(void *(*malloc_fn)(size_t sz), void *(*realloc_fn)(void *ptr, size_t sz),
                             void (*free_fn)(void *ptr))
{
    memory_of.malloc = malloc_fn != NULL ? malloc_fn : malloc;
    memory_of.realloc = realloc_fn != NULL ? realloc_fn : realloc;
    memory_of.free = free_fn != NULL ? free_fn : free;
}

void *pawl_event_malloc_(size_t bytes)
{
    return memory_of.malloc(bytes);
}

void *pawl_event_zalloc_(size_t bytes)
{
    void *memory = memory_of.malloc(bytes);

    if (memory != NULL)
        memset(memory, 0, bytes);
    return memory;
}

void *pawl_event_realloc_(void *memory, size_t bytes)
{
    return memory_of.realloc(memory, bytes);
}

void pawl_event_free_(void *memory)
{
    if (memory != NULL)
        memory_of.free(memory);
}

int pawl_event_room_(void *array, int *size, int wanted, size_t bytes)
{
    int more = *size == 0 ? 16 : *size;
    void *memory;

    if (wanted <= *size)
        return 0;
    while (more < wanted) {
        if (more > INT32_MAX / 2)
            return -1;
        more *= 2;
    }
    memcpy(&memory, array, sizeof memory); /* a pointer of any type */
    memory = pawl_event_realloc_(memory, (size_t)more * bytes);
    if (memory == NULL)
        return -1;
    memcpy(array, &memory, sizeof memory);
    *size = more;
    return 0;
}

/* ---- the log ---- */

static event_log_cb log_callback;
static event_fatal_cb fatal_callback;

void event_set_log_callback(event_log_cb cb)
{
    log_callback = cb;
}

void event_set_fatal_callback(event_fatal_cb cb)
{
    fatal_callback = cb;
}

/* There are no debugging messages to choose from. */
void event_enable_debug_logging(ev_uint32_t which)
{
    (void)which;
}

static void __attribute__((format(printf, 2, 0)))
say(int severity, const char *format, va_list arguments, const char *why)
{
    char line[1024];
    int length = vsnprintf(line, sizeof line, format, arguments);

    if (why != NULL && length >= 0 && (size_t)length < sizeof line)
        snprintf(line + length, sizeof line - (size_t)length, ": %s", why);
    if (log_callback != NULL)
        log_callback(severity, line);
    else
        fprintf(stderr, "[%s] %s\n", severity == EVENT_LOG_ERR ? "err" : "warn", line);
}

void pawl_event_warn_(const char *format, ...)
{
    const char *why = strerror(errno);
    va_list arguments;

    va_start(arguments, format);
    say(EVENT_LOG_WARN, format, arguments, why);
    va_end(arguments);
}

void pawl_event_warnx_(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(EVENT_LOG_WARN, format, arguments, NULL);
    va_end(arguments);
}

void pawl_event_die_(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(EVENT_LOG_ERR, format, arguments, NULL);
    va_end(arguments);
    if (fatal_callback != NULL)
        fatal_callback(1);
    exit(1); /* a fatal callback does not return, says libevent; this one did */
}
