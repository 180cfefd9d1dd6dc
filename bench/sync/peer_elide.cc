/* SPDX-License-Identifier: MIT */
#include "elide_work.h"

#include <tbb/spin_mutex.h>

namespace
{
alignas(BENCH_LINE_PAIR) tbb::speculative_spin_mutex speculative;
} // namespace

ELIDE_LOOPS(extern "C", peer_tbb_speculative, tbb::speculative_spin_mutex::scoped_lock held(speculative),
            held.release())
