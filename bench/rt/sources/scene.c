/* SPDX-License-Identifier: MIT */
/* What all contenders work on, and what makes events come. */
#include "scene.h"

#include "../echo/echo_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void source_failed(const char *what, int64_t status)
{
    fprintf(stderr, "bench-sources: %s: %s\n", what, strerror((int)-status));
    exit(1);
}

void source_touch(const struct source_scene *scene)
{
    if (pwrite(scene->touched, "x", 1, 0) != 1)
        source_failed("pwrite", -errno);
}

void source_signal(void)
{
    kill(getpid(), SIGUSR1);
}

int source_spawn(void)
{
    static char path[] = "/bin/true";
    char *argv[] = {path, NULL};
    pid_t child;
    int status = posix_spawn(&child, path, NULL, NULL, argv, environ);

    if (status != 0)
        source_failed("posix_spawn", -status);
    return child;
}

void source_check_status(int64_t status)
{
    if (status != 0)
        source_failed("/bin/true", status < 0 ? status : -EIO);
}

/* ---- the other thread ---- */

static void *answer(void *arg)
{
    struct source_raiser *raiser = arg;

    for (;;)
        if (sem_wait(&raiser->asked) == 0)
            raiser->raise(raiser->arg);
    return NULL;
}

int source_raiser_start(struct source_raiser *raiser, void (*raise)(void *arg), void *arg)
{
    raiser->raise = raise;
    raiser->arg = arg;
    if (sem_init(&raiser->asked, 0, 0) != 0)
        return -errno;
    return -pthread_create(&raiser->thread, NULL, answer, raiser);
}

void source_raiser_ask(struct source_raiser *raiser)
{
    sem_post(&raiser->asked);
}

/* ---- the scene ---- */

static void scene_path(const struct source_scene *scene, char *path, size_t bytes)
{
    (void)snprintf(path, bytes, "%s/touched", scene->folder);
}

void scene_open(struct source_scene *scene)
{
    static char folder[] = "/tmp/bench-sources.XXXXXX";
    char path[sizeof folder + 10];
    int pipe_ends[2];

    memset(scene->buffers, 1, sizeof scene->buffers);
    scene->folder = mkdtemp(folder);
    if (scene->folder == NULL)
        echo_die("mkdtemp");
    scene_path(scene, path, sizeof path);
    scene->touched = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    scene->file = open(path, O_RDONLY | O_CLOEXEC);
    if (scene->touched < 0 || scene->file < 0 ||
        write(scene->touched, scene->buffers[0], SOURCE_BYTES_MAX) != SOURCE_BYTES_MAX)
        echo_die(path);
    if (pipe2(pipe_ends, O_CLOEXEC) != 0)
        echo_die("pipe2");
    scene->from = pipe_ends[0];
    scene->to = pipe_ends[1];
}

void scene_close(struct source_scene *scene)
{
    char path[100];

    scene_path(scene, path, sizeof path);
    unlink(path);
    rmdir(scene->folder);
}
