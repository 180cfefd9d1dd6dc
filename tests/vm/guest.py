# SPDX-License-Identifier: MIT
"""A test guest: packs tests into an initramfs, boots QEMU, and reads init's report (see init.c).

A guest that panics, hangs, dies or prints nothing is a failure of every test it has not reported.
"""
import dataclasses
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import time

RECORD = "@pawl-vm "
GRACE = 60             # seconds beyond a test's own limit before the host gives the guest up
LAST_WORDS = 20        # lines of the kernel's that a failure shows
SKIPPED = 77           # a test's exit status, by Meson's and Automake's convention
NOT_RUN = "it did not run"
CUT_SHORT = "the guest ended during this test"
TAINT_DIED = 1 << 7    # the kernel's taint flags: it oopsed; it warned
TAINT_WARNED = 1 << 9
MEBIBYTES_PER_NODE = 512


@dataclasses.dataclass
class Test:
    name: str
    program: str                 # on the host
    limit: int                   # seconds
    args: list = dataclasses.field(default_factory=list)
    env: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Result:
    test: Test
    verdict: str = "fail"        # pass, fail, skip
    reason: str = NOT_RUN
    seconds: float = 0.0
    output: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Machine:
    arch: str
    cpu: str
    cpus: int
    nodes: int

    def __str__(self):
        nodes = f", {self.nodes} nodes" if self.nodes > 1 else ""
        return f"{self.arch} {self.cpu}, {self.cpus} CPUs{nodes}"

    @property
    def folder(self):
        return f"{self.arch}-{self.cpu}-{self.cpus}x{self.nodes}"

    def command(self, kernel, initramfs):
        memory = MEBIBYTES_PER_NODE * max(self.nodes, 2)
        if self.arch == "aarch64":
            # Version 3 of the interrupt controller: version 2 ends at 8 CPUs.
            argv = ["qemu-system-aarch64", "-machine", "virt,gic-version=3"]
            console = "console=ttyAMA0 earlycon"
        else:
            argv = ["qemu-system-x86_64", "-machine", "q35"]
            # The emulator's TSCs are one clock; unmarked, a loaded host makes the kernel distrust them.
            console = "console=ttyS0 earlyprintk=ttyS0 mitigations=off tsc=reliable no_timer_check"
        argv += ["-accel", "tcg", "-cpu", self.cpu, "-m", f"{memory}M"]
        argv += ["-smp", f"{self.cpus},sockets={self.nodes},cores={self.cpus // self.nodes},threads=1"]
        if self.nodes > 1:
            for node in range(self.nodes):
                argv += ["-object", f"memory-backend-ram,id=m{node},size={memory // self.nodes}M",
                         "-numa", f"node,nodeid={node},memdev=m{node}",
                         "-numa", f"cpu,node-id={node},socket-id={node}"]
        # An oops ends the guest at once (-no-reboot); watchdogs would only measure the emulator.
        arguments = (f"{console} loglevel=4 oops=panic panic=-1 nowatchdog rcupdate.rcu_cpu_stall_suppress=1 "
                     "printk.devkmsg=off")
        return argv + ["-kernel", str(kernel), "-initrd", str(initramfs), "-append", arguments, "-no-reboot",
                       "-nodefaults", "-nic", "none", "-display", "none", "-serial", "stdio"]


def plan(tests):
    lines = []
    for number, test in enumerate(tests):
        texts = [f"arg /tests/{number}", *(f"arg {arg}" for arg in test.args),
                 *(f"env {name}={value}" for name, value in test.env.items())]
        if any("\n" in text for text in texts):
            raise ValueError(f"{test.name}: an argument or a variable holds a newline, which a plan cannot")
        lines += [f"test {test.limit}", *texts, "end"]
    return "".join(line + "\n" for line in lines)


def pack(folder, init, tests):
    """The initramfs. No device nodes (they would take root); init mounts devtmpfs."""
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    for name in ("dev", "proc", "sys", "tmp", "tests"):
        (root / name).mkdir(parents=True)
    shutil.copy(init, root / "init")
    for number, test in enumerate(tests):
        shutil.copy(test.program, root / "tests" / str(number))
    (root / "plan").write_text(plan(tests))
    initramfs = folder / "initramfs.cpio"
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    with open(initramfs, "wb") as archive:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=root, input=names.encode(),
                       stdout=archive, check=True)
    return initramfs


class Console:
    """Lines of the guest's console, each with a deadline, all kept in a log."""

    def __init__(self, stream, log):
        self.stream = stream
        self.log = log
        self.pending = b""
        self.selector = selectors.DefaultSelector()
        self.selector.register(stream, selectors.EVENT_READ)

    def line(self, deadline):
        """The next line; None at the end; TimeoutError when the deadline passes."""
        while b"\n" not in self.pending:
            if not self.selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            data = os.read(self.stream.fileno(), 65536)
            if not data:
                return None
            self.log.write(data)
            self.log.flush()
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode(errors="replace").rstrip("\r")


class Session:
    """What init has reported so far."""

    def __init__(self, machine, tests, boot_limit, notify):
        self.machine = machine
        self.results = [Result(test) for test in tests]
        self.boot_limit = boot_limit
        self.notify = notify
        self.running = None      # number of the test that runs
        self.up = False
        self.done = False
        self.problem = None      # why the guest failed as a whole
        self.kernel_lines = []
        self.start = time.monotonic()
        self.deadline = self.start + boot_limit

    def take(self, line):
        if not line.startswith(RECORD):
            if line.strip():
                self.kernel_lines.append(line)
            return
        kind, _, rest = line[len(RECORD):].partition(" ")
        try:
            getattr(self, "take_" + kind)(rest)
        except (AttributeError, ValueError, IndexError):
            self.problem = f"init's report is garbled: {line!r}"

    def take_up(self, rest):
        uptime, cpus, nodes, release = rest.split(" ", 3)
        self.up = True
        self.deadline = time.monotonic() + GRACE
        self.notify("up", f"Linux {release} up in {float(uptime):.1f} s of guest time, "
                          f"{time.monotonic() - self.start:.1f} s here")
        if (int(cpus), int(nodes)) != (self.machine.cpus, self.machine.nodes):
            self.problem = f"the guest has {cpus} CPUs and {nodes} nodes, asked for: {self.machine}"

    def take_start(self, rest):
        self.running = int(rest)
        result = self.results[self.running]
        result.reason = CUT_SHORT
        self.deadline = time.monotonic() + result.test.limit + GRACE
        self.notify("start", result.test.name)

    def take_out(self, rest):
        if self.running is not None:
            self.results[self.running].output.append(rest)

    def take_result(self, rest):
        number, kind, code, seconds = rest.split(" ")
        if int(number) != self.running:
            raise ValueError("a result of a test that was not started")
        result = self.results[int(number)]
        result.seconds = float(seconds)
        result.verdict, result.reason = verdict(kind, int(code), result.test.limit)
        self.running = None
        self.deadline = time.monotonic() + GRACE
        self.notify("result", result)

    def take_broken(self, rest):
        self.problem = f"init: {rest}"

    def take_done(self, rest):
        count, taint = (int(word) for word in rest.split(" "))
        self.done = True
        self.deadline = time.monotonic() + GRACE
        if count != len(self.results):
            self.problem = f"init ran {count} of {len(self.results)} tests"
        elif taint & (TAINT_DIED | TAINT_WARNED):
            self.problem = f"the kernel warned or oopsed during the tests (taint {taint})"

    def last_words(self):
        """What the kernel said of its end: from the first sign of a panic, else its last lines."""
        lines = self.kernel_lines
        for number, line in enumerate(lines):
            if any(sign in line for sign in ("Kernel panic", "Oops", "BUG:")):
                return lines[number:number + LAST_WORDS]
        return lines[-LAST_WORDS:]

    def explain(self, timed_out, status):
        """Why the session ended other than by `done`."""
        if self.problem:
            return self.problem
        if self.done:
            return "the guest did not power off" if timed_out else None
        panic = [line for line in self.kernel_lines if "Kernel panic" in line]
        if panic:
            return panic[0].strip()
        if timed_out and not self.up:
            return f"no sign of init within {self.boot_limit} s"
        if timed_out:
            return "the guest stopped answering"
        return f"QEMU ended early, status {status}"


def verdict(kind, code, limit):
    if kind == "exit" and code == 0:
        return "pass", ""
    if kind == "exit" and code == SKIPPED:
        return "skip", "it skipped itself"
    if kind == "exit":
        return "fail", f"exit status {code}"
    if kind == "signal":
        return "fail", f"killed by signal {code} ({signal.strsignal(code) or 'unknown'})"
    if kind == "timeout":
        return "fail", f"still running after {limit} s"
    return "fail", f"could not be started: {os.strerror(code)}"


def stop(process):
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def boot(machine, kernel, init, tests, build, boot_limit, keep, notify):
    """Run the tests in a new guest; their results, the guest's own problem or None, and seconds."""
    folder = build / "run" / machine.folder
    folder.mkdir(parents=True, exist_ok=True)
    command = machine.command(kernel, pack(folder, init, tests))
    (folder / "command").write_text(shlex.join(command) + "\n")
    session = Session(machine, tests, boot_limit, notify)
    timed_out = False
    with open(folder / "console.log", "wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        try:
            console = Console(process.stdout, log)
            while (line := console.line(session.deadline)) is not None:
                session.take(line)
            process.wait(timeout=GRACE)
        except (TimeoutError, subprocess.TimeoutExpired):
            timed_out = True
        finally:
            stop(process)
    problem = session.explain(timed_out, process.returncode)
    if problem:
        problem += f"\nconsole: {folder / 'console.log'}\nguest: {folder / 'command'}"
        problem += "".join("\n  " + line for line in session.last_words())
    elif not keep:
        shutil.rmtree(folder / "root")
        (folder / "initramfs.cpio").unlink()
    return session.results, problem, time.monotonic() - session.start
