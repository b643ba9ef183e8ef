"""The software, hardware, commit and command that a run was trained with, captured when it is trained."""

import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from thalweg.identity import COMPUTING_PACKAGES

COMMAND_VARIABLE = "THALWEG_COMMAND"
"""The environment variable by which a launch tells its jobs the command that the user gave."""

CPU_EXTENSIONS = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")
"""The processor's extensions that numerical libraries choose their code by."""


def command_line() -> str:
    """The command that started this process, without the folder that its program lies in."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def capture(directory: Path) -> dict[str, Any]:
    """The software, hardware and command in use, and the commit of the repository that `directory` lies in.

    The keys are the columns of the table of provenance. `command` is the one that the launch was given; it is empty
    outside of a launch. `dirty` says whether the repository had changes that were not committed.
    """
    cpu = _cpu_info()
    return {
        "commit": _git(directory, "rev-parse", "HEAD"),
        "dirty": bool(_git(directory, "status", "--porcelain")),
        "command": os.environ.get(COMMAND_VARIABLE, ""),
        "cpu_model": cpu.get("model name", platform.processor() or platform.machine()),
        "instruction_set": " ".join(
            [platform.machine(), *(flag for flag in CPU_EXTENSIONS if flag in cpu.get("flags", "").split())]
        ),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in COMPUTING_PACKAGES},
    }


def _cpu_info() -> dict[str, str]:
    """The fields of the first processor in /proc/cpuinfo; none where there is no such file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _git(directory: Path, *arguments: str) -> str:
    """What a command of git prints; nothing where it fails."""
    try:
        process = subprocess.run(["git", "-C", str(directory), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return process.stdout.strip() if process.returncode == 0 else ""
