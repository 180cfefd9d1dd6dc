#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The allocator in a static program, and in one that links the shared library. Speaks TAP.
#
#   static.sh CC SOURCE_ROOT STATIC_LIBRARY SHARED_LIBRARY
set -u

cc=$1 root=$2 archive=$3 shared=$(realpath "$4")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

cat >"$work/p.c" <<'END'
#include <pawl/malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
/* Before every constructor, and in the destructor of a thread that has ended. */
static char *first;
static pthread_key_t key;
static void begin(void) { first = malloc(100); if (first) strcpy(first, "first"); }
__attribute__((used, section(".preinit_array"))) static void (*const before_all)(void) = begin;
static void at_thread_exit(void *p) { free(p); free(malloc(5000)); }
static void *work(void *u)
{
    pthread_setspecific(key, malloc(10));
    for (int i = 0; i < 20000; i++) { char *p = malloc(i % 3000); if (!p) abort(); p[0] = 1; free(p); }
    return u;
}
int main(void)
{
    struct pawl_malloc_stats s;
    pthread_t t[3];
    char *p = strdup("ours");
    if (!first || strcmp(first, "first") != 0 || pthread_key_create(&key, at_thread_exit) != 0) return 2;
    free(first);
    for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, work, NULL);
    for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
    pid_t child = fork();
    int status = 0;
    if (child == 0) { work(NULL); _exit(0); }
    waitpid(child, &status, 0);
    pawl_malloc_get_stats(&s);
    if (s.used == 0 || status != 0) return 1;
    printf("%s, mode %s\n", p, s.mode);
    free(p);
    return 0;
}
END

# A program that has its own new and delete, by the names that C++ compilers give them. All other forms lead there.
cat >"$work/q.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
struct tag { char c; } tag;
static char memory[1000];
static int news, deletes;
void *_Znwm(size_t n) { news++; return n < sizeof memory ? memory + 1 : NULL; }
void _ZdlPv(void *p) { deletes += p == memory + 1; }
void *_Znam(size_t), *_ZnwmRKSt9nothrow_t(size_t, const struct tag *), *_ZnamRKSt9nothrow_t(size_t, const struct tag *);
void *_ZnamSt11align_val_t(size_t, size_t);
void _ZdlPvm(void *, size_t), _ZdaPv(void *), _ZdaPvm(void *, size_t);
void _ZdlPvRKSt9nothrow_t(void *, const struct tag *), _ZdaPvRKSt9nothrow_t(void *, const struct tag *);
void _ZdaPvmSt11align_val_t(void *, size_t, size_t);
int main(void)
{
    _ZdlPvm(_Znwm(8), 8);
    _ZdaPv(_Znam(8));
    _ZdaPvm(_Znam(8), 8);
    _ZdlPvRKSt9nothrow_t(_ZnwmRKSt9nothrow_t(8, &tag), &tag);
    _ZdaPvRKSt9nothrow_t(_ZnamRKSt9nothrow_t(8, &tag), &tag);
    char *a = _ZnamSt11align_val_t(100, 64); /* not among those */
    *(volatile char *)a = 1;
    _ZdaPvmSt11align_val_t(a, 100, 64);
    free(malloc(100));
    printf("%d %d\n", news, deletes);
    return news == 5 && deletes == 5 ? 0 : 1;
}
END

# A process that opens the library late, and lets go of it, while it has blocks of it.
cat >"$work/d.c" <<'END'
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv)
{
    void *library = dlopen(argv[argc - 1], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    void *(*allocate)(size_t);
    void (*release)(void *);
    char *block, *large;
    if (!library) return 1;
    *(void **)&allocate = dlsym(library, "malloc");
    *(void **)&release = dlsym(library, "free");
    if (!allocate || !release || allocate == malloc) return 2;
    block = strcpy(allocate(100), "block"), large = strcpy(allocate(1000000), "large");
    free(malloc(100));
    dlclose(library);
    if (dlsym(dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD), "free") != (void *)free) return 4;
    if (strcmp(block, "block") != 0 || strcmp(large, "large") != 0) return 3;
    release(block), release(large);
    return 0;
}
END

# A library that is opened so that it looks into libc before the program's own scope, and a program that asks libc for its
# functions: blocks go from each to each other. With OWN it has a malloc itself, which libc's must then not be replaced by.
cat >"$work/f.c" <<'END'
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
void let_go(void *p) { free(p); }
void *blocks(int which)
{
    void *p = NULL;
    switch (which) {
    case 0: return malloc(100);
    case 1: return calloc(10, 10);
    case 2: return realloc(strdup("grows"), 5000);
    case 3: return reallocarray(strdup("grows"), 50, 100);
    case 4: return aligned_alloc(64, 128);
    case 5: return posix_memalign(&p, 256, 256) == 0 ? p : NULL;
    case 6: return memalign(4096, 100);
    case 7: return valloc(100);
    case 8: return pvalloc(100);
    case 9: p = strdup("x"); return malloc_usable_size(p) >= 2 && malloc_usable_size(p) < 100 ? p : NULL;
    default: return strndup("a string", 4);
    }
}
END
cat >"$work/g.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#ifdef OWN
static char memory[1 << 20];
static size_t used;
void *malloc(size_t n) { void *p = memory + used; used += (n + 31) / 32 * 32; return used <= sizeof memory ? p : NULL; }
void *calloc(size_t n, size_t size) { return malloc(n * size); }
void *realloc(void *p, size_t n) { void *new = malloc(n); return p ? memcpy(new, p, n) : new; }
void free(void *p) { (void)p; }
#endif
int main(int argc, char **argv)
{
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND), *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    void *(*blocks)(int);
    void (*let_go)(void *), (*libc_free)(void *), (*next_free)(void *);
    Dl_info where;
    if (argc != 2 || !library || !libc) return 1;
    *(void **)&blocks = dlsym(library, "blocks");
    *(void **)&let_go = dlsym(library, "let_go");
    *(void **)&libc_free = dlsym(libc, "free");
    *(void **)&next_free = dlsym(RTLD_NEXT, "free");
    if (!blocks || !let_go || !libc_free || !next_free || dladdr((void *)libc_free, &where) == 0) return 2;
#ifdef OWN
    return strstr(where.dli_fname, "libc.so") != NULL ? 0 : 3;
#endif
    if (libc_free != free || strstr(where.dli_fname, "libc.so") != NULL) return 4;
    for (int i = 0; i <= 10; i++) {
        for (int k = 0; k < 4; k++) {
            char *p = blocks(i);
            if (!p) return 5;
            p[0] = 'b';
            (k == 0 ? let_go : k == 1 ? libc_free : k == 2 ? next_free : free)(p);
        }
        let_go(malloc(100));
        let_go(strdup("another"));
    }
    return 0;
}
END

# Whether the settings reach it; started by another user it has that one's rights, and must not look at them.
cat >"$work/e.c" <<'END'
#include <pawl/malloc.h>
#include <stdlib.h>
#include <sys/auxv.h>
int main(void)
{
    struct pawl_malloc_stats s;
    free(malloc(100));
    pawl_malloc_get_stats(&s);
    return (s.hardened ? 10 : 20) + (getauxval(AT_SECURE) != 0);
}
END

promise() { # NUMBER SENTENCE STATUS
    if (($3 == 0)); then
        echo "ok $1 - $2"
    else
        echo "not ok $1 - $2"
        sed 's/^/# /' "$work/said"
        failed=1
    fi
}

"$cc" -O2 -I"$root/include" "$work/p.c" "$archive" -static -pthread -o "$work/static" >"$work/said" 2>&1 &&
    "$work/static" >>"$work/said" 2>&1 && grep -q ours "$work/said"
promise 1 'a static program' $?
# The libc's own malloc must not be in it, too.
nm "$work/static" 2>/dev/null | grep -c ' [tTW] _int_malloc$' >"$work/said"
[[ $(cat "$work/said") == 0 ]]
promise 2 'the libc its malloc stays out of it' $?
"$cc" -O2 -I"$root/include" "$work/p.c" "$shared" -Wl,-rpath,"$(dirname "$shared")" -pthread -o "$work/dynamic" \
    >"$work/said" 2>&1 && "$work/dynamic" >>"$work/said" 2>&1 && grep -q ours "$work/said"
promise 3 'a program that links the shared library' $?
# Names: the family, and pawl_ alone.
nm -g --defined-only "$archive" 2>/dev/null | awk 'NF == 3 {print $3}' |
    grep -vE '^(pawl_|_Z(n|d)|malloc|free|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|memalign|p?valloc|mallinfo|mallopt|__libc_)' \
        >"$work/said"
[[ ! -s $work/said ]]
promise 4 'no other global names' $?
"$cc" -O2 -fno-builtin "$work/q.c" "$archive" -static -pthread -o "$work/static2" >"$work/said" 2>&1 && "$work/static2" >>"$work/said" 2>&1
promise 5 'the program its own new and delete, static' $?
"$cc" -O2 -fno-builtin "$work/q.c" "$shared" -Wl,-rpath,"$(dirname "$shared")" -pthread -o "$work/dynamic2" >"$work/said" 2>&1 &&
    "$work/dynamic2" >>"$work/said" 2>&1
promise 6 '... and shared' $?
# Where the link optimises, operators that it sees are more than names to it. In C++: what a handler throws has its way through.
lto=("$cc" -O2 -flto -fno-builtin -pthread -I"$root/include")
cat >"$work/r.cc" <<'END'
#include <new>
static void give_up() { throw std::bad_alloc(); }
void *operator new(std::size_t, const std::nothrow_t &) noexcept { return nullptr; } // no other form leads here
int main()
{
    volatile unsigned long too_much = ~0ul / 8;
    if (::operator new[](8, std::nothrow) == nullptr) return 2;
    std::set_new_handler(give_up);
    try { ::operator delete(::operator new(too_much)); } catch (const std::bad_alloc &) { return 0; }
    return 1;
}
END
echo 'int main() { return 0; }' | "${lto[@]}" -x c++ - -lstdc++ -o "$work/empty" 2>/dev/null
if [[ -x $work/empty ]]; then
    "${lto[@]}" -fexceptions -I"$root/src/malloc" -c "$root/src/malloc/cxx.c" -o "$work/cxx.o" 2>"$work/said"
    "${lto[@]}" "$work/q.c" "$work/cxx.o" "$archive" -o "$work/static3" >>"$work/said" 2>&1 && "$work/static3" >>"$work/said" 2>&1
    promise 7 '... optimised at the link' $?
    "${lto[@]}" -x c++ "$work/r.cc" -x none "$work/cxx.o" "$archive" -lstdc++ -o "$work/static4" >"$work/said" 2>&1 &&
        "$work/static4" >>"$work/said" 2>&1
    promise 8 '... and the handler of new throws' $?
else
    echo 'ok 7 - # SKIP no links that optimise'
    echo 'ok 8 - # SKIP no links that optimise'
fi
"$cc" -O1 -fno-builtin "$work/d.c" -ldl -o "$work/late" >"$work/said" 2>&1 && "$work/late" "$shared" >>"$work/said" 2>&1
promise 9 'opened late, and its blocks outlive dlclose' $?
# Neither reserves what it does not use, so both begin under limits, of addresses and of what may be written to.
(ulimit -v 100000 -d 100000 && "$work/static" && "$work/dynamic") >"$work/said" 2>&1
promise 10 'begins under limits of memory' $?
"$cc" -O1 -I"$root/include" "$work/e.c" "$archive" -static -pthread -o "$work/settings" >"$work/said" 2>&1
PAWL_MALLOC=hardened "$work/settings"
(($? == 10))
promise 11 'settings of the environment reach it' $?
chmod 755 "$work" && cp "$work/settings" "$work/setuid" && chown 65534 "$work/setuid" 2>/dev/null && chmod 4755 "$work/setuid"
env PAWL_MALLOC=hardened "PAWL_MALLOC_PROFILE=$work/heap" "$work/setuid"
status=$?
if ((status == 10)); then
    echo 'ok 12 - # SKIP we may not make it another user its own'
else
    ((status == 21)) && [[ ! -e $work/heap ]]
    promise 12 '... and not a program that runs with the rights of another user' $?
fi
if [[ -n $(getconf GNU_LIBC_VERSION 2>/dev/null) ]]; then
    here=(-fno-builtin -pthread -ldl)
    "$cc" -O1 -shared -fPIC -fno-builtin "$work/f.c" -o "$work/f.so" >"$work/said" 2>&1 &&
        "$cc" -O1 "$work/g.c" "${here[@]}" -o "$work/deep" >>"$work/said" 2>&1 &&
        LD_PRELOAD=$shared "$work/deep" "$work/f.so" >>"$work/said" 2>&1
    promise 13 'preloaded, it is found by who looks into libc first' $?
    "$cc" -O1 "$work/g.c" "$shared" -Wl,-rpath,"$(dirname "$shared")" "${here[@]}" -o "$work/deep2" >"$work/said" 2>&1 &&
        "$work/deep2" "$work/f.so" >>"$work/said" 2>&1
    promise 14 '... and linked' $?
    "$cc" -O1 "$work/g.c" "$archive" -rdynamic "${here[@]}" -o "$work/deep3" >"$work/said" 2>&1 &&
        "$work/deep3" "$work/f.so" >>"$work/said" 2>&1
    promise 15 '... and as a part of the program' $?
    "$cc" -O1 -DOWN "$work/g.c" "${here[@]}" -o "$work/own" >"$work/said" 2>&1 &&
        LD_PRELOAD=$shared "$work/own" "$work/f.so" >>"$work/said" 2>&1
    promise 16 'of a program that has its own malloc, libc is left alone' $?
    "$cc" -O1 -DOWN -Wl,--hash-style=sysv "$work/g.c" "${here[@]}" -o "$work/own2" >"$work/said" 2>&1 &&
        LD_PRELOAD=$shared "$work/own2" "$work/f.so" >>"$work/said" 2>&1
    promise 17 '... also if it has the older table of symbols alone' $?
else
    for i in 13 14 15 16 17; do echo "ok $i - # SKIP no glibc"; done
fi
echo 1..17
exit $failed
