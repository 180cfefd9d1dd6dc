# SPDX-License-Identifier: MIT
"""Debian packages for the guests, without touching the host's package system.

apt runs with a state of its own below the build folder: its own list of sources, package lists, and an
empty dpkg status. The host's list of architectures, its sources and its caches stay as they are; no
privilege is needed. apt verifies signatures, shows its progress on a terminal, and goes on where an
interrupted download stopped (if the server dates its files); what is complete is never fetched again.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR = os.environ.get("PAWL_VM_MIRROR", "http://deb.debian.org/debian")
SOURCE_SUITE = "bookworm"  # cmocka's source: any release serves, this one is known to build

DEBIAN_ARCH = {"aarch64": "arm64", "x86_64": "amd64"}

# What cmake would find on any Linux with glibc; cmocka is one file of C.
CMOCKA_DEFINES = [
    "HAVE_CLOCK_REALTIME", "HAVE_GCC_THREAD_LOCAL_STORAGE", "HAVE_INTTYPES_H", "HAVE_MALLOC_H", "HAVE_SIGNAL_H",
    "HAVE_STRSIGNAL", "HAVE_STRUCT_TIMESPEC",
]


# What the runtime and its layers stand on, with static libraries, for the machine that is not the host's.
LIBRARIES = ["liburing-dev", "libssl-dev", "libc-ares-dev"]


class Unavailable(Exception):
    """Something is missing that the user can provide; the text says how."""


def say(text):
    print(text, file=sys.stderr, flush=True)


class Apt:
    """A private apt: one source line, one architecture, one folder."""

    def __init__(self, folder, kind, suite, arch):
        self.folder = folder.resolve()
        self.suite = suite
        if not KEYRING.exists():
            raise Unavailable(f"{KEYRING} is missing: apt-get install debian-archive-keyring")
        for part in ("lists/partial", "cache/archives/partial", "none"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        (self.folder / "sources.list").write_text(f"{kind} [signed-by={KEYRING}] {MIRROR} {suite} main\n")
        self.config = self.folder / "apt.conf"
        # "root": the sandbox user could not write below a private home. Hooks of the host's
        # configuration would clean the host's caches.
        self.config.write_text(f"""\
#clear APT::Architectures;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "{self.folder}";
Dir::State::lists "{self.folder}/lists";
Dir::State::status "{self.folder}/status";
Dir::Cache "{self.folder}/cache";
Dir::Etc::sourcelist "{self.folder}/sources.list";
Dir::Etc::sourceparts "{self.folder}/none";
Dir::Etc::preferences "{self.folder}/none/preferences";
Dir::Etc::preferencesparts "{self.folder}/none";
""")

    def run(self, what, *command):
        """A command of apt that uses the network."""
        quiet = [] if sys.stderr.isatty() else ["-qq"]
        argv = [command[0], f"-c={self.config}", *quiet, *command[1:]]
        if subprocess.run(argv, cwd=self.folder, stdout=sys.stderr).returncode:
            raise Unavailable(
                f"cannot fetch {what} of Debian {self.suite} from {MIRROR} (apt's reason is above).\n"
                f"Another mirror: PAWL_VM_MIRROR=URL. Without a network: run this once where there is one and\n"
                f"keep {self.folder.parent.parent}. The next run goes on where this one stopped.")

    def update(self):
        say(f"fetching package lists of Debian {self.suite}")
        self.run("the package lists", "apt-get", "update")

    def download(self, package):
        """The package's file. Not by `apt-get download`, which starts anew after an interruption."""
        text = subprocess.run(["apt-get", f"-c={self.config}", "--print-uris", "download", package],
                              capture_output=True, text=True, check=True).stdout
        address, name, size, digest = text.replace("'", "").split()
        say(f"fetching {package} ({int(size) / 1e6:.0f} MB)")
        archive = self.folder / name
        self.run(package, "/usr/lib/apt/apt-helper", "download-file", address, archive, digest)
        return archive

    def source(self, package):
        """The upstream archive of a source package."""
        say(f"fetching the source of {package}")
        self.run(f"the source of {package}", "apt-get", "source", "--download-only", package)
        return next(self.folder.glob(f"{package}_*.orig.tar.*[!c]"))

    def dependency(self, package):
        """The versioned package that a meta-package stands for."""
        text = subprocess.run(["apt-cache", f"-c={self.config}", "depends", package],
                              capture_output=True, text=True, check=False).stdout
        found = re.search(r"Depends: (linux-image-\S+)", text)
        if not found:
            raise Unavailable(f"Debian {self.suite} at {MIRROR} has no package {package}")
        return found.group(1)


def kernel(build, arch, suite):
    """The path of a kernel image for the guest, fetched once."""
    debian_arch = DEBIAN_ARCH[arch]
    place = build / "kernel" / f"{suite}-{debian_arch}"
    image = place / "vmlinuz"
    if image.exists():
        return image
    apt = Apt(build / "apt" / f"{suite}-{debian_arch}", "deb", suite, debian_arch)
    apt.update()
    package = apt.dependency(f"linux-image-{debian_arch}")
    archive = apt.download(package)
    place.mkdir(parents=True, exist_ok=True)
    # Only the image: everything a guest needs is built in.
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as unpack:
        subprocess.run(["tar", "-x", "-C", place, "--strip-components=2", "--wildcards", "./boot/vmlinuz-*"],
                       stdin=unpack.stdout, check=True)
    (place / "package").write_text(archive.name + "\n")
    next(place.glob("vmlinuz-*")).rename(image)  # last: its presence says that all is complete
    archive.unlink()
    return image


def libraries(build, arch):
    """The pkg-config folder of the libraries of another machine, fetched once; None for the host's own machine."""
    if arch == os.uname().machine:
        return None
    debian_arch = DEBIAN_ARCH[arch]
    place = (build / "libraries" / arch).resolve()
    if not place.exists():
        fresh = place.with_name(f"{arch}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        apt = Apt(build / "apt" / f"{SOURCE_SUITE}-{debian_arch}", "deb", SOURCE_SUITE, debian_arch)
        apt.update()
        for package in LIBRARIES:
            archive = apt.download(package)
            subprocess.run(["dpkg-deb", "-x", archive, fresh], check=True)
            archive.unlink()
        # Debian's compiler looks into the machine's own folder by itself; the cross compiler looks into another.
        for own in list(fresh.glob("usr/include/*-linux-gnu")):
            shutil.copytree(own, own.parent, dirs_exist_ok=True)
        for description in fresh.glob("usr/lib/*/pkgconfig/*.pc"):
            description.write_text(re.sub(r"^(\w+)=/usr", rf"\1={place}/usr", description.read_text(), flags=re.MULTILINE))
        fresh.rename(place)  # last: its presence says that all is complete
    return next(place.glob("usr/lib/*/pkgconfig"))


def cmocka(build, arch, cc):
    """The pkg-config folder of a static cmocka. Debian has the shared library only, and a dynamic
    linker and a C library in every guest would be a poorer way than one compiled file."""
    prefix = (build / "cmocka" / arch).resolve()
    description = prefix / "lib/pkgconfig/cmocka.pc"
    if description.exists():
        return description.parent
    source = build / "cmocka" / "source"
    if not (source / "src/cmocka.c").exists():
        apt = Apt(build / "apt" / f"{SOURCE_SUITE}-source", "deb-src", SOURCE_SUITE, "amd64")
        apt.update()
        archive = apt.source("cmocka")
        source.mkdir(parents=True, exist_ok=True)
        subprocess.run(["tar", "-x", "-C", source, "--strip-components=1", "-f", archive], check=True)
    (prefix / "lib/pkgconfig").mkdir(parents=True, exist_ok=True)
    shutil.copytree(source / "include", prefix / "include", dirs_exist_ok=True)
    library = prefix / "lib/libcmocka.a"
    compiled = prefix / "cmocka.o"
    subprocess.run([cc, "-O2", "-g", "-w", f"-I{prefix}/include", *(f"-D{name}" for name in CMOCKA_DEFINES),
                    "-c", source / "src/cmocka.c", "-o", compiled], check=True)
    library.unlink(missing_ok=True)
    subprocess.run(["ar", "rcs", library, compiled], check=True)
    description.write_text("Name: cmocka\nDescription: unit tests, static\nVersion: 1.1.5\n"
                           f"Libs: -L{prefix}/lib -lcmocka\nCflags: -I{prefix}/include\n")
    return description.parent
