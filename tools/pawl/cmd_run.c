/* SPDX-License-Identifier: MIT */
/* pawl run: a program with Pawl's malloc in place of its own. */
#include "pawl.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int run(int argc, char **argv);

const struct command cmd_run = {
    .name = "run",
    .summary = "run a program with Pawl's malloc",
    .help = "Usage: pawl run [OPTION]... [--] PROGRAM [ARGUMENTS]\n"
            "\n"
            "Run PROGRAM with libpawl-malloc preloaded, and print what became of its memory when it ends.\n"
            "The exit status is the program's. Programs with raised privileges are not affected: the\n"
            "dynamic linker ignores preloads for them.\n"
            "\n"
            "Options:\n"
            "  -H, --hardened      guard pages, canaries, quarantine, zero on free\n"
            "  -l, --leaks         also print what was not freed\n"
            "  -p, --profile=FILE  write a heap profile for pprof (%p in FILE: the process id)\n"
            "  -q, --quiet         print nothing at the end\n"
            "  -h, --help          this text\n"
            "\n"
            "Examples:\n"
            "  pawl run -- python3 -c 'print(1)'\n"
            "  pawl run --profile=/tmp/heap.%p -- ./server\n"
            "  pawl run --hardened --quiet -- make test\n",
    .run = run,
};

static const struct option options[] = {
    {"hardened", no_argument, NULL, 'H'}, {"help", no_argument, NULL, 'h'},
    {"leaks", no_argument, NULL, 'l'},    {"profile", required_argument, NULL, 'p'},
    {"quiet", no_argument, NULL, 'q'},    {NULL, 0, NULL, 0},
};

struct wish {
    bool help, hardened, leaks, quiet;
    const char *profile;
};

static const char library[] = "libpawl-malloc.so.0";

/* The library in `relative`, seen from the directory of this executable. */
static bool find_from(char *path, const char *directory, const char *relative)
{
    char joined[PATH_MAX];

    return (size_t)snprintf(joined, sizeof joined, "%s/%s/%s", directory, relative, library) <
               sizeof joined &&
           realpath(joined, path) != NULL;
}

/* In the build tree that this executable stands in, else where it was installed; a tree that was moved as
 * a whole is followed. */
static bool find_library(char path[PATH_MAX])
{
    char directory[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", directory, sizeof directory - 1);
    char *slash;

    directory[length > 0 ? length : 0] = '\0';
    slash = strrchr(directory, '/');
    if (slash != NULL)
        *slash = '\0';
    return find_from(path, directory, "../../src/malloc") || find_from(path, directory, PAWL_LIB_FROM_BIN) ||
           find_from(path, PAWL_LIB_INSTALLED, ".");
}

/* Puts `value` before what the variable holds, with `separator` between. Returns 0 or -1. */
static int prepend(const char *name, const char *value, char separator)
{
    const char *before = getenv(name);
    char *joined = NULL;
    int status;

    if (before == NULL || before[0] == '\0')
        return setenv(name, value, 1);
    if (asprintf(&joined, "%s%c%s", value, separator, before) < 0)
        return -1;
    status = setenv(name, joined, 1);
    free(joined);
    return status;
}

static int prepare(const struct wish *wish, const char *path)
{
    int status = prepend("LD_PRELOAD", path, ':');

    if (wish->hardened)
        status |= prepend("PAWL_MALLOC", "hardened", ',');
    if (wish->leaks)
        status |= prepend("PAWL_MALLOC", "leaks", ',');
    if (!wish->quiet)
        status |= prepend("PAWL_MALLOC", "stats", ',');
    if (wish->profile != NULL)
        status |= setenv("PAWL_MALLOC_PROFILE", wish->profile, 1);
    return status;
}

static int parse(struct wish *wish, int argc, char **argv)
{
    int option;

    opterr = 0;
    /* "+": what follows PROGRAM belongs to the program. */
    while ((option = getopt_long(argc, argv, "+:Hhlp:q", options, NULL)) != -1) {
        switch (option) {
        case 'H':
            wish->hardened = true;
            break;
        case 'h':
            wish->help = true;
            return STATUS_OK;
        case 'l':
            wish->leaks = true;
            break;
        case 'p':
            wish->profile = optarg;
            break;
        case 'q':
            wish->quiet = true;
            break;
        default:
            return command_option_refused(&cmd_run, argv, options, option);
        }
    }
    if (optind == argc)
        return command_misused(&cmd_run, "which program?");
    return STATUS_OK;
}

static int run(int argc, char **argv)
{
    struct wish wish = {.help = false};
    char path[PATH_MAX];
    int status = parse(&wish, argc, argv);

    if (status != STATUS_OK)
        return status;
    if (wish.help)
        return command_help(&cmd_run);
    if (!find_library(path))
        return command_failed(&cmd_run,
                              "%s is neither in the build tree of this command nor in %s; install it",
                              library, PAWL_LIB_INSTALLED);
    if (prepare(&wish, path) != 0)
        return command_failed(&cmd_run, "out of memory");
    execvp(argv[optind], argv + optind);
    return command_failed(&cmd_run, "cannot run %s: %s", argv[optind], strerror(errno));
}
