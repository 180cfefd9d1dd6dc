/* SPDX-License-Identifier: MIT */
#include "peer_locks.h"

#include <absl/synchronization/mutex.h>

namespace
{
alignas(BENCH_LINE_PAIR) absl::Mutex mutex;
} // namespace

LOCK_LOOPS(extern "C", peer_absl, mutex.Lock(), mutex.Unlock())
