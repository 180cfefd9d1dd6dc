/* SPDX-License-Identifier: MIT */
/* evutil_*: descriptors, names, numbers. On Linux most are another name for what libc has. */
#include "base.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- descriptors ---- */

int evutil_socketpair(int d, int type, int protocol, evutil_socket_t sv[2])
{
    return socketpair(d, type, protocol, sv);
}

int evutil_make_socket_nonblocking(evutil_socket_t sock)
{
    int flags = fcntl(sock, F_GETFL);

    if (flags < 0 || ((flags & O_NONBLOCK) == 0 && fcntl(sock, F_SETFL, flags | O_NONBLOCK) < 0)) {
        pawl_event_warn_("fcntl(%d, O_NONBLOCK)", sock);
        return -1;
    }
    return 0;
}

int evutil_make_socket_closeonexec(evutil_socket_t sock)
{
    int flags = fcntl(sock, F_GETFD);

    if (flags < 0 || ((flags & FD_CLOEXEC) == 0 && fcntl(sock, F_SETFD, flags | FD_CLOEXEC) < 0)) {
        pawl_event_warn_("fcntl(%d, FD_CLOEXEC)", sock);
        return -1;
    }
    return 0;
}

static int turn_on(evutil_socket_t sock, int level, int option)
{
    static const int one = 1;

    return setsockopt(sock, level, option, &one, sizeof one);
}

int evutil_make_listen_socket_reuseable(evutil_socket_t sock)
{
    return turn_on(sock, SOL_SOCKET, SO_REUSEADDR);
}

int evutil_make_listen_socket_reuseable_port(evutil_socket_t sock)
{
    return turn_on(sock, SOL_SOCKET, SO_REUSEPORT);
}

int evutil_make_listen_socket_ipv6only(evutil_socket_t sock)
{
    return turn_on(sock, IPPROTO_IPV6, IPV6_V6ONLY);
}

int evutil_make_tcp_listen_socket_deferred(evutil_socket_t sock)
{
    return turn_on(sock, IPPROTO_TCP, TCP_DEFER_ACCEPT);
}

int evutil_closesocket(evutil_socket_t sock)
{
    return close(sock);
}

/* ---- text ---- */

ev_int64_t evutil_strtoll(const char *s, char **endptr, int base)
{
    return strtoll(s, endptr, base);
}

int evutil_vsnprintf(char *buf, size_t buflen, const char *format, va_list ap)
{
    if (buflen == 0)
        return 0;
    return vsnprintf(buf, buflen, format, ap);
}

int evutil_snprintf(char *buf, size_t buflen, const char *format, ...)
{
    va_list ap;
    int length;

    va_start(ap, format);
    length = evutil_vsnprintf(buf, buflen, format, ap);
    va_end(ap);
    return length;
}

/* Of ASCII, whatever the locale. */
static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

int evutil_ascii_strncasecmp(const char *str1, const char *str2, size_t n)
{
    for (; n > 0; n--, str1++, str2++) {
        int a = lower(*str1), b = lower(*str2);

        if (a != b)
            return a < b ? -1 : 1;
        if (a == '\0')
            return 0;
    }
    return 0;
}

int evutil_ascii_strcasecmp(const char *str1, const char *str2)
{
    return evutil_ascii_strncasecmp(str1, str2, SIZE_MAX);
}

/* In the words of RFC 1123, whatever the locale. */
int evutil_date_rfc1123(char *date, const size_t datelen, const struct tm *tm)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm here;

    if (tm == NULL)
        tm = gmtime_r(&now, &here);
    return evutil_snprintf(date, datelen, "%s, %02d %s %4d %02d:%02d:%02d GMT", days[tm->tm_wday],
                           tm->tm_mday, months[tm->tm_mon], 1900 + tm->tm_year, tm->tm_hour, tm->tm_min,
                           tm->tm_sec);
}

/* ---- addresses ---- */

const char *evutil_inet_ntop(int af, const void *src, char *dst, size_t len)
{
    return inet_ntop(af, src, dst, (socklen_t)len);
}

int evutil_inet_pton(int af, const char *src, void *dst)
{
    return inet_pton(af, src, dst);
}

/* "fe80::1%eth0", "fe80::1%2". */
int evutil_inet_pton_scope(int af, const char *src, void *dst, unsigned *indexp)
{
    char address[128];
    const char *scope;

    *indexp = 0;
    scope = af == AF_INET6 ? strchr(src, '%') : NULL;
    if (scope == NULL)
        return inet_pton(af, src, dst);
    *indexp = if_nametoindex(scope + 1);
    if (*indexp == 0) {
        char *end;
        unsigned long number = strtoul(scope + 1, &end, 10);

        if (end == scope + 1 || *end != '\0' || number == 0 || number > UINT32_MAX)
            return 0;
        *indexp = (unsigned)number;
    }
    if ((size_t)(scope - src) >= sizeof address)
        return 0;
    memcpy(address, src, (size_t)(scope - src));
    address[scope - src] = '\0';
    return inet_pton(af, address, dst);
}

/* Splits "[v6]:port", "[v6]", "v6", "v4:port", "v4". False: none of them. *port is NULL if there is none. */
static bool split(const char *text, char *address, size_t size, bool *v6, const char **port)
{
    const char *begin = text, *end, *colon = strchr(text, ':');

    *port = NULL;
    if (*text == '[') {
        begin = text + 1;
        end = strchr(begin, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return false;
        *v6 = true;
        if (end[1] == ':')
            *port = end + 2;
    } else if (colon != NULL && strchr(colon + 1, ':') != NULL) {
        end = text + strlen(text);
        *v6 = true;
    } else {
        end = colon != NULL ? colon : text + strlen(text);
        *v6 = false;
        *port = colon != NULL ? colon + 1 : NULL;
    }
    if ((size_t)(end - begin) >= size)
        return false;
    memcpy(address, begin, (size_t)(end - begin));
    address[end - begin] = '\0';
    return true;
}

int evutil_parse_sockaddr_port(const char *str, struct sockaddr *out, int *outlen)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct sockaddr_in in = {.sin_family = AF_INET};
    const char *port_text;
    char address[128];
    long port = 0;
    unsigned scope;
    bool v6;

    if (!split(str, address, sizeof address, &v6, &port_text))
        return -1;
    if (port_text != NULL) {
        char *end;

        port = strtol(port_text, &end, 10);
        if (end == port_text || *end != '\0' || port <= 0 || port > UINT16_MAX)
            return -1;
    }
    if (v6) {
        if (evutil_inet_pton_scope(AF_INET6, address, &in6.sin6_addr, &scope) != 1 ||
            *outlen < (int)sizeof in6)
            return -1;
        in6.sin6_port = htons((uint16_t)port);
        in6.sin6_scope_id = scope;
        memset(out, 0, (size_t)*outlen);
        memcpy(out, &in6, sizeof in6);
        *outlen = sizeof in6;
    } else {
        if (inet_pton(AF_INET, address, &in.sin_addr) != 1 || *outlen < (int)sizeof in)
            return -1;
        in.sin_port = htons((uint16_t)port);
        memset(out, 0, (size_t)*outlen);
        memcpy(out, &in, sizeof in);
        *outlen = sizeof in;
    }
    return 0;
}

int evutil_sockaddr_cmp(const struct sockaddr *sa1, const struct sockaddr *sa2, int include_port)
{
    int order = 0, ports = 0;

    if (sa1->sa_family != sa2->sa_family)
        return sa1->sa_family - sa2->sa_family;
    if (sa1->sa_family == AF_INET) {
        struct sockaddr_in a, b;

        memcpy(&a, sa1, sizeof a);
        memcpy(&b, sa2, sizeof b);
        order = memcmp(&a.sin_addr, &b.sin_addr, sizeof a.sin_addr);
        ports = ntohs(a.sin_port) - ntohs(b.sin_port);
    } else if (sa1->sa_family == AF_INET6) {
        struct sockaddr_in6 a, b;

        memcpy(&a, sa1, sizeof a);
        memcpy(&b, sa2, sizeof b);
        order = memcmp(&a.sin6_addr, &b.sin6_addr, sizeof a.sin6_addr);
        ports = ntohs(a.sin6_port) - ntohs(b.sin6_port);
    } else {
        return 1; /* other families are never equal, as libevent has it */
    }
    return order != 0 || !include_port ? order : ports;
}

int evutil_getaddrinfo(const char *nodename, const char *servname, const struct evutil_addrinfo *hints_in,
                       struct evutil_addrinfo **res)
{
    return getaddrinfo(nodename, servname, hints_in, res);
}

void evutil_freeaddrinfo(struct evutil_addrinfo *ai)
{
    freeaddrinfo(ai);
}

const char *evutil_gai_strerror(int err)
{
    return gai_strerror(err);
}

/* ---- random bytes: the kernel's ---- */

int evutil_secure_rng_init(void)
{
    char byte;

    return getrandom(&byte, 1, 0) == 1 ? 0 : -1;
}

void evutil_secure_rng_get_bytes(void *buf, size_t n)
{
    char *at = buf;

    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);

        if (got < 0 && errno != EINTR)
            pawl_event_die_("evutil_secure_rng_get_bytes: getrandom: %s", strerror(errno));
        if (got > 0) {
            at += got;
            n -= (size_t)got;
        }
    }
}

/* The kernel needs no device. */
int evutil_secure_rng_set_urandom_device_file(char *fname)
{
    (void)fname;
    return 0;
}

/* And no more entropy. */
void evutil_secure_rng_add_bytes(const char *dat, size_t datlen)
{
    (void)dat;
    (void)datlen;
}

/* ---- time ---- */

struct evutil_monotonic_timer {
    clockid_t clock;
};

struct evutil_monotonic_timer *evutil_monotonic_timer_new(void)
{
    return pawl_event_zalloc_(sizeof(struct evutil_monotonic_timer));
}

void evutil_monotonic_timer_free(struct evutil_monotonic_timer *timer)
{
    pawl_event_free_(timer);
}

int evutil_configure_monotonic_time(struct evutil_monotonic_timer *timer, int flags)
{
    timer->clock = (flags & EV_MONOT_PRECISE) != 0 ? CLOCK_MONOTONIC : CLOCK_MONOTONIC_COARSE;
    return 0;
}

int evutil_gettime_monotonic(struct evutil_monotonic_timer *timer, struct timeval *tp)
{
    struct timespec ts;

    if (clock_gettime(timer->clock, &ts) != 0)
        return -1;
    tp->tv_sec = ts.tv_sec;
    tp->tv_usec = ts.tv_nsec / 1000;
    return 0;
}
