# admin: the operator's commands; migrations, with each apply that brings a new release; and once a day the proof of all receipts.
# Trigger: the operator, Terraform, a schedule.

module "admin" {
  source = "../function"

  deployment = local.deployment
  name       = "admin"
  size       = local.functions.admin
  schedule = {
    expression = "cron(17 4 * * ? *)"
    input      = jsonencode({ command = "verify_receipts" })
  }
  subnet_ids         = local.place.inward.subnet_ids
  security_group_ids = local.place.inward.security_group_ids

  environment = merge(
    {
      DEPLOYMENT       = var.name
      DATABASE_URL     = local.database_urls.owner
      ANCHORS_BUCKET   = local.buckets.anchors
      IMPORT_QUEUE_ARN = module.import_queue.arn
    },
    local.environment.settings,
    local.environment.master,
  )

  policy = {
    DatabaseOwner = {
      actions   = ["rds-db:connect"]
      resources = ["${local.database_users}/broadcast_owner"]
    }
    Master = local.allow.master
    Secrets = {
      actions = [
        "secretsmanager:CreateSecret",
        "secretsmanager:DeleteSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
      ]
      resources = [
        "${local.arn.secretsmanager}:secret:${var.name}/tenants/*",
        "${local.arn.secretsmanager}:secret:${var.name}/domains/*",
      ]
    }
    # Made with a tenant, and deleted with it.
    TenantBuckets = {
      actions = [
        "s3:AbortMultipartUpload",
        "s3:CreateBucket",
        "s3:DeleteBucket",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:ListBucketMultipartUploads",
        "s3:ListBucketVersions",
        "s3:PutBucketNotification",
        "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutEncryptionConfiguration",
        "s3:PutLifecycleConfiguration",
      ]
      resources = [local.tenant_bucket_arns, "${local.tenant_bucket_arns}/*"]
    }
    # Their names begin as tenants' buckets do: a tenant's name must not open them.
    NotCommonBuckets = {
      effect = "Deny"
      actions = [
        "s3:DeleteBucket",
        "s3:PutBucketNotification",
        "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutEncryptionConfiguration",
        "s3:PutLifecycleConfiguration",
      ]
      resources = [for bucket in aws_s3_bucket.this : bucket.arn]
    }
    NotCommonObjects = {
      effect    = "Deny"
      actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
      resources = [for name, bucket in aws_s3_bucket.this : "${bucket.arn}/*" if name != "settings"]
    }
    Settings = {
      actions   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
      resources = ["${aws_s3_bucket.this["settings"].arn}/actors.json"]
    }
    SettingsList = {
      actions   = ["s3:ListBucket"]
      resources = [aws_s3_bucket.this["settings"].arn]
    }
    SettingsKey = {
      actions   = ["kms:GenerateDataKey"]
      resources = [aws_kms_key.this.arn]
    }
    Anchors = {
      actions   = ["s3:GetObjectVersion", "s3:ListBucketVersions"]
      resources = [aws_s3_bucket.this["anchors"].arn, "${aws_s3_bucket.this["anchors"].arn}/*"]
    }
  }
}

# Before any function of a new release starts. Migrations are of a kind that functions of the release before work on with.
resource "aws_lambda_invocation" "migrate" {
  function_name = module.admin.name
  input         = jsonencode({ command = "migrate" })
  triggers      = { release = module.admin.version }

  depends_on = [terraform_data.database_roles]
}

# Receipts say until when a backup may hold what was deleted.
resource "aws_lambda_invocation" "backup_days" {
  function_name = module.admin.name
  input         = jsonencode({ command = "set_backup_days", days = var.database.backup_days })

  depends_on = [aws_lambda_invocation.migrate]
}
