"""An OpenAI-compatible server on loopback that misbehaves on request and counts everything.

Enters: what to answer to a text, and how to fail. Leaves: a URL, and counts of questions and answers.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# status, body, headers; None: the connection is dropped; a number: that many seconds before the first byte.
Fault = tuple[int, bytes, Mapping[str, str]] | None | float
OK = "ok"


@dataclass
class Server:
    """``answer``: from the last text of a prompt and the prompt to the answer's text, and to its first token's
    log-probabilities by token (None: not offered). ``cut``: from such a text to whether a limit ended its answer.
    ``fail``: from the number of the request (0, 1, ...) to a fault."""

    answer: Callable[[str, str], tuple[str, Mapping[str, float] | None]]
    fail: Callable[[int], Fault | str] = lambda number: OK
    cut: Callable[[str], bool] = lambda text: False
    shape: str = "content"  # of log-probabilities; or "legacy"
    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    requests: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[str, str, dict[str, Any], int]:
        """Count a request; gives the text asked about, the whole prompt, the body and the request's number."""
        document = json.loads(body)
        prompt = document.get("prompt") or "\n\n".join(turn["content"] for turn in document["messages"])
        asked = re.findall(r"Text: ([^\n]*)", prompt)
        text = asked[-1] if asked else prompt  # a request for text, not for the class of one
        with self.lock:
            number = len(self.requests)
            self.requests.append((path, headers, document))
            self.asked[text] += 1
        return text, prompt, document, number

    def reply(self, text: str, prompt: str, chat: bool) -> dict[str, Any]:
        """A response with one choice."""
        said, top = self.answer(text, prompt)
        choice: dict[str, Any] = {"index": 0, "finish_reason": "length" if self.cut(text) else "stop"}
        choice["logprobs"] = None
        choice |= {"message": {"role": "assistant", "content": said}} if chat else {"text": said}
        if top is not None:
            first = next(iter(top), said)
            listed = [{"token": token, "logprob": value, "bytes": None} for token, value in top.items()]
            choice["logprobs"] = (
                {"content": [{"token": first, "logprob": top.get(first, 0.0), "top_logprobs": listed}]}
                if self.shape == "content"
                else {"tokens": [first], "token_logprobs": [0.0], "top_logprobs": [dict(top)], "text_offset": [0]}
            )
        return {"object": "chat.completion" if chat else "text_completion", "choices": [choice]}


@contextmanager
def serve(server: Server) -> Iterator[Server]:
    """Run a server while the context is open; ``server.url`` ends in /v1."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            text, prompt, document, number = server.take(self.path, dict(self.headers), body)
            self._serve(text, prompt, "messages" in document, server.fail(number))

        def _serve(self, text: str, prompt: str, chat: bool, fault: Fault | str) -> None:
            if fault is None:
                # A reset, not an orderly end.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
                return
            if isinstance(fault, tuple):
                status, said, headers = fault
                self._send(status, said, headers)
                return
            if isinstance(fault, float):
                time.sleep(fault)
            said = json.dumps(server.reply(text, prompt, chat)).encode()
            with server.lock:
                server.answered[text] += 1
            self._send(200, said, {})

        def _send(self, status: int, said: bytes, headers: Mapping[str, str]) -> None:
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)
            except OSError:
                self.close_connection = True  # the client did not wait

        def log_message(self, *arguments: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # killed clients and dropped connections are what is tested

    http = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
