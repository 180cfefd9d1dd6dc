/* SPDX-License-Identifier: MIT */
#include "readfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool path_format(char *path, size_t size, const char *root, const char *format, ...)
{
    size_t used = strlen(root);
    va_list arguments;
    int added;

    if (used >= size)
        return false;
    memcpy(path, root, used);
    va_start(arguments, format);
    added = vsnprintf(path + used, size - used, format, arguments);
    va_end(arguments);
    return added >= 0 && (size_t)added < size - used;
}

bool read_line(const char *path, char *line, size_t size)
{
    FILE *file = fopen(path, "re");
    bool found;

    if (!file)
        return false;
    found = fgets(line, (int)size, file) != NULL;
    fclose(file);
    if (!found)
        return false;
    line[strcspn(line, "\n")] = '\0';
    return line[0] != '\0';
}

bool read_number(const char *path, int64_t *number)
{
    char line[32];
    char *end;

    if (!read_line(path, line, sizeof line))
        return false;
    errno = 0;
    *number = strtoll(line, &end, 10);
    return errno == 0 && end != line && *end == '\0';
}
