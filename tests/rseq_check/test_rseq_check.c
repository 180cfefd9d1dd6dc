/* SPDX-License-Identifier: MIT */
/* Promises of `pawl rseq-check`: each planted mistake is rejected for its own reason, what is only doubtful is
 * accepted with a warning, and what cannot be read is told from what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct planted {
    const char *name;
    const char *rule;
    const char *too; /* a rule that the same mistake breaks as well */
};

static const struct planted rejected_x86_64[] = {
    {"abort_inside", "abort-inside", NULL},
    {"abort_path", "abort-path", NULL},
    {"abort_result", "abort-result", NULL},
    {"address_taken", "address-taken", NULL},
    {"armed_elsewhere", "armed-elsewhere", NULL},
    {"armed_other", "armed-other", NULL},
    {"beyond_text", "range", NULL},
    {"boundary", "boundary", "commit-last"},
    {"call", "call", NULL},
    {"callee_saved", "callee-saved", NULL},
    {"cold_block", "jump-into", NULL},
    {"commit_address", "commit-address", NULL},
    {"commit_last", "commit-last", NULL},
    {"continue_input", "restart-input", NULL},
    {"cpu_before", "cpu-number", NULL},
    {"descriptor_alignment", "descriptor-alignment", NULL},
    {"direction", "machine-state", NULL},
    {"early_call", "leaf", NULL},
    {"early_load", "early-load", NULL},
    {"early_store", "early-store", NULL},
    {"endless", "endless-loop", NULL},
    {"exchange", "exchange", NULL},
    {"flags", "version-flags", NULL},
    {"jump_into", "jump-into", NULL},
    {"jump_table", "indirect-jump", NULL},
    {"locked", "locked", NULL},
    {"misaligned", "commit-alignment", "commit-address"},
    {"not_armed", "not-armed", NULL},
    {"past_arming", "jump-into", NULL},
    {"restart_input", "restart-input", NULL},
    {"scratch_mark", "scratch-mark", NULL},
    {"second_store", "second-store", NULL},
    {"signature", "signature", NULL},
    {"spill", "stack", NULL},
    {"start_in_data", "range", NULL},
    {"stray_pointer", "stray-pointer", NULL},
    {"string", "string-operation", NULL},
    {"syscall", "syscall", NULL},
    {"trap", "trap", NULL},
    {"undecodable", "undecodable", NULL},
    {"unknown", "unknown-instruction", NULL},
    {"version", "version-flags", NULL},
    {"wide_commit", "commit-size", NULL},
    {"x87", "machine-state", "unknown-instruction"},
    {"zero_length", "length", NULL},
};

static const struct planted rejected_aarch64[] = {
    {"atomic", "exchange", NULL},
    {"call", "call", NULL},
    {"callee_saved", "callee-saved", NULL},
    {"cpu_before", "cpu-number", NULL},
    {"exclusive", "exchange", NULL},
    {"jump_into", "jump-into", NULL},
    {"jump_table", "indirect-jump", NULL},
    {"pair_commit", "commit-size", NULL},
    {"restart_input", "restart-input", NULL},
    {"second_store", "second-store", NULL},
    {"signature", "signature", NULL},
    {"spill", "stack", NULL},
    {"swap", "exchange", NULL},
    {"syscall", "syscall", NULL},
};

static const struct planted warned_x86_64[] = {
    {"unbounded", "loop-bound", NULL},
    {"unlisted", "unregistered", NULL},
};

static char path[PATH_MAX];

/* The linked fixture, NULL when this build has no compiler for its machine. */
static const char *fixture(const char *machine, const char *name)
{
    snprintf(path, sizeof path, "%s/%s_%s.so", getenv("RSEQ_CHECK_FIXTURES"), machine, name);
    return access(path, R_OK) == 0 ? path : NULL;
}

static void require_machine(const char *machine)
{
    if (!fixture(machine, "good_restart"))
        skip();
}

/* Every finding of `severity` names the rule (or the other one), and at least one names the rule. */
static void assert_only(json_t *findings, const char *severity, const struct planted *planted, unsigned *hits)
{
    size_t i;
    json_t *finding;

    json_array_foreach(findings, i, finding)
    {
        const char *rule = json_string_value(json_object_get(finding, "rule"));

        if (strcmp(json_string_value(json_object_get(finding, "severity")), severity) != 0)
            continue;
        if (strcmp(rule, planted->rule) == 0)
            ++*hits;
        else if (!planted->too || strcmp(rule, planted->too) != 0)
            fail_msg("%s is %s for '%s', not for '%s'", planted->name, severity, rule, planted->rule);
    }
}

static void assert_planted(const char *machine, const struct planted *planted, const char *severity,
                           int status)
{
    const char *file = fixture(machine, planted->name);
    const struct outcome *outcome;
    unsigned hits = 0;
    json_t *root;
    json_t *found;
    json_t *sequence;
    size_t i;

    if (!file)
        fail_msg("the fixture %s was not built", path);
    outcome = PAWL("rseq-check", "--json", file);
    if (outcome->status != status)
        fail_msg("%s: status %d, expected %d: %s", planted->name, outcome->status, status, outcome->err);
    root = json_loads(outcome->out, 0, NULL);
    assert_non_null(root);
    found = json_array_get(json_object_get(root, "files"), 0);
    assert_only(json_object_get(found, "findings"), severity, planted, &hits);
    json_array_foreach(json_object_get(found, "sequences"), i, sequence)
        assert_only(json_object_get(sequence, "findings"), severity, planted, &hits);
    if (hits == 0)
        fail_msg("%s is not %s for '%s': %s", planted->name, severity, planted->rule, outcome->out);
    json_decref(root);
}

static void each_mistake_is_rejected_for_its_own_reason(void **state)
{
    (void)state;
    require_machine("x86_64");
    for (size_t i = 0; i < sizeof rejected_x86_64 / sizeof rejected_x86_64[0]; i++)
        assert_planted("x86_64", &rejected_x86_64[i], "rejected", 1);
}

static void each_mistake_on_aarch64_is_rejected_for_its_own_reason(void **state)
{
    (void)state;
    require_machine("aarch64");
    for (size_t i = 0; i < sizeof rejected_aarch64 / sizeof rejected_aarch64[0]; i++)
        assert_planted("aarch64", &rejected_aarch64[i], "rejected", 1);
}

static void the_doubtful_is_accepted_with_a_warning(void **state)
{
    (void)state;
    require_machine("x86_64");
    for (size_t i = 0; i < sizeof warned_x86_64 / sizeof warned_x86_64[0]; i++)
        assert_planted("x86_64", &warned_x86_64[i], "warning", 0);
}

static void the_frames_of_the_mistakes_are_accepted(void **state)
{
    static const char *const names[] = {"good_restart", "good_return"};
    static const char *const machines[] = {"x86_64", "aarch64"};

    (void)state;
    for (size_t machine = 0; machine < 2; machine++) {
        for (size_t i = 0; i < 2; i++) {
            const char *file = fixture(machines[machine], names[i]);

            if (!file)
                continue;
            assert_int_equal(PAWL("rseq-check", file)->status, 0);
            assert_contains(PAWL("rseq-check", file)->out, "1 sequence, 1 accepted, 0 rejected");
        }
    }
}

static void a_rejection_shows_the_instruction_the_rule_and_how_to_mend_it(void **state)
{
    const struct outcome *outcome;

    (void)state;
    require_machine("x86_64");
    outcome = PAWL("rseq-check", fixture("x86_64", "locked"));
    assert_int_equal(outcome->status, 1);
    assert_string_equal(outcome->err, "");
    assert_contains(outcome->out, "rejected [locked]");
    assert_contains(outcome->out, "<bad+0x");
    assert_contains(outcome->out, "lock addq $1, 8(%rax)");
    assert_contains(outcome->out, "mend: use plain loads and stores");
    assert_contains(outcome->out, "1 sequence, 0 accepted, 1 rejected");
}

static void quiet_says_nothing_of_what_is_accepted(void **state)
{
    (void)state;
    require_machine("x86_64");
    assert_string_equal(PAWL("rseq-check", "--quiet", fixture("x86_64", "good_return"))->out, "");
    assert_string_equal(PAWL("rseq-check", "--quiet", fixture("x86_64", "unlisted"))->out, "");
    assert_contains(PAWL("rseq-check", "--quiet", fixture("x86_64", "call"))->out, "[call]");
}

static void verbose_counts_what_is_accepted(void **state)
{
    (void)state;
    require_machine("x86_64");
    assert_contains(
        PAWL("rseq-check", "--verbose", fixture("x86_64", "good_restart"))->out,
        "4 instructions in 16 bytes, 0 loops, 0 private stores, one commit, abort handler restarts");
    assert_contains(PAWL("rseq-check", "--verbose", fixture("x86_64", "good_return"))->out,
                    "abort handler returns");
}

static void unmarked_stores_are_warnings_when_they_are_allowed(void **state)
{
    const struct outcome *outcome;

    (void)state;
    require_machine("x86_64");
    outcome = PAWL("rseq-check", "--allow-scratch", fixture("x86_64", "second_store"));
    assert_int_equal(outcome->status, 0);
    assert_contains(outcome->out, "warning [second-store]");
}

static void another_signature_is_accepted_by_name(void **state)
{
    const char *file;

    (void)state;
    require_machine("x86_64");
    file = fixture("x86_64", "signature");
    assert_int_equal(PAWL("rseq-check", "--signature", "0x12345678", file)->status, 0);
    assert_int_equal(PAWL("rseq-check", "-s", "1", "-s", "305419896", file)->status, 0);
    assert_int_equal(PAWL("rseq-check", "--signature", "1", file)->status, 1);
}

static void several_files_give_the_worst_verdict(void **state)
{
    char good[PATH_MAX];
    const struct outcome *outcome;

    (void)state;
    require_machine("x86_64");
    snprintf(good, sizeof good, "%s", fixture("x86_64", "good_restart"));
    outcome = PAWL("rseq-check", good, fixture("x86_64", "call"), good);
    assert_int_equal(outcome->status, 1);
    outcome = PAWL("rseq-check", fixture("x86_64", "call"), "/nonexistent");
    assert_int_equal(outcome->status, 2);
    assert_contains(outcome->out, "[call]");
    assert_contains(outcome->err, "'/nonexistent' could not be opened");
}

static void a_file_without_sequences_is_accepted_and_said_so(void **state)
{
    const struct outcome *outcome = PAWL("rseq-check", getenv("RSEQ_CHECK_PLAIN"));

    (void)state;
    assert_int_equal(outcome->status, 0);
    assert_contains(outcome->out, "no restartable sequences");
}

static void what_cannot_be_read_is_told_with_status_2(void **state)
{
    (void)state;
    assert_refused(PAWL("rseq-check", "/nonexistent"), 2, "could not be opened: No such file");
    assert_refused(PAWL("rseq-check", "/"), 2, "is a directory");
    assert_refused(PAWL("rseq-check", "/dev/null"), 2, "is not a regular file");
    assert_refused(PAWL("rseq-check", getenv("RSEQ_CHECK_TEXT")), 2, "is not an ELF file");
    assert_refused(PAWL("rseq-check", getenv("RSEQ_CHECK_OBJECT")), 2, "is an object file");
}

static void misuse_is_told_with_status_2(void **state)
{
    (void)state;
    assert_refused(PAWL("rseq-check"), 2, "which file?");
    assert_refused(PAWL("rseq-check", "--json", "--quiet", "x"), 2, "exclude each other");
    assert_refused(PAWL("rseq-check", "--signature", "many", "x"), 2, "takes a 32-bit number");
    assert_refused(PAWL("rseq-check", "--signature", "0x100000000", "x"), 2, "takes a 32-bit number");
    assert_refused(PAWL("rseq-check", "--signature"), 2, "needs a value");
    assert_refused(PAWL("rseq-check", "--verbos", "--frob"), 2, "there is no option");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mistake_is_rejected_for_its_own_reason),
        cmocka_unit_test(each_mistake_on_aarch64_is_rejected_for_its_own_reason),
        cmocka_unit_test(the_doubtful_is_accepted_with_a_warning),
        cmocka_unit_test(the_frames_of_the_mistakes_are_accepted),
        cmocka_unit_test(a_rejection_shows_the_instruction_the_rule_and_how_to_mend_it),
        cmocka_unit_test(quiet_says_nothing_of_what_is_accepted),
        cmocka_unit_test(verbose_counts_what_is_accepted),
        cmocka_unit_test(unmarked_stores_are_warnings_when_they_are_allowed),
        cmocka_unit_test(another_signature_is_accepted_by_name),
        cmocka_unit_test(several_files_give_the_worst_verdict),
        cmocka_unit_test(a_file_without_sequences_is_accepted_and_said_so),
        cmocka_unit_test(what_cannot_be_read_is_told_with_status_2),
        cmocka_unit_test(misuse_is_told_with_status_2),
    };

    return cmocka_run_group_tests_name("rseq-check", tests, NULL, NULL);
}
