/* SPDX-License-Identifier: MIT */
#ifndef TESTS_RT_TEST_IO_H
#define TESTS_RT_TEST_IO_H

#include "io.h"

extern const struct CMUnitTest stream_tests[], more_tests[], want_tests[], file_tests[], plain_tests[],
    dgram_tests[], dgram_net_tests[], fiber_io_tests[], source_tests[], child_tests[], life_tests[],
    reuse_tests[], direct_tests[], zero_tests[], fiber_dgram_tests[], end_tests[], stops_tests[],
    refused_tests[], fair_tests[], late_tests[], transit_tests[];
extern const size_t stream_test_count, more_test_count, want_test_count, file_test_count, plain_test_count,
    dgram_test_count, dgram_net_test_count, fiber_io_test_count, source_test_count, child_test_count,
    life_test_count, reuse_test_count, direct_test_count, zero_test_count, fiber_dgram_test_count,
    end_test_count, stops_test_count, refused_test_count, fair_test_count, late_test_count,
    transit_test_count;

#endif
