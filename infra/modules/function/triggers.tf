# What starts it. Without any of these an operator does.

resource "aws_lambda_event_source_mapping" "queue" {
  count = var.queue == null ? 0 : 1

  function_name                      = aws_lambda_function.this.arn
  event_source_arn                   = var.queue.arn
  batch_size                         = var.queue.batch
  maximum_batching_window_in_seconds = var.queue.window_seconds
  # One bad body fails alone.
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.queue.concurrency_max
  }
}

resource "aws_cloudwatch_event_rule" "schedule" {
  count = var.schedule == null ? 0 : 1

  name                = local.name
  description         = "Starts the function ${local.name}"
  schedule_expression = var.schedule.expression
}

resource "aws_cloudwatch_event_target" "schedule" {
  count = var.schedule == null ? 0 : 1

  rule      = aws_cloudwatch_event_rule.schedule[0].name
  target_id = "function"
  arn       = aws_lambda_function.this.arn
  input     = var.schedule.input
}

resource "aws_lambda_permission" "schedule" {
  count = var.schedule == null ? 0 : 1

  statement_id  = "schedule"
  function_name = aws_lambda_function.this.function_name
  action        = "lambda:InvokeFunction"
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.schedule[0].arn
}

# A tick that failed is not repeated: the next one is sooner, and finds the same work.
resource "aws_lambda_function_event_invoke_config" "schedule" {
  count = var.schedule == null ? 0 : 1

  function_name                = aws_lambda_function.this.function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}

# Open to everybody by itself; the function answers those alone who show CloudFront's secret header. CloudFront's signature of requests
# would ask every client for a digest of its body, which no mail program's one-click unsubscribe has. The provider adds the two permissions that
# an open URL needs.
resource "aws_lambda_function_url" "this" {
  #checkov:skip=CKV_AWS_258:See above
  count = var.url ? 1 : 0

  function_name      = aws_lambda_function.this.function_name
  authorization_type = "NONE"
}
