/* SPDX-License-Identifier: MIT */
/* pawl rseq-check: prove the restartable sequences of linked files. */
#include "pawl.h"

#include <stdbool.h>
#include <stddef.h>

#if PAWL_HAVE_RSEQ_CHECK
#include "json.h"
#include "rseq_check/check.h"
#include "rseq_check/print.h"

#include <errno.h>
#include <stdlib.h>
#endif

static int run(int argc, char **argv);

const struct command cmd_rseq_check = {
    .name = "rseq-check",
    .summary = "prove the restartable sequences in programs and libraries",
    .help = "Usage: pawl rseq-check [--json | --quiet | --verbose] [--allow-scratch]\n"
            "                       [--signature NUMBER]... [--no-lines] FILE...\n"
            "\n"
            "Read linked programs or shared objects (x86-64, aarch64; stripped or not), find every\n"
            "restartable sequence, and prove that a preemption, a migration or a signal at any of its\n"
            "instructions does no harm. Each rejected sequence is shown with the instruction, the rule\n"
            "it breaks, and how to mend it. Check what the linker made: objects still change.\n"
            "\n"
            "Options:\n"
            "  -j, --json              print one JSON object; the schema is in pawl-rseq-check(1)\n"
            "  -q, --quiet             print rejected sequences only\n"
            "  -v, --verbose           list accepted sequences, too\n"
            "  -s, --signature NUMBER  accept this signature before abort handlers, too; up to 8 times\n"
            "  -a, --allow-scratch     stores before the commit that nothing declares private are\n"
            "                          warnings: for sequences of other libraries\n"
            "  -n, --no-lines          do not look for source lines in debugging information\n"
            "  -h, --help              this text\n"
            "\n"
            "Exit status: 0 all accepted, 1 rejected, 2 wrong usage or a file that cannot be read.\n"
            "\n"
            "Examples:\n"
            "  pawl rseq-check ./server\n"
            "  pawl rseq-check --verbose libpawl.so\n"
            "  pawl rseq-check --allow-scratch /usr/lib/librseq.so\n"
            "  pawl rseq-check --json ./server | jq '.files[].sequences[] | select(.accepted | not)'\n",
    .run = run,
};

static const struct option options[] = {
    {"allow-scratch", no_argument, NULL, 'a'}, {"help", no_argument, NULL, 'h'},
    {"json", no_argument, NULL, 'j'},          {"no-lines", no_argument, NULL, 'n'},
    {"quiet", no_argument, NULL, 'q'},         {"signature", required_argument, NULL, 's'},
    {"verbose", no_argument, NULL, 'v'},       {NULL, 0, NULL, 0},
};

#if PAWL_HAVE_RSEQ_CHECK
struct request {
    bool help;
    bool json;
    bool lines;
    enum verbosity verbosity;
    struct options options;
};

static int add_signature(struct request *request, const char *text)
{
    char *end;
    unsigned long number;

    errno = 0;
    number = strtoul(text, &end, 0);
    if (text[0] == '\0' || text[0] == '-' || *end != '\0' || errno != 0 || number > UINT32_MAX)
        return command_misused(&cmd_rseq_check,
                               "--signature takes a 32-bit number such as 0x53053053, got '%s'", text);
    if (request->options.signature_count == SIGNATURES_MAX)
        return command_misused(&cmd_rseq_check, "--signature may be given %d times at most", SIGNATURES_MAX);
    request->options.signatures[request->options.signature_count++] = (uint32_t)number;
    return STATUS_OK;
}

static int parse(struct request *request, int argc, char **argv)
{
    bool quiet = false;
    bool verbose = false;
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, ":ahjnqs:v", options, NULL)) != -1) {
        switch (option) {
        case 'a':
            request->options.allow_scratch = true;
            break;
        case 'h':
            request->help = true;
            return STATUS_OK;
        case 'j':
            request->json = true;
            break;
        case 'n':
            request->lines = false;
            break;
        case 'q':
            quiet = true;
            break;
        case 's':
            if (add_signature(request, optarg) != STATUS_OK)
                return STATUS_USAGE;
            break;
        case 'v':
            verbose = true;
            break;
        default:
            return command_option_refused(&cmd_rseq_check, argv, options, option);
        }
    }
    if (quiet + verbose + request->json > 1)
        return command_misused(&cmd_rseq_check, "--json, --quiet and --verbose exclude each other");
    if (optind == argc)
        return command_misused(&cmd_rseq_check,
                               "which file? A linked program or shared object is to be named");
    request->verbosity = quiet ? QUIET : (verbose ? VERBOSE : NORMAL);
    return STATUS_OK;
}

/* Returns an exit status; adds to `files` when JSON is asked for. */
static int report_on(const struct request *request, struct image *image, json_t *files)
{
    struct report report;
    struct lines *lines = NULL;
    int status;

    if (!check_supports(image)) {
        command_failed(&cmd_rseq_check,
                       "'%s' is for a machine that is not known here (x86-64 and aarch64 are)", image->path);
        return STATUS_USAGE;
    }
    if (!check_image(image, &request->options, &report)) {
        report_free(&report);
        command_failed(&cmd_rseq_check, "'%s' could not be checked: out of memory", image->path);
        return STATUS_USAGE;
    }
    if (request->lines)
        lines = lines_open(image);
    status = report_accepted(&report) ? STATUS_OK : STATUS_FAILED;
    if (!request->json)
        print_text(&report, image, lines, request->verbosity);
    else if (json_array_append_new(files, print_json(&report, image, lines)) < 0) {
        command_failed(&cmd_rseq_check, "'%s' could not be reported: out of memory", image->path);
        status = STATUS_USAGE;
    }
    lines_close(lines);
    report_free(&report);
    return status;
}

static int check_file(const struct request *request, const char *path, json_t *files)
{
    struct image image;
    int status;

    if (!image_open(&image, path)) {
        command_failed(&cmd_rseq_check, "'%s' %s", path, image.error);
        image_close(&image);
        return STATUS_USAGE;
    }
    status = report_on(request, &image, files);
    image_close(&image);
    return status;
}

static int run(int argc, char **argv)
{
    struct request request = {.lines = true};
    json_t *files = NULL;
    int worst = parse(&request, argc, argv);

    if (worst != STATUS_OK)
        return worst;
    if (request.help)
        return command_help(&cmd_rseq_check);
    if (request.json) {
        files = json_array();
        if (!files)
            return command_failed(&cmd_rseq_check, "out of memory");
    }
    for (int i = optind; i < argc; i++) {
        int status = check_file(&request, argv[i], files);

        worst = status > worst ? status : worst;
    }
    if (request.json) {
        int printed = json_print(json_pack("{s:s, s:i, s:b, s:o}", "schema", "pawl-rseq-check",
                                           "schema_version", 1, "accepted", worst == STATUS_OK, "files",
                                           files),
                                 &cmd_rseq_check);

        worst = printed > worst ? printed : worst;
    }
    return worst;
}
#else
static int run(int argc, char **argv)
{
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, ":ahjnqs:v", options, NULL)) != -1) {
        if (option == 'h')
            return command_help(&cmd_rseq_check);
        if (option == '?' || option == ':')
            return command_option_refused(&cmd_rseq_check, argv, options, option);
    }
    return command_failed(&cmd_rseq_check,
                          "was left out of this build: install libelf and capstone (Debian: libelf-dev, "
                          "libcapstone-dev) and build Pawl again");
}
#endif
