/* SPDX-License-Identifier: MIT */
#include "consumer.h"

const char *second_unit_sees(void)
{
    return pawl_rseq_mode_name(pawl_rseq_get_info()->mode);
}
