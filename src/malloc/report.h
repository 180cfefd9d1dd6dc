/* SPDX-License-Identifier: MIT */
/* What is said when the process ends: statistics, leaks, the heap profile, as the environment wished. */
#ifndef PAWL_MALLOC_REPORT_H
#define PAWL_MALLOC_REPORT_H

void pawl_report_watch_(void);

#endif
