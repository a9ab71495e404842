# send: mails in the spool -> the relay, and the outcome of each. Keeps the journal, too.
# Trigger: its queue, and a schedule for what is due again.
# The way out: SES is reached by an endpoint; any other relay through the NAT.

module "send_queue" {
  source = "../queue"

  deployment         = local.deployment
  name               = "send"
  visibility_seconds = local.functions.send.timeout_seconds + local.queues.send.window_seconds + local.margin_seconds
  receives_max       = local.queues.send.receives_max
}

module "send" {
  source = "../function"

  deployment         = local.deployment
  name               = "send"
  size               = local.functions.send
  queue              = merge(local.queues.send, { arn = module.send_queue.arn })
  schedule           = local.schedules.send
  subnet_ids         = local.relay_place.subnet_ids
  security_group_ids = local.relay_place.security_group_ids

  environment = merge(
    {
      DEPLOYMENT         = var.name
      JOURNAL_BUCKET     = local.buckets.journal
      SEND_QUEUE_URL     = module.send_queue.url
      GENERATE_QUEUE_URL = module.generate_queue.url
    },
    local.environment.database,
    local.environment.tenants,
    local.environment.master,
    local.environment.relay,
  )

  policy = {
    Database = local.allow.database
    Tenants  = local.allow.tenants
    Master   = local.allow.master
    Journal = {
      actions   = ["s3:ListBucket", "s3:PutObject"]
      resources = [aws_s3_bucket.this["journal"].arn, "${aws_s3_bucket.this["journal"].arn}/*"]
    }
    JournalKey = {
      actions   = ["kms:GenerateDataKey"]
      resources = [aws_kms_key.this.arn]
    }
    Nudge = {
      actions   = ["sqs:SendMessage"]
      resources = [module.send_queue.arn, module.generate_queue.arn]
    }
  }

  depends_on = [aws_lambda_invocation.migrate]
}
