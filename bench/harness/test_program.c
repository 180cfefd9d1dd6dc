/* SPDX-License-Identifier: MIT */
/* A benchmark program as its users meet it: harness-selftest (the argument) is run as a process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

static const char *selftest;

/* Runs `before selftest after` by the shell, returns its exit status and leaves its output, to be freed. */
static int run(const char *before, const char *after, char **output)
{
    char *command = NULL;
    size_t size = 0;
    size_t length = 0;

    assert_true(asprintf(&command, "%s '%s' %s", before, selftest, after) > 0);
    FILE *pipe = popen(command, "re"); // NOLINT(cert-env33-c): the shell is what users run it from
    assert_non_null(pipe);
    *output = NULL;
    do {
        size += 65536;
        *output = realloc(*output, size);
        assert_non_null(*output);
        length += fread(*output + length, 1, size - length - 1, pipe);
    } while (!feof(pipe));
    (*output)[length] = '\0';
    const int status = pclose(pipe);
    free(command);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect(const char *before, const char *after, int status, const char *said)
{
    char *output;
    const int got = run(before, after, &output);

    if (got != status || strstr(output, said) == NULL)
        fail_msg("%s selftest %s: status %d, said: %s", before, after, got, output);
    free(output);
}

static const json_t *find(const json_t *array, const char *name)
{
    size_t i;
    const json_t *entry;

    json_array_foreach(array, i, entry)
    {
        if (strcmp(json_string_value(json_object_get(entry, "name")), name) == 0)
            return entry;
    }
    fail_msg("no entry '%s' in the JSON", name);
    return NULL;
}

static double median(const json_t *contender, const char *figure)
{
    const json_t *value = json_object_get(json_object_get(contender, figure), "median");

    assert_true(json_is_real(value));
    return json_real_value(value);
}

static json_t *measure(const char *options)
{
    json_error_t error;
    char *output;

    assert_int_equal(run("", options, &output), 0);
    json_t *document = json_loads(output, 0, &error);
    if (document == NULL)
        fail_msg("line %d: %s in: %s", error.line, error.text, output);
    free(output);
    return document;
}

static void the_json_holds_every_figure(void **state)
{
    json_t *document = measure("--quick --json -");
    const json_t *scenarios = json_object_get(document, "scenarios");
    const json_t *chain = json_object_get(find(scenarios, "chain"), "contenders");
    const json_t *net = json_object_get(find(scenarios, "chain-net"), "contenders");
    const json_t *one = find(chain, "one");
    const json_t *absent = find(chain, "absent");

    (void)state;
    assert_string_equal(json_string_value(json_object_get(document, "schema")), "pawl-bench-1");
    assert_int_equal(json_array_size(scenarios), 5);
    assert_true(median(one, "ns_per_op") > 0);
    assert_true(median(one, "ops_per_s") > 0);
    assert_true(median(one, "ratio") == 1.0);
    assert_int_equal(json_array_size(json_object_get(one, "raw_samples_ns")), 3);
    assert_true(json_is_boolean(json_object_get(json_object_get(one, "disturbance"), "flag")));
    assert_true(json_is_boolean(json_object_get(json_object_get(document, "disturbance"), "flag")));
    assert_true(json_is_false(json_object_get(absent, "available")));
    assert_non_null(json_string_value(json_object_get(absent, "reason")));
    assert_true(json_is_true(json_object_get(find(net, "empty loop"), "overhead")));
    json_decref(document);
}

/* Four dependent multiplications take longer than one, unless somebody took the CPU away. */
static void a_longer_chain_takes_longer(void **state)
{
    json_t *document = measure("--only chain/1/ --reps 7 --slice-ms 3 --cpu-time --json -");
    const json_t *scenarios = json_object_get(document, "scenarios");
    const json_t *chain = json_object_get(find(scenarios, "chain"), "contenders");
    const json_t *four = find(chain, "four");
    const bool disturbed = json_is_true(json_object_get(json_object_get(four, "disturbance"), "flag")) ||
                           json_is_true(json_object_get(json_object_get(document, "disturbance"), "flag"));
    const double ratio = median(four, "ratio");

    (void)state;
    json_decref(document);
    if (ratio <= 1.0 && disturbed)
        skip();
    assert_true(ratio > 1.0);
}

/* The row of a contender in what --costs printed, without repeated blanks. NULL: there is none. */
static const char *costs_row(const char *printed, const char *name, char *row, size_t size)
{
    const char *from = strstr(printed, name);
    size_t n = 0;

    if (from == NULL)
        return NULL;
    for (; *from != '\n' && *from != '\0' && n + 1 < size; ++from) {
        if (*from != ' ' || (n > 0 && row[n - 1] != ' '))
            row[n++] = *from;
    }
    row[n] = '\0';
    return row;
}

static void costs_that_are_known_are_found(void **state)
{
    static const char *const rows[] = {
        "one rmw 1.00 0.00 1.00 0.00",   "three lines 0.00 1.00 3.00 0.00", "a mutex 2.00 0.00 1.00 0.00",
        "two calls 0.00 0.00 0.00 2.00", "its own 0.00 0.00 0.00 0.00",     "too long - - - -",
    };
    char row[256];
    char name[32];
    char *printed;

    (void)state;
    assert_int_equal(run("", "--costs --only known-costs", &printed), 0);
    if (printed[0] == '\0') { /* not this processor, no capstone, or no ptrace */
        free(printed);
        skip();
        return;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(rows[i], "0123456789-") - 1, rows[i]);
        assert_non_null(costs_row(printed, name, row, sizeof(row)));
        assert_string_equal(row, rows[i]);
    }
    free(printed);
    expect("", "--costs --json - 2>&1", 2, "--costs measures no time");
}

static void the_list_has_the_names_that_only_takes(void **state)
{
    (void)state;
    expect("", "--list --threads 3", 0, "chain/3/four\n");
    expect("", "--list", 0, "chain/1/absent  (cannot run here: ");
    expect("", "--list", 0, "chain/1/not built  (cannot run here: was left out when this was compiled)\n");
    expect("", "--list --only net", 0, "chain-net/1/empty loop\n");
    expect("", "--quick --only chain/1/two", 0, "1.00x");
}

static void wrong_usage_ends_with_2(void **state)
{
    (void)state;
    expect("", "--reps none 2>&1", 2, "'none'");
    expect("", "--only nobody 2>&1", 2, "nothing matches");
    expect("", "--unknown 2>&1", 2, "--unknown");
}

static void what_cannot_be_written_ends_with_1(void **state)
{
    (void)state;
    expect("", "--quick --only /1/one --json /nonexistent/x.json 2>&1", 1,
           "/nonexistent/x.json: No such file");
    expect("", "--quick --only /1/one --plot /nonexistent/x.svg 2>&1", 1, "/nonexistent/x.svg: No such file");
    expect("", "--quick --only /1/one 2>&1 >/dev/full", 1, "No space left");
    expect("", "--count 2>&1", 1, "--count needs");
}

static void a_missing_gnuplot_is_said_and_leaves_no_file(void **state)
{
    char path[] = "/tmp/bench-plot-XXXXXX";
    const int file = mkstemp(path);
    char options[128];

    (void)state;
    assert_true(file >= 0);
    close(file);
    snprintf(options, sizeof(options), "--quick --only /1/one --plot %s 2>&1", path);
    expect("PATH=/nonexistent", options, 1, "gnuplot is not installed");
    assert_int_not_equal(access(path, F_OK), 0);
}

static void the_plot_names_what_it_shows(void **state)
{
    char path[] = "/tmp/bench-plot-XXXXXX";
    const int file = mkstemp(path);
    char command[256];

    (void)state;
    assert_true(file >= 0);
    close(file);
    if (system("command -v gnuplot >/dev/null") != 0) { // NOLINT(cert-env33-c): as above
        unlink(path);
        skip();
    }
    snprintf(command, sizeof(command), "--quick --plot %s 2>&1 && cat %s; rm -f %s", path, path, path);
    expect("", command, 0, "<svg");
    snprintf(command, sizeof(command), "--quick --plot %s 2>&1 && cat %s; rm -f %s", path, path, path);
    expect("", command, 0, "chain-net, 1 thread");
}

static void nothing_but_the_table_is_printed_without_a_terminal(void **state)
{
    (void)state;
    expect("", "--quick --only /1/one 2>&1 >/dev/null | wc -c #", 0, "0\n");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_json_holds_every_figure),
        cmocka_unit_test(a_longer_chain_takes_longer),
        cmocka_unit_test(costs_that_are_known_are_found),
        cmocka_unit_test(the_list_has_the_names_that_only_takes),
        cmocka_unit_test(wrong_usage_ends_with_2),
        cmocka_unit_test(what_cannot_be_written_ends_with_1),
        cmocka_unit_test(a_missing_gnuplot_is_said_and_leaves_no_file),
        cmocka_unit_test(the_plot_names_what_it_shows),
        cmocka_unit_test(nothing_but_the_table_is_printed_without_a_terminal),
    };

    if (argc != 2) {
        fprintf(stderr, "usage: test_program HARNESS-SELFTEST\n");
        return 2;
    }
    selftest = argv[1];
    return cmocka_run_group_tests_name("bench program", tests, NULL, NULL);
}
