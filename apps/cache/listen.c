/* SPDX-License-Identifier: MIT */
#include "listen.h"

#include "systemd.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { NAME_MAX_BYTES = 256 };

static int complain(const char *what, const char *why, int error)
{
    fprintf(stderr, "pawl-cache: cannot listen on %s: %s\n", what, why);
    return error;
}

static int add(struct cache_listeners *listeners, struct pawl_rt *rt, const struct pawl_stream_config *stream,
               const struct cache_options *options, const struct sockaddr *address, socklen_t bytes)
{
    const struct pawl_listener_config config = {
        .address = address,
        .address_bytes = bytes,
        .backlog = options->backlog,
        .stream = stream,
    };
    int error;

    if (listeners->count == CACHE_LISTENERS_MAX)
        return -E2BIG;
    error = pawl_listener_open(&listeners->listener[listeners->count], rt, &config);
    if (error == 0)
        listeners->count++;
    return error;
}

/* ---- TCP ---- */

/* "host", "host:port", "v6", "[v6]:port", into name and service. Returns NULL, or what is wrong. */
static const char *split(const char *text, uint16_t port, char *name, char *service)
{
    const char *colon = strrchr(text, ':');
    const bool bracket = text[0] == '[';
    const char *end = bracket ? strchr(text, ']') : colon;

    snprintf(service, NAME_MAX_BYTES, "%u", port);
    if (bracket) {
        if (end == NULL)
            return "']' is missing";
        if (end[1] != '\0' && end[1] != ':')
            return "behind ']' comes ':' and a port, or nothing";
        colon = end[1] == ':' ? end + 1 : NULL;
        text++;
    } else if (colon == NULL || strchr(text, ':') != colon) {
        colon = NULL; /* no port: a name, or a bare v6 address */
        end = text + strlen(text);
    }
    if ((size_t)(end - text) >= NAME_MAX_BYTES || (colon != NULL && strlen(colon + 1) >= NAME_MAX_BYTES))
        return "the name is too long";
    if (colon != NULL && colon[1] == '\0')
        return "there is no port behind ':'"; /* the system would choose one */
    memcpy(name, text, (size_t)(end - text));
    name[end - text] = '\0';
    if (colon != NULL)
        memcpy(service, colon + 1, strlen(colon + 1) + 1);
    return NULL;
}

static const char notls[] = "notls:";

static bool without_tls(const char *address)
{
    return strncmp(address, notls, sizeof(notls) - 1) == 0;
}

int cache_listen_resolve(const char *text, uint16_t port, uint16_t other_port, int type,
                         struct addrinfo **found)
{
    const struct addrinfo hints = {.ai_socktype = type, .ai_flags = AI_PASSIVE};
    const unsigned chosen = other_port != 0 ? other_port : port;
    char name[NAME_MAX_BYTES], service[NAME_MAX_BYTES];
    const char *wrong;
    int code;

    if (text != NULL && without_tls(text))
        text += sizeof(notls) - 1;
    wrong = text != NULL ? split(text, port, name, service) : NULL;
    if (wrong != NULL)
        return complain(text, wrong, -EINVAL);
    if (text == NULL || other_port != 0)
        snprintf(service, sizeof(service), "%u", chosen);
    code = getaddrinfo(text != NULL ? name : NULL, service, &hints, found);
    return code == 0 ? 0
                     : complain(text != NULL ? text : "all interfaces", gai_strerror(code), -EADDRNOTAVAIL);
}

/* On all addresses that the name has. NULL: all of this machine. `other_port`: instead of that of the name; 0: none. */
static int listen_on(struct cache_listeners *listeners, struct pawl_rt *rt,
                     const struct pawl_stream_config *stream, const struct cache_options *options,
                     const char *text, uint16_t other_port)
{
    struct addrinfo *found;
    int error = cache_listen_resolve(text, options->port, other_port, SOCK_STREAM, &found);
    const unsigned before = listeners->count;

    if (error != 0)
        return error;
    error = -EADDRNOTAVAIL;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        const int result = add(listeners, rt, stream, options, at->ai_addr, at->ai_addrlen);

        /* A machine without IPv6 offers its wildcard all the same; and the one may include the other. */
        if (result != 0 && !(text == NULL && listeners->count > before))
            error = result;
        if (result == 0 || (text == NULL && listeners->count > before))
            error = 0;
    }
    freeaddrinfo(found);
    return error == 0 ? 0 : complain(text != NULL ? text : "all interfaces", strerror(-error), error);
}

/* ---- UNIX ---- */

static int listen_on_path(struct cache_listeners *listeners, struct pawl_rt *rt,
                          const struct pawl_stream_config *stream, const struct cache_options *options)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = options->unix_path;
    struct stat there;
    mode_t mask;
    int error;

    if (strlen(path) >= sizeof(address.sun_path))
        return complain(path, "the path is too long", -ENAMETOOLONG);
    memcpy(address.sun_path, path, strlen(path) + 1);
    /* One that an earlier server left; never a file. */
    if (lstat(path, &there) == 0 && S_ISSOCK(there.st_mode))
        unlink(path);
    mask = umask(~(mode_t)options->unix_mask & 0777);
    error = add(listeners, rt, stream, options, (const struct sockaddr *)&address, sizeof(address));
    umask(mask);
    if (error != 0)
        return complain(path, strerror(-error), error);
    listeners->unix_path = path;
    return 0;
}

/* ---- passed by systemd ---- */

static int listen_on_passed(struct cache_listeners *listeners, struct pawl_rt *rt,
                            const struct pawl_stream_config *stream, int fd)
{
    const struct pawl_listener_config config = {
        .flags = PAWL_LISTENER_GIVEN,
        .stream = stream,
        .fd = fd,
    };
    char name[NAME_MAX_BYTES];
    int error;

    if (listeners->count == CACHE_LISTENERS_MAX)
        return -E2BIG;
    error = pawl_listener_open(&listeners->listener[listeners->count], rt, &config);
    if (error != 0) {
        snprintf(name, sizeof(name), "the passed descriptor %d", fd);
        return complain(name, error == -EINVAL ? "it is no stream socket that listens" : strerror(-error),
                        error);
    }
    listeners->count++;
    return 0;
}

int cache_listeners_open(struct cache_listeners *listeners, struct pawl_rt *rt,
                         const struct pawl_stream_config *stream, const struct pawl_stream_config *plain,
                         const struct cache_options *options)
{
    int error = 0;

    for (int i = 0; error == 0 && i < options->sockets; i++)
        error = listen_on_passed(listeners, rt, stream, CACHE_SYSTEMD_FIRST + i);
    if (options->sockets > 0)
        return error;
    if (options->unix_path != NULL)
        return listen_on_path(listeners, rt, plain, options);
    if (options->port == 0)
        return complain("nothing", "-p 0, and no -s", -EINVAL);
    if (options->address_count == 0)
        return listen_on(listeners, rt, stream, options, NULL, 0);
    for (unsigned i = 0; error == 0 && i < options->address_count; i++)
        error = listen_on(listeners, rt, without_tls(options->addresses[i]) ? plain : stream, options,
                          options->addresses[i], 0);
    return error;
}

int cache_listeners_add(struct cache_listeners *listeners, struct pawl_rt *rt,
                        const struct pawl_stream_config *stream, const struct cache_options *options,
                        uint16_t port)
{
    int error = 0;

    if (options->address_count == 0 && (options->unix_path != NULL || options->sockets > 0))
        return listen_on(listeners, rt, stream, options, "127.0.0.1", port);
    if (options->address_count == 0)
        return listen_on(listeners, rt, stream, options, NULL, port);
    for (unsigned i = 0; error == 0 && i < options->address_count; i++)
        error = listen_on(listeners, rt, stream, options, options->addresses[i], port);
    return error;
}

void cache_listeners_close(struct cache_listeners *listeners)
{
    while (listeners->count > 0)
        pawl_listener_close(listeners->listener[--listeners->count]);
    if (listeners->unix_path != NULL)
        unlink(listeners->unix_path);
    listeners->unix_path = NULL;
}
