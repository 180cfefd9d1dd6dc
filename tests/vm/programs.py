# SPDX-License-Identifier: MIT
"""What runs inside: init and the probe, compiled here, and the project's tests, built by Meson."""
import json
import os
import pathlib
import shutil
import struct
import subprocess

import packages
from guest import Test

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COMPILER = {"aarch64": "aarch64-linux-gnu-gcc", "x86_64": "gcc"}
ELF_MACHINE = {62: "x86_64", 183: "aarch64"}
SLOWDOWN = 10  # of an emulated machine, on a test's own time limit, and on its alarms (patience.c)
PT_INTERP = 3

# What the emulator gets wrong: of threads that meet in cmpxchg16b QEMU 7.2 sometimes takes rubbish for the flags, the trap flag
# among it. The machine itself runs the test in `make test`.
NOT_EMULATED = {"x86_64": {"atomic"}}

# (what shows that it is there, its package), by what needs it
NEEDED = {
    "common": [("cpio", "cpio"), ("dpkg-deb", "dpkg"), ("tar", "tar"), ("meson", "meson"), ("ninja", "ninja-build"),
               ("pkg-config", "pkg-config"), ("ar", "binutils")],
    "x86_64": [("qemu-system-x86_64", "qemu-system-x86"), ("gcc", "gcc"), ("/usr/include/stdio.h", "libc6-dev")],
    "aarch64": [("qemu-system-aarch64", "qemu-system-arm"), ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
                ("/usr/aarch64-linux-gnu/lib/libc.a", "libc6-dev-arm64-cross")],
    "user": [("qemu-aarch64-static", "qemu-user-static"), ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
             ("/usr/aarch64-linux-gnu/lib/libc.a", "libc6-dev-arm64-cross")],
}


def require_tools(kinds):
    missing = {}
    for kind in ("common", *kinds):
        for sign, package in NEEDED[kind]:
            there = os.path.exists(sign) if sign.startswith("/") else shutil.which(sign)
            if not there:
                missing[package] = sign
    if missing:
        raise packages.Unavailable(f"missing: {', '.join(missing.values())}\n"
                                   f"To install: apt-get install {' '.join(missing)}")


def elf(path):
    """(architecture, is it static) of an executable; None when it is no ELF file of ours."""
    with open(path, "rb") as file:
        header = file.read(64)
        if len(header) < 64 or header[:6] != b"\x7fELF\x02\x01":
            return None
        machine, = struct.unpack_from("<H", header, 18)
        offset, = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        file.seek(offset)
        table = file.read(size * count)
    types = [struct.unpack_from("<I", table, size * i)[0] for i in range(count)]
    return ELF_MACHINE.get(machine), PT_INTERP not in types


def compile_own(build, arch, source, program, *flags):
    """One of this folder's own sources."""
    source, program = HERE / source, (build / "bin" / arch / program).resolve()
    program.parent.mkdir(parents=True, exist_ok=True)
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run([COMPILER[arch], "-std=gnu17", "-O2", "-g", "-Wall", "-Wextra", "-Werror", *flags,
                        f"-I{ROOT}/include", source, "-o", program], check=True)
    return program


def compile_static(build, arch, name):
    return compile_own(build, arch, f"{name}.c", name, "-static", "-pthread")


def probe(build, arch, arguments, limit):
    return Test("probe_rseq", str(compile_static(build, arch, "probe_rseq")), limit, arguments)


def configure(build, arch):
    """A Meson build folder with static test programs."""
    folder = build / "meson" / arch
    patience = compile_own(build, arch, "patience.c", "patience.o", "-c")
    link = f"-static -Wl,--wrap=alarm {patience}"
    found = [packages.cmocka(build, arch, COMPILER[arch]), packages.libraries(build, arch)]
    # hwloc cannot be linked -static here: its archive wants libudev, which has none.
    options = ["-Ddefault_library=static", "-Dprefer_static=true", "-Dhwloc=disabled",
               f"-Dc_link_args={link}", f"-Dcpp_link_args={link}", "-Dtests=auto", "-Dbench=disabled", "-Dtools=disabled", "-Dman=disabled",
               "-Dpkg_config_path=" + ",".join(str(path) for path in found if path)]
    command = ["meson", "setup", *options, folder, ROOT]
    if arch == "aarch64":
        command[2:2] = ["--cross-file", HERE / "aarch64.ini"]
    # Meson writes new link arguments down and links by the old ones: a folder of other options starts anew.
    wish, stamp = "\n".join(map(str, command)), folder / ".pawl-setup"
    if stamp.exists() and stamp.read_text() == wish:
        command.insert(2, "--reconfigure")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    log = build / "meson" / f"{arch}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w", encoding="utf-8") as output:
        if subprocess.run(command, stdout=output, stderr=subprocess.STDOUT).returncode:
            raise packages.Unavailable(f"meson setup for {arch} failed; see {log}:\n"
                                       + "".join(log.read_text().splitlines(True)[-15:]))
    stamp.write_text(wish)
    return folder


def compile_libraries(folder):
    """All of the product, whatever tests are chosen."""
    targets = json.loads(subprocess.run(["meson", "introspect", "--targets", folder], capture_output=True,
                                        check=True).stdout)
    libraries = [str(pathlib.Path(file).relative_to(folder)) for target in targets
                 if target["type"] == "static library" and target["defined_in"].startswith(str(ROOT))
                 for file in target["filename"]]
    subprocess.run(["ninja", "--quiet", "-C", folder, *libraries], check=True)


def suite_tests(build, arch, suites, more, limit):
    """The tests of some suites and some by name, built; and those that cannot run in a guest, with the reason."""
    folder = configure(build, arch)
    compile_libraries(folder)
    listed = json.loads(subprocess.run(["meson", "introspect", "--tests", folder], capture_output=True,
                                       check=True).stdout)
    unknown = set(more) - {test["name"] for test in listed}
    if unknown:
        raise packages.Unavailable(f"no such tests for {arch}: {', '.join(sorted(unknown))} (see MORE in tests/vm/run; what "
                                   f"Meson left out is in {folder}/meson-logs/meson-log.txt)")
    chosen = [test for test in listed if test["name"] in more or
              not suites.isdisjoint(name.split(":")[-1] for name in test["suite"])]
    # Scripts, or programs that a script drives: there is no shell in a guest.
    inside = [test for test in chosen if folder in pathlib.Path(test["cmd"][0]).parents
              and test["name"] not in NOT_EMULATED.get(arch, ())]
    outside = [(test["name"], "the emulator gets it wrong" if test["name"] in NOT_EMULATED.get(arch, ())
                else "not a program of its own") for test in chosen if test not in inside]
    if not inside:
        raise packages.Unavailable(
            f"no program of the suites {', '.join(sorted(suites))} is built for {arch}: see what Meson left out in "
            f"{folder}/meson-logs/meson-log.txt, or give test binaries, or --smoke for the guests alone")
    # A guest looks at the exit status alone: our TAP programs fail by it, too.
    for test in inside:
        if test.get("protocol", "exitcode") not in ("exitcode", "tap"):
            raise packages.Unavailable(f"{test['name']} reports by {test['protocol']}; a guest knows exit statuses")
    programs = sorted({str(pathlib.Path(test["cmd"][0]).relative_to(folder)) for test in inside})
    subprocess.run(["ninja", "--quiet", "-C", folder, *programs], check=True)
    tests = []
    for test in inside:
        seconds = limit or (SLOWDOWN * test["timeout"] if test["timeout"] > 0 else 300)
        tests.append(Test(test["name"], test["cmd"][0], seconds, test["cmd"][1:], test["env"]))
    for test in tests:
        check_program(test.program)
    return tests, outside


def check_program(path):
    """The architecture of a program that a guest can run."""
    found = elf(path) if os.path.isfile(path) else None
    if not found or not found[0]:
        raise packages.Unavailable(f"{path} is not an x86-64 or aarch64 program")
    if not found[1]:
        raise packages.Unavailable(f"{path} is linked dynamically; a guest has no libraries: link it with -static")
    return found[0]
