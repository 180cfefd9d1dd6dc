/* SPDX-License-Identifier: MIT */
/* The two halves of the text that `pawl topo` prints. */
#ifndef PAWL_TOOL_TOPO_TEXT_H
#define PAWL_TOOL_TOPO_TEXT_H

#include "kernel.h"

/* What the kernel offers, one subject a line, to stdout. */
void topo_print_kernel(const struct kernel_facts *kernel);

#endif
