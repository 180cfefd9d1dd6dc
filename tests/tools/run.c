/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 16 };

static void become_pawl(const struct launch *launch, const char *command, int out, int err)
{
    const char *argv[ARGUMENTS_MAX + 2] = {command};
    union {
        const char **constant;
        char **plain; /* what execv() takes, and does not write to */
    } arguments = {argv};

    for (size_t i = 0; i < ARGUMENTS_MAX && launch->arguments[i]; i++)
        argv[i + 1] = launch->arguments[i];
    for (size_t i = 0; launch->environment && launch->environment[i]; i++) {
        char *name = strdup(launch->environment[i]);
        char *value = strchr(name, '=');

        if (value)
            *value++ = '\0';
        if (value)
            setenv(name, value, 1);
        else
            unsetenv(name);
    }
    if (launch->output_to)
        out = open(launch->output_to, O_WRONLY);
    if (out < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
        _exit(120);
    if (launch->before)
        launch->before();
    execv(command, arguments.plain);
    _exit(121);
}

static void keep(char *text, size_t size, FILE *file)
{
    size_t length;

    rewind(file);
    length = fread(text, 1, size - 1, file);
    assert_true(length < size - 1); /* else something was cut off */
    text[length] = '\0';
    fclose(file);
}

const struct outcome *run(const struct launch *launch)
{
    static struct outcome outcome;
    const char *command = getenv("PAWL_COMMAND");
    FILE *out = tmpfile();
    FILE *err = tmpfile();
    int status;
    pid_t child;

    if (!command) {
        print_error("PAWL_COMMAND must name the command under test; run this through 'meson test'\n");
        abort();
    }
    assert_non_null(out);
    assert_non_null(err);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        become_pawl(launch, command, fileno(out), fileno(err));
    assert_int_equal(waitpid(child, &status, 0), child);
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    keep(outcome.out, sizeof outcome.out, out);
    keep(outcome.err, sizeof outcome.err, err);
    return &outcome;
}

const struct outcome *run_pawl(const char *const *arguments)
{
    return run(&(struct launch){.arguments = arguments});
}

void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" does not occur in:\n%s", part, text);
}

void assert_lacks(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("\"%s\" occurs in:\n%s", part, text);
}

void assert_refused(const struct outcome *outcome, int status, const char *part)
{
    assert_contains(outcome->err, part);
    assert_int_equal(outcome->status, status);
    assert_string_equal(outcome->out, "");
}

json_t *assert_json(const struct outcome *outcome)
{
    json_error_t error;
    json_t *root;

    assert_string_equal(outcome->err, "");
    assert_int_equal(outcome->status, 0);
    root = json_loads(outcome->out, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        fail_msg("line %d: %s in:\n%s", error.line, error.text, outcome->out);
    return root;
}
