/* SPDX-License-Identifier: MIT */
/* The hooks of <pawl/check.h> in a program that knows nothing of the checker: they link, and do nothing. */
#include <pawl/check.h>
#include <stddef.h>

PAWL_CHECK_OPTIONS("--model=sc")

int main(void)
{
    int variable = 0;
    pawl_check_atomic_begin();
    pawl_check_atomic_abort();
    pawl_check_atomic_end();
    pawl_check_fence_light();
    pawl_check_fence_heavy();
    pawl_check_assume(false);
    pawl_check_store_nt(&variable, sizeof variable);
    pawl_check_writeback(&variable, sizeof variable);
    pawl_check_pwfence();
    pawl_check_rseq_fence(0);
    bool right = pawl_check_rseq_begin(4) == 0 && pawl_check_rseq_store() && pawl_check_choose(5) == 0 &&
                 !pawl_check_active();
    pawl_check_rseq_end();
    return right && variable == 0 ? 0 : 1;
}
