"""One run of a bootstrap binary: started with a clean environment, its output kept, killed with LocalStack."""

import collections
import concurrent.futures
import os
import signal
import subprocess
import threading

# A log tail is what an `Invoke` with LogType=Tail returns: AWS gives the last 4 KB.
TAIL_BYTES_MAX = 4096

# The kernel's parent death signal follows the *thread* that forked, and LocalStack's pool threads come and go:
# one thread, alive as long as the interpreter, starts every process.
_spawner = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="bootstrap-spawner")


class Process:
    """`on_exit()` is called once, from a thread of its own, after the last line of output was kept."""

    def __init__(self, binary: str, environment: dict[str, str], log_path: str, on_exit):
        self.binary = binary
        self.modified = _modified(binary)
        self._tail = collections.deque()
        self._tail_bytes = 0
        self._log_path = log_path
        self._lock = threading.Lock()
        self._popen = _spawner.submit(self._spawn, environment).result()
        self.pid = self._popen.pid
        threading.Thread(target=self._follow, args=(on_exit,), daemon=True, name=f"bootstrap-{self.pid}").start()

    def _spawn(self, environment: dict[str, str]) -> subprocess.Popen:
        # setpriv execs the binary, so the pid is the function's own.
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", self.binary],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _follow(self, on_exit) -> None:
        with open(self._log_path, "ab", buffering=0) as log:
            for line in self._popen.stdout:
                log.write(line)
                self._keep(line)
        self._popen.wait()
        on_exit()

    def _keep(self, line: bytes) -> None:
        with self._lock:
            self._tail.append(line)
            self._tail_bytes += len(line)
            while self._tail_bytes > TAIL_BYTES_MAX and len(self._tail) > 1:
                self._tail_bytes -= len(self._tail.popleft())

    def take_tail(self) -> str:
        """The output since the last call, at most the last 4 KB."""
        with self._lock:
            text = b"".join(self._tail)[-TAIL_BYTES_MAX:].decode(errors="replace")
            self._tail.clear()
            self._tail_bytes = 0
        return text

    def alive(self) -> bool:
        return self._popen.poll() is None

    def outdated(self) -> bool:
        """The binary was rebuilt since: the next invocation wants the new one."""
        return _modified(self.binary) != self.modified

    def how_it_ended(self) -> str:
        code = self._popen.poll()
        if code is None:
            return "still running"
        return f"signal: {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    def kill(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self._popen.wait()


def _modified(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return 0
