/* SPDX-License-Identifier: MIT */
/* Runs all tests of TLS on one engine: test_tls epoll|uring */
#include "test_tls.h"

#include <signal.h>

int main(int argc, char **argv)
{
    int failed = io_begin(argc > 1 ? argv[1] : "epoll");

    if (failed != 0)
        return failed;
    if (!tls_make_memory_scarce()) /* before OpenSSL has any */
        return 1;
    signal(SIGPIPE,
           SIG_IGN); // NOLINT(bugprone-signal-handler): the peers' OpenSSL writes without MSG_NOSIGNAL
    certificates_make();
    failed = _cmocka_run_group_tests("server", server_tests, server_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("client", client_tests, client_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("ends", end_tests, end_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("attacks", attack_tests, attack_test_count, NULL, NULL);
    certificates_remove();
    return failed == 0 ? 0 : 1;
}
