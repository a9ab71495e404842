# generate: a slice of a launch -> finished mails in the spool.
# Trigger: its queue, and a schedule for launches whose time has come.

module "generate_queue" {
  source = "../queue"

  deployment         = local.deployment
  name               = "generate"
  visibility_seconds = local.functions.generate.timeout_seconds + local.queues.generate.window_seconds + local.margin_seconds
  receives_max       = local.queues.generate.receives_max
}

module "generate" {
  source = "../function"

  deployment         = local.deployment
  name               = "generate"
  size               = local.functions.generate
  queue              = merge(local.queues.generate, { arn = module.generate_queue.arn })
  schedule           = local.schedules.generate
  subnet_ids         = local.place.inward.subnet_ids
  security_group_ids = local.place.inward.security_group_ids

  environment = merge(
    {
      DEPLOYMENT            = var.name
      BOUNCE_DOMAIN         = local.hosts.bounces
      PUBLIC_URL            = "https://${local.hosts.collect}"
      RELAY_PROFILE         = var.relay.profile
      DKIM_SIGNATURES       = var.relay.dkim
      SES_CONFIGURATION_SET = var.relay.profile == "ses" ? var.name : ""
      GENERATE_QUEUE_URL    = module.generate_queue.url
      SEND_QUEUE_URL        = module.send_queue.url
    },
    local.environment.database,
    local.environment.tenants,
    local.environment.master,
  )

  policy = {
    Database = local.allow.database
    Tenants  = local.allow.tenants
    Master   = local.allow.master
    SenderDomains = {
      actions   = ["secretsmanager:GetSecretValue"]
      resources = ["${local.arn.secretsmanager}:secret:${var.name}/domains/*"]
    }
    Nudge = {
      actions   = ["sqs:SendMessage"]
      resources = [module.generate_queue.arn, module.send_queue.arn]
    }
  }

  depends_on = [module.send]
}
