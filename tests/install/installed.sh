#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Install into an empty folder, then judge what is there as its users and their linkers would.
#
#   installed.sh BUILD PREFIX DEFAULT_LIBRARY      (CC, CXX, MESON in the environment)
#
# Speaks TAP. Each check prints what it found when it fails.
set -u

build=$1 prefix=$2 default_library=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
read -ra cc <<<"$CC"
read -ra cxx <<<"$CXX"

number=0
failed=0

# promise "sentence" command...: the command's output, if any, is a finding, and so is its failure.
promise() {
    local sentence=$1 output
    shift
    number=$((number + 1))
    if output=$("$@" 2>&1) && [[ -z $output ]]; then
        echo "ok $number - $sentence"
    else
        echo "not ok $number - $sentence"
        printf '%s\n' "${output:-(no output: $*)}" | sed 's/^/# /' | head -40
        failed=1
    fi
}

has_shared() { [[ $default_library != static ]]; }
has_static() { [[ $default_library != shared ]]; }

# --- what was installed -------------------------------------------------------------------------

install_to_empty_folder() {
    "$MESON" install -C "$build" --no-rebuild --quiet --destdir "$root" >"$work/install.log" 2>&1 ||
        cat "$work/install.log"
}

nothing_outside_the_prefix() {
    find "$root" -type f ! -path "$root$prefix/*"
}

no_path_of_the_build() {
    grep -rlF --include='*.pc' --include='*.h' -e "$build" -e "$root" "$root" || true
}

# Chapters, examples and README lead to each other as in the sources. What they say of the tree itself stays there.
installed_chapters_lead_somewhere() {
    local folder=$root$prefix/share/doc/pawl
    [[ -e $folder/docs/README.md && -e $folder/examples/counter.c ]] || echo "no chapters or no examples in $folder"
    find "$folder" '(' -name meson.build -o -name '*.scd' -o -name '*.py' -path '*/docs/*' ')'
    python3 "$here/../../docs/check_links.py" "$folder" |
        grep -E ': \S+ names no |no way leads here|what it shows' |
        grep -vE ': (\.\./)?(include|src|tests|bench|tools|apps|Makefile|meson)\S* names no '
    true
}

promise 'installs into an empty folder' install_to_empty_folder
promise 'nothing is installed outside the prefix' nothing_outside_the_prefix
promise 'no installed text names the build folder' no_path_of_the_build
if command -v python3 >/dev/null; then
    promise 'every link of the installed chapters leads somewhere' installed_chapters_lead_somewhere
fi

pkgconfig_file=$(find "$root" -name pawl.pc)
if [[ -z $pkgconfig_file ]]; then
    echo 'Bail out! pawl.pc was not installed'
    exit 1
fi
export PKG_CONFIG_SYSROOT_DIR=$root
PKG_CONFIG_LIBDIR=$(dirname "$pkgconfig_file")
export PKG_CONFIG_LIBDIR
library_folder=$root$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --variable=libdir pawl)
include_folder=$root$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --variable=includedir pawl)
shared=$library_folder/libpawl.so
static=$library_folder/libpawl.a
read -ra flags <<<"$(pkg-config --cflags pawl) -I$work -I$here -O2 -Wall -Wextra -Werror"
read -ra link_shared <<<"$(pkg-config --libs pawl)"
read -ra link_static <<<"$(pkg-config --libs --static pawl | sed 's/-lpawl\b/-l:libpawl.a/')"

# What a user includes; the others are parts of these: see tests/headers/compile.sh.
headers_below() {
    (cd "$1" && find pawl -name '*.h' ! -path 'pawl/arch/*' ! -name '*_inline.h' | sort)
}
public_headers() {
    headers_below "$include_folder"
}
runtime=(rt.h task.h timer.h fiber.h fiber_dgram.h fiber_io.h block.h child.h dgram.h event.h file.h frame.h inotify.h layer.h op.h resolve.h signal.h stream.h
    tls.h watch.h)
# The faces of libpawl-check, libpawl-malloc and libpawl-rt are not libpawl's.
public_headers | grep -vx -e pawl/check.h -e pawl/lin.h -e pawl/malloc.h -e pawl/arena.h -e pawl/slab.h "${runtime[@]/#/-epawl/}" | sed 's/.*/#include <&>/' >"$work/every_header.h"

every_public_header_is_installed() {
    diff <(public_headers) <(headers_below "$here/../../include")
}
promise 'every public header is installed' every_public_header_is_installed

# Each header, and each variable of the environment that the libraries read, in its page.
pages_name_all() {
    local pages=$root$prefix/share/man/man7 word
    for word in $(public_headers | sed 's,pawl/,,') \
        $(grep -rhoE 'getenv\("PAWL_[A-Z_]+"' "$here"/../../src/{core,rt,tls,resolve,malloc} | grep -o 'PAWL_[A-Z_]*' | sort -u); do
        sed 's/\\f.//g; s/\\&//g; s/\\//g' "$pages"/pawl{,-malloc}.7 | grep -qwF -e "$word" || echo "$word stands in no page"
    done
}
if [[ -e $root$prefix/share/man/man7/pawl.7 ]]; then
    promise 'pawl(7) names every header and every variable of the environment' pages_name_all
fi

# --- the shared library -------------------------------------------------------------------------

exported() {
    nm --dynamic --defined-only "$shared" | awk '$2 != "A" {sub(/@.*/, "", $3); print $3}' | sort -u
}

# What the installed headers promise by name: what carries the attribute, and every inline function
# (the library holds one instance of each, for -O0 builds and for other languages) but those that are
# always inlined and have none. The preprocessed text is cut into declarations; in each, the name
# stands before the first parenthesis or ends it.
declared() {
    printf '#include "every_header.h"\n' | "${cc[@]}" "${flags[@]}" -E -P -x c - |
        tr '\n' ' ' | sed 's/[;{}]/\n/g' | awk '
            !/visibility\("default"\)/ && !/(^| )inline / { next }
            /(^| )static / || /always_inline/ { next }
            {
                gsub(/__attribute__ *\(\(([^()]|\([^()]*\))*\)\)/, "")
                gsub(/_Atomic *\([^()]*\)/, "_Atomic")
                sub(/\(.*/, "")
                if (match($0, /pawl_[a-z0-9_]+ *$/)) { sub(/ +$/, ""); sub(/.*[ *]/, ""); print }
            }' | sort -u
}

only_pawl_names() {
    exported | grep -v '^pawl_'
    [[ -n $(exported) ]] || echo 'nothing at all is exported'
}

every_name_has_a_version() {
    nm --dynamic --defined-only "$shared" | awk '$2 != "A" && $3 !~ /@@?PAWL_[0-9]+\.[0-9]+$/ {print $3}'
}

every_export_is_declared() {
    comm -23 <(exported) <(declared)
}

every_declaration_is_exported() {
    comm -13 <(exported) <(declared)
}

# What it takes from others: glibc's versioned names, and the weak hooks of the start-up code.
only_libc_names_are_undefined() {
    nm --dynamic --undefined-only "$shared" | awk '$1 == "U" && $2 !~ /@GLIBC_/ {print $2}'
}

needs_libc_alone() {
    readelf --dynamic --wide "$shared" | awk '/\(NEEDED\)/ {gsub(/[][]/, "", $NF); print $NF}' |
        grep -vE '^(libc\.so\.6|libc\.so|ld-linux.*\.so\.[0-9]+)$'
    true
}

soname_is_versioned() {
    readelf --dynamic --wide "$shared" | grep -q 'SONAME.*\[libpawl\.so\.0\]' ||
        readelf --dynamic --wide "$shared" | grep SONAME
}

stack_is_not_executable() {
    readelf --program-headers --wide "$shared" |
        awk '/GNU_STACK/ {found = 1; if ($0 ~ /RWE/) print} END {if (!found) print "no GNU_STACK header"}'
}

code_needs_no_relocation() {
    readelf --dynamic --wide "$shared" | grep -E 'TEXTREL' || true
}

relocations_become_read_only() {
    readelf --program-headers --wide "$shared" | grep -q GNU_RELRO || echo 'no GNU_RELRO header'
}

nothing_is_writable_and_executable() {
    readelf --program-headers --wide "$shared" | awk '$1 == "LOAD" && /RWE/'
}

compiled() { # compiler flags... -- libraries...; then run what came out
    local name=$1 && shift
    "$@" -o "$work/$name" || return
    LD_LIBRARY_PATH=$library_folder "$work/$name" >"$work/$name.out" 2>&1 || {
        echo "exit status $?"
        cat "$work/$name.out"
    }
}

units=("$here/consumer.c" "$here/second_unit.c")

if has_shared; then
    promise 'only pawl_ names are exported' only_pawl_names
    promise 'every exported name has a version' every_name_has_a_version
    promise 'every exported name is declared in a public header' every_export_is_declared
    promise 'every name declared for export is exported' every_declaration_is_exported
    promise 'only names of libc are undefined' only_libc_names_are_undefined
    promise 'the shared library needs libc alone' needs_libc_alone
    promise 'the soname carries the version of the interface' soname_is_versioned
    promise 'the stack is not executable' stack_is_not_executable
    promise 'the code needs no relocation' code_needs_no_relocation
    promise 'relocated data becomes read-only' relocations_become_read_only
    promise 'nothing is writable and executable' nothing_is_writable_and_executable
    promise 'a C program links the shared library and runs' \
        compiled c_shared "${cc[@]}" "${flags[@]}" -std=gnu17 "${units[@]}" "${link_shared[@]}"
    promise 'a C++ program links the shared library and runs' \
        compiled cpp_shared "${cxx[@]}" "${flags[@]}" -std=c++17 -x c++ "${units[@]}" -x none "${link_shared[@]}"
    promise 'an unoptimised C program links the shared library and runs' \
        compiled c_plain "${cc[@]}" "${flags[@]}" -O0 -std=gnu17 "${units[@]}" "${link_shared[@]}"
fi

# --- the runtime's library -----------------------------------------------------------------------

runtime_exports_only_pawl_names() {
    local library
    for library in "$library_folder"/libpawl-{rt,tls,resolve}.so; do
        [[ ! -e $library ]] || nm --dynamic --defined-only "$library" | awk '$2 != "A" {print $3}'
    done |
        grep -v '^pawl_[a-z0-9_]*[a-z0-9]@' || true
}

runtime_links_and_runs() { # [--static]
    local -a runtime_flags runtime_libs
    local system # where the packages are that the runtime stands on
    system=$(env -u PKG_CONFIG_LIBDIR -u PKG_CONFIG_SYSROOT_DIR pkg-config --variable pc_path pkg-config)
    cat >"$work/runtime.c" <<'END'
#include <pawl/rt.h>
int main(void)
{
    struct pawl_rt *rt;
    return pawl_rt_open(&rt, NULL) != 0 || pawl_rt_close(rt) != 0;
}
END
    read -ra runtime_flags <<<"$(PKG_CONFIG_PATH=$system pkg-config --cflags pawl-rt)"
    read -ra runtime_libs <<<"$(PKG_CONFIG_PATH=$system pkg-config --libs "$@" pawl-rt)"
    compiled runtime "${cc[@]}" "${runtime_flags[@]}" "${@/#--/-}" "$work/runtime.c" "${runtime_libs[@]}"
}

# A program that names libpawl-rt alone, and where that is: libpawl is found beside it.
runtime_finds_its_library() {
    "${cc[@]}" "-I$include_folder" "$work/runtime.c" -L"$library_folder" -Wl,--as-needed -Wl,-rpath,"$library_folder" \
        -Wl,-rpath-link,"$library_folder" -lpawl-rt -o "$work/runtime_alone" || return
    env -u LD_LIBRARY_PATH "$work/runtime_alone" 2>&1 || echo "exit status $?"
}

# Both at once: what stands on the runtime.
layers_link_and_run() {
    local -a layer_flags layer_libs
    local system
    system=$(env -u PKG_CONFIG_LIBDIR -u PKG_CONFIG_SYSROOT_DIR pkg-config --variable pc_path pkg-config)
    cat >"$work/layers.c" <<'END'
#include <pawl/resolve.h>
#include <pawl/tls.h>
int main(void)
{
    struct pawl_tls_config config = {.verify = PAWL_TLS_VERIFY_NONE};
    struct pawl_tls *tls;
    if (pawl_tls_open(&tls, &config) != 0)
        return 1;
    pawl_tls_close(tls);
    pawl_resolver_close(NULL);
    return 0;
}
END
    read -ra layer_flags <<<"$(PKG_CONFIG_PATH=$system pkg-config --cflags pawl-tls pawl-resolve)"
    read -ra layer_libs <<<"$(PKG_CONFIG_PATH=$system pkg-config --libs pawl-tls pawl-resolve)"
    compiled layers "${cc[@]}" "${layer_flags[@]}" "$work/layers.c" "${layer_libs[@]}"
}

if has_shared && [[ -e $library_folder/libpawl-rt.so ]]; then
    promise 'the runtime and its layers export names of their headers only' runtime_exports_only_pawl_names
    promise 'a C program links the runtime by pkg-config and runs' runtime_links_and_runs
    promise 'a program that is told where the runtime is finds what that needs' runtime_finds_its_library
    if [[ -e $library_folder/libpawl-tls.so && -e $library_folder/libpawl-resolve.so ]]; then
        promise 'a C program links TLS and names by pkg-config and runs' layers_link_and_run
    fi
fi

# --- the static library -------------------------------------------------------------------------

static_names_are_ours() {
    nm --extern-only --defined-only "$static" 2>/dev/null | awk 'NF == 3 && $3 !~ /^_?pawl_/ {print $3}'
}

# A program that takes the address of every declared function (names that end in _ are variables that inline
# functions look at): none may be missing, and no two
# objects of the archive may define the same name.
every_declaration_links() {
    {
        declared | grep -v '_$' | sed 's/.*/extern void &(void);/'
        echo 'static void (*const every_function[])(void) = {'
        declared | grep -v '_$' | sed 's/$/,/'
        echo '};'
        echo 'int main(void) { return every_function[0] == 0; }'
    } >"$work/every_function.c"
    "${cc[@]}" -w "$work/every_function.c" -o "$work/every_function" \
        -Wl,--whole-archive "${link_static[@]}" -Wl,--no-whole-archive
}

# A plugin with the static library inside is unloaded while threads that used it, and RCU's worker, live on.
plugin_may_be_closed() {
    cat >"$work/plugin.c" <<'END'
#include <pawl/rcu.h>
#include <stdlib.h>
static void drop(struct pawl_retired *retired) { free(retired); }
void use(void);
void use(void)
{
    pawl_rcu_read_lock();
    pawl_rcu_read_unlock();
    pawl_rcu_call(malloc(sizeof(struct pawl_retired)), drop);
    pawl_rcu_barrier();
}
END
    cat >"$work/host.c" <<'END'
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
static void (*use)(void);
static pthread_barrier_t used, closed;
static void *thread(void *unused)
{
    use();
    pthread_barrier_wait(&used);
    pthread_barrier_wait(&closed);
    return unused;
}
int main(void)
{
    pthread_t id;
    void *plugin = dlopen(getenv("PLUGIN"), RTLD_NOW | RTLD_LOCAL);
    if (plugin == NULL)
        return 1;
    *(void **)&use = dlsym(plugin, "use");
    pthread_barrier_init(&used, NULL, 2);
    pthread_barrier_init(&closed, NULL, 2);
    if (use == NULL || pthread_create(&id, NULL, thread, NULL) != 0)
        return 2;
    pthread_barrier_wait(&used);
    if (dlclose(plugin) != 0)
        return 3;
    pthread_barrier_wait(&closed);
    return pthread_join(id, NULL);
}
END
    "${cc[@]}" "${flags[@]}" -fPIC -shared "$work/plugin.c" -o "$work/plugin.so" "${link_static[@]}" &&
        PLUGIN=$work/plugin.so compiled host "${cc[@]}" -O2 "$work/host.c" -ldl -pthread
}

if has_static; then
    promise 'a plugin with the static library inside may be closed while its threads live' plugin_may_be_closed
    promise 'the static library defines only names that begin with pawl_' static_names_are_ours
    promise 'every declared function is in the static library, once' every_declaration_links
    promise 'a C program links the static library and runs' \
        compiled c_static "${cc[@]}" "${flags[@]}" -std=gnu17 "${units[@]}" "${link_static[@]}"
    promise 'a C++ program links the static library and runs' \
        compiled cpp_static "${cxx[@]}" "${flags[@]}" -std=c++17 -x c++ "${units[@]}" -x none "${link_static[@]}"
    promise 'a C program without any shared library links and runs' \
        compiled c_all_static "${cc[@]}" "${flags[@]}" -std=gnu17 -static "${units[@]}" "${link_static[@]}"
    # hwloc and liburing are optional, and not everywhere static
    if [[ -e $library_folder/libpawl-rt.a ]] && ! nm "$library_folder/libpawl-rt.a" 2>/dev/null | grep -q ' U hwloc_' &&
        { ! nm "$library_folder/libpawl-rt.a" 2>/dev/null | grep -q ' U io_uring_' ||
        "${cc[@]}" -static -x c - -luring -o "$work/uring" <<<'int main(void) { return 0; }' 2>/dev/null; }; then
        promise 'a C program on the runtime without any shared library links by pkg-config and runs' \
            runtime_links_and_runs --static
    fi
fi

# --- and away again ------------------------------------------------------------------------------

# make's own recipes, for a build that is there already (-o build). Into a tree in which others have files, and an empty
# folder where ours will go. The second installation finds everything made already; the third check asks a build folder
# that does not exist. $gone stands for what an older version installed.
make_in() {
    env -u MAKEFLAGS -u MAKELEVEL -u MAKEOVERRIDES make --no-print-directory -C "$here/../.." -o build "$@" >"$work/make.log" 2>&1 ||
        cat "$work/make.log"
}

uninstalls() {
    local tree="$work/a tree" list gone=include/pawl/of_an_older_version.h
    list=$tree$prefix/share/pawl/installed
    mkdir -p "$tree$prefix/bin" "$tree$prefix/include/others" "$tree$prefix/share/man/man1" "$tree$prefix/lib"
    touch "$tree$prefix/bin/pawl-of-others" "$tree$prefix/lib/libpawl.txt"
    ln -s ../bin "$tree$prefix/lib/link"
    (cd "$tree" && find . -printf '%y %p %l\n' | sort) >"$work/before"
    make_in install BUILD="$build" DESTDIR="$tree" PREFIX=
    [[ -s $list && -e $tree$prefix/share/doc/pawl/README.md ]] || echo "no list at $list, or nothing installed"
    touch "$tree$prefix/$gone" && printf '%s\n' "$gone" >>"$list"
    make_in install BUILD="$build" DESTDIR="$tree" PREFIX=
    diff <(cd "$tree$prefix" && find . -type f,l | sed 's,^\./,,' | grep -vx -e bin/pawl-of-others -e lib/libpawl.txt -e lib/link | sort) \
        <(cd "$tree$prefix" && while read -r path; do [[ -d $path && ! -L $path ]] || echo "$path"; done <"$list" | sort)
    make_in uninstall BUILD="$work/none" DESTDIR="$tree" PREFIX="$prefix"
    diff "$work/before" <(cd "$tree" && find . -printf '%y %p %l\n' | sort)
}

# Without a prefix that was there before: not even the folders above it stay.
uninstalls_to_nothing() {
    make_in install BUILD="$build" DESTDIR="$work/new/tree" PREFIX=
    make_in uninstall BUILD="$build" DESTDIR="$work/new/tree" PREFIX=
    find "$work/new" 2>/dev/null
    true
}

says_that_there_is_nothing() {
    ! "$here/../../tools/uninstall.sh" "$work/nowhere" 2>"$work/said" || echo 'it says that it removed something'
    grep -q 'nothing to remove' "$work/said" || cat "$work/said"
}

# A list that leads out of its tree is not followed.
list_stays_inside() {
    local path tree=$work/inside
    mkdir -p "$tree/share/pawl" && touch "$work/outside" "$tree/mine"
    for path in ../outside "$work/outside" share/../../outside; do
        printf '%s\n' mine "$path" >"$tree/share/pawl/installed"
        ! "$here/../../tools/uninstall.sh" "$tree" 2>/dev/null || echo "$path was removed"
        [[ -e $work/outside && -e $tree/mine ]] || echo "$path: something was removed"
    done
}

if command -v make >/dev/null; then
    promise 'make uninstall leaves what was there before, and removes all that two installations put beside it' uninstalls
    promise 'make uninstall removes the folders that were made for the installation' uninstalls_to_nothing
fi
promise 'uninstalling where nothing was installed is an error that says so' says_that_there_is_nothing
promise 'a list of installed files that leads elsewhere is refused' list_stays_inside

echo "1..$number"
exit $failed
