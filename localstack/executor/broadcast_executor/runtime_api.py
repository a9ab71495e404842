"""The Lambda Runtime API (2018-06-01) for one execution environment, on a loopback port of its own."""

import http.server
import json
import threading

PREFIX = "/2018-06-01/runtime/"
# What Lambda itself accepts as a response, and a little for the error document around it.
BODY_BYTES_MAX = 7 * 1024 * 1024
# How long a `next` waits before it looks whether the server was closed.
NEXT_POLL_SECONDS = 1.0


class Invocation:
    def __init__(self, request_id: str, arn: str, trace_id: str, payload: bytes):
        self.request_id = request_id
        self.arn = arn
        self.trace_id = trace_id
        self.payload = payload
        self.deadline_ms = 0
        self.answer: bytes | None = None
        self.is_error = False


class RuntimeApi:
    """State shared by the server's threads and the invoking one; every change notifies `changed`.

    `generation` numbers the runs of the process: what an earlier run still says is not listened to.
    """

    def __init__(self):
        self.changed = threading.Condition()
        self.generation = 0
        self.waiting = False
        self.offered: Invocation | None = None
        self.running: Invocation | None = None
        self.init_error: bytes | None = None
        self.closed = False
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True, name="runtime-api").start()

    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def new_run(self) -> None:
        with self.changed:
            self.generation += 1
            self.waiting = False
            self.offered = self.running = None
            self.init_error = None
            self.changed.notify_all()

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def next(self) -> Invocation | None:
        """Blocks until there is an invocation; None when the run it belongs to is over."""
        with self.changed:
            generation = self.generation
            self.waiting = True
            self.changed.notify_all()
            while self.offered is None:
                if self.closed or self.generation != generation:
                    return None
                self.changed.wait(NEXT_POLL_SECONDS)
            if self.generation != generation:
                return None
            self.running, self.offered, self.waiting = self.offered, None, False
            return self.running

    def answer(self, request_id: str, body: bytes, is_error: bool) -> bool:
        with self.changed:
            if self.running is None or self.running.request_id != request_id:
                return False
            self.running.answer, self.running.is_error = body, is_error
            self.running = None
            self.changed.notify_all()
            return True

    def fail_init(self, body: bytes) -> None:
        with self.changed:
            self.init_error = body
            self.changed.notify_all()


def _handler_of(api: RuntimeApi):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self):
            if self.path != PREFIX + "invocation/next":
                return self._reply(404, b"{}")
            invocation = api.next()
            if invocation is None:
                self.close_connection = True
                return None
            return self._reply(
                200,
                invocation.payload,
                {
                    "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                    "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
                    "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
                    "Lambda-Runtime-Trace-Id": invocation.trace_id,
                },
            )

        def do_POST(self):
            body = self._body()
            if body is None:
                self.close_connection = True
                return self._reply(413, _error("RequestEntityTooLarge"))
            parts = self.path.removeprefix(PREFIX).split("/")
            match parts:
                case ["init", "error"]:
                    api.fail_init(body)
                    return self._reply(202, b'{"status":"OK"}')
                case ["invocation", request_id, ("response" | "error") as kind]:
                    if api.answer(request_id, body, kind == "error"):
                        return self._reply(202, b'{"status":"OK"}')
                    return self._reply(400, _error("InvalidRequestID"))
                case _:
                    return self._reply(404, b"{}")

        def _body(self) -> bytes | None:
            if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
                return self._chunks()
            length = int(self.headers.get("Content-Length") or 0)
            return self.rfile.read(length) if length <= BODY_BYTES_MAX else None

        def _chunks(self) -> bytes | None:
            body = bytearray()
            while size := int(self.rfile.readline().split(b";")[0], 16):
                if len(body) + size > BODY_BYTES_MAX:
                    return None
                body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return bytes(body)

        def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def handle(self):
            try:
                super().handle()
            except (ConnectionError, TimeoutError):
                pass

        def log_message(self, *_):
            pass

    return Handler


def _error(kind: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": kind}).encode()
