/* SPDX-License-Identifier: MIT */
/* pawl-cache: a cache server that memcached's clients talk to. */
#include "server.h"
#include "systemd.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { EXIT_ENDED = 0, EXIT_FAILED = 1 };

static struct cache_server *server;

static void stop(int number)
{
    (void)number;
    cache_server_stop(server);
}

static void refresh(int number)
{
    (void)number;
    cache_server_refresh(server);
}

static void write_snapshot(int number)
{
    (void)number;
    cache_server_snapshot(server);
}

/* When the server is there that they end. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = write_snapshot;
    sigaction(SIGUSR1, &action, NULL);
    action.sa_handler = refresh;
    sigaction(SIGHUP, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

/* Those that come while it starts wait until it has: an end in the middle would lose the items of -e, whose file is
 * removed when they are loaded. */
static void hold_signals(int how)
{
    sigset_t ours;

    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGUSR1);
    sigaddset(&ours, SIGHUP);
    (void)pthread_sigmask(how, &ours, NULL);
}

/* It has ended: who asks for it once more would ask one that is being closed. */
static void ignore_signals(void)
{
    const struct sigaction action = {.sa_handler = SIG_IGN};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

static int fail(const char *what)
{
    fprintf(stderr, "pawl-cache: %s: %s\n", what, strerror(errno));
    return EXIT_FAILED;
}

/* -u. Started by root it wants to be told as whom to run, as memcached does. */
static int become(const char *name)
{
    const struct passwd *user;

    if (getuid() != 0 && geteuid() != 0)
        return -1;
    if (name == NULL) {
        fprintf(stderr, "pawl-cache: runs as root; -u NAME is safer\n");
        return -1;
    }
    user = getpwnam(name);
    if (user == NULL) {
        fprintf(stderr, "pawl-cache: there is no user '%s'\n", name);
        return EXIT_FAILED;
    }
    if (initgroups(name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)
        return fail("cannot become that user");
    return -1;
}

static int write_pid(const char *path)
{
    FILE *file = fopen(path, "we");
    int status;

    if (file == NULL)
        return fail(path);
    fprintf(file, "%ld\n", (long)getpid());
    if (fclose(file) == 0)
        return -1;
    status = fail(path);
    unlink(path); /* half of it, or nothing: the disk is full */
    return status;
}

static void remove_pid(const char *path)
{
    if (path != NULL)
        unlink(path);
}

int main(int argc, char **argv)
{
    struct cache_options options;
    int status = cache_options_read(&options, argc, argv);

    if (status >= 0)
        return status;
    options.sockets = cache_systemd_sockets();
    if (options.daemon && daemon(0, options.verbosity > 0) != 0)
        return fail("cannot go into the background");
    status = become(options.user);
    if (status < 0 && options.lock_memory && mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
        status = fail("cannot lock the memory (-k)");
    if (status < 0 && options.pid_file != NULL)
        status = write_pid(options.pid_file);
    if (status >= 0)
        return status;
    signal(SIGPIPE, SIG_IGN); // NOLINT(bugprone-signal-handler): nothing is called
    signal(SIGXFSZ, SIG_IGN); // NOLINT(bugprone-signal-handler): a file too large is an error of write(2)
    hold_signals(SIG_BLOCK);
    server = cache_server_open(&options);
    if (server == NULL) {
        remove_pid(options.pid_file);
        return EXIT_FAILED;
    }
    catch_signals();
    hold_signals(SIG_UNBLOCK);
    cache_server_run(server);
    ignore_signals();
    if (cache_server_close(server, true) != 0)
        status = EXIT_FAILED;
    remove_pid(options.pid_file);
    return status < 0 ? EXIT_ENDED : status;
}
