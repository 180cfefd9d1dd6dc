/* SPDX-License-Identifier: MIT */
/* The first and only program of a test guest: runs the tests of a plan, reports, powers off.
 *
 * Purpose    tests/vm/run boots a kernel with an initramfs that holds this program as /init, the test
 *            binaries, and the file /plan. There is no shell, no library, no disk and no network.
 * Plan       Lines "KEY VALUE", VALUE up to the end of the line:
 *                test SECONDS     begins a test and sets its time limit
 *                env NAME=VALUE   added to its environment
 *                arg TEXT         argv[0] (the program's path), argv[1], ...
 *                end              runs it
 *            A file, not the kernel's command line, which holds 2 KiB.
 * Report     Lines on the console that begin with "@pawl-vm ". Tests are numbered from 0.
 *                up UPTIME CPUS NODES RELEASE       the guest is ready
 *                start N                            test N begins
 *                out TEXT                           one line of its output
 *                result N exit|signal|timeout|error CODE SECONDS
 *                broken TEXT                        the guest itself is unusable
 *                done COUNT TAINT                   all were run; the kernel's taint flags
 *            A test writes into a pipe and each of its lines is tagged here, so that its output can
 *            neither forge a record nor leave one in the middle of a line.
 * Isolation  A test is a session of its own; when it ends, every process it left behind is killed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_ARGS = 64,
    MAX_ENV = 64,
    USUAL_ENV = 4,        /* PATH and the like, added to every test's */
    MAX_LINE = 240,       /* of a test's output, in one record */
    MAX_OUTPUT = 1 << 20, /* of one test: a test that loops must not fill the host's disk */
    EXEC_FAILED = 127,
};

struct test {
    unsigned number;
    unsigned limit; /* seconds */
    unsigned arg_count;
    unsigned env_count;
    char *args[MAX_ARGS + 1]; /* NULL-terminated */
    char *env[MAX_ENV + USUAL_ENV + 1];
};

/* A test's output on its way to the console, cut into lines. */
struct output {
    char line[MAX_LINE];
    size_t length;
    size_t total;
};

/* One write for one record: what the kernel prints meanwhile stands before or after it. */
__attribute__((format(printf, 1, 2))) static void report(const char *format, ...)
{
    char record[MAX_LINE + 64] = "@pawl-vm ";
    const size_t prefix = strlen(record);
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(record + prefix, sizeof record - prefix - 1, format, arguments);
    va_end(arguments);
    size_t end = prefix + (length > 0 ? (size_t)length : 0);
    if (end > sizeof record - 2) {
        end = sizeof record - 2;
    }
    record[end++] = '\n';
    for (size_t done = 0; done < end;) {
        const ssize_t written = write(STDOUT_FILENO, record + done, end - done);
        if (written <= 0) {
            return; /* without a console nothing can be said; the host's time limit notices */
        }
        done += (size_t)written;
    }
}

__attribute__((noreturn)) static void power_off(void)
{
    tcdrain(STDOUT_FILENO);
    sync();
    reboot(RB_POWER_OFF);
    for (;;) {
        pause(); /* init must not return: the kernel would panic */
    }
}

__attribute__((noreturn)) static void broken(const char *what)
{
    report("broken %s: %s", what, strerror(errno));
    power_off();
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---------------------------------------------------------------- the machine */

static void mount_or_break(const char *type, const char *target)
{
    if (mkdir(target, 0755) != 0 && errno != EEXIST) {
        broken(target);
    }
    /* EBUSY: the kernel mounted devtmpfs itself (CONFIG_DEVTMPFS_MOUNT). */
    if (mount(type, target, type, 0, NULL) != 0 && errno != EBUSY) {
        broken(target);
    }
}

/* The initramfs holds no device nodes (making one takes root on the host), so the kernel could not
 * open a console for us. */
static void open_console(void)
{
    const int console = open("/dev/console", O_RDWR | O_NOCTTY);
    if (console < 0) {
        power_off();
    }
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        dup2(console, fd);
    }
    if (console > STDERR_FILENO) {
        close(console);
    }
}

static void raise_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0) {
        broken("loopback interface");
    }
    close(fd);
}

static unsigned count_nodes(void)
{
    unsigned nodes = 0, number;
    DIR *directory = opendir("/sys/devices/system/node");
    if (!directory) {
        return 1; /* a kernel without NUMA */
    }
    for (const struct dirent *entry; (entry = readdir(directory));) {
        nodes += sscanf(entry->d_name, "node%u", &number) == 1;
    }
    closedir(directory);
    return nodes;
}

static void set_up(void)
{
    mount_or_break("devtmpfs", "/dev");
    open_console();
    mount_or_break("proc", "/proc");
    mount_or_break("sysfs", "/sys");
    mount_or_break("tmpfs", "/tmp");
    mount_or_break("tmpfs", "/dev/shm");
    mount_or_break("cgroup2", "/sys/fs/cgroup");
    raise_loopback();
    struct utsname name;
    if (uname(&name) != 0) {
        broken("uname");
    }
    report("up %.2f %ld %u %s", seconds_now(), sysconf(_SC_NPROCESSORS_ONLN), count_nodes(), name.release);
}

static unsigned long kernel_taint(void)
{
    unsigned long taint = 0;
    FILE *file = fopen("/proc/sys/kernel/tainted", "re");
    if (!file || fscanf(file, "%lu", &taint) != 1) {
        broken("/proc/sys/kernel/tainted");
    }
    fclose(file);
    return taint;
}

/* ---------------------------------------------------------------- one test */

static void end_line(struct output *output)
{
    report("out %.*s", (int)output->length, output->line);
    output->length = 0;
}

static void take_byte(struct output *output, char byte)
{
    if (byte == '\n') {
        end_line(output);
        return;
    }
    if (output->length == sizeof output->line) {
        end_line(output);
    }
    const bool control = (unsigned char)byte < ' ' && byte != '\t';
    output->line[output->length++] = control ? '?' : byte;
}

/* Forward what the pipe holds now. False at its end. */
static bool drain(struct output *output, int fd)
{
    char bytes[4096];
    ssize_t length = 0;
    /* Bounded by twice a pipe's capacity: a test that never stops printing must not hold us here. */
    for (int round = 0; round < 32 && (length = read(fd, bytes, sizeof bytes)) > 0; round++) {
        for (ssize_t i = 0; i < length && output->total < MAX_OUTPUT; i++) {
            take_byte(output, bytes[i]);
            if (++output->total == MAX_OUTPUT) {
                end_line(output);
                report("out [more than %d bytes: the rest is dropped]", MAX_OUTPUT);
            }
        }
    }
    return length > 0 || (length < 0 && (errno == EAGAIN || errno == EINTR));
}

__attribute__((noreturn)) static void become(const struct test *test, int output_fd)
{
    const int null = open("/dev/null", O_RDONLY);
    setsid();
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output_fd, STDOUT_FILENO) < 0 ||
        dup2(output_fd, STDERR_FILENO) < 0 || chdir("/tmp") != 0) {
        _exit(EXEC_FAILED);
    }
    execve(test->args[0], test->args, test->env);
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", test->args[0], strerror(errno));
    _exit(EXEC_FAILED);
}

/* Forward output until the process ends (true) or its time is over (false). */
static bool watch(pid_t pid, int fd, struct output *output, double deadline)
{
    const int process = pidfd_open(pid, 0);
    if (process < 0) {
        broken("pidfd_open");
    }
    struct pollfd events[2] = {{.fd = process, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    bool ended = false;
    while (!ended) {
        const double left = deadline - seconds_now();
        if (left <= 0) {
            break;
        }
        poll(events, 2, (int)(left * 1000) + 1);
        ended = events[0].revents != 0;
        if (events[1].revents && !drain(output, fd)) {
            events[1].fd = -1; /* all writers closed it: wait for the process alone */
        }
    }
    close(process);
    return ended;
}

/* Every process but this one and the kernel's own threads. */
static void kill_the_rest(void)
{
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {
    }
}

static void report_result(unsigned number, bool ended, int status, double seconds)
{
    if (!ended) {
        report("result %u timeout 0 %.2f", number, seconds);
    } else if (WIFEXITED(status)) {
        report("result %u exit %d %.2f", number, WEXITSTATUS(status), seconds);
    } else {
        report("result %u signal %d %.2f", number, WTERMSIG(status), seconds);
    }
}

static void run(const struct test *test)
{
    struct output output = {.length = 0};
    int ends[2], status = 0;
    if (pipe2(ends, O_CLOEXEC) != 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
        broken("pipe");
    }
    report("start %u", test->number);
    const double start = seconds_now();
    const pid_t pid = fork();
    if (pid == 0) {
        become(test, ends[1]);
    }
    close(ends[1]);
    if (pid < 0) {
        report("result %u error %d 0", test->number, errno);
        close(ends[0]);
        return;
    }
    const bool ended = watch(pid, ends[0], &output, start + test->limit);
    const double seconds = seconds_now() - start;
    if (ended) {
        waitpid(pid, &status, 0);
    }
    kill_the_rest();
    drain(&output, ends[0]);
    close(ends[0]);
    if (output.length > 0) {
        end_line(&output);
    }
    report_result(test->number, ended, status, seconds);
}

/* ---------------------------------------------------------------- the plan */

static char *copy(const char *text)
{
    char *const duplicate = strdup(text);
    if (!duplicate) {
        broken("strdup");
    }
    return duplicate;
}

static void begin(struct test *test, const char *limit)
{
    const unsigned number = test->number;
    *test = (struct test){.number = number, .limit = (unsigned)strtoul(limit, NULL, 10)};
}

static void finish(struct test *test)
{
    if (test->limit == 0 || test->arg_count == 0) {
        errno = EINVAL;
        broken("/plan: a test without limit or program");
    }
    /* What programs expect to find. After the plan's own settings: getenv() takes the first. */
    static const char *const usual[USUAL_ENV] = {"PATH=/tests", "HOME=/tmp", "TMPDIR=/tmp", "LANG=C.UTF-8"};
    for (size_t i = 0; i < USUAL_ENV; i++) {
        test->env[test->env_count++] = copy(usual[i]);
    }
    run(test);
    test->number++;
    for (unsigned i = 0; i < test->arg_count; i++) {
        free(test->args[i]);
    }
    for (unsigned i = 0; i < test->env_count; i++) {
        free(test->env[i]);
    }
    test->limit = 0;
}

static void obey(struct test *test, const char *key, const char *value)
{
    if (!strcmp(key, "test")) {
        begin(test, value);
    } else if (!strcmp(key, "end")) {
        finish(test);
    } else if (!strcmp(key, "arg") && test->limit && test->arg_count < MAX_ARGS) {
        test->args[test->arg_count++] = copy(value);
    } else if (!strcmp(key, "env") && test->limit && test->env_count < MAX_ENV) {
        test->env[test->env_count++] = copy(value);
    } else {
        errno = EINVAL;
        broken("/plan: a line that is unknown, out of place, or one too many");
    }
}

static unsigned run_plan(const char *path)
{
    struct test test = {.number = 0};
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    FILE *plan = fopen(path, "re");
    if (!plan) {
        broken(path);
    }
    while ((length = getline(&line, &capacity, plan)) > 0) {
        if (line[length - 1] == '\n') {
            line[length - 1] = '\0';
        }
        char *value = strchr(line, ' ');
        if (value) {
            *value++ = '\0';
        }
        obey(&test, line, value ? value : "");
    }
    free(line);
    fclose(plan);
    return test.number;
}

int main(void)
{
    if (getpid() != 1) {
        fputs("init: runs as the first process of a test guest only; see tests/vm/run\n", stderr);
        return EXIT_FAILURE;
    }
    set_up();
    const unsigned count = run_plan("/plan");
    report("done %u %lu", count, kernel_taint());
    power_off();
}
