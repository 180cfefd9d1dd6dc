/* SPDX-License-Identifier: MIT */
#include "report.h"

#include "fail.h"
#include "profile.h"
#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <pawl/malloc.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STACKS 20u

#define COPY_MIN 100 /* above the descriptors that programs choose by number */

static struct stat wanted; /* what stderr was in the beginning */
static int copy_fd = -1;

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
    int before = errno;

    /* A program may close its stderr before it ends. */
    if ((pawl_settings_.stats || pawl_settings_.leaks) && fstat(STDERR_FILENO, &wanted) == 0) {
        copy_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, COPY_MIN);
        if (copy_fd < 0) /* so many are not allowed */
            copy_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    }
    errno = before;
}

static bool is_wanted(int fd)
{
    struct stat now;

    return fd >= 0 && fstat(fd, &now) == 0 && now.st_dev == wanted.st_dev && now.st_ino == wanted.st_ino;
}

/* The program may have closed both, and have files of its own under these numbers; then nothing is told. -1: so. */
static int find_stderr(void)
{
    if (is_wanted(copy_fd))
        return copy_fd;
    return is_wanted(STDERR_FILENO) ? STDERR_FILENO : -1;
}

__attribute__((destructor)) static void report(void)
{
    char path[sizeof pawl_settings_.profile + 16];
    int fd;

    if (pawl_settings_.profile[0] != '\0')
        write_profile(named(path, sizeof path));
    if (!pawl_settings_.leaks && !pawl_settings_.stats)
        return;
    fd = find_stderr();
    if (fd < 0)
        return;
    if (pawl_settings_.leaks) {
        (void)pawl_malloc_leaks(fd);
        if (pawl_profile_is_on_())
            pawl_profile_report_(fd, STACKS);
    }
    if (pawl_settings_.stats)
        (void)pawl_malloc_stats_write(fd, PAWL_MALLOC_TEXT);
}
