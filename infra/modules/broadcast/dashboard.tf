# One page: what waits, what fails, how long it takes, what it takes.

locals {
  widgets = [
    {
      title   = "Messages that wait"
      metrics = [for queue in keys(local.queues) : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "${var.name}-${queue}"]]
      stat    = "Maximum"
    },
    {
      title   = "Age of the oldest message, seconds"
      metrics = [for queue in keys(local.queues) : ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", "${var.name}-${queue}"]]
      stat    = "Maximum"
    },
    {
      title   = "Dead letters"
      metrics = [for queue in keys(local.queues) : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "${var.name}-${queue}-dlq"]]
      stat    = "Maximum"
    },
    {
      title   = "Errors"
      metrics = [for name in keys(local.functions) : ["AWS/Lambda", "Errors", "FunctionName", "${var.name}-${name}"]]
      stat    = "Sum"
    },
    {
      title   = "Invocations"
      metrics = [for name in keys(local.functions) : ["AWS/Lambda", "Invocations", "FunctionName", "${var.name}-${name}"]]
      stat    = "Sum"
    },
    {
      title   = "Duration, milliseconds, nine of ten"
      metrics = [for name in keys(local.functions) : ["AWS/Lambda", "Duration", "FunctionName", "${var.name}-${name}"]]
      stat    = "p90"
    },
    {
      title = "Database: capacity in ACUs, connections"
      metrics = [
        for metric in ["ServerlessDatabaseCapacity", "DatabaseConnections"] :
        ["AWS/RDS", metric, "DBClusterIdentifier", aws_rds_cluster.this.cluster_identifier]
      ]
      stat = "Maximum"
    },
    {
      title   = "Connections of the gateway"
      metrics = [["AWS/NetworkELB", "ActiveFlowCount", "LoadBalancer", aws_lb.gateway.arn_suffix]]
      stat    = "Maximum"
    },
    {
      title   = "Answers with errors of ours"
      metrics = [for name in keys(local.edges) : ["AWS/Lambda", "Url5xxCount", "FunctionName", "${var.name}-${name}"]]
      stat    = "Sum"
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = [
      for index, widget in local.widgets : {
        type   = "metric"
        x      = index % 3 * 8
        y      = floor(index / 3) * 7
        width  = 8
        height = 7
        properties = {
          title   = widget.title
          metrics = widget.metrics
          stat    = widget.stat
          period  = 300
          region  = local.region
        }
      }
    ]
  })
}
