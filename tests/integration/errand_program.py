"""A program that a test has an engine run instead of batcher.

`end CODE` writes many lines and ends; `stay PORT` tells its process and its parent's
to who listens at a port of this machine, and stays until it is told to end, which it
says there too: it then "drains", until the listener closes the connection.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

LINES = 80


def end(code: str) -> int:
    for line in range(LINES):
        print(f"line {line}", file=sys.stderr)
    print(json.dumps({"exit_code": int(code), "key": os.environ.get("A_KEY")}))
    return int(code)


def stay(port: str) -> int:
    terms: list[str] = []

    def told(*_: object) -> None:
        terms.append("told")
        listener.sendall(b"told\n")

    with socket.create_connection(("127.0.0.1", int(port))) as listener:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, told)
        listener.sendall(f"{os.getpid()} {os.getppid()}\n".encode())
        answer = listener.recv(100)
    print(json.dumps({"told": len(terms), "answer": answer.decode()}))
    return 143 if terms else 0


if __name__ == "__main__":
    doing = {"end": end, "stay": stay}
    sys.exit(doing[sys.argv[1]](sys.argv[2]))
