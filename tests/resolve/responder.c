/* SPDX-License-Identifier: MIT */
#include "responder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEAD = 12,
    UDP_MOST = 512,
    TYPE_A = 1,
    TYPE_AAAA = 28,
    MANY = 60,
    TOO_MANY = 31,
    TRUNCATED = 0x02,
    SECONDS = 60,
    LATE_US = 400000
};

/* What is written to `words` for the thread. */
enum { SETTLE = 's', STOP = 'x' };

static int udp, tcp, words[2];
static sem_t settled;
static pthread_t thread;
static char address[32];

static void demand(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    abort();
}

/* ---- answers ---- */

struct answer {
    unsigned char bytes[4096];
    size_t count;
    size_t question; /* where it ends */
};

/* One more address: 4 bytes or 16. */
static void add(struct answer *answer, const void *bytes, uint16_t count)
{
    const unsigned char record[] = {0xc0, HEAD,    0, count == 4 ? TYPE_A : TYPE_AAAA,
                                    0,    1,       0, 0,
                                    0,    SECONDS, 0, (unsigned char)count};

    memcpy(answer->bytes + answer->count, record, sizeof record);
    memcpy(answer->bytes + answer->count + sizeof record, bytes, count);
    answer->count += sizeof record + count;
    answer->bytes[7]++;
}

static void add_v4(struct answer *answer, unsigned third, unsigned last)
{
    const unsigned char bytes[4] = {127, 0, (unsigned char)third, (unsigned char)last};

    add(answer, bytes, sizeof bytes);
}

static bool is_of_a_burst(const char *name)
{
    return strncmp(name, "burst", 5) == 0;
}

/* Fills in what the name has. False: no answer. */
static bool look_up(struct answer *answer, const char *name, unsigned type)
{
    if (strcmp(name, "silent.test") == 0 || (strcmp(name, "late6.test") == 0 && type == TYPE_AAAA))
        return false;
    if (strcmp(name, "broken.test") == 0) {
        answer->bytes[3] |= 2;
    } else if (strcmp(name, "refused.test") == 0) {
        answer->bytes[3] |= 5;
    } else if (strcmp(name, "garbage.test") == 0) {
        answer->bytes[7] = 3; /* of which there is none */
    } else if ((strcmp(name, "both.test") == 0 || strcmp(name, "late4.test") == 0) && type == TYPE_AAAA) {
        add(answer, &in6addr_loopback, sizeof in6addr_loopback);
    } else if ((strcmp(name, "many.test") == 0 || is_of_a_burst(name)) && type == TYPE_A) {
        for (unsigned i = 1; i <= (name[0] == 'm' ? MANY : TOO_MANY); i++)
            add_v4(answer, 1, i);
    } else if (strcmp(name, "second.test") == 0 && type == TYPE_A) {
        add_v4(answer, 0, 2);
        add_v4(answer, 0, 1);
    } else if (strcmp(name, "late4.test") == 0 && type == TYPE_A) {
        usleep(LATE_US);
        add_v4(answer, 0, 1);
    } else if (strcmp(name, "both.test") != 0 && strcmp(name, "four.test") != 0 &&
               strcmp(name, "late6.test") != 0 && strcmp(name, "many.test") != 0 && !is_of_a_burst(name) &&
               strcmp(name, "second.test") != 0) {
        answer->bytes[3] |= 3; /* no such name */
    } else if (type == TYPE_A) {
        add_v4(answer, 0, 1);
    }
    return true;
}

/* Of a query. False: none. */
static bool make_answer(struct answer *answer, const unsigned char *query, size_t count)
{
    char name[256];
    size_t at = HEAD, length = 0;
    unsigned type;

    while (at < count && query[at] != 0) {
        demand(at + query[at] < count && length + query[at] < sizeof name - 1, "query");
        memcpy(name + length, query + at + 1, query[at]);
        length += query[at];
        name[length++] = '.';
        at += query[at] + 1u;
    }
    demand(at + 5 <= count && length > 0, "query");
    name[length - 1] = '\0';
    type = (unsigned)query[at + 1] << 8 | query[at + 2];
    memset(answer, 0, sizeof *answer);
    memcpy(answer->bytes, query, at + 5);
    answer->question = answer->count = at + 5;
    answer->bytes[2] = 0x84 | (query[2] & 1); /* an answer, with authority */
    answer->bytes[3] = 0x80;
    memset(answer->bytes + 6, 0, 6);
    return look_up(answer, name, type);
}

static void serve_udp(void)
{
    unsigned char query[UDP_MOST];
    struct sockaddr_in from;
    socklen_t bytes = sizeof from;
    ssize_t n = recvfrom(udp, query, sizeof query, 0, (struct sockaddr *)&from, &bytes);
    struct answer answer;

    if (n < HEAD || !make_answer(&answer, query, (size_t)n))
        return;
    if (answer.count > UDP_MOST) {
        answer.bytes[2] |= TRUNCATED;
        answer.bytes[7] = 0;
        answer.count = answer.question;
    }
    (void)sendto(udp, answer.bytes, answer.count, 0, (const struct sockaddr *)&from, bytes);
}

static bool read_all(int fd, unsigned char *bytes, size_t count)
{
    return recv(fd, bytes, count, MSG_WAITALL) == (ssize_t)count;
}

/* One query of a connection, and the answer with its length before it. False: none. */
static bool take_query(int fd, struct answer *answer, unsigned char *head)
{
    unsigned char query[UDP_MOST];
    size_t count;

    if (!read_all(fd, head, 2) || (count = (size_t)head[0] << 8 | head[1]) > sizeof query ||
        !read_all(fd, query, count) || !make_answer(answer, query, count))
        return false;
    head[0] = (unsigned char)(answer->count >> 8);
    head[1] = (unsigned char)answer->count;
    return true;
}

/* In two pieces, with a pause, so that who reads at an edge sees more than one. */
static void send_in_two(int fd, const struct answer *answer, const unsigned char *head)
{
    (void)send(fd, head, 2, MSG_NOSIGNAL | MSG_MORE);
    (void)send(fd, answer->bytes, answer->count / 2, MSG_NOSIGNAL);
    usleep(5000);
    (void)send(fd, answer->bytes + answer->count / 2, answer->count - answer->count / 2, MSG_NOSIGNAL);
}

/* Many answers at one edge: all of them at once, less than half a window, as the kernel sends more of them in parts; and
 * nothing after them, not even the end, before the client has ended. */
static void serve_burst(int fd, struct answer *answer, unsigned char *head)
{
    static unsigned char all[RESPONDER_BURST * (2 + sizeof answer->bytes)];
    struct pollfd polls[] = {{udp, POLLIN, 0}, {fd, POLLIN, 0}};
    const int room = sizeof all;
    size_t bytes = 0;

    demand(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) == 0,
           "SO_SNDBUF"); /* else it goes in parts */
    for (unsigned asked = 1;; asked++) {
        memcpy(all + bytes, head, 2);
        memcpy(all + bytes + 2, answer->bytes, answer->count);
        bytes += 2 + answer->count;
        if (asked == RESPONDER_BURST)
            break;
        while (poll(polls, 2, -1) >= 0 && polls[1].revents == 0)
            serve_udp(); /* the others have not been told to come here */
        if (!take_query(fd, answer, head))
            return;
    }
    usleep(20000); /* until who asked waits */
    (void)send(fd, all, bytes, MSG_NOSIGNAL);
    (void)read_all(fd, head, 1);
}

static void serve_tcp(void)
{
    unsigned char head[2];
    struct answer answer;
    int fd = accept4(tcp, NULL, NULL, SOCK_CLOEXEC);

    demand(fd >= 0, "accept");
    if (take_query(fd, &answer, head)) {
        if (memcmp(answer.bytes + HEAD + 1, "burst", 5) == 0)
            serve_burst(fd, &answer, head);
        else
            send_in_two(fd, &answer, head);
    }
    close(fd);
}

static void *serve(void *arg)
{
    struct pollfd polls[] = {{udp, POLLIN, 0}, {tcp, POLLIN, 0}, {words[0], POLLIN, 0}};
    char word = SETTLE;

    while (word == SETTLE && poll(polls, 3, -1) >= 0) {
        if (polls[0].revents != 0)
            serve_udp();
        if (polls[1].revents != 0)
            serve_tcp();
        if (polls[0].revents == 0 && polls[1].revents == 0) {
            demand(read(words[0], &word, 1) == 1, "read");
            if (word == SETTLE)
                demand(sem_post(&settled) == 0, "sem_post");
        }
    }
    return arg;
}

/* ---- on and off ---- */

/* A port that is free for both. */
static bool bind_both(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof at;

    udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    demand(udp >= 0 && tcp >= 0 && bind(udp, (const struct sockaddr *)&at, bytes) == 0, "bind");
    demand(getsockname(udp, (struct sockaddr *)&at, &bytes) == 0, "getsockname");
    snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(at.sin_port));
    if (bind(tcp, (const struct sockaddr *)&at, bytes) == 0 && listen(tcp, 16) == 0)
        return true;
    close(udp);
    close(tcp);
    return false;
}

const char *responder_start(void)
{
    while (!bind_both())
        ;
    demand(pipe(words) == 0 && sem_init(&settled, 0, 0) == 0, "pipe");
    demand(pthread_create(&thread, NULL, serve, NULL) == 0, "pthread_create");
    return address;
}

static void say(char word)
{
    demand(write(words[1], &word, 1) == 1, "write");
}

void responder_settle(void)
{
    say(SETTLE);
    while (sem_wait(&settled) != 0)
        demand(errno == EINTR, "sem_wait");
}

void responder_stop(void)
{
    say(STOP);
    pthread_join(thread, NULL);
    close(udp);
    close(tcp);
    close(words[0]);
    close(words[1]);
}
