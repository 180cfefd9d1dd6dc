/* SPDX-License-Identifier: MIT */
#include "systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SOCKETS_MAX = 64 };

/* A number and nothing else; -1: it is none. */
static long number_of(const char *text)
{
    char *end;
    long number;

    if (text == NULL || *text < '0' || *text > '9')
        return -1;
    errno = 0;
    number = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' ? number : -1;
}

int cache_systemd_sockets(void)
{
    /* They are for the process whose number stands there, not for one that inherited the environment. */
    const long count = number_of(getenv("LISTEN_PID")) == (long)getpid() ? number_of(getenv("LISTEN_FDS"))
                                                                         : 0;

    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    if (count <= 0 || count > SOCKETS_MAX)
        return 0;
    for (int fd = CACHE_SYSTEMD_FIRST; fd < CACHE_SYSTEMD_FIRST + (int)count; fd++)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* one that is not open is refused when it is listened on */
    return (int)count;
}

void cache_systemd_tell(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t bytes;
    int fd;

    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, path, strlen(path));
    bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* an abstract name */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address, bytes) < 0)
        fprintf(stderr, "pawl-cache: cannot tell systemd '%s': %s\n", state, strerror(errno));
    close(fd);
}
