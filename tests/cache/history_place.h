/* SPDX-License-Identifier: MIT */
/* Where the operations of a recorded history happen: in the store itself, or in a server behind a socket. */
#ifndef CACHE_TEST_HISTORY_PLACE_H
#define CACHE_TEST_HISTORY_PLACE_H

#include "store.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pawl/rcu.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GETS = 1, SET, ADD, CAS, INCR, DELETE, FLUSH };
enum { DONE = 0, NOTHING = -1, NOT_STORED = -2, EXISTS = -3, FAILED = -4 };

static const char *server_path;

/* A value and its cas, as one result. */
static inline intptr_t pair(int64_t value, uint64_t cas)
{
    return (intptr_t)((uint64_t)value << 32 | cas);
}

/* ---- where the operations happen ---- */

/* Of one thread: what it talks through, and what it knows. */
struct client {
    const struct place *place;
    struct cache_session *session;
    int socket;
    uint64_t random;
    const char *key;
    uint32_t cas; /* that was told last in this history; 0: none */
};

struct place {
    int (*open)(struct client *client);
    void (*close)(struct client *client);
    intptr_t (*act)(struct client *client, int kind, intptr_t argument);
};

static inline uint32_t random_below(uint64_t *state, uint32_t n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % n);
}

/* ---- the store ---- */

static struct cache_store *store;

static inline int store_client(struct client *client)
{
    client->session = cache_session_open(store);
    return client->session != NULL ? 0 : -ENOMEM;
}

static inline void store_leave(struct client *client)
{
    cache_session_close(client->session);
}

static inline intptr_t store_gets(struct client *client, const struct cache_key *key)
{
    intptr_t result = NOTHING;
    struct cache_item *item;

    pawl_rcu_read_lock();
    item = cache_find(client->session, key);
    if (item != NULL) {
        cache_hit(client->session, item);
        result = pair(strtoll(cache_item_value(item), NULL, 10), cache_item_cas(item));
    }
    pawl_rcu_read_unlock();
    return result;
}

static inline intptr_t store_change(struct client *client, const struct cache_key *key, int kind,
                                    intptr_t argument)
{
    char text[32];
    struct cache_change change = {.mode = kind == ADD ? CACHE_ADD : CACHE_SET, .value = text};
    enum cache_result result;

    change.cas = kind == CAS ? (uint32_t)argument : 0;
    change.value_bytes = (uint32_t)snprintf(text, sizeof(text), "%lld",
                                            (long long)(kind == CAS ? argument >> 32 : argument));
    result = cache_store_item(client->session, key, &change);
    switch (result) {
    case CACHE_STORED:
        return kind == SET ? (intptr_t)change.stored_cas : DONE;
    case CACHE_NOT_STORED:
        return NOT_STORED;
    case CACHE_EXISTS:
        return EXISTS;
    case CACHE_NOT_FOUND:
        return NOTHING;
    default:
        return FAILED;
    }
}

static inline intptr_t store_act(struct client *client, int kind, intptr_t argument)
{
    struct cache_sum sum = {.delta = (uint64_t)argument};
    struct cache_key key;
    enum cache_result result;

    cache_key_make(store, &key, client->key, strlen(client->key));
    switch (kind) {
    case GETS:
        return store_gets(client, &key);
    case INCR:
        result = cache_add_number(client->session, &key, &sum);
        return result == CACHE_STORED      ? pair((int64_t)sum.value, sum.stored_cas)
               : result == CACHE_NOT_FOUND ? NOTHING
                                           : FAILED;
    case DELETE:
        return cache_delete(client->session, &key, 0) == CACHE_STORED ? DONE : NOTHING;
    case FLUSH:
        cache_flush(store, 0);
        return DONE;
    default:
        return store_change(client, &key, kind, argument);
    }
}

static const struct place in_the_store = {store_client, store_leave, store_act};

/* ---- the server ---- */

static struct sockaddr_in address;

static inline int dial(struct client *client)
{
    client->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->socket < 0)
        return -errno;
    if (connect(client->socket, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        const int error = -errno;

        close(client->socket);
        return error;
    }
    return 0;
}

static inline void hang_up(struct client *client)
{
    close(client->socket);
}

/* How many lines an answer has goes by its first bytes. */
static inline int lines_of(const char *answer)
{
    return strncmp(answer, "VALUE", 5) == 0 ? 3 : strncmp(answer, "VA ", 3) == 0 ? 2 : 1;
}

static inline bool is_whole(const char *answer)
{
    int lines = 0;

    for (const char *at = answer; (at = strstr(at, "\r\n")) != NULL; at += 2)
        lines++;
    return lines > 0 && lines >= lines_of(answer);
}

static inline void ask(const struct client *client, char *answer, size_t room, const char *request)
{
    size_t got = 0;

    assert_int_equal(send(client->socket, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    do {
        const ssize_t n = recv(client->socket, answer + got, room - 1 - got, 0);

        assert_true(n > 0);
        got += (size_t)n;
        answer[got] = '\0';
    } while (!is_whole(answer));
}

/* The number behind the first `mark`, or -1. */
static inline long long number_behind(const char *text, const char *mark)
{
    const char *at = strstr(text, mark);

    return at != NULL ? strtoll(at + strlen(mark), NULL, 10) : -1;
}

static inline intptr_t value_and_cas(const char *answer)
{
    unsigned long long cas;
    long long value;

    /* "VALUE key 0 2 17\r\n42\r\nEND\r\n", "VA 2 c17\r\n42\r\n" */
    if (sscanf(answer, "VALUE %*s %*u %*u %llu %lld", &cas, &value) == 2 ||
        sscanf(answer, "VA %*u c%llu %lld", &cas, &value) == 2)
        return pair(value, cas);
    return NOTHING;
}

static inline intptr_t judge_stored(const char *answer)
{
    if (strcmp(answer, "STORED\r\n") == 0)
        return DONE;
    if (strncmp(answer, "HD c", 4) == 0)
        return (intptr_t)number_behind(answer, "HD c");
    if (strcmp(answer, "NOT_STORED\r\n") == 0)
        return NOT_STORED;
    if (strcmp(answer, "EXISTS\r\n") == 0)
        return EXISTS;
    if (strcmp(answer, "NOT_FOUND\r\n") == 0)
        return NOTHING;
    assert_string_equal(answer, "SERVER_ERROR out of memory storing object\r\n");
    return FAILED;
}

/* Classic commands and meta commands in turn: these tell the cas of what they stored. */
static inline intptr_t server_act(struct client *client, int kind, intptr_t argument)
{
    const bool meta = random_below(&client->random, 2) == 0;
    const char *key = client->key;
    char request[256], value[32], answer[512];
    const int bytes = snprintf(value, sizeof(value), "%lld",
                               (long long)(kind == CAS ? argument >> 32 : argument));

    switch (kind) {
    case GETS:
        (void)snprintf(request, sizeof(request), meta ? "mg %s v c\r\n" : "gets %s\r\n", key);
        ask(client, answer, sizeof(answer), request);
        return value_and_cas(answer);
    case SET:
        (void)snprintf(request, sizeof(request), meta ? "ms %s %d c\r\n%s\r\n" : "set %s 0 0 %d\r\n%s\r\n",
                       key, bytes, value);
        break;
    case ADD:
        (void)snprintf(request, sizeof(request), "add %s 0 0 %d\r\n%s\r\n", key, bytes, value);
        break;
    case CAS:
        (void)snprintf(request, sizeof(request), "cas %s 0 0 %d %u\r\n%s\r\n", key, bytes, (uint32_t)argument,
                       value);
        break;
    case INCR:
        (void)snprintf(request, sizeof(request), meta ? "ma %s v c D%s\r\n" : "incr %s %s\r\n", key, value);
        ask(client, answer, sizeof(answer), request);
        if (strncmp(answer, "SERVER_ERROR", 12) == 0)
            return FAILED;
        return meta ? value_and_cas(answer) : answer[0] <= '9' ? pair(strtoll(answer, NULL, 10), 0) : NOTHING;
    case DELETE:
        (void)snprintf(request, sizeof(request), "delete %s\r\n", key);
        ask(client, answer, sizeof(answer), request);
        return strcmp(answer, "DELETED\r\n") == 0 ? DONE : NOTHING;
    default:
        ask(client, answer, sizeof(answer), "flush_all\r\n");
        assert_string_equal(answer, "OK\r\n");
        return DONE;
    }
    ask(client, answer, sizeof(answer), request);
    return judge_stored(answer);
}

static const struct place in_the_server = {dial, hang_up, server_act};

static inline pid_t start_server(const char *engine, const char *megabytes)
{
    const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    socklen_t bytes = sizeof(address);
    char port[16], option[32];
    struct client client = {.place = &in_the_server};
    int error;
    pid_t pid;

    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    /* The port is nobody else's until the server listens, which sets SO_REUSEADDR as well. */
    assert_int_equal(setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(bind(probe, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(probe, (struct sockaddr *)&address, &bytes), 0);
    (void)snprintf(port, sizeof(port), "%u", ntohs(address.sin_port));
    (void)snprintf(option, sizeof(option), "engine=%s", engine);
    const char *const arguments[] = {server_path, "-l",      "127.0.0.1", "-p",  port, "-t",   "3",
                                     "-m",        megabytes, "-I",        "64k", "-o", option, NULL};
    assert_int_equal(posix_spawn(&pid, server_path, NULL, NULL, (char *const *)(uintptr_t)arguments, environ),
                     0);
    while ((error = dial(&client)) == -ECONNREFUSED) {
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    assert_int_equal(error, 0);
    close(probe);
    hang_up(&client);
    return pid;
}

static inline void end_server(pid_t pid)
{
    int status;

    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#endif
