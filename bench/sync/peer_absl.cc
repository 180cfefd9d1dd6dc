/* SPDX-License-Identifier: MIT */
#include "peer_locks.h"

#include <absl/synchronization/mutex.h>

namespace
{
alignas(BENCH_LINE_PAIR) absl::Mutex mutex; // NOLINT(cert-err58-cpp): its constructor is constexpr
} // namespace

LOCK_LOOPS(extern "C", peer_absl, mutex.Lock(), mutex.Unlock())
