# sweep: deletes what is over, finds what was lost, keeps the buckets' lifecycle rules, anchors receipts.
# Trigger: a schedule of five minutes, which puts every tenant on its queue.

module "sweep_queue" {
  source = "../queue"

  deployment         = local.deployment
  name               = "sweep"
  visibility_seconds = local.functions.sweep.timeout_seconds + local.queues.sweep.window_seconds + local.margin_seconds
  receives_max       = local.queues.sweep.receives_max
}

module "sweep" {
  source = "../function"

  deployment         = local.deployment
  name               = "sweep"
  size               = local.functions.sweep
  queue              = merge(local.queues.sweep, { arn = module.sweep_queue.arn })
  schedule           = local.schedules.sweep
  subnet_ids         = local.place.inward.subnet_ids
  security_group_ids = local.place.inward.security_group_ids

  environment = merge(
    {
      DEPLOYMENT       = var.name
      ANCHORS_BUCKET   = local.buckets.anchors
      JOURNAL_BUCKET   = local.buckets.journal
      REPORTS_BUCKET   = local.buckets.reports
      SWEEP_QUEUE_URL  = module.sweep_queue.url
      IMPORT_QUEUE_URL = module.import_queue.url
      EXPORT_QUEUE_URL = module.export_queue.url
    },
    local.environment.database,
    local.environment.tenants,
  )

  policy = {
    Database = local.allow.database
    Tenants  = local.allow.tenants
    LifecycleRules = {
      actions = ["s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration"]
      resources = [
        aws_s3_bucket.this["spool"].arn,
        aws_s3_bucket.this["reports"].arn,
        aws_s3_bucket.this["journal"].arn,
        local.tenant_bucket_arns,
      ]
      conditions = { StringEquals = { "aws:ResourceAccount" = local.account_id } }
    }
    # Of a tenant's bucket that keeps versions though nothing of ours asks for that.
    OldVersions = {
      actions = [
        "s3:GetBucketVersioning",
        "s3:ListBucketVersions",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
      ]
      resources  = [local.tenant_bucket_arns, "${local.tenant_bucket_arns}/*"]
      conditions = { StringEquals = { "aws:ResourceAccount" = local.account_id } }
    }
    # Their names begin as tenants' buckets do.
    NotOfCommonBuckets = {
      effect    = "Deny"
      actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
      resources = [for bucket in aws_s3_bucket.this : "${bucket.arn}/*"]
    }
    Journal = {
      actions   = ["s3:ListBucket", "s3:GetObject"]
      resources = [aws_s3_bucket.this["journal"].arn, "${aws_s3_bucket.this["journal"].arn}/*"]
    }
    Anchors = {
      actions   = ["s3:PutObject", "s3:PutObjectRetention"]
      resources = ["${aws_s3_bucket.this["anchors"].arn}/*"]
    }
    AnchorsKey = {
      actions   = ["kms:GenerateDataKey"]
      resources = [aws_kms_key.this.arn]
    }
    Nudge = {
      actions = ["sqs:SendMessage"]
      resources = [
        module.sweep_queue.arn,
        module.import_queue.arn,
        module.export_queue.arn,
      ]
    }
  }

  depends_on = [module.import, module.export]
}
