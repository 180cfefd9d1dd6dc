/* SPDX-License-Identifier: MIT */
#include "report.h"

#include "fail.h"
#include "profile.h"
#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <pawl/malloc.h>
#include <string.h>
#include <unistd.h>

#define STACKS 20u

static int wanted_fd = STDERR_FILENO;

static void write_profile(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (fd < 0 || pawl_profile_write_(fd) != 0)
        pawl_malloc_warn_("the heap profile could not be written", path, strlen(path));
    if (fd >= 0)
        close(fd);
}

/* "%p" in the name becomes the process id: children write files of their own. */
static const char *named(char *room, size_t size)
{
    const char *from = pawl_settings_.profile;
    size_t n = 0;

    for (; *from != '\0' && n + 12 < size; from++) {
        if (from[0] == '%' && from[1] == 'p') {
            char digits[12];
            size_t d = sizeof digits;

            for (unsigned int pid = (unsigned int)getpid(); d == sizeof digits || pid != 0; pid /= 10)
                digits[--d] = (char)('0' + pid % 10);
            memcpy(room + n, digits + d, sizeof digits - d);
            n += sizeof digits - d;
            from++;
        } else {
            room[n++] = *from;
        }
    }
    room[n] = '\0';
    return room;
}

void pawl_report_watch_(void)
{
    /* A program may close its stderr before it ends. */
    if (pawl_settings_.stats || pawl_settings_.leaks) {
        int copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

        if (copy >= 0)
            wanted_fd = copy;
    }
}

__attribute__((destructor)) static void report(void)
{
    char path[sizeof pawl_settings_.profile + 16];

    if (pawl_settings_.profile[0] != '\0')
        write_profile(named(path, sizeof path));
    if (pawl_settings_.leaks) {
        (void)pawl_malloc_leaks(wanted_fd);
        if (pawl_profile_is_on_())
            pawl_profile_report_(wanted_fd, STACKS);
    }
    if (pawl_settings_.stats)
        (void)pawl_malloc_stats_write(wanted_fd, PAWL_MALLOC_TEXT);
}
