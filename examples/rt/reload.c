/* SPDX-License-Identifier: MIT */
/* reload FILE: reads its configuration again when the file changes, or at SIGHUP; ends at SIGTERM and SIGINT.
 *
 * The folder is watched, not the file: editors write a new one and rename it over the old. */
#include <libgen.h>
#include <pawl/inotify.h>
#include <pawl/rt.h>
#include <pawl/signal.h>
#include <pawl/task.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct program {
    struct pawl_rt *rt;
    struct pawl_task starter;
    struct pawl_inotify folder;
    struct pawl_signal hangup, end[2];
    const char *path, *name;
    char text[2][4096]; /* for dirname and basename, which write */
    int status;
} self;

static void reload(const char *why)
{
    char line[256];
    FILE *file = fopen(self.path, "re"); /* short: else pawl/file.h */

    if (file == NULL)
        return; /* between two versions: the old one stays */
    while (fgets(line, sizeof line, file) != NULL)
        printf("%s: %s", why, line);
    (void)fclose(file);
    fflush(stdout);
}

static void changed(struct pawl_inotify *folder, const struct pawl_change *change)
{
    (void)folder;
    if ((change->mask & IN_Q_OVERFLOW) != 0 || (change->name != NULL && strcmp(change->name, self.name) == 0))
        reload("changed");
}

static void hung_up(struct pawl_signal *signal, uint64_t count)
{
    (void)signal;
    (void)count;
    reload("SIGHUP");
}

static void ended(struct pawl_signal *signal, uint64_t count)
{
    (void)signal;
    (void)count;
    pawl_rt_stop(self.rt);
}

static enum pawl_task_next start(struct pawl_task *task)
{
    const uint32_t events = IN_CLOSE_WRITE | IN_MOVED_TO;

    (void)task;
    self.folder.changed = changed;
    self.hangup.caught = hung_up;
    self.end[0].caught = self.end[1].caught = ended;
    if (pawl_signal_start(&self.hangup, SIGHUP) != 0 || pawl_signal_start(&self.end[0], SIGTERM) != 0 ||
        pawl_signal_start(&self.end[1], SIGINT) != 0 || pawl_inotify_start(&self.folder) != 0 ||
        pawl_inotify_add(&self.folder, dirname(self.text[0]), events) < 0) {
        self.status = 1;
        pawl_rt_stop(self.rt);
    } else {
        reload("started");
    }
    return PAWL_TASK_DONE;
}

int main(int argc, char **argv)
{
    if (argc != 2 || strlen(argv[1]) >= sizeof self.text[0]) {
        fprintf(stderr, "usage: reload FILE\n");
        return 2;
    }
    self.path = argv[1];
    for (int i = 0; i < 2; i++)
        (void)snprintf(self.text[i], sizeof self.text[i], "%s", argv[1]);
    self.name = basename(self.text[1]);
    if (pawl_rt_open(&self.rt, &(struct pawl_rt_config){.workers = 1}) != 0)
        return 1;
    pawl_task_init(&self.starter, start, 0);
    if (pawl_task_spawn(self.rt, &self.starter) != 0)
        return 1;
    pawl_rt_run(self.rt);
    pawl_rt_close(self.rt); /* ends what listens and watches */
    return self.status;
}
