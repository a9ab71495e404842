# The role that functions assume to touch one tenant's files. Each session has a policy of that tenant alone (shared/exchange/src/policy.rs); here
# stands what any session may do at most.

resource "aws_iam_role" "tenant" {
  name                 = "${var.name}-tenant"
  max_session_duration = 3600

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect = "Allow"
      Principal = {
        AWS = [
          module.import.role_arn,
          module.generate.role_arn,
          module.send.role_arn,
          module.export.role_arn,
          module.sweep.role_arn,
          module.api.role_arn,
          module.console.role_arn,
          aws_iam_role.gateway.arn,
        ]
      }
      Action = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "tenant" {
  name = "files"
  role = aws_iam_role.tenant.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Files"
        Effect = "Allow"
        Action = [
          "s3:AbortMultipartUpload",
          "s3:DeleteObject",
          "s3:GetObject",
          "s3:ListBucket",
          "s3:ListBucketMultipartUploads",
          "s3:ListMultipartUploadParts",
          "s3:PutObject",
        ]
        Resource  = [local.tenant_bucket_arns, "${local.tenant_bucket_arns}/*"]
        Condition = { StringEquals = { "aws:ResourceAccount" = local.account_id } }
      },
      {
        # Their names begin as tenants' buckets do.
        Sid      = "NoCommonBucketButTheSpool"
        Effect   = "Deny"
        Action   = "s3:*"
        Resource = flatten([for name, bucket in aws_s3_bucket.this : [bucket.arn, "${bucket.arn}/*"] if name != "spool"])
      },
    ]
  })
}

locals {
  # admin names a tenant's bucket by the deployment and the tenant's slug.
  tenant_bucket_arns = "arn:${local.partition}:s3:::${var.name}-*"
}
