/* SPDX-License-Identifier: MIT */
#ifndef PAWL_CHECK_OPTIONS_H
#define PAWL_CHECK_OPTIONS_H

#include "run.h"

enum status { STATUS_PASS, STATUS_BUG, STATUS_USAGE, STATUS_PARTIAL, STATUS_FATAL };

/* Number of words of argv that belong to the checker, argv[0] included. */
int options_parse(int argc, char **argv, const char *from_program);

#endif
