"""Entry point: LocalStack loads the executor named by LAMBDA_RUNTIME_EXECUTOR=broadcast."""

from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    name = "broadcast"

    def load(self, *args, **kwargs):
        from broadcast_executor.executor import ProcessExecutor

        return ProcessExecutor
