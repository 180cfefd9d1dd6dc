/* SPDX-License-Identifier: MIT */
#include "peer_locks.h"

#include <tbb/queuing_mutex.h>
#include <tbb/spin_mutex.h>

namespace
{
alignas(BENCH_LINE_PAIR) tbb::spin_mutex spin;
alignas(BENCH_LINE_PAIR) tbb::queuing_mutex queuing;
} // namespace

LOCK_LOOPS(extern "C", peer_tbb_spin, spin.lock(), spin.unlock())
LOCK_LOOPS(extern "C", peer_tbb_queuing, tbb::queuing_mutex::scoped_lock node(queuing), node.release())
