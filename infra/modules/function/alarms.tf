locals {
  alarms = {
    errors = {
      metric      = "Errors"
      statistic   = "Sum"
      threshold   = 0
      description = "Invocations end with an error, a crash or a timeout."
    }
    throttles = {
      metric      = "Throttles"
      statistic   = "Sum"
      threshold   = 0
      description = "Invocations are refused for want of concurrency."
    }
    duration = {
      metric      = "Duration"
      statistic   = "Maximum"
      threshold   = var.size.timeout_seconds * 1000 * 0.9
      description = "Invocations need nearly all the time that they may have."
    }
  }
}

# Twice in a quarter of an hour: what happens once was tried again since.
resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = "${each.value.description} Runbook: infra/README.md#${each.key}"
  namespace           = "AWS/Lambda"
  metric_name         = each.value.metric
  dimensions          = { FunctionName = aws_lambda_function.this.function_name }
  statistic           = each.value.statistic
  period              = 300
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.deployment.alarm_topic_arn]
  ok_actions          = [var.deployment.alarm_topic_arn]
}

# Nothing tells of a schedule that stands still but that nothing happens.
resource "aws_cloudwatch_metric_alarm" "silent" {
  count = var.schedule == null ? 0 : var.schedule.silent_seconds == null ? 0 : 1

  alarm_name          = "${local.name}-silent"
  alarm_description   = "The schedule starts nothing any more. Runbook: infra/README.md#silent"
  namespace           = "AWS/Lambda"
  metric_name         = "Invocations"
  dimensions          = { FunctionName = aws_lambda_function.this.function_name }
  statistic           = "Sum"
  period              = var.schedule.silent_seconds
  evaluation_periods  = 1
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [var.deployment.alarm_topic_arn]
  ok_actions          = [var.deployment.alarm_topic_arn]
}
