/* SPDX-License-Identifier: MIT */
/* How subcommands speak to the person: help, failures, misuse. */
#include "pawl.h"

#include "suggest.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

int command_help(const struct command *command)
{
    fputs(command->help, stdout);
    return STATUS_OK;
}

__attribute__((format(printf, 2, 0))) static void complain(const struct command *command, const char *format,
                                                           va_list arguments)
{
    fprintf(stderr, "pawl %s: ", command->name);
    vfprintf(stderr, format,
             arguments); // NOLINT(clang-analyzer-valist.Uninitialized): started by the callers
    fputc('\n', stderr);
}

int command_failed(const struct command *command, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    complain(command, format, arguments);
    va_end(arguments);
    return STATUS_FAILED;
}

int command_misused(const struct command *command, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    complain(command, format, arguments);
    va_end(arguments);
    fprintf(stderr, "Run 'pawl help %s' for its options and examples.\n", command->name);
    return STATUS_USAGE;
}

static int unknown_long_option(const struct command *command, const char *word, const struct option *options)
{
    char name[64];
    struct suggestions near;

    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    suggest_start(&near, name);
    for (const struct option *option = options; option->name; option++)
        suggest_consider(&near, option->name);
    if (near.count > 0)
        return command_misused(command, "there is no option --%s; did you mean --%s?", name, near.names[0]);
    return command_misused(command, "there is no option --%s", name);
}

static bool is_known(int value, const struct option *options)
{
    for (const struct option *option = options; option->name; option++)
        if (option->val == value)
            return true;
    return false;
}

int command_option_refused(const struct command *command, char **argv, const struct option *options,
                           int refusal)
{
    const char *word = argv[optind - 1];

    if (refusal == ':')
        return command_misused(command, "option %s needs a value after it", word);
    /* getopt_long() leaves 0 for an unknown long option, an unknown letter for a short one, and the
     * letter of a known option whose "=value" it refused. */
    if (optopt == 0)
        return unknown_long_option(command, word, options);
    if (is_known(optopt, options))
        return command_misused(command, "option %.*s takes no value", (int)strcspn(word, "="), word);
    return command_misused(command, "there is no option -%c", optopt);
}
