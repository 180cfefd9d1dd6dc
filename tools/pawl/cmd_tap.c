/* SPDX-License-Identifier: MIT */
/* pawl tap: the records of a logring, from outside. */
#include "pawl.h"
#include "tap_cache.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <pawl/clock.h>
#include <pawl/logring.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int run(int argc, char **argv);

const struct command cmd_tap = {
    .name = "tap",
    .summary = "show, follow, filter and count the records of a logring",
    .help = "Usage: pawl tap [--follow] [--now] [--count] [--json] [--class CLASS] [--grep TEXT]\n"
            "                [--ring N] [--max N] FILE\n"
            "       pawl tap --pid PID [--kind LIST] [--slower US] [OPTION]...\n"
            "       pawl tap --demo [--seconds S] FILE\n"
            "\n"
            "Show the records of a logring (<pawl/logring.h>): a file in /dev/shm, or the memory of a\n"
            "process that runs or was killed, as /proc/PID/fd/N. Reading needs no more than read access\n"
            "and does not disturb the writers. Records that were overwritten before they could be read\n"
            "are counted in lines that begin with --.\n"
            "\n"
            "Options:\n"
            "  -f, --follow       go on with what comes, until interrupted\n"
            "  -0, --now          begin with what comes from now on, not with the oldest record\n"
            "  -c, --count        show no records, but how many of each class there were\n"
            "  -C, --class CLASS  only records at least so essential: vital, important, normal, detail\n"
            "  -g, --grep TEXT    only records that contain TEXT\n"
            "  -r, --ring N       only records of CPU N (lanes are numbered behind the CPUs)\n"
            "  -n, --max N        end after N records\n"
            "  -j, --json         one JSON object a line; the schema is in pawl-tap(1)\n"
            "  -p, --pid PID      what a pawl-cache does, from now on: --follow and --now are implied\n"
            "  -k, --kind LIST    of a pawl-cache, with commas: get, store, delete, touch, evict, expire,\n"
            "                     open, close, line; all but line unless given\n"
            "  -s, --slower US    only commands that took at least so many microseconds\n"
            "      --demo         make FILE, which must not exist, and write records into it\n"
            "      --seconds S    with --demo: for so long, 1000 a second; 0 (default): 1000 at once\n"
            "  -h, --help         this text\n"
            "\n"
            "Examples:\n"
            "  pawl tap --demo --seconds 60 /dev/shm/demo &\n"
            "  pawl tap -f /dev/shm/demo\n"
            "  pawl tap --class important --grep timeout /proc/4711/fd/5\n"
            "  pawl tap --pid $(pidof pawl-cache) --kind evict,expire\n"
            "  pawl tap --count --json /dev/shm/demo | jq .lost\n",
    .run = run,
};

enum { OPTION_DEMO = 256, OPTION_SECONDS };

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},
    {"follow", no_argument, NULL, 'f'},
    {"now", no_argument, NULL, '0'},
    {"count", no_argument, NULL, 'c'},
    {"class", required_argument, NULL, 'C'},
    {"grep", required_argument, NULL, 'g'},
    {"ring", required_argument, NULL, 'r'},
    {"max", required_argument, NULL, 'n'},
    {"json", no_argument, NULL, 'j'},
    {"pid", required_argument, NULL, 'p'},
    {"kind", required_argument, NULL, 'k'},
    {"slower", required_argument, NULL, 's'},
    {"demo", no_argument, NULL, OPTION_DEMO},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {NULL, 0, NULL, 0},
};

static const char *const class_names[PAWL_LOGRING_CLASSES] = {"vital", "important", "normal", "detail"};

struct wish {
    bool follow, now, count, json, demo;
    unsigned least; /* essential: the largest class shown */
    const char *text;
    uint64_t ring, max, seconds;
    bool one_ring;
    uint64_t pid, least_us; /* of a pawl-cache; 0: none */
    uint32_t kinds;
    const char *file;
    char found[64]; /* its ring */
};

/* How long `--follow` waits before it looks again. */
#define POLL_NS 20000000

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

/* ---- one record ---- */

static bool is_wanted(const struct wish *wish, const struct pawl_logring_record *record)
{
    return record->importance <= wish->least && (!wish->one_ring || record->ring == wish->ring) &&
           (wish->text == NULL ||
            memmem(record->data, record->bytes, wish->text, strlen(wish->text)) != NULL) &&
           tap_cache_wanted(record->data, record->bytes, wish->kinds, wish->least_us);
}

/* The time of day. In a spoilt file it is any number: the sum wraps. */
static int64_t realtime_of(const struct pawl_logring_record *record, const struct pawl_logring_counts *file)
{
    return (int64_t)(record->stamp_ns + (uint64_t)file->realtime_ns);
}

static void print_time(int64_t realtime_ns)
{
    int64_t rest = realtime_ns % 1000000000;
    time_t seconds = (time_t)(realtime_ns / 1000000000 - (rest < 0));
    struct tm local;
    char text[32] = "";

    if (localtime_r(&seconds, &local) != NULL)
        strftime(text, sizeof text, "%F %T", &local);
    printf("%s.%06d", text, (int)((rest < 0 ? rest + 1000000000 : rest) / 1000));
}

/* The bytes, on one line. */
static void print_bytes(const unsigned char *bytes, size_t count)
{
    while (count > 0 && bytes[count - 1] == '\n')
        count--;
    tap_print_bytes(bytes, count, true);
}

static void print_text(const struct pawl_logring_record *record, const struct pawl_logring_counts *file)
{
    print_time(realtime_of(record, file));
    if (record->ring < file->cpus)
        printf("  cpu %-3" PRIu32, record->ring);
    else
        printf("  lane %-2" PRIu32, record->ring - file->cpus);
    printf(" %-9s  ", class_names[record->importance]);
    if (!tap_cache_print(record->data, record->bytes))
        print_bytes(record->data, record->bytes);
    putchar('\n');
}

/* Text where the bytes are UTF-8, else hexadecimal digits. */
static void set_bytes(json_t *object, const unsigned char *bytes, size_t count)
{
    json_t *text = json_stringn((const char *)bytes, count);
    char *digits;

    if (text != NULL) {
        json_object_set_new(object, "text", text);
        return;
    }
    digits = malloc(2 * count + 1);
    if (digits == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        snprintf(digits + 2 * i, 3, "%02x", bytes[i]);
    json_object_set_new(object, "hex", json_string(digits));
    free(digits);
}

static int print_object(json_t *object)
{
    int status = object != NULL && json_dumpf(object, stdout, JSON_COMPACT) == 0 ? STATUS_OK : STATUS_FAILED;

    json_decref(object);
    putchar('\n');
    return status == STATUS_OK ? STATUS_OK : command_failed(&cmd_tap, "out of memory");
}

static int print_json(const struct pawl_logring_record *record, const struct pawl_logring_counts *file)
{
    bool of_cpu = record->ring < file->cpus;
    json_t *object = json_pack("{s:I, s:I, s:i, s:s, s:I, s:i}", "stamp_ns", (json_int_t)record->stamp_ns,
                               "realtime_ns", (json_int_t)realtime_of(record, file), of_cpu ? "cpu" : "lane",
                               (int)(of_cpu ? record->ring : record->ring - file->cpus), "class",
                               class_names[record->importance], "number", (json_int_t)record->number, "bytes",
                               (int)record->bytes);

    if (object != NULL && !tap_cache_set(object, record->data, record->bytes))
        set_bytes(object, record->data, record->bytes);
    return print_object(object);
}

/* ---- counts ---- */

static json_t *json_counts(const uint64_t *counts)
{
    json_t *object = json_object();

    for (int c = 0; c < PAWL_LOGRING_CLASSES; c++)
        json_object_set_new(object, class_names[c], json_integer((json_int_t)counts[c]));
    return object;
}

static int print_counts(const struct wish *wish, const struct pawl_logring_counts *counts)
{
    if (wish->json)
        return print_object(json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:I, s:i, s:i, s:I}", "schema",
                                      "pawl-tap", "schema_version", 1, "written",
                                      json_counts(counts->written), "refused", json_counts(counts->refused),
                                      "read", json_counts(counts->read), "lost", json_counts(counts->lost),
                                      "damaged", (json_int_t)counts->damaged, "cpus", (int)counts->cpus,
                                      "lanes", (int)(counts->rings - counts->cpus), "ring_bytes",
                                      (json_int_t)counts->ring_bytes));
    printf("%-10s %12s %12s %12s %12s\n", "class", "written", "refused", "read", "lost");
    for (int c = 0; c < PAWL_LOGRING_CLASSES; c++)
        printf("%-10s %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64 "\n", class_names[c],
               counts->written[c], counts->refused[c], counts->read[c], counts->lost[c]);
    if (counts->damaged != 0)
        printf("%" PRIu64 " damaged pages\n", counts->damaged);
    return STATUS_OK;
}

/* What was lost since the last time, as a line of its own. */
static int report_lost(const struct wish *wish, const struct pawl_logring_reader *reader,
                       struct pawl_logring_counts *seen)
{
    struct pawl_logring_counts counts;
    uint64_t lost[PAWL_LOGRING_CLASSES], all = 0;

    pawl_logring_get_counts(reader, &counts);
    for (int c = 0; c < PAWL_LOGRING_CLASSES; c++) {
        lost[c] = counts.lost[c] - seen->lost[c];
        all += lost[c];
    }
    *seen = counts;
    if (all == 0 || wish->count)
        return STATUS_OK;
    if (wish->json)
        return print_object(json_pack("{s:o}", "lost", json_counts(lost)));
    printf("-- %" PRIu64 " records were overwritten before they were read:", all);
    for (int c = 0; c < PAWL_LOGRING_CLASSES; c++)
        printf(" %s %" PRIu64, class_names[c], lost[c]);
    putchar('\n');
    return STATUS_OK;
}

/* ---- reading ---- */

/* Shows what is there. Returns an exit status; *left counts down. */
static int show_all(const struct wish *wish, struct pawl_logring_reader *reader,
                    struct pawl_logring_counts *seen, uint64_t *left)
{
    struct pawl_logring_record record;
    int status = STATUS_OK;

    while (*left > 0 && interrupted == 0 && status == STATUS_OK && ferror(stdout) == 0 &&
           pawl_logring_read(reader, &record) == 0) {
        if (!is_wanted(wish, &record))
            continue;
        --*left;
        if (wish->count)
            continue;
        if (wish->json)
            status = print_json(&record, seen);
        else
            print_text(&record, seen);
    }
    return status == STATUS_OK ? report_lost(wish, reader, seen) : status;
}

static int read_file(const struct wish *wish, int fd)
{
    struct pawl_logring_reader *reader = pawl_logring_reader_open(fd, wish->now ? PAWL_LOGRING_NOW
                                                                                : PAWL_LOGRING_OLDEST);
    const struct timespec pause = {0, POLL_NS};
    struct pawl_logring_counts seen = {.cpus = 0};
    uint64_t left = wish->max;
    int status;

    if (reader == NULL)
        return command_failed(&cmd_tap, "%s: %s", wish->file,
                              errno == EINVAL   ? "not a logring"
                              : errno == EAGAIN ? "empty: not made yet"
                                                : strerror(errno));
    pawl_logring_get_counts(reader, &seen);
    memset(seen.lost, 0, sizeof seen.lost);
    do {
        status = show_all(wish, reader, &seen, &left);
        if (wish->follow && interrupted == 0 && left > 0) {
            fflush(stdout);
            nanosleep(&pause, NULL);
        }
    } while (wish->follow && interrupted == 0 && left > 0 && status == STATUS_OK && ferror(stdout) == 0);
    if (wish->count && status == STATUS_OK)
        status = print_counts(wish, &seen);
    pawl_logring_reader_close(reader);
    return status;
}

/* ---- the demonstration ---- */

/* Record i of a service that does not exist. */
static size_t make_record(char *text, size_t size, uint64_t i, unsigned *importance)
{
    int length;

    *importance = i % 1000 == 7 ? PAWL_LOG_VITAL
                  : i % 50 == 3 ? PAWL_LOG_IMPORTANT
                  : i % 5 == 0  ? PAWL_LOG_NORMAL
                                : PAWL_LOG_DETAIL;
    switch (*importance) {
    case PAWL_LOG_VITAL:
        length = snprintf(text, size, "configuration loaded again, generation %" PRIu64, i / 1000);
        break;
    case PAWL_LOG_IMPORTANT:
        length = snprintf(text, size, "request %" PRIu64 " timeout after 250 ms", i);
        break;
    case PAWL_LOG_NORMAL:
        length = snprintf(text, size, "request %" PRIu64 " done, status 200", i);
        break;
    default:
        length = snprintf(text, size, "request %" PRIu64 " cache %s, key %016" PRIx64, i,
                          i % 3 == 0 ? "miss" : "hit", i * UINT64_C(0x9e3779b97f4a7c15));
    }
    return (size_t)length;
}

static int write_demo(const struct wish *wish, struct pawl_logring *log)
{
    const struct timespec pause = {0, 1000000};
    uint64_t records = wish->seconds != 0 ? wish->seconds * 1000 : 1000;

    for (uint64_t i = 0; i < records && interrupted == 0; i++) {
        char text[128];
        unsigned importance;
        size_t length = make_record(text, sizeof text, i, &importance);
        int status = pawl_logring_push(log, importance, text, length);

        if (status != 0 && status != -ENOBUFS)
            return command_failed(&cmd_tap, "%s: record %" PRIu64 ": %s", wish->file, i, strerror(-status));
        if (wish->seconds != 0)
            nanosleep(&pause, NULL);
    }
    return STATUS_OK;
}

static int demonstrate(const struct wish *wish)
{
    int fd = open(wish->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    struct pawl_logring *log;
    int status;

    if (fd < 0)
        return command_failed(&cmd_tap, "%s: %s", wish->file, strerror(errno));
    status = pawl_logring_format(fd, NULL);
    log = status == 0 ? pawl_logring_open(fd) : NULL;
    if (log == NULL) {
        status = command_failed(&cmd_tap, "%s: %s", wish->file, strerror(status != 0 ? -status : errno));
        unlink(wish->file);
    } else {
        status = write_demo(wish, log);
        pawl_logring_close(log);
    }
    close(fd);
    return status;
}

/* ---- the command line ---- */

static bool parse_number(const char *text, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && isdigit((unsigned char)text[0]) && *end == '\0';
}

static bool parse_class(const char *text, unsigned *importance)
{
    for (unsigned c = 0; c < PAWL_LOGRING_CLASSES; c++) {
        if (strcmp(text, class_names[c]) == 0) {
            *importance = c;
            return true;
        }
    }
    return false;
}

/* One option into the wish. STATUS_OK, or what was wrong. */
static int take_option(struct wish *wish, int option)
{
    bool good = true;

    switch (option) {
    case 'f':
        wish->follow = true;
        break;
    case '0':
        wish->now = true;
        break;
    case 'c':
        wish->count = true;
        break;
    case 'j':
        wish->json = true;
        break;
    case 'g':
        wish->text = optarg;
        break;
    case 'C':
        if (!parse_class(optarg, &wish->least))
            return command_misused(&cmd_tap, "there is no class '%s': vital, important, normal, detail",
                                   optarg);
        break;
    case 'r':
        wish->one_ring = true;
        good = parse_number(optarg, &wish->ring);
        break;
    case 'n':
        good = parse_number(optarg, &wish->max);
        break;
    case 'p':
        good = parse_number(optarg, &wish->pid) && wish->pid > 0;
        break;
    case 'k':
        if (!tap_cache_kinds(optarg, &wish->kinds))
            return command_misused(
                &cmd_tap, "'%s' names no kinds: get, store, delete, touch, evict, expire, open, close, line",
                optarg);
        break;
    case 's':
        good = parse_number(optarg, &wish->least_us);
        break;
    case OPTION_SECONDS:
        good = parse_number(optarg, &wish->seconds);
        break;
    default:
        wish->demo = true;
    }
    return good ? STATUS_OK : command_misused(&cmd_tap, "'%s' is not a number", optarg);
}

static int tap(const struct wish *wish)
{
    struct sigaction action = {.sa_handler = interrupt};
    int fd, status;

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (wish->demo)
        return demonstrate(wish);
    fd = open(wish->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is refused, not waited for */
    if (fd < 0)
        return command_failed(&cmd_tap, "%s: %s", wish->file, strerror(errno));
    status = wish->pid != 0 ? tap_cache_want(fd, wish->kinds) : 0;
    if (status != 0)
        status = command_failed(&cmd_tap, "%s: %s", wish->file, strerror(-status));
    else
        status = read_file(wish, fd);
    close(fd);
    return status;
}

/* What a pawl-cache does, from now on. */
static int tap_process(struct wish *wish)
{
    if (wish->demo)
        return command_misused(&cmd_tap, "--demo goes without --pid");
    if (!tap_cache_find(wish->pid, wish->found, sizeof wish->found))
        return command_failed(&cmd_tap, "process %" PRIu64 ": %s", wish->pid,
                              errno == ENOENT ? "no pawl-cache, or it has no tap" : strerror(errno));
    wish->file = wish->found;
    wish->follow = wish->now = true;
    return tap(wish);
}

static int run(int argc, char **argv)
{
    /* Lines say again what the others say. */
    struct wish wish = {.least = PAWL_LOG_DETAIL, .max = UINT64_MAX, .kinds = TAP_CACHE_USUAL};
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, ":hf0cC:g:r:n:jp:k:s:", options, NULL)) != -1) {
        int status;

        if (option == 'h')
            return command_help(&cmd_tap);
        if (option == '?' || option == ':')
            return command_option_refused(&cmd_tap, argv, options, option);
        status = take_option(&wish, option);
        if (status != STATUS_OK)
            return status;
    }
    if (wish.pid != 0 && argc == optind)
        return tap_process(&wish);
    if (argc - optind != 1)
        return command_misused(&cmd_tap, "needs one file, got %d", argc - optind);
    if (wish.seconds != 0 && !wish.demo)
        return command_misused(&cmd_tap, "--seconds goes with --demo");
    wish.file = argv[optind];
    return tap(&wish);
}
