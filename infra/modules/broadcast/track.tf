# track: opens, clicks, unsubscribes and reports -> responses of the campaign.
# Trigger: its queue, with messages of collect and what S3 tells of the bucket of reports.

module "track_queue" {
  source = "../queue"

  deployment         = local.deployment
  name               = "track"
  visibility_seconds = local.functions.track.timeout_seconds + local.queues.track.window_seconds + local.margin_seconds
  receives_max       = local.queues.track.receives_max
  bucket_arns        = [aws_s3_bucket.this["reports"].arn]
}

module "track" {
  source = "../function"

  deployment         = local.deployment
  name               = "track"
  size               = local.functions.track
  queue              = merge(local.queues.track, { arn = module.track_queue.arn })
  subnet_ids         = local.place.inward.subnet_ids
  security_group_ids = local.place.inward.security_group_ids

  environment = merge(
    {
      DEPLOYMENT     = var.name
      REPORTS_BUCKET = local.buckets.reports
    },
    local.environment.database,
    local.environment.settings,
    local.environment.master,
  )

  policy = {
    Database = local.allow.database
    Settings = local.allow.settings
    Master   = local.allow.master
    Reports = {
      actions   = ["s3:GetObject", "s3:DeleteObject"]
      resources = ["${aws_s3_bucket.this["reports"].arn}/*"]
    }
  }

  depends_on = [aws_lambda_invocation.migrate]
}
