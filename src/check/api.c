/* SPDX-License-Identifier: MIT */
#include "visible.h"

#include <pawl/check.h>

unsigned(pawl_check_choose)(unsigned count)
{
    return in_test() ? visible_choice(count, false, CALLER) : 0;
}

void(pawl_check_assume)(bool condition)
{
    if (in_test() && !condition)
        run_refuse();
}

bool(pawl_check_active)(void)
{
    return in_test();
}
