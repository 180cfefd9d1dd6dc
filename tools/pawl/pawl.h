/* SPDX-License-Identifier: MIT */
/* The frame every subcommand of `pawl` hangs in.
 *
 * A subcommand is one file cmd_NAME.c that defines one `const struct command`, and one line in the
 * table of main.c. It writes its results to stdout and returns an exit status; main() closes stdout
 * and turns output that could not be written into a failure, so no subcommand checks its printf().
 */
#ifndef PAWL_TOOL_PAWL_H
#define PAWL_TOOL_PAWL_H

#include <getopt.h>

enum {
    STATUS_OK = 0,
    STATUS_FAILED = 1, /* asked correctly, could not be done */
    STATUS_USAGE = 2,  /* asked wrongly: unknown command, option or name */
};

struct command {
    const char *name;
    const char *summary; /* for the list of `pawl help`; no full stop */
    const char *help;    /* the whole text of `pawl help NAME` */
    int (*run)(int argc, char **argv);
};

extern const struct command cmd_bench;
extern const struct command cmd_rseq_check;
extern const struct command cmd_run;
extern const struct command cmd_tap;
extern const struct command cmd_topo;
extern const struct command cmd_version;

/* Write `help` to stdout. Returns STATUS_OK. */
int command_help(const struct command *command);

/* Print "pawl NAME: message" to stderr. Returns STATUS_FAILED. */
__attribute__((format(printf, 2, 3))) int command_failed(const struct command *command, const char *format,
                                                         ...);

/* The same with a pointer to the help. Returns STATUS_USAGE. */
__attribute__((format(printf, 2, 3))) int command_misused(const struct command *command, const char *format,
                                                          ...);

/* Report what getopt_long() just refused by returning `refusal` ('?' or ':'), with opterr = 0 and an
 * option string that starts with ":" or "+:". Returns STATUS_USAGE. */
int command_option_refused(const struct command *command, char **argv, const struct option *options,
                           int refusal);

#endif
