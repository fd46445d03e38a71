"""Which line of a dead port's stderr says why: the panic or exception, not the backtrace's or the shell's last line."""

from __future__ import annotations

import re

#: an exception that nobody caught, in JavaScript and its kind
THROWN = re.compile(r"^(?:Uncaught )?\[?[\w.]*(?:Error|Exception)(?: \[\w+\])?\]?: .*$", re.M)
#: how the runtimes of common languages begin to say it; the first that is found decides
SAYS = tuple(
    re.compile(p, re.M)
    for p in (
        r"^.*ERROR: \w+Sanitizer: .*$",  # ASan, TSan, LSan, MSan
        r"^.*: runtime error: .*$",  # UBSan
        r"^thread '.*'(?: \(\d+\))? panicked at .*$",  # Rust
        r"^panic: .*$",  # Go
        r"^fatal error: .*$",  # Go's runtime
        r"^terminate called .*$",  # C++
        r"^.*: Assertion [`'].*$",  # C
        r"^Unhandled exception\. .*$",  # .NET
        r'^Exception in thread "?.*$',  # Java
        r"^FATAL ERROR: .*$",  # V8
        THROWN.pattern,
        r"^(?:free|malloc|realloc|munmap_chunk|double free|corrupted).*(?:\(\)|\)|: ).*$",  # glibc
        r"^(?:Segmentation fault|Bus error|Illegal instruction|Aborted|Killed).*$",
    )
)
#: its next line belongs to it: the message of a Rust panic, what() of a C++ exception
GOES_ON = re.compile(r"^thread .* panicked at .*:\d+:\d+:$|^terminate called ")
TRACEBACK = "Traceback (most recent call last):"
LONGEST = 300


def cause_of(stderr: str) -> str:
    """One line, at most 300 characters: why the process ended, as far as its stderr tells; "" when it is silent."""
    lines = [line.rstrip() for line in stderr.splitlines()]
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return (_python(lines) or _said(stderr) or last)[:LONGEST]


def _python(lines: list[str]) -> str:
    """The line that ends the last traceback: the first one behind it that is not indented."""
    begun = [n for n, line in enumerate(lines) if line.strip() == TRACEBACK]
    if not begun:
        return ""
    return next((x for x in lines[begun[-1] + 1 :] if x and not x[0].isspace()), "")


def _said(stderr: str) -> str:
    for pattern in SAYS:
        all_ = list(pattern.finditer(stderr))
        if not all_:
            continue
        found = all_[-1] if pattern is THROWN else all_[0]  # errors before the last were caught; panics are not
        line = found[0].strip()
        if GOES_ON.match(line):
            after = stderr[found.end() :].lstrip("\r\n").split("\n", 1)[0].strip()
            line = f"{line} {after}".strip()
        return line
    return ""
