"""One request on a connection of its own, as a person would send it with curl."""

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message

from .failure import Failure

PATIENCE = 30  # seconds


@dataclass
class Asked:
    address: str
    status: int
    headers: Message
    body: bytes
    seconds: float

    @property
    def text(self):
        return self.body.decode(errors="replace")

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            raise Failure(f"{self.address} was answered with something that is not JSON: {self.text[:200]!r}") from None


def ask(process, address, body=None):
    """GET, or POST where there is a body; an answer is an answer, whatever its status."""
    began = time.perf_counter()
    request = urllib.request.Request(address, data=body, headers={"content-type": "application/octet-stream"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as got:
            return Asked(address, got.status, got.headers, got.read(), time.perf_counter() - began)
    except urllib.error.HTTPError as error:
        return Asked(address, error.code, error.headers, error.read(), time.perf_counter() - began)
    except OSError as error:
        raise Failure(f"{address}: {error}", process.log_tail()) from None
