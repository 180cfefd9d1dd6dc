/* SPDX-License-Identifier: MIT */
/* Runs all tests of TLS on one engine: test_tls epoll|uring */
#include "test_tls.h"

#include <signal.h>

int main(int argc, char **argv)
{
    const struct pawl_rt_config config = {.workers = 1, .engine = argc > 1 ? argv[1] : "epoll"};
    struct pawl_rt *rt;
    int status = pawl_rt_open(&rt, &config), failed;

    if (status == -ENOSYS || status == -EPERM) {
        printf("%s: not on this machine (%s)\n", config.engine, strerror(-status));
        return 77; /* meson: skipped */
    }
    if (status != 0) {
        fprintf(stderr, "pawl_rt_open: %s\n", strerror(-status));
        return 1;
    }
    (void)pawl_rt_close(rt);
    io_engine = config.engine;
    signal(SIGPIPE,
           SIG_IGN); // NOLINT(bugprone-signal-handler): the peers' OpenSSL writes without MSG_NOSIGNAL
    (void)io_seed();
    certificates_make();
    failed = _cmocka_run_group_tests("server", server_tests, server_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("client", client_tests, client_test_count, NULL, NULL);
    failed += _cmocka_run_group_tests("ends", end_tests, end_test_count, NULL, NULL);
    certificates_remove();
    return failed == 0 ? 0 : 1;
}
