"""Thins out ninja's status lines for logs: one every 20 seconds and the last one. Everything else passes through."""

import re
import sys
import time

STATUS = re.compile(r"^\[(\d+)/(\d+)\] ")
SECONDS = 20

last = 0.0
for line in sys.stdin:
    status = STATUS.match(line)
    if status is None:
        sys.stdout.write(line)
    elif status[1] == status[2] or time.monotonic() - last >= SECONDS:
        last = time.monotonic()
        sys.stdout.write(f"      {line}")
    sys.stdout.flush()
