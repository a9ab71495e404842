"""Entry point: LocalStack loads the executor named by LAMBDA_RUNTIME_EXECUTOR=broadcast."""

from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    name = "broadcast"

    def load(self, *args, **kwargs):
        from broadcast_executor.executor import ProcessExecutor
        from localstack.services.lambda_.invocation.logs import LogHandler

        # Of most invocations there is nothing to keep, and CloudWatch takes no empty batch.
        add = LogHandler.add_logs
        LogHandler.add_logs = lambda handler, item: add(handler, item) if item.logs else None
        return ProcessExecutor
