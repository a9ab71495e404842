"""One execution environment of a Lambda function: a process, its Runtime API, and one invocation at a time."""

import json
import os
import threading
import time

from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from broadcast_executor.process import Process
from broadcast_executor.runtime_api import Invocation, RuntimeApi

# Lambda's own limit of the init phase.
INIT_SECONDS_MAX = 10.0
# Set by the driver; the functions' output is appended to <dir>/<function name>.log.
LOG_DIR_VARIABLE = "BROADCAST_LOG_DIR"
# Set on each function by provision.py: the absolute path of the binary.
BOOTSTRAP_VARIABLE = "LOCAL_BOOTSTRAP"
# LocalStack's own variables for its init binary and X-Ray mean nothing to ours.
INTERNAL_PREFIXES = ("LOCALSTACK_", "_AWS_XRAY", "AWS_XRAY", "EDGE_PORT", BOOTSTRAP_VARIABLE)


def _with_cookies(answer: bytes) -> bytes:
    """LocalStack's function URLs forget `cookies`, where AWS makes `Set-Cookie` of each: here they become that header, which may be a list."""
    if b'"cookies":["' not in answer:
        return answer
    response = json.loads(answer)
    response.setdefault("headers", {})["set-cookie"] = response.pop("cookies")
    return json.dumps(response).encode()


class ProcessExecutor(RuntimeExecutor):
    def __init__(self, id: str, function_version: FunctionVersion) -> None:
        super().__init__(id=id, function_version=function_version)
        self.name = function_version.id.function_name
        self._environment: dict[str, str] = {}
        self._binary = ""
        self._api: RuntimeApi | None = None
        self._process: Process | None = None
        self._stopped = False
        self._one_at_a_time = threading.Lock()

    def start(self, env_vars: dict[str, str]) -> None:
        self._binary = env_vars.get(BOOTSTRAP_VARIABLE, "")
        self._api = RuntimeApi()
        self._environment = {
            name: str(value) for name, value in env_vars.items() if not name.startswith(INTERNAL_PREFIXES)
        }
        self._environment["PATH"] = "/usr/local/bin:/usr/bin:/bin"
        self._environment["AWS_LAMBDA_RUNTIME_API"] = self._api.address()
        # A failing init is told by the invocation, as AWS does.
        if os.access(self._binary, os.X_OK):
            self._spawn()

    def stop(self) -> None:
        self._stopped = True
        if self._process:
            self._process.kill()
        if self._api:
            self._api.close()

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        invocation = Invocation(
            payload["invoke-id"], payload["invoked-function-arn"], payload["trace-id"], payload["payload"].encode()
        )
        with self._one_at_a_time:
            failure = self._ready() or self._run(invocation)
            return self._result(invocation, failure)

    def _spawn(self) -> None:
        self._api.new_run()
        process = None

        def on_exit():
            with self._api.changed:
                self._api.changed.notify_all()

        process = Process(self._binary, self._environment, self._log_path(), on_exit)
        self._process = process

    def _ready(self) -> bytes | None:
        """Waits until the process asks for work; starts it when it is not there, and again when it was rebuilt."""
        if not os.access(self._binary, os.X_OK):
            return _failure("Runtime.InvalidEntrypoint", f"no executable at {self._binary or BOOTSTRAP_VARIABLE}")
        if self._process and self._process.outdated():
            self._process.kill()
        if self._process is None or not self._process.alive():
            self._spawn()
        api, process = self._api, self._process
        with api.changed:
            done = api.changed.wait_for(
                lambda: api.waiting or api.init_error or not process.alive(), timeout=INIT_SECONDS_MAX
            )
            if api.waiting and process.alive():
                return None
            error = api.init_error
        if not done:
            process.kill()
            return _failure("Sandbox.Timedout", f"init timed out after {INIT_SECONDS_MAX:.0f} seconds")
        if error:
            process.kill()
            return error
        return _failure("Runtime.ExitError", f"Runtime exited during init: {process.how_it_ended()}")

    def _run(self, invocation: Invocation) -> bytes | None:
        """Hands the invocation over and waits for its answer; the failure document, or None when it answered."""
        timeout = float(self.function_version.config.timeout)
        invocation.deadline_ms = int((time.time() + timeout) * 1000)
        api, process = self._api, self._process
        with api.changed:
            api.offered = invocation
            api.changed.notify_all()
            api.changed.wait_for(lambda: invocation.answer is not None or not process.alive(), timeout=timeout)
            if invocation.answer is not None:
                return None
        if process.alive():
            process.kill()
            return _failure("Sandbox.Timedout", f"Task timed out after {timeout:.2f} seconds", invocation.request_id)
        what = "stopped by LocalStack" if self._stopped else process.how_it_ended()
        return _failure("Runtime.ExitError", f"Runtime exited with error: {what}", invocation.request_id)

    def _result(self, invocation: Invocation, failure: bytes | None) -> InvocationResult:
        request_id = invocation.request_id
        output = self._process.take_tail() if self._process else ""
        if failure is not None:
            self._append(f"{self.name} {request_id}: {failure.decode(errors='replace')}\n")
        return InvocationResult(
            request_id=request_id,
            payload=failure if failure is not None else _with_cookies(invocation.answer),
            is_error=failure is not None or invocation.is_error,
            logs=_errors(output) + (failure.decode(errors="replace") + "\n" if failure is not None else ""),
        )

    def _log_path(self) -> str:
        directory = os.environ.get(LOG_DIR_VARIABLE, "/tmp")
        return os.path.join(directory, f"{self.name}.log")

    def _append(self, line: str) -> None:
        with open(self._log_path(), "a", encoding="utf-8") as log:
            log.write(line)

    def get_logs(self) -> str:
        try:
            with open(self._log_path(), encoding="utf-8", errors="replace") as log:
                return log.read()[-4096:]
        except FileNotFoundError:
            return ""

    def get_address(self) -> str:
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        return ""

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        pass

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        pass


def _errors(output: str) -> str:
    """What CloudWatch keeps of an invocation here: what it logged as an error. The whole output stands in the function's file."""
    return "".join(line + "\n" for line in output.splitlines() if '"level":"ERROR"' in line)


def _failure(kind: str, message: str, request_id: str | None = None) -> bytes:
    prefix = f"RequestId: {request_id} Error: " if request_id else ""
    return json.dumps({"errorType": kind, "errorMessage": prefix + message}).encode()
