/* SPDX-License-Identifier: MIT */
/* Promises of `pawl bench`: finds, lists, suggests, and hands over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "folder.h"
#include "run.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct folder folder;
static char variable[128];
static const char *environment[] = {variable, NULL};

static const struct outcome *bench(const char *first, const char *second, const char *third)
{
    const char *arguments[] = {"bench", first, second, third, NULL};

    return run(&(struct launch){.arguments = arguments, .environment = environment});
}

static void add(const char *path, const char *script)
{
    folder_write(&folder, path, script);
    folder_make_executable(&folder, path);
}

static int set_up(void **state)
{
    (void)state;
    folder_open(&folder);
    snprintf(variable, sizeof variable, "PAWL_BENCH_DIR=%s", folder.path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    folder_close(&folder);
    return 0;
}

static void fill(void)
{
    add("bench-queue", "#!/bin/sh\nprintf '<%s>' \"$@\"\nexit 7\n");
    add("percpu/bench-percpu-list", "#!/bin/sh\nexit 0\n");
    add("percpu/bench-percpu-add", "#!/bin/sh\nexit 0\n");
    add("percpu/bench-percpu-add.p/bench-object", "#!/bin/sh\nexit 0\n"); /* Meson's objects */
    add("bench-", "#!/bin/sh\nexit 0\n");
    add("other", "#!/bin/sh\nexit 0\n");
    folder_write(&folder, "bench-queue.json", "{}"); /* results beside it are no benchmarks */
}

static void names_are_listed_in_order_and_nothing_else(void **state)
{
    const struct outcome *outcome;

    (void)state;
    fill();
    outcome = bench("--list", NULL, NULL);
    assert_int_equal(outcome->status, 0);
    assert_string_equal(outcome->out, "percpu-add\npercpu-list\nqueue\n");
    outcome = bench(NULL, NULL, NULL);
    assert_int_equal(outcome->status, 0);
    assert_contains(outcome->out, "\n  percpu-list\n  queue\n");
    assert_contains(outcome->out, folder.path);
}

static void a_benchmark_gets_its_arguments_untouched_and_gives_its_status(void **state)
{
    const struct outcome *outcome;

    (void)state;
    fill();
    outcome = bench("queue", "--help", "a b");
    assert_string_equal(outcome->out, "<--help><a b>");
    assert_int_equal(outcome->status, 7);
}

static void all_run_in_order_and_a_failure_does_not_stop_the_rest(void **state)
{
    const struct outcome *outcome;

    (void)state;
    add("bench-a", "#!/bin/sh\necho \"$0 $@\"\n");
    add("bench-b", "#!/bin/sh\nexit 3\n");
    add("bench-c", "#!/bin/sh\nkill -KILL $$\n");
    add("bench-d", "#!/bin/sh\necho done\n");
    outcome = bench("--all", "--json", "x");
    assert_int_equal(outcome->status, 1);
    assert_ptr_equal(strstr(outcome->out, "== a\n"), outcome->out);
    assert_contains(outcome->out, "/bench-a --json x\n\n== b\n\n== c\n\n== d\ndone\n");
    assert_contains(outcome->err, "b failed with status 3");
    assert_contains(outcome->err, "c was ended by signal 9");
    assert_contains(outcome->err, "2 of 4 benchmarks failed");
}

static void close_output(void)
{
    close(STDOUT_FILENO);
}

/* Else the first file that it opens, for its results perhaps, would become its standard output. */
static void a_benchmark_never_finds_its_standard_output_closed(void **state)
{
    static const char *const arguments[] = {"bench", "fd", NULL};

    (void)state;
    add("bench-fd", "#!/bin/sh\n[ -e /proc/$$/fd/1 ] && exit 5\nexit 6\n");
    assert_int_equal(
        run(&(struct launch){.arguments = arguments, .environment = environment, .before = close_output})
            ->status,
        5);
}

static void an_unknown_benchmark_gets_the_nearest_names(void **state)
{
    (void)state;
    fill();
    assert_refused(bench("queeu", NULL, NULL), 2, "did you mean queue?");
    assert_refused(bench("percpu", NULL, NULL), 2, "did you mean percpu-add or percpu-list?");
    assert_refused(bench("zzzzzz", NULL, NULL), 2, "Run 'pawl bench' for the list");
    assert_refused(bench("../bench-queue", NULL, NULL), 2, "there is no benchmark");
}

static void a_benchmark_that_cannot_run_says_why(void **state)
{
    (void)state;
    add("bench-broken", "#!/nonexistent/interpreter\n");
    assert_refused(bench("broken", NULL, NULL), 1, "/bench-broken: No such file or directory");
}

static void an_empty_directory_says_what_to_do(void **state)
{
    (void)state;
    assert_refused(bench(NULL, NULL, NULL), 1, "configure the build with -Dbench=enabled");
    assert_refused(bench("queue", NULL, NULL), 1, folder.path);
}

static void a_directory_that_is_not_there_is_named(void **state)
{
    (void)state;
    snprintf(variable, sizeof variable, "PAWL_BENCH_DIR=%s/absent", folder.path);
    assert_refused(bench(NULL, NULL, NULL), 1,
                   "/absent that PAWL_BENCH_DIR names: No such file or directory");
}

static void a_loop_of_links_ends(void **state)
{
    char link[128];

    (void)state;
    fill();
    snprintf(link, sizeof link, "%s/loop", folder.path);
    assert_int_equal(symlink(folder.path, link), 0);
    assert_string_equal(bench("--list", NULL, NULL)->out, "percpu-add\npercpu-list\nqueue\n");
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(names_are_listed_in_order_and_nothing_else),
        IN_FOLDER(a_benchmark_gets_its_arguments_untouched_and_gives_its_status),
        IN_FOLDER(all_run_in_order_and_a_failure_does_not_stop_the_rest),
        IN_FOLDER(a_benchmark_never_finds_its_standard_output_closed),
        IN_FOLDER(an_unknown_benchmark_gets_the_nearest_names),
        IN_FOLDER(a_benchmark_that_cannot_run_says_why),
        IN_FOLDER(an_empty_directory_says_what_to_do),
        IN_FOLDER(a_directory_that_is_not_there_is_named),
        IN_FOLDER(a_loop_of_links_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
