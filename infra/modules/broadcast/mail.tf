# What goes out by SES, and what comes back.
#   profile ses      SES takes the mails, and tells of each by events: Firehose puts them into the bucket of reports.
#   profile postfix  A relay of your own takes them; bounces and mails that unsubscribe come to the bounce domain, whose MX is SES, and lie in the
#                    same bucket. SES receives in some regions alone.

locals {
  ses            = var.relay.profile == "ses"
  inbound        = var.relay.profile == "postfix"
  inbound_prefix = "inbound/"
  console_from   = "console@${var.domain}"
  identities     = local.ses ? setunion([var.domain], var.sender_domains) : []
}

resource "aws_sesv2_email_identity" "this" {
  for_each = local.identities

  email_identity         = each.key
  configuration_set_name = aws_sesv2_configuration_set.this[0].configuration_set_name

  dkim_signing_attributes {
    next_signing_key_length = "RSA_2048_BIT"
  }
}

# Of our own domain. Those of tenants' domains are an output: whoever holds the domain publishes them.
resource "aws_route53_record" "dkim" {
  count = local.ses ? 3 : 0

  zone_id = var.zone_id
  name    = "${aws_sesv2_email_identity.this[var.domain].dkim_signing_attributes[0].tokens[count.index]}._domainkey.${var.domain}"
  type    = "CNAME"
  records = ["${aws_sesv2_email_identity.this[var.domain].dkim_signing_attributes[0].tokens[count.index]}.dkim.amazonses.com"]
  ttl     = 3600
}

# Tracking is ours: SES's own would write every link anew. Suppression, too.
resource "aws_sesv2_configuration_set" "this" {
  count = local.ses ? 1 : 0

  configuration_set_name = var.name

  delivery_options {
    tls_policy = "REQUIRE"
  }
  reputation_options {
    reputation_metrics_enabled = true
  }
  suppression_options {
    suppressed_reasons = []
  }
}

resource "aws_sesv2_configuration_set_event_destination" "reports" {
  count = local.ses ? 1 : 0

  configuration_set_name = aws_sesv2_configuration_set.this[0].configuration_set_name
  event_destination_name = "reports"

  event_destination {
    enabled              = true
    matching_event_types = ["SEND", "DELIVERY", "BOUNCE", "COMPLAINT", "REJECT"]

    kinesis_firehose_destination {
      delivery_stream_arn = aws_kinesis_firehose_delivery_stream.reports[0].arn
      iam_role_arn        = aws_iam_role.events[0].arn
    }
  }

  depends_on = [aws_iam_role_policy.events]
}

resource "aws_iam_role" "events" {
  count = local.ses ? 1 : 0

  name = "${var.name}-events"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ses.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "events" {
  count = local.ses ? 1 : 0

  name = "events"
  role = aws_iam_role.events[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["firehose:PutRecordBatch"]
      Resource = [aws_kinesis_firehose_delivery_stream.reports[0].arn]
    }]
  })
}

# As track reads them: uncompressed, 5 MiB at most, nothing changed.
resource "aws_kinesis_firehose_delivery_stream" "reports" {
  count = local.ses ? 1 : 0

  name        = "${var.name}-reports"
  destination = "extended_s3"

  server_side_encryption {
    enabled  = true
    key_type = "CUSTOMER_MANAGED_CMK"
    key_arn  = aws_kms_key.this.arn
  }

  extended_s3_configuration {
    role_arn            = aws_iam_role.reports[0].arn
    bucket_arn          = aws_s3_bucket.this["reports"].arn
    kms_key_arn         = aws_kms_key.this.arn
    prefix              = "events/"
    error_output_prefix = "events-failed/"
    buffering_size      = 5
    buffering_interval  = 60
    compression_format  = "UNCOMPRESSED"
  }
}

resource "aws_iam_role" "reports" {
  count = local.ses ? 1 : 0

  name = "${var.name}-reports"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "firehose.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "reports" {
  count = local.ses ? 1 : 0

  name = "reports"
  role = aws_iam_role.reports[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Reports"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads", "s3:PutObject"]
        Resource = [aws_s3_bucket.this["reports"].arn, "${aws_s3_bucket.this["reports"].arn}/*"]
      },
      {
        Sid      = "Key"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = [aws_kms_key.this.arn]
      },
    ]
  })
}

# The bounce domain's own side, for a relay of your own.
resource "aws_ses_domain_identity" "bounces" {
  count = local.inbound ? 1 : 0

  domain = local.hosts.bounces
}

resource "aws_route53_record" "bounces_verification" {
  count = local.inbound ? 1 : 0

  zone_id = var.zone_id
  name    = "_amazonses.${local.hosts.bounces}"
  type    = "TXT"
  records = [aws_ses_domain_identity.bounces[0].verification_token]
  ttl     = 3600
}

resource "aws_route53_record" "bounces" {
  count = local.inbound ? 1 : 0

  zone_id = var.zone_id
  name    = local.hosts.bounces
  type    = "MX"
  records = ["10 inbound-smtp.${local.region}.amazonaws.com"]
  ttl     = 3600
}

resource "aws_ses_receipt_rule_set" "this" {
  count = local.inbound ? 1 : 0

  rule_set_name = var.name
}

# Of an account one set is active.
resource "aws_ses_active_receipt_rule_set" "this" {
  count = local.inbound ? 1 : 0

  rule_set_name = aws_ses_receipt_rule_set.this[0].rule_set_name
}

# Mail servers that bounce are old and many: TLS is taken and not asked for.
resource "aws_ses_receipt_rule" "bounces" {
  count = local.inbound ? 1 : 0

  name          = "bounces"
  rule_set_name = aws_ses_receipt_rule_set.this[0].rule_set_name
  recipients    = [local.hosts.bounces]
  enabled       = true
  scan_enabled  = false
  tls_policy    = "Optional"

  s3_action {
    position          = 1
    bucket_name       = aws_s3_bucket.this["reports"].id
    object_key_prefix = local.inbound_prefix
  }

  # SES tries the bucket at once.
  depends_on = [aws_s3_bucket_policy.this]
}
