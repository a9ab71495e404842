# console: the web application. It does what the API does, in its own process; and shows operators queues and errors.
# Trigger: HTTP, behind CloudFront.

locals {
  queue_modules = [
    module.import_queue,
    module.generate_queue,
    module.send_queue,
    module.track_queue,
    module.export_queue,
    module.sweep_queue,
    module.notify_queue,
    module.count_queue,
  ]
}

module "console" {
  source = "../function"

  deployment         = local.deployment
  name               = "console"
  size               = local.functions.console
  url                = true
  subnet_ids         = local.place.inward.subnet_ids
  security_group_ids = local.place.inward.security_group_ids

  environment = merge(
    {
      DEPLOYMENT         = var.name
      CONSOLE_URL        = "https://${local.hosts.console}"
      IMPORT_QUEUE_URL   = module.import_queue.url
      GENERATE_QUEUE_URL = module.generate_queue.url
      SEND_QUEUE_URL     = module.send_queue.url
      TRACK_QUEUE_URL    = module.track_queue.url
      EXPORT_QUEUE_URL   = module.export_queue.url
      SWEEP_QUEUE_URL    = module.sweep_queue.url
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
    Queues = {
      actions   = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"]
      resources = [for queue in local.queue_modules : queue.arn]
    }
    # A move of SQS takes from these and puts on the others, with the rights of whoever asks for it.
    DeadLetters = {
      actions = [
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
        "sqs:ReceiveMessage",
        "sqs:StartMessageMoveTask",
      ]
      resources = [for queue in local.queue_modules : queue.dead_letters_arn]
    }
    # For that, and for what the API's operations put there.
    Nudge = {
      actions   = ["sqs:SendMessage"]
      resources = [for queue in local.queue_modules : queue.arn]
    }
    Errors = {
      actions   = ["logs:FilterLogEvents"]
      resources = [for name, size in local.functions : "${local.arn.logs}:log-group:/aws/lambda/${var.name}-${name}:*"]
    }
    # A phone has no ARN; topics have.
    Texts = {
      actions   = ["sns:Publish"]
      resources = ["*"]
    }
    NoTopics = {
      effect    = "Deny"
      actions   = ["sns:Publish"]
      resources = ["arn:${local.partition}:sns:*:*:*"]
    }
  }

  depends_on = [module.import, module.export, module.count]
}
