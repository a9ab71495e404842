# A queue and its dead letters. Messages hold ids, so SQS's own key is enough; S3's notifications name files, and no person.

locals {
  name = "${var.deployment.name}-${var.name}"
}

resource "aws_sqs_queue" "this" {
  name                       = local.name
  visibility_timeout_seconds = var.visibility_seconds
  message_retention_seconds  = var.deployment.retention.queue_seconds
  sqs_managed_sse_enabled    = true

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = var.receives_max
  })
}

# Keeps messages longer than their source, for a letter's age counts from the first sending.
resource "aws_sqs_queue" "dead_letters" {
  name                      = "${local.name}-dlq"
  message_retention_seconds = var.deployment.retention.dead_letter_seconds
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.id

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.this.arn]
  })
}

# Who may put messages on it beside the roles of this account that say so themselves: S3, for these buckets of ours.
resource "aws_sqs_queue_policy" "this" {
  queue_url = aws_sqs_queue.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = aws_sqs_queue.this.arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }],
      [for arns in [var.bucket_arns] : {
        Sid       = "Notifications"
        Effect    = "Allow"
        Principal = { Service = "s3.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = aws_sqs_queue.this.arn
        Condition = {
          ArnLike      = { "aws:SourceArn" = arns }
          StringEquals = { "aws:SourceAccount" = var.deployment.account_id }
        }
      } if length(arns) > 0],
    )
  })
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  alarm_name          = "${local.name}-dead-letters"
  alarm_description   = "A message was given up. Runbook: infra/README.md#dead-letters"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead_letters.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.deployment.alarm_topic_arn]
  ok_actions          = [var.deployment.alarm_topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "backlog" {
  alarm_name          = "${local.name}-backlog"
  alarm_description   = "Messages wait longer than they should. Runbook: infra/README.md#backlog"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = aws_sqs_queue.this.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.age_seconds_max
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.deployment.alarm_topic_arn]
  ok_actions          = [var.deployment.alarm_topic_arn]
}
