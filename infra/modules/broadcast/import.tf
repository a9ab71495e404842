# import: a list that a customer uploaded -> rows of the campaign.
# Trigger: its queue, with what S3 tells of tenants' buckets and calls of the API.

module "import_queue" {
  source = "../queue"

  deployment         = local.deployment
  name               = "import"
  visibility_seconds = local.functions.import.timeout_seconds + local.queues.import.window_seconds + local.margin_seconds
  receives_max       = local.queues.import.receives_max
  age_seconds_max    = 3600
  bucket_arns        = [local.tenant_bucket_arns]
}

module "import" {
  source = "../function"

  deployment         = local.deployment
  name               = "import"
  size               = local.functions.import
  queue              = merge(local.queues.import, { arn = module.import_queue.arn })
  subnet_ids         = local.place.inward.subnet_ids
  security_group_ids = local.place.inward.security_group_ids

  environment = merge(
    {
      DEPLOYMENT         = var.name
      GENERATE_QUEUE_URL = module.generate_queue.url
      NOTIFY_QUEUE_URL   = module.notify_queue.url
    },
    local.environment.database,
    local.environment.tenants,
    local.environment.master,
  )

  policy = {
    Database = local.allow.database
    Tenants  = local.allow.tenants
    Master   = local.allow.master
    Openpgp  = local.allow.openpgp
    Nudge = {
      actions   = ["sqs:SendMessage"]
      resources = [module.generate_queue.arn, module.notify_queue.arn]
    }
  }

  depends_on = [module.generate, module.notify]
}
