/* SPDX-License-Identifier: MIT */
/* Runs the tests of everything that waits for the kernel, on one engine: test_io epoll|uring [GROUP...] */
#include "test_io.h"

#include <signal.h>

static const struct group {
    const char *name;
    const struct CMUnitTest *tests;
    const size_t *count;
} groups[] = {
    {"life", life_tests, &life_test_count}, /* first: it forks */
    {"streams", stream_tests, &stream_test_count},
    {"ends", end_tests, &end_test_count},
    {"more", more_tests, &more_test_count},
    {"fairness", fair_tests, &fair_test_count},
    {"stops", stops_tests, &stops_test_count},
    {"files", file_tests, &file_test_count},
    {"direct", direct_tests, &direct_test_count},
    {"zero", zero_tests, &zero_test_count},
    {"plain", plain_tests, &plain_test_count},
    {"datagrams", dgram_tests, &dgram_test_count},
    {"networks", dgram_net_tests, &dgram_net_test_count},
    {"fibers", fiber_io_tests, &fiber_io_test_count},
    {"numbers", reuse_tests, &reuse_test_count},
    {"letters", fiber_dgram_tests, &fiber_dgram_test_count},
    {"want", want_tests, &want_test_count},
    {"refused", refused_tests, &refused_test_count},
    /* the last: it starts a thread that stays, and one of those before forks */
    {"sources", source_tests, &source_test_count},
    {"children and files", child_tests, &child_test_count},
    {"late", late_tests, &late_test_count},
    {"transit", transit_tests, &transit_test_count},
};

static bool wanted(const struct group *group, char **names)
{
    if (*names == NULL)
        return true;
    while (*names != NULL && strcmp(*names, group->name) != 0)
        names++;
    return *names != NULL;
}

int main(int argc, char **argv)
{
    int failed = io_begin(argc > 1 ? argv[1] : "epoll");

    if (failed != 0)
        return failed;
    signal(SIGPIPE, SIG_DFL); /* a write of ours that raises it ends the program */
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        if (wanted(&groups[i], argv + (argc > 2 ? 2 : argc)))
            failed += _cmocka_run_group_tests(groups[i].name, groups[i].tests, *groups[i].count, NULL, NULL);
    return failed == 0 ? 0 : 1;
}
