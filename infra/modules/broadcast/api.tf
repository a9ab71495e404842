# api: the HTTP API for programs, with keys.
# Trigger: HTTP, behind CloudFront.

module "api" {
  source = "../function"

  deployment         = local.deployment
  name               = "api"
  size               = local.functions.api
  url                = true
  subnet_ids         = local.place.inward.subnet_ids
  security_group_ids = local.place.inward.security_group_ids

  environment = merge(
    {
      DEPLOYMENT         = var.name
      IMPORT_QUEUE_URL   = module.import_queue.url
      GENERATE_QUEUE_URL = module.generate_queue.url
      EXPORT_QUEUE_URL   = module.export_queue.url
      NOTIFY_QUEUE_URL   = module.notify_queue.url
      COUNT_QUEUE_URL    = module.count_queue.url
    },
    local.environment.database,
    local.environment.tenants,
    local.environment.master,
    local.environment.edge,
  )

  policy = {
    Database = local.allow.database
    Tenants  = local.allow.tenants
    Master   = local.allow.master
    Nudge = {
      actions = ["sqs:SendMessage"]
      resources = [
        module.import_queue.arn,
        module.generate_queue.arn,
        module.export_queue.arn,
        module.notify_queue.arn,
        module.count_queue.arn,
      ]
    }
  }

  depends_on = [module.import, module.export, module.count]
}
