#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Read what the compilers made of each fast path of <pawl/percpu.h>.

    test_disassembly.py INCLUDE MACHINE COMPILER...      e.g. include x86_64 gcc clang

Compiles disassembly.c at several levels, links it at fixed addresses and judges the machine code:
no atomic read-modify-write and no fence; nothing called but the out-of-line forms; every descriptor of
a sequence well-formed as the kernel wants it; no more instructions than recorded below. Speaks TAP,
and prints the counts as a table.
"""
import os
import re
import struct
import subprocess
import sys
import tempfile

# Instructions of each sequence, from arming it to its commit, whatever the path through it: the
# compiler chooses operands, not instructions. A count above is a regression; one below: record it.
SEQUENCE = {
    "x86_64": {
        "load": 8, "add": 9, "increment": 9, "fetch_add": 11, "add_via": 12, "max": 11,
        "add_limit": 14, "spend": 13, "cas": 11, "store_unless": 11, "cas_if": 13, "cas_after": 12,
        "cas_after_copy": 26, "snapshot": 14, "push": 11, "push_chain": 11, "pop": 13, "pop_all": 12,
        "stack_push": 14, "stack_pop": 14, "stack_push_many": 24, "stack_pop_many": 22, "bump": 20,
        "ring_put": 27, "bit_alloc": 20, "bit_free": 15, "trylock": 14,
    },
    "aarch64": {
        "load": 13, "add": 16, "increment": 16, "fetch_add": 16, "add_via": 19, "max": 17,
        "add_limit": 19, "spend": 18, "cas": 17, "store_unless": 17, "cas_if": 20, "cas_after": 18,
        "cas_after_copy": 32, "snapshot": 19, "push": 16, "push_chain": 16, "pop": 17, "pop_all": 16,
        "stack_push": 21, "stack_pop": 19, "stack_push_many": 30, "stack_pop_many": 27, "bump": 21,
        "ring_put": 34, "bit_alloc": 28, "bit_free": 20, "trylock": 22,
    },
}
# What a whole function may have beyond its sequence: arguments checked, registers saved, a result, the way out.
FUNCTION_EXTRA = 36

MACHINES = {
    "x86_64": {
        "signature": bytes([0x0F, 0xB9, 0x3D]) + struct.pack("<I", 0x53053053),
        "forbidden": r"^lock\b|^xchg\b.*\(|^[mls]fence\b|^cmpxchg|^xadd|^rep|^syscall|^int",
        "arm": r"^mov\w*\s+%rax,%fs:",
        # A store, or a read-modify-write without `lock`, to memory.
        "commit": r"^(mov|add)\w*\s+\S+,(?!%)\S*\(\S+\)$",
        "jump": r"^jmp\w*\s+(?:0x)?([0-9a-f]+)",
    },
    "aarch64": {
        "signature": struct.pack("<I", 0xD428BC00),
        "forbidden": r"^(ld|st)a?l?x[rp]\b|^(ldax|stlx)|^cas|^swp|^ld(add|set|clr|eor)|^st(add|set|clr)\b"
                     r"|^dmb|^dsb|^isb|^svc",
        "arm": r"^str\s+x9, \[x10, #8\]",
        "commit": r"^(str|stlr)\b",
        "jump": r"^b\s+([0-9a-f]+)",
    },
}
# Operations that commit nothing: their last instruction reads, or ends a loop that reads.
READERS = {"load", "snapshot"}


class Report:
    """TAP on standard output."""

    def __init__(self):
        self.number = 0
        self.failed = False

    def promise(self, sentence, findings):
        self.number += 1
        print(f"{'not ok' if findings else 'ok'} {self.number} - {sentence}")
        for finding in findings[:40]:
            print("#", finding)
        self.failed |= bool(findings)

    def end(self):
        print(f"1..{self.number}")
        return 1 if self.failed else 0


def output_of(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


class Program:
    """disassembly.c, compiled and linked so that every address is final."""

    def __init__(self, folder, tools, compiler, level, include):
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "disassembly.c")
        self.tools = tools
        self.path = os.path.join(folder, f"{os.path.basename(compiler[0])}{level}")
        subprocess.run([*compiler, "-std=gnu17", level, "-fno-pic", "-fno-stack-protector",
                        "-fcf-protection=none" if tools == "" else "-mbranch-protection=none",
                        "-I", include, "-c", source, "-o", self.path + ".o"], check=True)
        subprocess.run([tools + "ld", "--unresolved-symbols=ignore-all", "-e", "fast_add",
                        self.path + ".o", "-o", self.path], check=True)
        self.functions = self.symbols()
        self.text = self.disassemble()

    def symbols(self):
        """Name to (start, end)."""
        lines = output_of(self.tools + "nm", "-S", self.path).splitlines()
        found = [line.split() for line in lines if " fast_" in line]
        return {name[5:]: (int(at, 16), int(at, 16) + int(size, 16)) for at, size, _, name in found}

    def disassemble(self):
        """Address to (text, address of the next instruction)."""
        lines = output_of(self.tools + "objdump", "-d", "--no-show-raw-insn", "-w", self.path)
        found = re.findall(r"^\s*([0-9a-f]+):\s+(\S.*?)\s*$", lines, re.MULTILINE)
        addresses = [int(at, 16) for at, _ in found]
        return {at: (text, after) for (_, text), at, after
                in zip(found, addresses, addresses[1:] + [None])}

    def section(self, name):
        """(address, bytes)."""
        for line in output_of(self.tools + "objdump", "-h", "-w", self.path).splitlines():
            field = line.split()
            if len(field) > 5 and field[1] == name:
                with open(self.path, "rb") as stream:
                    stream.seek(int(field[5], 16))
                    return int(field[3], 16), stream.read(int(field[2], 16))
        return 0, b""

    def instructions(self, start, end):
        while start < end:
            text, after = self.text[start]
            yield start, text
            start = after or end

    def descriptors(self):
        """Name to (version, flags, start, length, abort), and what is wrong with the list itself."""
        address, content = self.section("__rseq_cs")
        _, pointers = self.section("__rseq_cs_ptr_array")
        wrong = []
        listed = sorted(struct.unpack(f"<{len(pointers) // 8}Q", pointers))
        if listed != [address + 32 * i for i in range(len(content) // 32)]:
            wrong.append("__rseq_cs_ptr_array does not list every descriptor once")
        found = {}
        for at in range(0, len(content), 32):
            descriptor = struct.unpack_from("<IIQQQ", content, at)
            owner = [name for name, (start, end) in self.functions.items()
                     if start <= descriptor[2] < end]
            if len(owner) != 1 or owner[0] in found:
                wrong.append(f"a descriptor that belongs to {owner or 'no function'}")
            else:
                found[owner[0]] = descriptor
        wrong += [f"{name} has no descriptor" for name in self.functions if name not in found]
        return found, wrong


def bytes_at(program, address, count):
    for name in ("__rseq_failure", ".text"):
        start, content = program.section(name)
        if start <= address and address + count <= start + len(content):
            return content[address - start:address - start + count]
    return b""


def arming_start(program, machine, descriptor):
    """Where the abort handler leads: the first instruction of the arming, before the section."""
    text, _ = program.text.get(descriptor[4], ("", None))
    jump = re.match(machine["jump"], text)
    return int(jump[1], 16) if jump else None


def judge_descriptor(program, machine, name, descriptor):
    version, flags, start, length, abort = descriptor
    end = start + length
    function = program.functions[name]
    begin = arming_start(program, machine, descriptor)
    body = list(program.instructions(start, end)) if start in program.text else []
    signature = machine["signature"]
    if version or flags:
        yield f"{name}: version {version}, flags {flags:#x}: the kernel wants 0"
    if length == 0 or not function[0] <= start < end <= function[1]:
        yield f"{name}: the section does not lie in its function"
    if start <= abort < end:
        yield f"{name}: the abort handler lies inside the section"
    if bytes_at(program, abort - len(signature), len(signature)) != signature:
        yield f"{name}: no signature before the abort handler"
    if not body or end not in program.text or body[-1][0] >= end:
        yield f"{name}: the section does not begin and end between instructions"
        return
    if begin is None or not function[0] <= begin < start:
        yield f"{name}: the abort handler does not lead to the arming"
        return
    before = list(program.instructions(begin, start))
    if not re.match(machine["arm"], before[-1][1]):
        yield f"{name}: '{before[-1][1]}' before the section does not arm it"
    if name not in READERS and not re.match(machine["commit"], body[-1][1]):
        yield f"{name}: '{body[-1][1]}' at the end of the section is no commit"


def judge_code(program, machine, name):
    start, end = program.functions[name]
    for address, text in program.instructions(start, end):
        if re.search(machine["forbidden"], text):
            yield f"{name}: {address:x}: {text}"


def judge_calls(program):
    """What the functions call: the out-of-line forms for a miss, and nothing else (the offset is a variable)."""
    for line in output_of(program.tools + "nm", "--undefined-only", program.path + ".o").splitlines():
        called = line.split()[-1]
        if not re.fullmatch(r"pawl_percpu_\w+_slow|pawl_rseq_offset", called):
            yield f"{called} is called"


def counts(program, machine, descriptors):
    """Name to (instructions of the sequence, of the whole function)."""
    found = {}
    for name, descriptor in descriptors.items():
        begin = arming_start(program, machine, descriptor)
        if begin is None:
            continue
        sequence = list(program.instructions(begin, descriptor[2] + descriptor[3]))
        whole = [text for _, text in program.instructions(*program.functions[name])
                 if not re.match(r"nop|data16|cs nop|xchg\s+%ax,%ax|udf", text)]
        found[name] = (len(sequence), len(whole))
    return found


def judge_counts(bounds, found):
    for name, (sequence, whole) in found.items():
        bound = bounds.get(name)
        if bound is None:
            yield f"{name}: no bound is recorded; the sequence has {sequence} instructions"
        elif sequence > bound:
            yield f"{name}: the sequence has {sequence} instructions, {bound} are recorded"
        elif sequence < bound:
            yield f"{name}: the sequence has only {sequence} instructions: record it instead of {bound}"
        elif whole > bound + FUNCTION_EXTRA:
            yield f"{name}: the function has {whole} instructions, {bound + FUNCTION_EXTRA} are allowed"
    yield from (f"{name}: recorded, but not found" for name in bounds if name not in found)


def print_table(machine_name, compilers, tables):
    print(f"# instructions on {machine_name} at -O2: sequence from arming to commit, whole function")
    width = max(map(len, compilers)) + 2
    print(f"# {'operation':<18}{'sequence':>9}" + "".join(f"{c:>{width}}" for c in compilers))
    for name in SEQUENCE[machine_name]:
        row = [tables[c].get(name, (0, 0)) for c in compilers]
        print(f"# {name:<18}{row[0][0]:>9}" + "".join(f"{whole:>{width}}" for _, whole in row))


def main():
    include, machine_name, *compilers = sys.argv[1:]
    machine = MACHINES[machine_name]
    native = os.uname().machine == machine_name
    tools = "" if native else machine_name + "-linux-gnu-"
    report = Report()
    tables = {}
    with tempfile.TemporaryDirectory() as folder:
        for compiler in compilers:
            name = os.path.basename(compiler)
            command = [compiler] + ([] if native or "clang" not in name
                                    else [f"--target={machine_name}-linux-gnu"])
            for level in ("-O1", "-O2", "-O3"):
                program = Program(folder, tools, command, level, include)
                descriptors, wrong = program.descriptors()
                for function, descriptor in descriptors.items():
                    wrong += judge_descriptor(program, machine, function, descriptor)
                report.promise(f"{name} {level}: every descriptor is as the kernel wants it", wrong)
                code = [finding for function in program.functions
                        for finding in judge_code(program, machine, function)]
                report.promise(f"{name} {level}: no atomic read-modify-write and no fence", code)
                report.promise(f"{name} {level}: only the out-of-line forms are called",
                               list(judge_calls(program)))
                if level == "-O2":
                    tables[name] = counts(program, machine, descriptors)
                    report.promise(f"{name} {level}: the sequences are as long as recorded",
                                   list(judge_counts(SEQUENCE[machine_name], tables[name])))
    if tables:
        print_table(machine_name, list(tables), tables)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
