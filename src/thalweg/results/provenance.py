"""Where and by what a run was trained, captured at that moment."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from thalweg.identity import COMPUTING_PACKAGES

COMMAND_VARIABLE = "THALWEG_COMMAND"
"""The environment variable by which a launch tells its jobs the command that the user gave."""

INSTRUCTIONS = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")
"""The processor's extensions that numerical libraries choose their code by."""


def capture(directory: Path) -> dict[str, Any]:
    """Software, hardware, commit and command, with the commit of the repository that `directory` lies in."""
    cpu = _cpu()
    return {
        "commit": _git(directory, "rev-parse", "HEAD"),
        "dirty": bool(_git(directory, "status", "--porcelain")),
        "command": os.environ.get(COMMAND_VARIABLE, ""),
        "cpu_model": cpu.get("model name", platform.processor() or platform.machine()),
        "instruction_set": " ".join(
            [platform.machine(), *(flag for flag in INSTRUCTIONS if flag in cpu.get("flags", "").split())]
        ),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in COMPUTING_PACKAGES},
    }


def _cpu() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _git(directory: Path, *arguments: str) -> str:
    try:
        answer = subprocess.run(["git", "-C", str(directory), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
