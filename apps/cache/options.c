/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "protocol.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PRINTED = 0,
    NOT_PRINTED = 1,
    MISUSED = 64,
    PORT_MAX = 65535,
    THREADS_MAX = 1024,
    OPTION_METRICS = 256
};

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

static const char help[] =
    "Usage: pawl-cache [OPTION]...\n"
    "A cache server that memcached's clients talk to.\n\n"
    "Where it listens\n"
    "  -p, --port=N            TCP port (default 11211; 0: none)\n"
    "  -l, --listen=ADDRESS    host, host:port or [v6]:port; several with commas, or\n"
    "                          several -l (default: all)\n"
    "  -s, --unix-socket=PATH  a UNIX socket, and no TCP\n"
    "  -a, --unix-mask=MODE    its permissions, octal (default 0700)\n"
    "  -b, --listen-backlog=N  connections that wait to be accepted (default 1024)\n"
    "  -c, --conn-limit=N      connections at the same time (default 1024)\n"
    "  -U, --udp-port=N        UDP port (default 0: none): for networks of friends only, see the manual\n"
    "What it keeps\n"
    "  -m, --memory-limit=N    memory of items, in megabytes (default 64)\n"
    "  -I, --max-item-size=N   of an item: bytes, or with k or m (default 1m)\n"
    "  -M, --disable-evictions when it is full, sets fail\n"
    "  -k, --lock-memory       keep all of it in memory\n"
    "  -e, --memory-file=FILE  written when it ends, loaded and removed when it starts:\n"
    "                          a restart keeps the items\n"
    "How\n"
    "  -t, --threads=N         workers (default 4)\n"
    "  -B, --protocol=NAME     auto, ascii or binary (default auto)\n"
    "  -Z, --enable-ssl        TLS on TCP (-l notls:ADDRESS: not there); -o ssl_chain_cert,\n"
    "                          ssl_key, ...: see the manual\n"
    "  -Y, --auth-file=FILE    lines of user:password; ASCII clients must give one\n"
    "  -S, --enable-sasl       binary clients must give one, too\n"
    "  -A, --enable-shutdown   the command `shutdown` ends the server\n"
    "  -F, --disable-flush-all the command `flush_all` is an error\n"
    "  -D, --delimiter=CHAR    statistics by what stands before CHAR in keys (default ':')\n"
    "  -W, --disable-watch     the command `watch` is an error\n"
    "  -X, --disable-dumping   `stats cachedump` and `lru_crawler metadump` are\n"
    "      --metrics=PORT      HTTP: /metrics for Prometheus, a live page at /, where -l listens\n"
    "                          (-s: on 127.0.0.1)\n"
    "  -d, --daemon            in the background\n"
    "  -u, --user=NAME         as this user, when it is started by root\n"
    "  -P, --pidfile=FILE      writes its process id there, with -d\n"
    "  -v, --verbose           say more; -vv, -vvv\n"
    "  -o, --extended=LIST     with commas: idle_timeout=SECONDS, engine=epoll|uring|auto (auto),\n"
    "                          slow_log=MICROSECONDS (10000), snapshot=FILE, load=FILE, track_sizes,\n"
    "                          and those of memcached that need nothing here: see the manual\n"
    "  -V, --version\n"
    "  -h, --help              this text\n\n"
    "SIGTERM and SIGINT end it, SIGUSR1 writes the snapshot, SIGHUP reads certificates again.\n"
    "Sockets that systemd passes are taken instead of -p, -l and -s.\n"
    "Exit status: 0 ended, 1 it could not start or print, 64 wrong usage.\n";

static const struct option long_options[] = {
    {"port", required_argument, NULL, 'p'},
    {"listen", required_argument, NULL, 'l'},
    {"unix-socket", required_argument, NULL, 's'},
    {"unix-mask", required_argument, NULL, 'a'},
    {"listen-backlog", required_argument, NULL, 'b'},
    {"conn-limit", required_argument, NULL, 'c'},
    {"udp-port", required_argument, NULL, 'U'},
    {"memory-limit", required_argument, NULL, 'm'},
    {"max-item-size", required_argument, NULL, 'I'},
    {"disable-evictions", no_argument, NULL, 'M'},
    {"lock-memory", no_argument, NULL, 'k'},
    {"threads", required_argument, NULL, 't'},
    {"protocol", required_argument, NULL, 'B'},
    {"auth-file", required_argument, NULL, 'Y'},
    {"enable-sasl", no_argument, NULL, 'S'},
    {"enable-shutdown", no_argument, NULL, 'A'},
    {"disable-flush-all", no_argument, NULL, 'F'},
    {"delimiter", required_argument, NULL, 'D'},
    {"daemon", no_argument, NULL, 'd'},
    {"user", required_argument, NULL, 'u'},
    {"pidfile", required_argument, NULL, 'P'},
    {"verbose", no_argument, NULL, 'v'},
    {"extended", required_argument, NULL, 'o'},
    {"metrics", required_argument, NULL, OPTION_METRICS},
    {"memory-file", required_argument, NULL, 'e'},
    {"disable-watch", no_argument, NULL, 'W'},
    {"disable-dumping", no_argument, NULL, 'X'},
    {"enable-ssl", no_argument, NULL, 'Z'},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    /* of memcached's slabs and threads: there is nothing here for them to change */
    {"slab-growth-factor", required_argument, NULL, 'f'},
    {"slab-min-size", required_argument, NULL, 'n'},
    {"max-reqs-per-event", required_argument, NULL, 'R'},
    {"disable-cas", no_argument, NULL, 'C'},
    {"enable-largepages", no_argument, NULL, 'L'},
    {"enable-coredumps", no_argument, NULL, 'r'},
    {0},
};

static int misuse(const char *what, const char *value)
{
    fprintf(stderr, "pawl-cache: %s, not '%s'; --help lists the options\n", what, value);
    return MISUSED;
}

/* Returns the exit status. */
static int print(const char *text)
{
    bool failed = fputs(text, stdout) < 0;

    failed |= fclose(stdout) != 0;
    if (!failed)
        return PRINTED;
    fprintf(stderr, "pawl-cache: the output is incomplete: %s\n", strerror(errno));
    return NOT_PRINTED;
}

/* All of `text`, or false. */
static bool parse(const char *text, uint64_t least, uint64_t most, int base, uint64_t *number)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *number = strtoull(text, &end, base);
    return errno == 0 && *end == '\0' && *number >= least && *number <= most;
}

static int read_number(const char *what, const char *text, uint64_t least, uint64_t most, uint32_t *to)
{
    uint64_t number;

    if (!parse(text, least, most, 10, &number))
        return misuse(what, text);
    *to = (uint32_t)number;
    return -1;
}

/* Bytes, or with k or m behind. */
static int read_item_size(struct cache_options *options, char *text)
{
    const size_t length = strlen(text);
    const char unit = text[length > 0 ? length - 1 : 0];
    const size_t factor = unit == 'k' || unit == 'K' ? KIB : unit == 'm' || unit == 'M' ? MIB : 1;
    char *copy = strndup(text, factor > 1 ? length - 1 : length);
    uint64_t number = 0;
    const bool good = copy != NULL && parse(copy, 1, CACHE_VALUE_MAX / factor, 10, &number);

    free(copy);
    if (!good || number * factor < KIB)
        return misuse("-I wants from 1k to 1023m", text);
    options->item_max = number * factor;
    return -1;
}

/* One of the list of -o. Those that are only swallowed tune what does not exist here. */
static int read_extended(struct cache_options *options, char *list)
{
    static const char *const nothing[] = {"maxconns_fast",
                                          "no_maxconns_fast",
                                          "hashpower",
                                          "no_hashexpand",
                                          "tail_repair_time",
                                          "lru_crawler",
                                          "no_lru_crawler",
                                          "lru_crawler_sleep",
                                          "lru_crawler_tocrawl",
                                          "lru_maintainer",
                                          "no_lru_maintainer",
                                          "hot_lru_pct",
                                          "warm_lru_pct",
                                          "hot_max_factor",
                                          "warm_max_factor",
                                          "temporary_ttl",
                                          "slab_reassign",
                                          "no_slab_reassign",
                                          "slab_automove",
                                          "no_slab_automove",
                                          "slab_automove_ratio",
                                          "slab_automove_window",
                                          "slab_chunk_max",
                                          "slab_sizes",
                                          "hash_algorithm",
                                          "modern",
                                          "no_modern",
                                          "inline_ascii_resp",
                                          "no_inline_ascii_resp",
                                          "worker_logbuf_size",
                                          "watcher_logbuf_size",
                                          "resp_obj_mem_limit",
                                          "read_buf_mem_limit",
                                          "no_drop_privileges",
                                          "relaxed_privileges",
                                          NULL};
    char *at = list, *value;

    while (*at != '\0') {
        /* getsubopt wants them so */
        static char idle_timeout[] = "idle_timeout", engine[] = "engine", slow_log[] = "slow_log",
                    snapshot[] = "snapshot", load[] = "load", track_sizes[] = "track_sizes";
        char *const tokens[] = {idle_timeout, engine, slow_log, snapshot, load, track_sizes, NULL};

        switch (getsubopt(&at, tokens, &value)) {
        case 0:
            if (value == NULL || read_number("-o idle_timeout wants seconds", value, 0, UINT32_MAX / 1000,
                                             &options->idle_seconds) >= 0)
                return value == NULL ? misuse("-o idle_timeout wants seconds", "") : MISUSED;
            break;
        case 1:
            if (value == NULL)
                return misuse("-o engine wants epoll, uring or auto", "");
            options->engine = value;
            break;
        case 2:
            if (value == NULL || read_number("-o slow_log wants microseconds; 0: none", value, 0, UINT32_MAX,
                                             &options->slow_us) >= 0)
                return value == NULL ? misuse("-o slow_log wants microseconds; 0: none", "") : MISUSED;
            break;
        case 3:
            if (value == NULL || *value == '\0')
                return misuse("-o snapshot wants a file", "");
            options->snapshot_file = value;
            break;
        case 4:
            if (value == NULL || *value == '\0')
                return misuse("-o load wants a file", "");
            options->load_file = value;
            break;
        case 5:
            options->track_sizes = true;
            break;
        default: {
            const size_t length = strcspn(value, "=");
            unsigned i = 0;

            if (strncmp(value, "ssl_", 4) == 0) {
                const int status = cache_tls_option(&options->tls, value);

                if (status >= 0)
                    return status;
                break;
            }
            while (nothing[i] != NULL &&
                   (strlen(nothing[i]) != length || memcmp(nothing[i], value, length) != 0))
                i++;
            if (nothing[i] == NULL) {
                fprintf(
                    stderr,
                    "pawl-cache: -o knows idle_timeout, engine, slow_log, snapshot, load and track_sizes, and "
                    "swallows what memcached's slabs and LRU are tuned by; it does not know '%s'\n",
                    value);
                return MISUSED;
            }
        }
        }
    }
    return -1;
}

static int read_addresses(struct cache_options *options, char *list)
{
    for (char *address = strtok(list, ", "); address != NULL; address = strtok(NULL, ", ")) {
        if (options->address_count == CACHE_ADDRESSES_MAX)
            return misuse("-l takes up to 16 addresses", address);
        options->addresses[options->address_count++] = address;
    }
    return -1;
}

static int read_dialect(struct cache_options *options, const char *name)
{
    static const char *const names[] = {
        [CACHE_DIALECT_AUTO] = "auto", [CACHE_DIALECT_ASCII] = "ascii", [CACHE_DIALECT_BINARY] = "binary"};

    for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            options->dialect = i;
            return -1;
        }
    }
    return misuse("-B wants auto, ascii or binary", name);
}

static int read_one(struct cache_options *options, int option, char *value)
{
    uint32_t number;
    uint64_t mode;
    int status;

    switch (option) {
    case 'p':
        status = read_number("-p wants a port from 0 to 65535", value, 0, PORT_MAX, &number);
        options->port = status < 0 ? (uint16_t)number : 0;
        return status;
    case 'U':
        status = read_number("-U wants a port from 0 to 65535", value, 0, PORT_MAX, &number);
        options->udp_port = status < 0 ? (uint16_t)number : 0;
        return status;
    case 'l':
        return read_addresses(options, value);
    case 's':
        options->unix_path = value;
        return -1;
    case 'a':
        if (!parse(value, 0, 0777, 8, &mode))
            return misuse("-a wants permissions, octal", value);
        options->unix_mask = (unsigned)mode;
        return -1;
    case 'b':
        status = read_number("-b wants a number from 1 to 65535", value, 1, PORT_MAX, &number);
        options->backlog = status < 0 ? (int)number : 0;
        return status;
    case 'c':
        return read_number("-c wants a number of connections", value, 1, 100000000, &options->connections);
    case 'm':
        status = read_number("-m wants megabytes, 1 to 1048576", value, 1, KIB * KIB, &number);
        options->limit = status < 0 ? number * MIB : 0;
        return status;
    case 'I':
        return read_item_size(options, value);
    case 't':
        return read_number("-t wants 1 to 1024 workers", value, 1, THREADS_MAX, &options->threads);
    case 'B':
        return read_dialect(options, value);
    case 'D':
        options->delimiter = value[0];
        options->detail = true;
        return value[0] != '\0' && value[1] == '\0' ? -1 : misuse("-D wants one character", value);
    case 'o':
        return read_extended(options, value);
    case OPTION_METRICS:
        if (!CACHE_HAVE_HTTP)
            return misuse("this one was built without libhttp-parser: there is no --metrics", value);
        status = read_number("--metrics wants a port from 1 to 65535", value, 1, PORT_MAX, &number);
        options->metrics_port = status < 0 ? (uint16_t)number : 0;
        return status;
    default:
        return misuse("no such option", value);
    }
}

/* Those without a value, and with a string. */
static bool read_flag(struct cache_options *options, int option, char *value)
{
    switch (option) {
    case 'M':
        options->no_eviction = true;
        return true;
    case 'k':
        options->lock_memory = true;
        return true;
    case 'S':
        options->sasl = true;
        return true;
    case 'A':
        options->may_shutdown = true;
        return true;
    case 'F':
        options->no_flush = true;
        return true;
    case 'd':
        options->daemon = true;
        return true;
    case 'v':
        options->verbosity++;
        return true;
    case 'Y':
        options->token_file = value;
        return true;
    case 'u':
        options->user = value;
        return true;
    case 'P':
        options->pid_file = value;
        return true;
    case 'e':
        options->restart_file = value;
        return true;
    case 'Z':
        options->tls.on = true;
        return true;
    case 'W':
        options->no_watch = true;
        return true;
    case 'X':
        options->no_dump = true;
        return true;
    case 'f':
    case 'n':
    case 'R':
    case 'C':
    case 'L':
    case 'r':
        return true;
    default:
        return false;
    }
}

int cache_options_read(struct cache_options *options, int argc, char **argv)
{
    int option, status;

    *options = (struct cache_options){
        .port = 11211,
        .unix_mask = 0700,
        .limit = 64 * MIB,
        .item_max = MIB,
        .connections = 1024,
        .threads = 4,
        .backlog = 1024,
        .delimiter = ':',
        .engine = "auto",
        .slow_us = 10000,
        .tls = {.least = 12, .buffer_kib = 16},
    };
    while ((option = getopt_long(argc, argv, ":p:l:s:a:b:c:U:m:I:Mkt:B:Y:SAFD:du:P:e:WXZvo:VhfLrn:R:C",
                                 long_options, NULL)) != -1) {
        if (option == 'h')
            return print(help);
        if (option == 'V')
            return print("pawl-cache " CACHE_VERSION "\n");
        if (option == ':')
            return misuse("a value is missing", argv[optind - 1]);
        if (option == '?')
            return misuse("no such option", argv[optind - 1]);
        if (read_flag(options, option, optarg))
            continue;
        status = read_one(options, option, optarg);
        if (status >= 0)
            return status;
    }
    if (optind < argc)
        return misuse("only options are taken", argv[optind]);
    status = cache_tls_check(&options->tls);
    if (status >= 0)
        return status;
    if (options->udp_port != 0 && (options->tls.on || options->sasl || options->token_file != NULL))
        return misuse("UDP is plain and asks for no password: -U goes with none of -Z, -S, -Y", "-U");
    if (options->udp_port != 0 && options->unix_path != NULL)
        return misuse("UDP listens where TCP does: no -U with -s", "-U");
    if (options->sasl && options->token_file == NULL)
        return misuse("-S wants to be told who is known: -Y FILE with lines of user:password", "nobody");
    if (options->restart_file != NULL && options->snapshot_file != NULL &&
        strcmp(options->restart_file, options->snapshot_file) == 0)
        return misuse(
            "-e and -o snapshot want different files: after a kill the old snapshot would come back",
            options->restart_file);
    if (options->item_max > options->limit / 2)
        return misuse("-I may be half of -m at most", "more");
    return -1;
}
