/* SPDX-License-Identifier: MIT */
/* A server's configuration, read from a file, and read again at SIGHUP. Requests never wait for it.
 *
 *     rcu_cell FILE      prints the configuration again after each `kill -HUP`; ends at SIGTERM
 *     rcu_cell           shows itself off with a file of its own */
#include <pawl/rcu_cell.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct config {
    char greeting[80];
};

static struct pawl_rcu_cell current;
static PAWL_ATOMIC(int) ending;

/* On an error the old version stays. */
static int reload(const char *path)
{
    struct config *config = calloc(1, sizeof *config);
    FILE *file = fopen(path, "r");
    int status = -1;

    if (config != NULL && file != NULL && fgets(config->greeting, sizeof config->greeting, file) != NULL) {
        config->greeting[strcspn(config->greeting, "\n")] = '\0';
        status = pawl_rcu_cell_publish(&current, config);
    }
    if (status != 0) {
        fprintf(stderr, "rcu_cell: cannot read %s: keeping the configuration as it is\n", path);
        free(config);
    }
    if (file != NULL)
        fclose(file);
    return status;
}

static void *serve(void *unused)
{
    size_t bytes = 0;

    (void)unused;
    while (pawl_load_relaxed(&ending) == 0) { /* a request */
        const struct config *config;

        pawl_rcu_read_lock();
        config = pawl_rcu_cell_look(&current);
        // NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): what is published has a greeting
        bytes += strlen(config->greeting);
        pawl_rcu_read_unlock();
    }
    return (void *)bytes;
}

/* Signals come to this thread alone, when it asks: no handler, nothing to get wrong in one. */
static void reload_at_hangups(const char *path, const sigset_t *signals)
{
    int signal;

    while (sigwait(signals, &signal) == 0 && signal == SIGHUP) {
        struct pawl_rcu_version *held;

        (void)reload(path);                  /* it has said what is wrong */
        held = pawl_rcu_cell_hold(&current); /* for longer than a section: printing may block */
        printf("greeting: %s\n", ((struct config *)held->data)->greeting);
        fflush(stdout);
        pawl_rcu_version_release(held);
    }
}

/* The administrator, in a process of its own. */
static void administrate(const char *path, pid_t server)
{
    for (int i = 1; i <= 3; i++) {
        FILE *file = fopen(path, "w");

        if (file == NULL)
            _exit(1);
        fprintf(file, "hello, version %d\n", i);
        fclose(file);
        kill(server, SIGHUP);
        usleep(20000);
    }
    kill(server, SIGTERM);
    _exit(0);
}

int main(int argc, char **argv)
{
    char own[] = "/tmp/rcu_cell.XXXXXX";
    const char *path = argc > 1 ? argv[1] : own;
    int descriptor = argc > 1 ? -1 : mkstemp(own);
    pthread_t server;
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread starts: they inherit it */
    if (descriptor >= 0 && write(descriptor, "hello\n", 6) != 6)
        return 1;
    pawl_rcu_cell_init(&current, free);
    if (reload(path) != 0)
        return 1;
    if (argc < 2 && fork() == 0)
        administrate(path, getppid());
    pthread_create(&server, NULL, serve, NULL);
    reload_at_hangups(path, &signals);
    pawl_store_relaxed(&ending, 1);
    pthread_join(server, NULL);
    pawl_rcu_cell_destroy(&current);
    if (descriptor >= 0)
        unlink(own);
    return 0;
}
