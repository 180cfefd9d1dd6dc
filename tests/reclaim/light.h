/* SPDX-License-Identifier: MIT */
/* For the model checker: light and heavy fences as membarrier makes them, in place of full ones on both sides. Put in
 * front of a source that uses them. And the ways inline, that readers take where there is a membarrier: from their second
 * section on, or slot. */
#include <pawl/check.h>
#include <pawl/fence.h>

#define pawl_fence_light() pawl_check_fence_light()
#define pawl_fence_heavy() pawl_check_fence_heavy()
#define pawl_fence_symmetric_ 0
