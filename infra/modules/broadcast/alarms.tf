# Alarms of what is no function and no queue, and of lines in logs. Every alarm names its runbook.

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = aws_kms_key.this.id
}

resource "aws_sns_topic_subscription" "alarms" {
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

locals {
  # Lines by which functions call for a person: the function, its words, and how many in five minutes are too many.
  calls = {
    given-up      = { function = "import", words = "given up", lines_max = 0 }
    receipts      = { function = "admin", words = "receipts do not hold", lines_max = 0 }
    anchors       = { function = "sweep", words = "receipts that were anchored are not there*", lines_max = 0 }
    restored      = { function = "send", words = "the database was restored from a backup*", lines_max = 0 }
    outcomes-lost = { function = "send", words = "outcomes are lost*", lines_max = 0 }
    relay         = { function = "send", words = "no connection to the relay", lines_max = 10 }
    last-export   = { function = "sweep", words = "the last export did not come*", lines_max = 0 }
    export-keys   = { function = "export", words = "exports are to be encrypted*", lines_max = 0 }
    unsubscribes  = { function = "collect", words = "unsubscribe not taken", lines_max = 0 }
  }

  # Figures of AWS that are above what is well for a quarter of an hour.
  gauges = {
    database-capacity = {
      description = "The database needs nearly all that it may have."
      namespace   = "AWS/RDS"
      metric      = "ACUUtilization"
      dimensions  = { DBClusterIdentifier = aws_rds_cluster.this.cluster_identifier }
      above       = 90
    }
    texts = {
      description = "Texts have cost most of what they may."
      namespace   = "AWS/SNS"
      metric      = "SMSMonthToDateSpentUSD"
      dimensions  = {}
      above       = var.texts_usd * 0.8
    }
    bounces = {
      description = "So many mails bounce that SES may stop sending."
      namespace   = "AWS/SES"
      metric      = "Reputation.BounceRate"
      dimensions  = {}
      above       = 0.04
    }
    complaints = {
      description = "So many people complain that SES may stop sending."
      namespace   = "AWS/SES"
      metric      = "Reputation.ComplaintRate"
      dimensions  = {}
      above       = 0.0008
    }
    reports-late = {
      description = "SES's events come late."
      namespace   = "AWS/Firehose"
      metric      = "DeliveryToS3.DataFreshness"
      dimensions  = { DeliveryStreamName = "${var.name}-reports" }
      above       = 900
    }
  }
}

resource "aws_cloudwatch_log_metric_filter" "call" {
  for_each = local.calls

  name           = "${var.name}-${each.key}"
  log_group_name = "/aws/lambda/${var.name}-${each.value.function}"
  pattern        = "{ $.message = \"${each.value.words}\" }"

  metric_transformation {
    namespace = var.name
    name      = each.key
    value     = "1"
  }

  # Their log groups.
  depends_on = [module.import, module.admin, module.sweep, module.send, module.export, module.collect]
}

resource "aws_cloudwatch_metric_alarm" "call" {
  for_each = local.calls

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.function} says: ${each.value.words} Runbook: infra/README.md#${each.key}"
  namespace           = var.name
  metric_name         = each.key
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.lines_max
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "gauge" {
  for_each = local.gauges

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.description} Runbook: infra/README.md#${each.key}"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "answers" {
  for_each = local.edges

  alarm_name          = "${var.name}-${each.key}-answers"
  alarm_description   = "Requests are answered with errors of ours. Runbook: infra/README.md#answers"
  namespace           = "AWS/Lambda"
  metric_name         = "Url5xxCount"
  dimensions          = { FunctionName = "${var.name}-${each.key}" }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# One that is gone has no figures.
resource "aws_cloudwatch_metric_alarm" "gateway" {
  alarm_name          = "${var.name}-gateway-down"
  alarm_description   = "No gateway takes connections. Runbook: infra/README.md#gateway-down"
  namespace           = "AWS/NetworkELB"
  metric_name         = "HealthyHostCount"
  dimensions          = { LoadBalancer = aws_lb.gateway.arn_suffix, TargetGroup = aws_lb_target_group.gateway.arn_suffix }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 3
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
