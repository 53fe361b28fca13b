"""A list of what the kernel refuses a decoder child: files, networks, programs, other processes.

Seccomp of Linux on x86_64 and aarch64; elsewhere, and where it is switched off, nothing happens and
the other limits hold. A refused call fails with EPERM, so that libav fails softly; threads of its
own the child may start. Costs 0.1 ms once. It is a list of what is refused and not of what is
allowed: libraries change what they call, and a missing name must not stop a run.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import platform
import struct
import sys
from collections.abc import Iterable

# Name, number on x86_64, number on aarch64. What opens files and starts programs:
STARTING = """
    open 2 -; openat 257 56; openat2 437 437; creat 85 -; open_by_handle_at 304 265; fork 57 -;
    vfork 58 -; execve 59 221; execveat 322 281;
"""
# What neither a decoder nor a program that it starts has to do:
ALWAYS = """
    socket 41 198; connect 42 203; bind 49 200; listen 50 201; accept 43 202; accept4 288 242;
    unlink 87 -; unlinkat 263 35; rename 82 -; renameat 264 38; renameat2 316 276; link 86 -;
    linkat 265 37; symlink 88 -; symlinkat 266 36; mkdir 83 -; mkdirat 258 34; rmdir 84 -;
    mknod 133 -; mknodat 259 33; truncate 76 45; chmod 90 -; fchmod 91 52; fchmodat 268 53;
    chown 92 -; fchown 93 55; lchown 94 -; fchownat 260 54; utime 132 -; utimes 235 -;
    futimesat 261 -; utimensat 280 88; setxattr 188 5; lsetxattr 189 6; fsetxattr 190 7;
    removexattr 197 14; lremovexattr 198 15; fremovexattr 199 16; ptrace 101 117;
    process_vm_readv 310 270; process_vm_writev 311 271; process_madvise 440 440;
    pidfd_open 434 434; pidfd_getfd 438 438; pidfd_send_signal 424 424; tkill 200 130;
    rt_sigqueueinfo 129 138; rt_tgsigqueueinfo 297 240; setsid 112 157; setpgid 109 154;
    mount 165 40; umount2 166 39; pivot_root 155 41; chroot 161 51; move_mount 429 429;
    open_tree 428 428; fsopen 430 430; fsconfig 431 431; fsmount 432 432; fspick 433 433;
    mount_setattr 442 442; setns 308 268; unshare 272 97; bpf 321 280; perf_event_open 298 241;
    userfaultfd 323 282; io_uring_setup 425 425; io_uring_enter 426 426;
    io_uring_register 427 427; add_key 248 217; request_key 249 218; keyctl 250 219;
    init_module 175 105; finit_module 313 273; delete_module 176 106; kexec_load 246 104;
    kexec_file_load 320 294; reboot 169 142; swapon 167 224; swapoff 168 225; acct 163 89;
    quotactl 179 60; settimeofday 164 170; clock_settime 227 112; clock_adjtime 305 266;
    adjtimex 159 171; sethostname 170 161; setdomainname 171 162; iopl 172 -; ioperm 173 -;
    setuid 105 146; setgid 106 144; setreuid 113 145; setregid 114 143; setresuid 117 147;
    setresgid 119 149; setgroups 116 159; setfsuid 122 151; setfsgid 123 152; capset 126 91;
    personality 135 92; shmget 29 194; shmat 30 196; msgget 68 186; semget 64 190;
    mq_open 240 180; mq_unlink 241 181; inotify_init 253 -; inotify_init1 294 26;
    fanotify_init 300 262; fanotify_mark 301 263;
"""
# Allowed in one form only: number on x86_64, on aarch64.
CLONE, KILL, TGKILL, PRCTL, PRLIMIT = (56, 220), (62, 129), (234, 131), (157, 167), (302, 261)
SECCOMP = (317, 277)
CLONE3, NEWER = 435, 441  # the same everywhere, as all newer ones

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # with the kernel's name of each
X32 = 0x40000000
CLONE_THREAD = 0x00010000
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
SET_MODE_FILTER, ALL_THREADS = 1, 1

# Instructions of the filter: load a word, jump if equal, if at least, if a bit is set, answer.
LOAD, EQUAL, LEAST, BITS, ANSWER = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST = 0, 4, 16  # where they stand; FIRST is the low half of argument 0
ALLOW, KILLED = 0x7FFF0000, 0x80000000
REFUSED, UNKNOWN = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, value


def refuse(starts_programs: bool) -> bool:
    """Put the list on all threads of this process, for ever; return whether it is in force.

    With `starts_programs` files, forks and programs stay allowed; programs inherit the rest.
    """
    machine = platform.machine()
    if not sys.platform.startswith("linux") or machine not in MACHINES:
        return False
    filters = b"".join(struct.pack("=HBBI", *one) for one in program(machine, starts_programs))
    kept = ctypes.create_string_buffer(filters, len(filters))
    handle = struct.pack("@HP", len(filters) // 8, ctypes.addressof(kept))
    libc = ctypes.CDLL(None, use_errno=True)
    number = SECCOMP[_column(machine)]
    # Without privileges to gain, no privilege is needed for it.
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return libc.syscall(number, SET_MODE_FILTER, ALL_THREADS, handle) == 0


@functools.cache
def program(machine: str, starts_programs: bool) -> tuple[Instruction, ...]:
    """Return the filter for a machine, for this process."""
    at = _column(machine)
    names = ALWAYS if starts_programs else STARTING + ALWAYS
    steps: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, MACHINES[machine]),
        (ANSWER, 0, 0, KILLED),
        (LOAD, 0, 0, NUMBER),
        *_when(LEAST, X32, UNKNOWN),
        *_when(LEAST, NEWER, UNKNOWN),
    ]
    for number in _numbers(names, at):
        steps += _when(EQUAL, number, REFUSED)
    if not starts_programs:
        steps += _when(EQUAL, CLONE3, UNKNOWN)  # its flags cannot be read here; libc then clones
        steps += _only(CLONE[at], BITS, CLONE_THREAD)
        steps += _only(KILL[at], EQUAL, os.getpid())
        steps += _only(TGKILL[at], EQUAL, os.getpid())
    steps += _only(PRLIMIT[at], EQUAL, 0)  # its own limits, which it cannot raise
    steps += _unless(PRCTL[at], EQUAL, PR_SET_PDEATHSIG)
    return (*steps, (ANSWER, 0, 0, ALLOW))


def _when(test: int, value: int, answer: int) -> tuple[Instruction, ...]:
    return (test, 0, 1, value), (ANSWER, 0, 0, answer)


def _only(number: int, test: int, value: int) -> tuple[Instruction, ...]:
    """Refuse a call but where its first argument passes the test."""
    #   is it this call? no: 4 on.   argument passes? yes: 1 on.   refused.   allowed.
    return (
        (EQUAL, 0, 4, number),
        (LOAD, 0, 0, FIRST),
        (test, 1, 0, value),
        (ANSWER, 0, 0, REFUSED),
        (ANSWER, 0, 0, ALLOW),
    )


def _unless(number: int, test: int, value: int) -> tuple[Instruction, ...]:
    """Refuse a call only where its first argument passes the test."""
    return (
        (EQUAL, 0, 4, number),
        (LOAD, 0, 0, FIRST),
        (test, 0, 1, value),
        (ANSWER, 0, 0, REFUSED),
        (ANSWER, 0, 0, ALLOW),
    )


def _numbers(names: str, at: int) -> Iterable[int]:
    """Yield one machine's numbers of a list."""
    for entry in names.replace("\n", " ").split(";"):
        found = entry.split()
        if found and found[1 + at] != "-":
            yield int(found[1 + at])


def _column(machine: str) -> int:
    return list(MACHINES).index(machine)
