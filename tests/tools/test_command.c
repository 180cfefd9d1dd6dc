/* SPDX-License-Identifier: MIT */
/* Promises of the command as a whole: help, exit statuses, and output that arrives or is missed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {"topo", "bench", "run", "tap", "rseq-check", "version", "help"};
enum { NAMES = sizeof names / sizeof names[0] };

static void every_command_is_listed_in_the_overview(void **state)
{
    const struct outcome *outcome = PAWL("help");

    (void)state;
    assert_int_equal(outcome->status, 0);
    for (size_t i = 0; i < NAMES; i++) {
        char line[32];

        snprintf(line, sizeof line, "\n  %s ", names[i]);
        assert_contains(outcome->out, line);
    }
}

static void all_ways_to_ask_for_help_answer_the_same(void **state)
{
    char *first = strdup(PAWL("help")->out);

    (void)state;
    assert_string_equal(PAWL("--help")->out, first);
    assert_string_equal(PAWL("-h")->out, first);
    free(first);
    for (size_t i = 0; i < NAMES; i++) {
        const struct outcome *outcome = PAWL("help", names[i]);
        char usage[32];

        assert_int_equal(outcome->status, 0);
        assert_string_equal(outcome->err, "");
        snprintf(usage, sizeof usage, "Usage: pawl %s", names[i]);
        assert_ptr_equal(strstr(outcome->out, usage), outcome->out);
        assert_contains(outcome->out, "\nExamples:\n");
        first = strdup(outcome->out);
        outcome = PAWL(names[i], "--help");
        assert_int_equal(outcome->status, 0);
        assert_string_equal(outcome->out, first);
        assert_string_equal(PAWL(names[i], "-h")->out, first);
        free(first);
    }
}

static void help_fits_a_terminal(void **state)
{
    (void)state;
    for (size_t i = 0; i < NAMES; i++)
        for (const char *line = PAWL("help", names[i])->out; *line; line += strcspn(line, "\n") + 1)
            assert_in_range(strcspn(line, "\n"), 0, 100);
}

static void no_command_is_wrong_usage_and_says_what_there_is(void **state)
{
    (void)state;
    assert_refused(run_pawl((const char *const[]){NULL}), 2, "Usage: pawl COMMAND");
}

static void an_unknown_command_gets_the_nearest_name(void **state)
{
    (void)state;
    assert_refused(PAWL("tpoo"), 2, "did you mean 'topo'?");
    assert_refused(PAWL("help", "benhc"), 2, "did you mean 'bench'?");
    assert_refused(PAWL("quux"), 2, "Run 'pawl help' for the list");
    assert_lacks(PAWL("quux")->err, "did you mean");
    assert_refused(PAWL(""), 2, "there is no command ''");
}

static void a_name_longer_than_any_table_is_refused(void **state)
{
    static char name[5000];

    (void)state;
    memset(name, 'x', sizeof name - 1);
    assert_refused(PAWL(name), 2, "there is no command");
    memcpy(name, "--", 2);
    assert_refused(PAWL("topo", name), 2, "there is no option --xxx");
}

static void an_unknown_option_is_named_and_the_nearest_offered(void **state)
{
    (void)state;
    assert_refused(PAWL("--frobnicate"), 2, "there is no option --frobnicate");
    assert_refused(PAWL("topo", "--jsno"), 2, "there is no option --jsno; did you mean --json?");
    assert_refused(PAWL("topo", "--frobnicate=7"), 2, "there is no option --frobnicate\n");
    assert_refused(PAWL("topo", "-q"), 2, "there is no option -q");
    assert_refused(PAWL("topo", "--json", "-aq"), 2, "there is no option -q");
    assert_refused(PAWL("topo", "--synthetic=pu:1", "-q"), 2, "there is no option -q");
    assert_refused(PAWL("bench", "--frobnicate"), 2, "Run 'pawl help bench'");
    assert_refused(PAWL("bench", "-a"), 2, "there is no option -a");
    assert_refused(PAWL("version", "-q"), 2, "Run 'pawl help version'");
    assert_refused(PAWL("help", "-q"), 2, "there is no option -q");
}

static void values_are_asked_for_and_refused_as_the_option_wants(void **state)
{
    (void)state;
    assert_refused(PAWL("topo", "--xml"), 2, "option --xml needs a value");
    assert_refused(PAWL("topo", "-s"), 2, "option -s needs a value");
    assert_refused(PAWL("topo", "--json=yes"), 2, "option --json takes no value");
}

static void surplus_arguments_are_refused(void **state)
{
    (void)state;
    assert_refused(PAWL("topo", "socket"), 2, "got 'socket'");
    assert_refused(PAWL("version", "1.0"), 2, "got '1.0'");
    assert_refused(PAWL("help", "topo", "bench"), 2, "one command at a time");
    assert_refused(PAWL("bench", "--list", "queue"), 2, "got 'queue'");
}

static void version_tells_release_build_and_sequences(void **state)
{
    json_t *root = assert_json(PAWL("version", "--json"));
    json_t *rseq = json_object_get(root, "rseq");
    char line[64];

    (void)state;
    assert_string_equal(json_string_value(json_object_get(root, "schema")), "pawl-version");
    assert_int_equal(json_integer_value(json_object_get(root, "schema_version")), 1);
    assert_string_equal(json_string_value(json_object_get(root, "version")), PAWL_VERSION);
    assert_true(json_is_string(json_object_get(root, "compiler")));
    assert_true(json_is_string(json_object_get(root, "target")));
    assert_true(json_is_string(json_object_get(rseq, "mode")));
    assert_true(json_is_boolean(json_object_get(rseq, "runs")));
    json_decref(root);

    snprintf(line, sizeof line, "pawl %s\n", PAWL_VERSION);
    assert_ptr_equal(strstr(PAWL("version")->out, line), PAWL("version")->out);
    assert_ptr_equal(strstr(PAWL("--version")->out, line), PAWL("--version")->out);
    assert_ptr_equal(strstr(PAWL("-V")->out, line), PAWL("-V")->out);
}

static void the_switch_of_the_sequences_is_visible(void **state)
{
    static const char *const environment[] = {"PAWL_RSEQ=off", NULL};
    static const char *const arguments[] = {"version", "--json", NULL};
    json_t *root = assert_json(run(&(struct launch){.arguments = arguments, .environment = environment}));
    json_t *rseq = json_object_get(root, "rseq");
    const char *mode = json_string_value(json_object_get(rseq, "mode"));

    (void)state;
    assert_false(json_is_true(json_object_get(rseq, "runs")));
    /* Instrumented builds have no sequences to switch off, and say that instead. */
    if (strcmp(mode, "foreign") != 0)
        assert_string_equal(mode, "off");
    json_decref(root);
}

static void a_full_disk_is_a_failure(void **state)
{
    static const char *const calls[][5] = {
        {"help"},
        {"version"},
        {"version", "--json"},
        {"topo"},
        {"topo", "--json"},
        {"topo", "--json", "--synthetic", "pu:2000"}, /* more than the output's buffer holds */
    };

    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        assert_refused(run(&(struct launch){.arguments = calls[i], .output_to = "/dev/full"}), 1,
                       "the output is incomplete: No space left on device");
}

static void close_output(void)
{
    close(STDOUT_FILENO);
}

static void a_closed_output_is_a_failure(void **state)
{
    static const char *const arguments[] = {"topo", "--json", NULL};

    (void)state;
    assert_refused(run(&(struct launch){.arguments = arguments, .before = close_output}), 1,
                   "the output is incomplete: Bad file descriptor");
}

static void pipe_without_reader(void)
{
    int ends[2];

    if (pipe(ends) != 0 || dup2(ends[1], STDOUT_FILENO) < 0)
        _exit(122);
    close(ends[0]);
    close(ends[1]);
}

static void broken_pipe_ignored(void)
{
    pipe_without_reader();
    signal(SIGPIPE, SIG_IGN);
}

static void broken_pipe_default(void)
{
    pipe_without_reader();
    signal(SIGPIPE, SIG_DFL);
}

static void a_reader_that_left_ends_the_command(void **state)
{
    static const char *const arguments[] = {"help", NULL};

    (void)state;
    assert_refused(run(&(struct launch){.arguments = arguments, .before = broken_pipe_default}),
                   128 + SIGPIPE, "");
    assert_refused(run(&(struct launch){.arguments = arguments, .before = broken_pipe_ignored}), 1,
                   "the output is incomplete: Broken pipe");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_is_listed_in_the_overview),
        cmocka_unit_test(all_ways_to_ask_for_help_answer_the_same),
        cmocka_unit_test(help_fits_a_terminal),
        cmocka_unit_test(no_command_is_wrong_usage_and_says_what_there_is),
        cmocka_unit_test(an_unknown_command_gets_the_nearest_name),
        cmocka_unit_test(a_name_longer_than_any_table_is_refused),
        cmocka_unit_test(an_unknown_option_is_named_and_the_nearest_offered),
        cmocka_unit_test(values_are_asked_for_and_refused_as_the_option_wants),
        cmocka_unit_test(surplus_arguments_are_refused),
        cmocka_unit_test(version_tells_release_build_and_sequences),
        cmocka_unit_test(the_switch_of_the_sequences_is_visible),
        cmocka_unit_test(a_full_disk_is_a_failure),
        cmocka_unit_test(a_closed_output_is_a_failure),
        cmocka_unit_test(a_reader_that_left_ends_the_command),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
