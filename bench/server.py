"""A platform that answers at once, so that what is measured is the client.

Every answer is made before the first request. It favours nobody: all clients get the same bytes.
"""

from __future__ import annotations

import json
import socket
import socketserver
import sys

CHUNKS = 10_000
ROWS, COLUMNS = 100, 1024
WORKLOADS = 10_000

MODEL = "bench"


def unary(value: object) -> bytes:
    """A whole answer."""
    body = json.dumps(value).encode()
    head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def stream() -> bytes:
    """An answer of CHUNKS chunks."""
    frames = [
        {"model": MODEL, "choices": [{"delta": {"content": f" word{n}"}, "finish_reason": None}]}
        for n in range(CHUNKS)
    ]
    frames.append({"model": MODEL, "choices": [{"delta": {}, "finish_reason": "stop"}]})
    body = "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames) + "data: [DONE]\n\n"
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n{body}".encode()


def workload(number: int) -> dict[str, object]:
    """One of the project's workloads."""
    return {
        "id": f"wl_{number}",
        "slug": f"bench-{number}",
        "name": "Bench",
        "backend": "vllm",
        "model_name": "m",
        "task_type": "text2text",
        "config": {"max_model_len": 8192},
    }


CHAT = unary(
    {
        "model": MODEL,
        "choices": [{"message": {"content": "An answer."}, "finish_reason": "stop"}],
    }
)
STREAM = stream()
EMBEDDINGS = unary(
    {
        "model": MODEL,
        "data": [
            {"index": row, "embedding": [(row * COLUMNS + n) / 7 for n in range(COLUMNS)]}
            for row in range(ROWS)
        ],
    }
)
LIST = unary([workload(number) for number in range(WORKLOADS)])


class Answers(socketserver.BaseRequestHandler):
    """One connection, kept alive."""

    def handle(self) -> None:
        """Answer each request by its path and body."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = self.request.makefile("rb")
        while first := lines.readline():
            length = 0
            while (line := lines.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            body = lines.read(length)
            if b"/workloads" in first:
                self.request.sendall(LIST)
            elif b"/embeddings" in first:
                self.request.sendall(EMBEDDINGS)
            else:
                self.request.sendall(STREAM if b'"stream":true' in body else CHAT)


class Server(socketserver.ThreadingTCPServer):
    """Any number of connections."""

    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Answers) as server:
        print(server.server_address[1], flush=True)
        sys.stdin.close()
        server.serve_forever()
