/* SPDX-License-Identifier: MIT */
/* Runs all tests of streams and watches on one engine: test_io epoll|uring */
#include "test_io.h"

#include <signal.h>

int main(int argc, char **argv)
{
    int failed = io_begin(argc > 1 ? argv[1] : "epoll");

    if (failed != 0)
        return failed;
    signal(SIGPIPE, SIG_DFL); /* a write of ours that raises it ends the program */
    failed = _cmocka_run_group_tests("life", life_tests, life_test_count, NULL, NULL); /* first: it forks */
    failed += _cmocka_run_group_tests("streams", stream_tests, stream_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("ends", end_tests, end_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("more", more_tests, more_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("stops", stops_tests, stops_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("files", file_tests, file_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("direct", direct_tests, direct_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("zero", zero_tests, zero_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("plain", plain_tests, plain_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("datagrams", dgram_tests, dgram_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("networks", dgram_net_tests, dgram_net_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("fibers", fiber_io_tests, fiber_io_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("numbers", reuse_tests, reuse_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("letters", fiber_dgram_tests, fiber_dgram_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("want", want_tests, want_test_count, NULL, NULL);
    /* the last: it starts a thread that stays, and one of those before forks */
    failed += _cmocka_run_group_tests("sources", source_tests, source_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("children and files", child_tests, child_test_count, NULL, NULL);
    return failed == 0 ? 0 : 1;
}
