/* SPDX-License-Identifier: MIT */
/* pawl: the command. Finds the subcommand, and sees to it that its output arrived. */
#include "pawl.h"

#include "suggest.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int run_help(int argc, char **argv);

static const struct command cmd_help = {
    .name = "help",
    .summary = "explain a command",
    .help = "Usage: pawl help [COMMAND]\n"
            "\n"
            "Explain COMMAND with its options and examples; without COMMAND, list the commands.\n"
            "'pawl COMMAND --help' prints the same.\n"
            "\n"
            "Examples:\n"
            "  pawl help\n"
            "  pawl help topo\n",
    .run = run_help,
};

static const struct command *const commands[] = {&cmd_topo,       &cmd_bench,   &cmd_run, &cmd_tap,
                                                 &cmd_rseq_check, &cmd_version, &cmd_help};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int overview(FILE *out)
{
    fputs("Usage: pawl COMMAND [ARGUMENTS]\n"
          "\n"
          "Looks at a machine the way lock-free code meets it, and measures Pawl on it.\n"
          "\n"
          "Commands:\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-11s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n"
          "Options:\n"
          "  -h, --help     this text\n"
          "  -V, --version  the same as 'pawl version'\n"
          "\n"
          "Examples:\n"
          "  pawl topo                  who shares which cache, and what the kernel offers\n"
          "  pawl topo --json | jq .    the same for programs\n"
          "  pawl bench                 which benchmarks are there\n"
          "  pawl help topo             everything about one command\n"
          "\n"
          "Environment:\n"
          "  PAWL_RSEQ=off    run every per-CPU operation in its locked form\n"
          "  PAWL_BENCH_DIR   where 'pawl bench' looks for benchmarks\n"
          "\n"
          "Exit status: 0 success, 1 failure, 2 wrong usage.\n",
          out);
    return STATUS_OK;
}

static int unknown_command(const char *name)
{
    struct suggestions near;

    fprintf(stderr, "pawl: there is no command '%s'", name);
    suggest_start(&near, name);
    for (size_t i = 0; i < COMMANDS; i++)
        suggest_consider(&near, commands[i]->name);
    if (near.count > 0)
        fprintf(stderr, "; did you mean '%s'?", near.names[0]);
    fputs("\nRun 'pawl help' for the list of commands.\n", stderr);
    return STATUS_USAGE;
}

static int run_help(int argc, char **argv)
{
    const struct command *command;

    if (argc == 1)
        return overview(stdout);
    if (argc > 2)
        return command_misused(&cmd_help, "explains one command at a time, got %d", argc - 1);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return command_help(&cmd_help);
    if (argv[1][0] == '-')
        return command_misused(&cmd_help, "there is no option %s", argv[1]);
    command = find_command(argv[1]);
    return command ? command_help(command) : unknown_command(argv[1]);
}

static int dispatch(int argc, char **argv)
{
    const struct command *command;

    if (argc < 2) {
        overview(stderr);
        return STATUS_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return overview(stdout);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return cmd_version.run(argc - 1, argv + 1);
    if (argv[1][0] == '-') {
        fprintf(stderr, "pawl: there is no option %s\nRun 'pawl help' for what there is.\n", argv[1]);
        return STATUS_USAGE;
    }
    command = find_command(argv[1]);
    return command ? command->run(argc - 1, argv + 1) : unknown_command(argv[1]);
}

/* A closed descriptor 0, 1 or 2 would be taken by the next open(), ours or a benchmark's, and output
 * would go into that file. An unwritable placeholder keeps the number and makes writing fail. */
static bool hold_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDONLY) != fd)
            return false;
    return true;
}

/* SIGPIPE keeps its inherited action: in `pawl topo | head -1` the signal ends us in silence, as it
 * ends every filter; where the parent ignores it, the failed write is reported here. */
static int close_output(int status)
{
    bool failed = ferror(stdout) != 0;

    errno = 0;
    if (fclose(stdout) != 0)
        failed = true;
    if (!failed)
        return status;
    fprintf(stderr, "pawl: the output is incomplete: %s\n",
            errno ? strerror(errno) : "an earlier write to standard output failed");
    return status == STATUS_OK ? STATUS_FAILED : status;
}

int main(int argc, char **argv)
{
    if (!hold_standard_descriptors())
        return STATUS_FAILED;
    setlocale(LC_CTYPE, ""); /* whether the terminal shows the tree's line-drawing characters */
    return close_output(dispatch(argc, argv));
}
