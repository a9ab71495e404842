"""Runs a Lambda function's `bootstrap` binary as a plain process under LocalStack, without Docker."""
