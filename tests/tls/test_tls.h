/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TLS_TEST_TLS_H
#define TESTS_TLS_TEST_TLS_H

#include "tls_peer.h"

extern const struct CMUnitTest server_tests[], client_tests[], end_tests[], attack_tests[];
extern const size_t server_test_count, client_test_count, end_test_count, attack_test_count;

/* From now on OpenSSL's memory comes from here. It must have none. */
bool tls_make_memory_scarce(void);

#endif
