/* SPDX-License-Identifier: MIT */
/* pawl version: what this is, how it was built, what the library does here. */
#include "json.h"
#include "pawl.h"

#include <features.h>
#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/rseq.h>
#include <stdio.h>
#include <string.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

static int run(int argc, char **argv);

const struct command cmd_version = {
    .name = "version",
    .summary = "show the version, the build, and what the library does here",
    .help = "Usage: pawl version [--json]\n"
            "\n"
            "Show the version, the compiler and target it was built with, the libraries in use, and\n"
            "which form of the per-CPU operations runs in this process. 'pawl --version' is the same.\n"
            "\n"
            "Options:\n"
            "  -j, --json  for programs; the schema is in pawl-version(1)\n"
            "  -h, --help  this text\n"
            "\n"
            "Examples:\n"
            "  pawl version\n"
            "  pawl version --json | jq -r .version\n"
            "  PAWL_RSEQ=off pawl version     to see that the switch works\n",
    .run = run,
};

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},
    {"json", no_argument, NULL, 'j'},
    {NULL, 0, NULL, 0},
};

#if defined(__clang__)
static const char compiler[] = "clang " __clang_version__;
#else
static const char compiler[] = "gcc " __VERSION__;
#endif

static const char *libc_version(char *text, size_t size)
{
#ifdef __GLIBC__
    snprintf(text, size, "glibc %s", gnu_get_libc_version());
#else
    snprintf(text, size, "another libc");
#endif
    return text;
}

static const char *hwloc_version(char *text, size_t size)
{
    unsigned version = hwloc_get_api_version();

    snprintf(text, size, "hwloc API %u.%u.%u", version >> 16, version >> 8 & 0xff, version & 0xff);
    return text;
}

static const char *jansson_version(char *text, size_t size)
{
    snprintf(text, size, "jansson %s", jansson_version_str());
    return text;
}

static void print_text(void)
{
    const struct pawl_rseq_info *rseq = pawl_rseq_get_info();
    char libc[64];
    char hwloc[64];
    char jansson[64];

    printf("pawl %s\n", PAWL_VERSION);
    printf("compiler   %s\n", compiler);
    printf("target     %s\n", PAWL_TARGET);
    printf("libraries  %s, %s, %s\n", libc_version(libc, sizeof libc), hwloc_version(hwloc, sizeof hwloc),
           jansson_version(jansson, sizeof jansson));
    printf("sequences  %s: %s\n", pawl_rseq_mode_name(rseq->mode), rseq->reason);
    printf("layout     lines of %d bytes, written data %d bytes apart\n", PAWL_CACHELINE,
           PAWL_CACHELINE_PAIR);
    if (PAWL_INSTRUMENTED)
        puts("built for instrumentation: plain C in place of every assembly sequence");
}

static int print_json(void)
{
    char libc[64];
    char hwloc[64];
    char jansson[64];

    return json_print(json_pack("{s:s, s:i, s:s, s:s, s:s, s:[s, s, s], s:o, s:i, s:i, s:b}", "schema",
                                "pawl-version", "schema_version", 1, "version", PAWL_VERSION, "compiler",
                                compiler, "target", PAWL_TARGET, "libraries", libc_version(libc, sizeof libc),
                                hwloc_version(hwloc, sizeof hwloc), jansson_version(jansson, sizeof jansson),
                                "rseq", json_rseq(pawl_rseq_get_info()), "cacheline", PAWL_CACHELINE,
                                "cacheline_pair", PAWL_CACHELINE_PAIR, "instrumented", PAWL_INSTRUMENTED),
                      &cmd_version);
}

static int run(int argc, char **argv)
{
    bool json = false;
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, ":hj", options, NULL)) != -1) {
        switch (option) {
        case 'h':
            return command_help(&cmd_version);
        case 'j':
            json = true;
            break;
        default:
            return command_option_refused(&cmd_version, argv, options, option);
        }
    }
    if (optind < argc)
        return command_misused(&cmd_version, "takes no arguments beside options, got '%s'", argv[optind]);
    if (json)
        return print_json();
    print_text();
    return STATUS_OK;
}
