# export: new responses -> files in the tenant's Exports.
# Trigger: its queue, and a schedule that puts the tenants that are due on it.

module "export_queue" {
  source = "../queue"

  deployment         = local.deployment
  name               = "export"
  visibility_seconds = local.functions.export.timeout_seconds + local.queues.export.window_seconds + local.margin_seconds
  receives_max       = local.queues.export.receives_max
}

module "export" {
  source = "../function"

  deployment         = local.deployment
  name               = "export"
  size               = local.functions.export
  queue              = merge(local.queues.export, { arn = module.export_queue.arn })
  schedule           = local.schedules.export
  subnet_ids         = local.place.inward.subnet_ids
  security_group_ids = local.place.inward.security_group_ids

  environment = merge(
    {
      DEPLOYMENT       = var.name
      EXPORT_QUEUE_URL = module.export_queue.url
      NOTIFY_QUEUE_URL = module.notify_queue.url
    },
    local.environment.database,
    local.environment.tenants,
  )

  policy = {
    Database = local.allow.database
    Tenants  = local.allow.tenants
    Openpgp  = local.allow.openpgp
    Nudge = {
      actions   = ["sqs:SendMessage"]
      resources = [module.export_queue.arn, module.notify_queue.arn]
    }
  }

  depends_on = [module.notify]
}
