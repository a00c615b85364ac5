"""`make bench`: every bench, with the machine it ran on. Figures go into docs/benchmarks.md."""

import os
import platform
import sys

from bench.turns import main

print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", flush=True)
main(sys.argv[1:])
