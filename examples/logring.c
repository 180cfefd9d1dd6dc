/* SPDX-License-Identifier: MIT */
/* A worker that logs to memory and is killed; its parent reads what it had to say. */
#include <pawl/logring.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void work(int fd)
{
    struct pawl_logring *log = pawl_logring_open(fd);
    char text[64];

    for (int i = 0; log != NULL && i < 100; i++) {
        int length = snprintf(text, sizeof text, "step %d", i);

        (void)pawl_logring_push(log, PAWL_LOG_DETAIL, text, (size_t)length);
    }
    if (log != NULL)
        (void)pawl_logring_push(log, PAWL_LOG_VITAL, "cannot go on", 12);
    raise(SIGKILL); /* nothing is flushed, nothing is closed */
}

int main(void)
{
    int fd = pawl_logring_create("worker", NULL); /* pawl tap /proc/PID/fd/N shows it from outside */
    struct pawl_logring_reader *reader;
    struct pawl_logring_record record;
    int records = 0, last_words = 0;
    pid_t worker;

    if (fd < 0 || (worker = fork()) < 0)
        return 1;
    if (worker == 0)
        work(fd);
    waitpid(worker, NULL, 0);
    reader = pawl_logring_reader_open(fd, PAWL_LOGRING_OLDEST);
    while (reader != NULL && pawl_logring_read(reader, &record) == 0) {
        records++;
        if (record.importance == PAWL_LOG_VITAL) {
            printf("after %d records: %.*s\n", records - 1, (int)record.bytes, (const char *)record.data);
            last_words = memcmp(record.data, "cannot go on", record.bytes) == 0;
        }
    }
    pawl_logring_reader_close(reader);
    close(fd);
    return records == 101 && last_words ? 0 : 1;
}
