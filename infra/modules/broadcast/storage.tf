# The buckets of all tenants. Tenants' own are made by admin.
#
# Deleted is deleted: spool, reports and journal keep no versions. Lifecycle rules are the backstop behind what functions delete; sweep
# puts them back where somebody changed them, and has the spool's follow the longest lifetime of any campaign.

locals {
  buckets = { for bucket in ["spool", "reports", "settings", "anchors", "journal"] : bucket => "${var.name}-${bucket}" }

  # The days after which everything in a bucket goes.
  expire_days = {
    spool   = local.retention.spool_days
    reports = local.retention.reports_days
    journal = local.retention.journal_days
  }
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18:A log of accesses would be one more place with names of tenants' objects; each function's role says who reaches what
  #checkov:skip=CKV_AWS_21:Deleted is deleted; settings and anchors keep versions
  #checkov:skip=CKV_AWS_144:A copy in another region would outlive what is deleted here
  #checkov:skip=CKV2_AWS_62:Reports announce what comes; nobody waits for what comes into the others
  for_each = local.buckets

  bucket              = each.value
  object_lock_enabled = each.key == "anchors"

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = aws_s3_bucket.this

  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# The spool is sealed by the functions themselves, and reached by sessions of tenants, which may use no key.
resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  rule {
    bucket_key_enabled = each.key != "spool"

    apply_server_side_encryption_by_default {
      sse_algorithm     = each.key == "spool" ? "AES256" : "aws:kms"
      kms_master_key_id = each.key == "spool" ? null : aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [each.value.arn, "${each.value.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }],
      # Nobody else writes what proves deletions.
      [for role in [module.sweep.role_arn] : {
        Sid       = "SweepAlone"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:PutObject", "s3:BypassGovernanceRetention"]
        Resource  = ["${each.value.arn}/*"]
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = role } }
      } if each.key == "anchors"],
      [for prefix in [local.inbound_prefix] : {
        Sid       = "InboundMails"
        Effect    = "Allow"
        Principal = { Service = "ses.amazonaws.com" }
        Action    = ["s3:PutObject"]
        Resource  = ["${each.value.arn}/${prefix}*"]
        Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
      } if each.key == "reports" && local.inbound],
    )
  })

  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = toset(["settings", "anchors"])

  bucket = aws_s3_bucket.this[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

# Not even the account's root deletes an anchor before its time.
resource "aws_s3_bucket_object_lock_configuration" "anchors" {
  bucket = aws_s3_bucket.this["anchors"].id

  rule {
    default_retention {
      mode = "COMPLIANCE"
      days = 366
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

# Each is the very rule that sweep asks for; of the spool's, whose days are the longest campaign's, it is the one to begin with.
resource "aws_s3_bucket_lifecycle_configuration" "spool" {
  bucket = aws_s3_bucket.this["spool"].id

  rule {
    id     = "retention"
    status = "Enabled"

    filter {
      prefix = ""
    }
    expiration {
      days = local.expire_days.spool
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = local.expire_days.spool
    }
  }

  lifecycle {
    ignore_changes = [rule]
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "expiring" {
  for_each = { for bucket, days in local.expire_days : bucket => days if bucket != "spool" }

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    id     = "retention"
    status = "Enabled"

    filter {
      prefix = ""
    }
    expiration {
      days = each.value
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = each.value
    }
  }
}

# An anchor's lock ends after 366 days. Settings are an operator's: what is there stays, what was there stays a quarter of a year.
resource "aws_s3_bucket_lifecycle_configuration" "versioned" {
  for_each = { anchors = local.retention.anchors_days, settings = null }

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {
      prefix = ""
    }
    noncurrent_version_expiration {
      noncurrent_days = each.key == "anchors" ? 1 : 90
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }

    dynamic "expiration" {
      for_each = each.value == null ? [] : [each.value]

      content {
        days = expiration.value
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

# What came back wakes track.
resource "aws_s3_bucket_notification" "reports" {
  bucket = aws_s3_bucket.this["reports"].id

  queue {
    id        = "reports"
    queue_arn = module.track_queue.arn
    events    = ["s3:ObjectCreated:*"]
  }

  # S3 tries the queue at once.
  depends_on = [module.track_queue]
}
