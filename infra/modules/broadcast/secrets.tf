# Made once and never again: their values are in Secrets Manager alone, not in Terraform's state. Whoever raises secret_string_wo_version of the
# master key makes every link, every token and every digest of a suppressed address worthless.

ephemeral "random_bytes" "master_key" {
  length = 32
}

resource "aws_secretsmanager_secret" "master_key" {
  #checkov:skip=CKV2_AWS_57:It never rotates: links in mails and digests of suppressed addresses are keyed by it for a tenant's life
  name                    = "${var.name}-master-key"
  description             = "Everything symmetric is derived from it"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = 30

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_secretsmanager_secret_version" "master_key" {
  secret_id                = aws_secretsmanager_secret.master_key.id
  secret_string_wo         = ephemeral.random_bytes.master_key.base64
  secret_string_wo_version = 1

  lifecycle {
    prevent_destroy = true
  }
}

# Both kinds from the beginning, so that each can be replaced while clients know the other.
ephemeral "tls_private_key" "host" {
  for_each = { ed25519 = "ED25519", rsa = "RSA" }

  algorithm = each.value
  rsa_bits  = 3072
}

resource "aws_secretsmanager_secret" "gateway_host_key" {
  #checkov:skip=CKV2_AWS_57:Customers' clients know it; functions/admin/README.md says how it is replaced
  name                    = "${var.name}-gateway-host-key"
  description             = "SSH host keys of the gateway, one after the other"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = 30
}

resource "aws_secretsmanager_secret_version" "gateway_host_key" {
  secret_id = aws_secretsmanager_secret.gateway_host_key.id
  secret_string_wo = join("", [
    ephemeral.tls_private_key.host["ed25519"].private_key_openssh,
    ephemeral.tls_private_key.host["rsa"].private_key_openssh,
  ])
  secret_string_wo_version = 1
}

# What CloudFront shows the functions behind it. CloudFront's configuration has it, so the state has it, too; another one is had by
# `terraform apply -replace`.
resource "random_password" "edge" {
  length  = 48
  special = false
}
