# What there is, at a glance: the same functions, queues, schedules and retention as in localstack/stack.toml. Times differ: there they are
# short, so that work comes back within seconds after a crash.

locals {
  # instances: at most so many at once, reserved; a schedule's own included.
  functions = {
    import   = { timeout_seconds = 900, memory_mib = 2048, instances = 8 }
    generate = { timeout_seconds = 900, memory_mib = 1769, instances = 34 }
    send     = { timeout_seconds = 120, memory_mib = 1024, instances = var.relay.sends_max + 2 }
    collect  = { timeout_seconds = 10, memory_mib = 256, instances = 200 }
    track    = { timeout_seconds = 60, memory_mib = 512, instances = 8 }
    export   = { timeout_seconds = 900, memory_mib = 1769, instances = 6 }
    sweep    = { timeout_seconds = 300, memory_mib = 512, instances = 6 }
    notify   = { timeout_seconds = 60, memory_mib = 256, instances = 6 }
    count    = { timeout_seconds = 300, memory_mib = 256, instances = 2 }
    api      = { timeout_seconds = 25, memory_mib = 512, instances = 50 }
    console  = { timeout_seconds = 25, memory_mib = 512, instances = 20 }
    admin    = { timeout_seconds = 900, memory_mib = 1024, instances = 3 }
  }

  # A killed function must not push real work among the dead letters, so most messages are received eight times before.
  queues = {
    import   = { receives_max = 3, batch = 1, window_seconds = 0, concurrency_max = 8 }
    generate = { receives_max = 8, batch = 1, window_seconds = 0, concurrency_max = 32 }
    send     = { receives_max = 8, batch = 1, window_seconds = 0, concurrency_max = var.relay.sends_max }
    track    = { receives_max = 3, batch = 100, window_seconds = 1, concurrency_max = 8 }
    export   = { receives_max = 8, batch = 1, window_seconds = 0, concurrency_max = 4 }
    sweep    = { receives_max = 8, batch = 1, window_seconds = 0, concurrency_max = 4 }
    notify   = { receives_max = 8, batch = 1, window_seconds = 0, concurrency_max = 4 }
    count    = { receives_max = 3, batch = 1, window_seconds = 0, concurrency_max = 2 }
  }

  # silent_seconds: an alarm rings when nothing was started for so long.
  schedules = {
    generate = { expression = "rate(1 minute)", silent_seconds = 300 }
    send     = { expression = "rate(1 minute)", silent_seconds = 300 }
    export   = { expression = "rate(1 minute)", silent_seconds = 300 }
    sweep    = { expression = "rate(5 minutes)", silent_seconds = 900 }
    notify   = { expression = "rate(1 minute)", silent_seconds = 300 }
  }

  # A dead letter outlives its source, and stays below a day, the shortest lifetime of a customer's file. The rest mirrors what sweep keeps:
  # the spool outlives the longest campaign, the journal the oldest backup and the day that this starts from.
  retention = {
    queue_seconds       = 43200
    dead_letter_seconds = 82800
    spool_days          = 91
    reports_days        = 7
    journal_days        = 37
    anchors_days        = 400
  }

  # A message is given back this long after its function must have ended: the lease of an import ends two seconds after it. Six
  # times the timeout, as AWS advises, is for mappings that are throttled; ours start no more than there are instances.
  margin_seconds = 30
}

locals {
  deployment = {
    name            = var.name
    packages        = var.packages
    account_id      = local.account_id
    lambda_arn      = local.arn.lambda
    log_days        = var.log_days
    kms_key_arn     = aws_kms_key.this.arn
    alarm_topic_arn = aws_sns_topic.alarms.arn
    retention       = local.retention
  }
}

# What functions need to know and may do, by what it is about. Each takes its own in its own file.
locals {
  account_id = data.aws_caller_identity.this.account_id
  region     = data.aws_region.this.region
  partition  = data.aws_partition.this.partition

  # What ARNs of this place begin with.
  arn = {
    for service in ["lambda", "logs", "rds-db", "secretsmanager"] :
    service => "arn:${local.partition}:${service}:${local.region}:${local.account_id}"
  }

  # Put together, since the role trusts the roles of the functions that name it.
  tenant_role_arn = "arn:${local.partition}:iam::${local.account_id}:role/${var.name}-tenant"

  environment = {
    database = { DATABASE_URL = local.database_urls.app }
    tenants  = { TENANT_ROLE_ARN = local.tenant_role_arn, SPOOL_BUCKET = local.buckets.spool }
    settings = { SETTINGS_BUCKET = local.buckets.settings }
    master   = { MASTER_KEY_SECRET = aws_secretsmanager_secret.master_key.name }
    relay    = { RELAY_URL = var.relay_url, BOUNCE_DOMAIN = local.hosts.bounces }
    edge     = { EDGE_SECRET = random_password.edge.result }
  }

  allow = {
    database = {
      actions   = ["rds-db:connect"]
      resources = ["${local.database_users}/broadcast_app"]
    }
    tenants = {
      actions   = ["sts:AssumeRole"]
      resources = [local.tenant_role_arn]
    }
    master = {
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [aws_secretsmanager_secret.master_key.arn]
    }
    openpgp = {
      actions   = ["secretsmanager:GetSecretValue"]
      resources = ["${local.arn.secretsmanager}:secret:${var.name}/tenants/*/openpgp/*"]
    }
    # Without the right to list, S3 does not say that there is no document.
    settings = {
      actions   = ["s3:GetObject", "s3:ListBucket"]
      resources = [aws_s3_bucket.this["settings"].arn, "${aws_s3_bucket.this["settings"].arn}/actors.json"]
    }
  }
}

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}
