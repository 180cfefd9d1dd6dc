/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <pawl/config.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#define VERSION_TEXT(version) VERSION_TEXT_(version)
#define VERSION_TEXT_(version) #version
#ifdef __clang__
#define COMPILER "clang " VERSION_TEXT(__clang_major__.__clang_minor__.__clang_patchlevel__)
#else
#define COMPILER "gcc " __VERSION__
#endif

/* The harness is compiled like the programs. */
#if !defined(__OPTIMIZE__)
#define HANDICAP "without optimisation"
#elif defined(__SANITIZE_ADDRESS__) || PAWL_INSTRUMENTED
#define HANDICAP "with a sanitizer"
#else
#define HANDICAP NULL
#endif

/* The first line of a file without its newline. */
static bool read_line(const char *path, char *out, size_t room)
{
    FILE *file = fopen(path, "re");
    bool found = false;

    if (file == NULL)
        return false;
    found = fgets(out, (int)room, file) != NULL;
    fclose(file);
    if (found)
        out[strcspn(out, "\n")] = '\0';
    return found;
}

/* x86 names the model in /proc/cpuinfo. */
static bool read_model_name(char *out, size_t room)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char *line = NULL;
    size_t length = 0;
    bool found = false;

    if (file == NULL)
        return false;
    while (!found && getline(&line, &length, file) > 0) {
        const char *colon = strchr(line, ':');

        if (strncmp(line, "model name", strlen("model name")) == 0 && colon != NULL) {
            snprintf(out, room, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
            found = true;
        }
    }
    free(line);
    fclose(file);
    return found;
}

void bench_machine_describe(struct bench_machine *machine)
{
    struct utsname name;

    *machine = (struct bench_machine){.load = -1, .handicap = HANDICAP};
    if (uname(&name) != 0)
        memset(&name, 0, sizeof(name));
    snprintf(machine->kernel, sizeof(machine->kernel), "%.40s %.80s", name.sysname, name.release);
    if (!read_model_name(machine->cpu, sizeof(machine->cpu)) &&
        !read_line("/sys/firmware/devicetree/base/model", machine->cpu, sizeof(machine->cpu)))
        snprintf(machine->cpu, sizeof(machine->cpu), "%.64s", name.machine);
    if (!read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", machine->governor,
                   sizeof(machine->governor)))
        machine->governor[0] = '\0';
    snprintf(machine->compiler, sizeof(machine->compiler), "%.60s", COMPILER);
    if (getloadavg(&machine->load, 1) != 1)
        machine->load = -1;
}
