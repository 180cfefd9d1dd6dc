/* SPDX-License-Identifier: MIT */
/* Names for addresses: variables from the executable's symbol table, source lines from addr2line. Used only
 * when there is something to report. */
#include "visible.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINES = 256, LINE_BYTES = 192 };

static struct {
    uint64_t pc;
    char text[LINE_BYTES];
} lines[LINES];
static int nlines;

static void executable(char *to, size_t room)
{
    ssize_t n = readlink("/proc/self/exe", to, room - 1);
    to[n < 0 ? 0 : n] = 0;
}

/* "/some/path/file.c:12 (discriminator 3)" -> "file.c:12" */
static void shorten(char *line)
{
    char *end = strpbrk(line, " \n");
    if (end)
        *end = 0;
    const char *slash = strrchr(line, '/');
    if (slash)
        memmove(line, slash + 1, strlen(slash + 1) + 1);
}

static void look_up(uint64_t pc, char *to)
{
    char exe[512], command[700], function[96] = "", line[512] = "";
    executable(exe, sizeof exe);
    snprintf(command, sizeof command, "addr2line -f -e '%s' %#lx 2>/dev/null", exe, (unsigned long)pc - 1);
    FILE *pipe = popen(command, "r");
    bool found = pipe && fgets(function, sizeof function, pipe) && fgets(line, sizeof line, pipe) &&
                 line[0] != '?';
    if (pipe)
        pclose(pipe);
    if (!found) {
        snprintf(to, LINE_BYTES, "pc %#lx", (unsigned long)pc);
        return;
    }
    shorten(line);
    function[strcspn(function, "\n")] = 0;
    snprintf(to, LINE_BYTES, "%.90s %.90s", line, function);
}

const char *symbol_line(uint64_t pc)
{
    if (pc == 0)
        return "";
    for (int i = 0; i < nlines; i++)
        if (lines[i].pc == pc)
            return lines[i].text;
    int i = nlines < LINES ? nlines++ : LINES - 1;
    lines[i].pc = pc;
    look_up(pc, lines[i].text);
    return lines[i].text;
}

static const Elf64_Ehdr *mapped_executable(size_t *size)
{
    static const void *map;
    static size_t bytes;
    if (!map) {
        struct stat st;
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st))
            return NULL;
        bytes = (size_t)st.st_size;
        void *p = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        close(fd);
        if (p == MAP_FAILED)
            return NULL;
        map = p;
    }
    *size = bytes;
    return map;
}

bool symbol_data(uintptr_t addr, char *to, size_t room)
{
    size_t bytes;
    const Elf64_Ehdr *elf = mapped_executable(&bytes);
    if (!elf || elf->e_shoff + (size_t)elf->e_shnum * sizeof(Elf64_Shdr) > bytes)
        return false;
    const char *base = (const char *)elf;
    const Elf64_Shdr *sections = (const void *)(base + elf->e_shoff);
    for (int i = 0; i < elf->e_shnum; i++) {
        if (sections[i].sh_type != SHT_SYMTAB || sections[i].sh_link >= elf->e_shnum)
            continue;
        const Elf64_Sym *symbol = (const void *)(base + sections[i].sh_offset);
        const char *names = base + sections[sections[i].sh_link].sh_offset;
        for (size_t n = sections[i].sh_size / sizeof *symbol; n-- > 0; symbol++) {
            if (ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT || addr < symbol->st_value ||
                addr >= symbol->st_value + symbol->st_size)
                continue;
            size_t offset = addr - symbol->st_value;
            if (offset)
                snprintf(to, room, "%s+%zu", names + symbol->st_name, offset);
            else
                snprintf(to, room, "%s", names + symbol->st_name);
            return true;
        }
    }
    return false;
}
