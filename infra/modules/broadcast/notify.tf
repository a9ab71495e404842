# notify: what happened -> webhooks of tenants; mails to users of the console.
# Trigger: its queue, and a schedule for what is due again.
# The way out: webhooks go to the world through the NAT, whose address receivers may have to let in.

module "notify_queue" {
  source = "../queue"

  deployment         = local.deployment
  name               = "notify"
  visibility_seconds = local.functions.notify.timeout_seconds + local.queues.notify.window_seconds + local.margin_seconds
  receives_max       = local.queues.notify.receives_max
}

module "notify" {
  source = "../function"

  deployment         = local.deployment
  name               = "notify"
  size               = local.functions.notify
  queue              = merge(local.queues.notify, { arn = module.notify_queue.arn })
  schedule           = local.schedules.notify
  subnet_ids         = local.place.outward.subnet_ids
  security_group_ids = local.place.outward.security_group_ids

  environment = merge(
    {
      DEPLOYMENT       = var.name
      CONSOLE_FROM     = local.console_from
      CONSOLE_URL      = "https://${local.hosts.console}"
      NOTIFY_QUEUE_URL = module.notify_queue.url
    },
    local.environment.database,
    local.environment.master,
    local.environment.relay,
  )

  policy = {
    Database = local.allow.database
    Master   = local.allow.master
    Nudge = {
      actions   = ["sqs:SendMessage"]
      resources = [module.notify_queue.arn]
    }
  }

  depends_on = [aws_lambda_invocation.migrate]
}
