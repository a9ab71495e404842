# count: a large campaign that somebody looks at -> its report and figures.
# Trigger: its queue.

module "count_queue" {
  source = "../queue"

  deployment         = local.deployment
  name               = "count"
  visibility_seconds = local.functions.count.timeout_seconds + local.queues.count.window_seconds + local.margin_seconds
  receives_max       = local.queues.count.receives_max
}

module "count" {
  source = "../function"

  deployment         = local.deployment
  name               = "count"
  size               = local.functions.count
  queue              = merge(local.queues.count, { arn = module.count_queue.arn })
  subnet_ids         = local.place.inward.subnet_ids
  security_group_ids = local.place.inward.security_group_ids

  environment = merge(
    {
      DEPLOYMENT = var.name
    },
    local.environment.database,
  )

  policy = {
    Database = local.allow.database
  }

  depends_on = [aws_lambda_invocation.migrate]
}
