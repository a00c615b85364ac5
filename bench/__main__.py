"""`make bench`: every bench, with the machine it ran on. Figures go into docs/benchmarks.md.

`python -m bench turns pushes` runs some of them; each also runs by itself, e.g. `python -m bench.pushes`.
"""

import os
import platform
import subprocess
import sys

PARTS = ("turns", "clients", "pushes", "auditor", "import_load", "when", "slots", "race", "booking")

print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", flush=True)
for part in [part for part in PARTS if part in sys.argv[1:]] or PARTS:
    print(f"═══ {part}", flush=True)
    subprocess.run([sys.executable, "-m", f"bench.{part}"], check=True)
