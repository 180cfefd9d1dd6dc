/* SPDX-License-Identifier: MIT */
/* Two translation units include every public header; the program must link with one of each. */
#ifndef CONSUMER_H
#define CONSUMER_H

#include "every_header.h" /* written by installed.sh from the list of installed headers */

#ifdef __cplusplus
extern "C" {
#endif

/* The library's words for the machine it runs on, as the second unit sees them. */
const char *second_unit_sees(void);

#ifdef __cplusplus
}
#endif
#endif
