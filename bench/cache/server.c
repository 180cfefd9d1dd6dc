/* SPDX-License-Identifier: MIT */
#include "server.h"

#include "clock.h"
#include "cpus.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PATH_ROOM = 4096,
    ARGUMENTS = 32,
    RUNNING_MAX = 16,
    START_SECONDS = 10, /* then it is taken for dead */
    CONNECTIONS = 4096,
};

#define SECOND UINT64_C(1000000000)

static struct {
    const char *name, *program;
    char path[PATH_ROOM]; /* empty: it was not found */
} programs[SERVER_PROGRAMS] = {
    [SERVER_MEMCACHED] = {"memcached", "memcached", ""},
    [SERVER_PAWL] = {"pawl-cache", "pawl-cache", ""},
    [SERVER_PAWL_URING] = {"pawl-cache io_uring", "pawl-cache", ""},
    [SERVER_REDIS] = {"redis-server", "redis-server", ""},
};

static pid_t running[RUNNING_MAX];

_Noreturn void server_die(const char *what, const char *why)
{
    fprintf(stderr, "bench-cache: %s: %s\n", what, why);
    for (int i = 0; i < RUNNING_MAX; i++) {
        if (running[i] != 0)
            kill(running[i], SIGKILL);
    }
    exit(1);
}

/* ---- programs ---- */

static bool find_in_path(const char *program, char *path)
{
    const char *at = getenv("PATH");

    while (at != NULL && *at != '\0') {
        const size_t count = strcspn(at, ":");

        snprintf(path, PATH_ROOM, "%.*s/%s", (int)count, at, program);
        if (access(path, X_OK) == 0)
            return true;
        at += count + (at[count] == ':');
    }
    path[0] = '\0';
    return false;
}

/* In a build folder this program is bench/cache/bench-cache, and the server apps/cache/pawl-cache. */
static bool find_built(char *path)
{
    static const char built[] = "../../apps/cache/pawl-cache";
    const ssize_t n = readlink("/proc/self/exe", path, PATH_ROOM - sizeof(built) - 1);
    char *slash;

    if (n <= 0)
        return false;
    path[n] = '\0';
    slash = strrchr(path, '/');
    if (slash == NULL)
        return false;
    memcpy(slash + 1, built, sizeof(built));
    return access(path, X_OK) == 0;
}

void servers_find(const char *pawl_cache)
{
    for (int i = 0; i < SERVER_PROGRAMS; i++) {
        char *path = programs[i].path;

        if (i == SERVER_PAWL || i == SERVER_PAWL_URING) {
            if (pawl_cache != NULL)
                snprintf(path, PATH_ROOM, "%s", pawl_cache);
            if (pawl_cache != NULL || find_built(path))
                continue;
        }
        (void)find_in_path(programs[i].program, path);
    }
}

const char *server_name(enum server_program program)
{
    return programs[program].name;
}

const char *server_missing(enum server_program program)
{
    if (programs[program].path[0] != '\0')
        return NULL;
    switch (program) {
    case SERVER_MEMCACHED:
        return "not installed (Debian: apt install memcached)";
    case SERVER_REDIS:
        return "not installed (Debian: apt install redis-server)";
    default:
        return "neither built nor installed";
    }
}

enum speech_dialect server_dialect(enum server_program program)
{
    return program == SERVER_REDIS ? SPEECH_REDIS : SPEECH_MEMCACHED;
}

/* ---- starting ---- */

static void choose_address(struct server *server, bool unix_socket)
{
    static unsigned number;

    memset(&server->address, 0, sizeof(server->address));
    server->path[0] = '\0';
    if (unix_socket) {
        struct sockaddr_un *name = (struct sockaddr_un *)&server->address;

        name->sun_family = AF_UNIX;
        snprintf(server->path, sizeof(server->path), "/tmp/pawl-bench-cache-%d-%u", (int)getpid(), number++);
        memcpy(name->sun_path, server->path, sizeof(server->path));
        server->address_bytes = sizeof(*name);
    } else {
        struct sockaddr_in *name = (struct sockaddr_in *)&server->address;
        socklen_t bytes = sizeof(*name);
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* finds a free port */

        name->sin_family = AF_INET;
        name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (fd < 0 || bind(fd, (const struct sockaddr *)name, bytes) != 0 ||
            getsockname(fd, (struct sockaddr *)name, &bytes) != 0)
            server_die("cannot find a port", strerror(errno));
        close(fd);
        server->address_bytes = bytes;
    }
}

struct arguments {
    char *list[ARGUMENTS];
    unsigned count;
    char text[ARGUMENTS][128];
};

static void add(struct arguments *arguments, const char *text)
{
    char *to = arguments->text[arguments->count];

    snprintf(to, sizeof(arguments->text[0]), "%s", text);
    arguments->list[arguments->count++] = to;
}

static void add_two(struct arguments *arguments, const char *option, const char *format, unsigned number)
{
    char text[32];

    snprintf(text, sizeof(text), "%u%s", number, format);
    add(arguments, option);
    add(arguments, text);
}

static unsigned port_of(const struct server *server)
{
    return server->path[0] != '\0' ? 0 : ntohs(((const struct sockaddr_in *)&server->address)->sin_port);
}

static void redis_arguments(const struct server *server, unsigned megabytes, struct arguments *arguments)
{
    add_two(arguments, "--port", "", port_of(server));
    if (server->path[0] != '\0') {
        add(arguments, "--unixsocket");
        add(arguments, server->path);
    }
    add(arguments, "--save");
    add(arguments, "");
    add(arguments, "--appendonly");
    add(arguments, "no");
    add_two(arguments, "--maxclients", "", CONNECTIONS);
    add_two(arguments, "--maxmemory", "mb", megabytes);
    add(arguments, "--maxmemory-policy");
    add(arguments, "allkeys-lru");
}

static void memcached_arguments(const struct server *server, unsigned megabytes, struct arguments *arguments)
{
    if (server->path[0] != '\0') {
        add(arguments, "-s");
        add(arguments, server->path);
    } else {
        add(arguments, "-l");
        add(arguments, "127.0.0.1");
        add_two(arguments, "-p", "", port_of(server));
        add(arguments, "-U");
        add(arguments, "0");
    }
    add_two(arguments, "-t", "", 1);
    add_two(arguments, "-c", "", CONNECTIONS);
    add_two(arguments, "-m", "", megabytes);
    if (geteuid() == 0) {
        add(arguments, "-u");
        add(arguments, "root");
    }
    if (server->program == SERVER_PAWL_URING) {
        add(arguments, "-o");
        add(arguments, "engine=uring");
    }
}

static _Noreturn void become(const struct server *server, unsigned megabytes, int cpu)
{
    struct arguments arguments = {.count = 0};
    const char *path = programs[server->program].path;
    const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (cpu >= 0)
        (void)bench_cpus_pin(cpu);
    if (nowhere >= 0)
        (void)dup2(nowhere, STDOUT_FILENO);
    add(&arguments, programs[server->program].program);
    if (server->program == SERVER_REDIS)
        redis_arguments(server, megabytes, &arguments);
    else
        memcached_arguments(server, megabytes, &arguments);
    arguments.list[arguments.count] = NULL;
    execv(path, arguments.list);
    fprintf(stderr, "bench-cache: %s: %s\n", path, strerror(errno));
    _exit(127);
}

static int try_connect(const struct server *server)
{
    const int fd = socket(server->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int one = 1;

    if (fd < 0)
        server_die("socket", strerror(errno));
    while (connect(fd, (const struct sockaddr *)&server->address, server->address_bytes) != 0) {
        if (errno == EINTR || errno == EAGAIN)
            continue;
        close(fd);
        return -1;
    }
    if (server->address.ss_family == AF_INET)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

int server_connect(const struct server *server)
{
    const int fd = try_connect(server);

    if (fd < 0)
        server_die("cannot connect", server_name(server->program));
    return fd;
}

/* Asks until it answers. */
static bool answers(const struct server *server)
{
    const enum speech_dialect dialect = server_dialect(server->program);
    const char *hello = speech_hello(dialect), *welcome = speech_welcome(dialect);
    char answer[64];
    const int fd = try_connect(server);
    bool well;

    if (fd < 0)
        return false;
    well = send(fd, hello, strlen(hello), MSG_NOSIGNAL) == (ssize_t)strlen(hello) &&
           recv(fd, answer, sizeof(answer), 0) >= (ssize_t)strlen(welcome) &&
           memcmp(answer, welcome, strlen(welcome)) == 0;
    close(fd);
    return well;
}

void server_start(struct server *server, enum server_program program, bool unix_socket, unsigned megabytes,
                  int cpu)
{
    const struct timespec a_moment = {.tv_nsec = 200000};
    uint64_t began;
    int place = 0;

    while (place < RUNNING_MAX && running[place] != 0)
        place++;
    if (place == RUNNING_MAX)
        server_die("too many servers", server_name(program));
    server->program = program;
    choose_address(server, unix_socket);
    fflush(stdout);
    began = bench_now_ns();
    server->pid = fork();
    if (server->pid < 0)
        server_die("fork", strerror(errno));
    if (server->pid == 0)
        become(server, megabytes, cpu);
    running[place] = server->pid;
    while (!answers(server)) {
        if (waitpid(server->pid, NULL, WNOHANG) != 0) {
            running[place] = 0;
            server_die(server_name(program), "it ended as soon as it was started");
        }
        if (bench_now_ns() - began > START_SECONDS * SECOND)
            server_die(server_name(program), "it does not answer");
        nanosleep(&a_moment, NULL);
    }
    server->start_ns = bench_now_ns() - began;
}

void server_end(struct server *server)
{
    if (server->pid == 0)
        return;
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    for (int i = 0; i < RUNNING_MAX; i++) {
        if (running[i] == server->pid)
            running[i] = 0;
    }
    if (server->path[0] != '\0')
        unlink(server->path);
    server->pid = 0;
}

/* ---- what it has used ---- */

struct server_time server_time(const struct server *server)
{
    struct server_time sum = {0, 0};
    const struct dirent *entry;
    char path[300];
    DIR *tasks;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)server->pid);
    tasks = opendir(path);
    if (tasks == NULL)
        server_die(server_name(server->program), "it has gone");
    while ((entry = readdir(tasks)) != NULL) {
        unsigned long long ran, waited;
        FILE *file;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)server->pid, entry->d_name);
        file = fopen(path, "re");
        if (file == NULL)
            continue; /* a thread that has just ended */
        if (fscanf(file, "%llu %llu", &ran, &waited) == 2) {
            sum.ran_ns += ran;
            sum.waited_ns += waited;
        }
        fclose(file);
    }
    closedir(tasks);
    return sum;
}

uint64_t server_resident(const struct server *server)
{
    char path[64];
    unsigned long long pages = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/statm", (int)server->pid);
    file = fopen(path, "re");
    if (file == NULL || fscanf(file, "%*s %llu", &pages) != 1)
        server_die(server_name(server->program), "it has gone");
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
