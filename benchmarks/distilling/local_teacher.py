"""A teacher small enough for this machine, behind the interface of a large one: a decoder writes texts of a class, a
classifier names the class of a text.

Enters: two packages of ours. Leaves: an OpenAI-compatible address on loopback, while the context is open.
Not here: what is asked (smallwright.teacher), how the packages are made (new_rows.py).

It reads of a prompt what a language model would have to understand: the class that is asked for, or the text. Examples
that a prompt shows say nothing to it; the decoder has learned from all of them.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from smallwright.run import Package, load

WISH = re.compile(r"^Write (\d+) (?:other )?texts that belong to the class '([^'\n]+)'", re.MULTILINE)
MOST_TOKENS = 40


def name_prompt(label: str) -> str:
    """What the decoder is asked for a class by: the words of its name."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label).replace("_", " ").lower()


def answer(document: Mapping[str, Any], writer: Package, classifier: Package) -> str:
    """What is said to the body of a chat request: a list of texts, or a class's name."""
    prompt = str(document["messages"][-1]["content"])
    wish = WISH.search(prompt)
    if wish is None:
        return classifier.classify(prompt.rpartition("Text: ")[2]).label
    # Every text has a seed of its own, and so has every request.
    seed = int.from_bytes(hashlib.sha256(json.dumps(document, sort_keys=True).encode()).digest()[:6], "big")
    how = {"max_tokens": MOST_TOKENS, "temperature": float(document["temperature"])}
    with writer.open_batch() as batch:
        asked = [batch.submit(name_prompt(wish[2]), seed=seed + number, **how) for number in range(int(wish[1]))]
        written = [one.result() for one in asked]
    return "\n".join(" ".join(one.text.split()) for one in written if one.whole)


@contextmanager
def serve(writer: Path, classifier: Path, *, port: int) -> Iterator[str]:
    """Give the address, ending in /v1. Answers are kept under it: the same ``port`` finds them again."""
    lock = threading.Lock()
    with load(writer, threads=1) as writing, load(classifier, threads=1) as naming:

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                document = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with lock:
                    said = answer(document, writing, naming)
                choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
                body = json.dumps({"object": "chat.completion", "choices": [choice]}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            server.shutdown()
            server.server_close()
